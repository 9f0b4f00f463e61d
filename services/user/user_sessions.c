/* The sessions of a user: list, end. */
#include "services/user/user_answer.h"
#include "services/user/user_handlers.h"
#include "services/user/user_service.h"
#include "shared/base/log.h"

static void write_session(struct buffer *out, const struct identity *caller, const void *item)
{
    const struct user_session *session = item;
    buffer_append_string(out, "{\"id\":");
    json_write_id(out, session->session_id);
    buffer_append_string(out, ",\"device\":{\"id\":");
    json_write_id(out, session->device_id);
    buffer_append_string(out, ",\"name\":");
    json_write_string(out, session->device_name);
    buffer_append_string(out, "},\"created_at\":");
    json_write_time(out, session->created_at_ms);
    if (session->last_used_at_ms != 0) {
        buffer_append_string(out, ",\"last_used_at\":");
        json_write_time(out, session->last_used_at_ms);
    }
    buffer_append_string(out, ",\"current\":");
    buffer_append_string(out, session->session_id == caller->session_id ? "true}" : "false}");
}

static void write_cursor(const void *item, char out[USER_CURSOR_SIZE])
{
    const struct user_session *session = item;
    user_cursor_write_time((struct user_position){session->created_at_ms, session->session_id},
                           out);
}

static void on_sessions(void *context, enum problem problem, const struct user_session *sessions,
                        size_t count)
{
    static const struct user_list list = {sizeof *sessions, write_session, write_cursor};
    user_page_answer(context, problem, &list, sessions, count);
}

void user_sessions_list(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    struct user_page *page = arena_alloc(http_arena(request), sizeof *page);
    if (!user_page_by_time(request, page))
        return;
    user_store_sessions(service->store, http_identity(request)->user_id, page->before,
                        page->limit + 1, on_sessions, page);
}

static void on_ended(void *context, enum problem problem, int64_t head)
{
    struct http_request *request = context;
    struct user_service *service = http_service(request);
    if (problem != PROBLEM_NONE) {
        user_answer_problem(request, problem);
        return;
    }
    user_changes_note(service->changes, head);
    log_info("session_ended", LOG_ID("user", http_identity(request)->user_id));
    http_reply_empty(request);
}

static void end_session(struct user_service *service, struct http_request *request,
                        int64_t session_id)
{
    user_store_end_session(service->store, http_identity(request)->user_id, session_id, on_ended,
                           request);
}

void user_sessions_end(void *service, struct http_request *request)
{
    end_session(service, request, http_path_id(request, "id"));
}

void user_sessions_end_current(void *service, struct http_request *request)
{
    end_session(service, request, http_identity(request)->session_id);
}
