/* The devices of a user: list, rename, remove. A device outlives its sessions; removing it ends the session that it has
 * and gives its inbox up. */
#include "services/user/user_answer.h"
#include "services/user/user_handlers.h"
#include "services/user/user_names.h"
#include "services/user/user_service.h"
#include "shared/base/log.h"

static void write_device(struct buffer *out, const struct user_own_device *device,
                         int64_t current_id)
{
    buffer_append_string(out, "{\"id\":");
    json_write_id(out, device->device_id);
    buffer_append_string(out, ",\"name\":");
    json_write_string(out, device->name);
    buffer_append_string(out, ",\"created_at\":");
    json_write_time(out, device->created_at_ms);
    buffer_append_string(out, ",\"last_used_at\":");
    json_write_time(out, device->last_used_at_ms);
    if (device->session_id != 0) {
        buffer_append_string(out, ",\"session\":");
        json_write_id(out, device->session_id);
    }
    buffer_append_string(out, ",\"current\":");
    buffer_append_string(out, device->device_id == current_id ? "true}" : "false}");
}

/* --- GET /v1/users/me/devices --- */

static void write_item(struct buffer *out, const struct identity *caller, const void *item)
{
    write_device(out, item, caller->device_id);
}

static void write_cursor(const void *item, char out[USER_CURSOR_SIZE])
{
    const struct user_own_device *device = item;
    user_cursor_write_time((struct user_position){device->created_at_ms, device->device_id}, out);
}

static void on_listed(void *context, enum problem problem, const struct user_own_device *devices,
                      size_t count)
{
    static const struct user_list list = {sizeof *devices, write_item, write_cursor};
    user_page_answer(context, problem, &list, devices, count);
}

void user_devices_list(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    struct user_page *page = arena_alloc(http_arena(request), sizeof *page);
    if (!user_page_by_time(request, page))
        return;
    user_store_own_devices(service->store, http_identity(request)->user_id, page->before,
                           page->limit + 1, on_listed, page);
}

/* --- PATCH /v1/users/me/devices/{id} --- */

static void on_renamed(void *context, enum problem problem, const struct user_own_device *device)
{
    struct http_request *request = context;
    if (problem != PROBLEM_NONE) {
        user_answer_problem(request, problem);
        return;
    }
    struct buffer body = BUFFER_EMPTY;
    write_device(&body, device, http_identity(request)->device_id);
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
}

void user_devices_rename(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    struct json_reader body = http_body(request);
    struct text name = json_take_text(&body, "name", JSON_REQUIRED, 0, USER_DEVICE_NAME_MAX_BYTES);
    if (!http_body_finish(request, &body))
        return;
    user_store_rename_device(service->store, http_identity(request)->user_id,
                             http_path_id(request, "id"), name, on_renamed, request);
}

/* --- DELETE /v1/users/me/devices/{id} --- */

static void on_removed(void *context, enum problem problem, int64_t head)
{
    struct http_request *request = context;
    struct user_service *service = http_service(request);
    if (problem != PROBLEM_NONE) {
        user_answer_problem(request, problem);
        return;
    }
    user_changes_note(service->changes, head);
    log_info("device_removed", LOG_ID("user", http_identity(request)->user_id),
             LOG_ID("device", http_path_id(request, "id")));
    http_reply_empty(request);
}

void user_devices_remove(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    user_store_remove_device(service->store, http_identity(request)->user_id,
                             http_path_id(request, "id"), on_removed, request);
}
