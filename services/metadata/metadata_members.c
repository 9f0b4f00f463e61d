#include "services/metadata/metadata_members.h"

#include "services/metadata/metadata_outbox.h"
#include "services/metadata/metadata_render.h"
#include "services/metadata/metadata_service.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"

/* A request on its way; lives in the request's arena. */
struct member_request {
    struct http_request *request;
    struct metadata_service *service;
    int64_t chat_id, user_id, role;
    int64_t limit;
};

static struct member_request *member_request_create(void *service, struct http_request *request)
{
    struct member_request *member = arena_alloc(http_arena(request), sizeof *member);
    member->request = request;
    member->service = service;
    member->chat_id = http_path_id(request, "chat");
    return member;
}

static int64_t caller_of(const struct member_request *member)
{
    return http_identity(member->request)->user_id;
}

/* --- the list, by user id --- */

static void on_members(void *context, enum problem problem, const struct metadata_member *members,
                       size_t count)
{
    struct member_request *list = context;
    if (problem != PROBLEM_NONE) {
        http_fail(list->request, problem, NULL);
        return;
    }
    size_t shown = count > (size_t)list->limit ? (size_t)list->limit : count;
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"items\":[");
    for (size_t i = 0; i < shown; i++) {
        if (i > 0)
            buffer_append_string(&body, ",");
        metadata_render_member(&body, members[i].user_id, members[i].role);
    }
    buffer_append_string(&body, "],\"next_cursor\":");
    if (shown < count)
        json_write_id(&body, members[shown - 1].user_id);
    else
        buffer_append_string(&body, "null");
    buffer_append_string(&body, "}");
    http_reply_json(list->request, 200, &body);
    buffer_deinit(&body);
}

void metadata_list_members(void *service, struct http_request *request)
{
    struct member_request *list = member_request_create(service, request);
    int64_t after = 0;
    if (!http_query_number(request, "limit", 1, limits.max_page, limits.default_page,
                           &list->limit) ||
        !http_query_id(request, "cursor", &after))
        return;
    metadata_store_members(list->service->store, list->chat_id, caller_of(list), after,
                           list->limit + 1, on_members, list);
}

/* --- adding, changing a role --- */

static void on_put_applied(void *context, enum metadata_applied applied)
{
    struct member_request *member = context;
    if (applied != METADATA_IN_LOG) {
        http_fail(member->request, PROBLEM_UNAVAILABLE,
                  "The change is recorded and takes effect once the chat's log can be written.");
        return;
    }
    struct buffer body = BUFFER_EMPTY;
    metadata_render_member(&body, member->user_id, member->role);
    http_reply_json(member->request, 200, &body);
    buffer_deinit(&body);
}

static void on_put(void *context, const struct metadata_changed *changed)
{
    struct member_request *member = context;
    if (changed->problem != PROBLEM_NONE) {
        http_fail(member->request, changed->problem,
                  changed->problem == PROBLEM_CONFLICT
                      ? "The chat is full, the user is in too many chats or was erased a moment "
                        "ago, or the chat's last owner would be gone."
                      : NULL);
        return;
    }
    member->role = changed->role;
    metadata_outbox_wait(member->service->outbox, member->chat_id, changed->version, on_put_applied,
                         member);
}

static void on_existing(void *context, const struct rpc_result *result)
{
    struct member_request *member = context;
    const struct user_existing_reply *reply = result->reply;
    if (result->outcome != RPC_OK) {
        http_fail(member->request, PROBLEM_UNAVAILABLE,
                  "The user cannot be looked up at the moment.");
        return;
    }
    if (reply->users_count == 0) {
        http_fail(member->request, PROBLEM_NOT_FOUND, NULL);
        return;
    }
    metadata_store_put_member(member->service->store, member->chat_id, caller_of(member),
                              member->user_id, member->role, on_put, member);
}

void metadata_put_member(void *service, struct http_request *request)
{
    struct member_request *member = member_request_create(service, request);
    struct json_reader body = http_body(request);
    member->user_id = http_path_id(request, "user");
    member->role = json_take_choice(&body, "role", JSON_OPTIONAL, metadata_roles) + 1;
    if (!http_body_finish(request, &body))
        return;
    struct user_existing_request ask = {.users = &member->user_id, .users_count = 1};
    user_client_existing(member->service->user, &ask, daemon_settings.rpc_deadline_ms, on_existing,
                         member);
}

/* --- removing, leaving --- */

static void on_remove_applied(void *context, enum metadata_applied applied)
{
    struct member_request *member = context;
    if (applied == METADATA_IN_LOG)
        http_reply_empty(member->request);
    else
        http_fail(member->request, PROBLEM_UNAVAILABLE,
                  "The change is recorded and takes effect once the chat's log can be written.");
}

static void on_removed(void *context, const struct metadata_changed *changed)
{
    struct member_request *member = context;
    if (changed->problem != PROBLEM_NONE)
        http_fail(member->request, changed->problem,
                  changed->problem == PROBLEM_CONFLICT
                      ? "The last owner hands the chat over, or deletes it, first."
                      : NULL);
    else
        metadata_outbox_wait(member->service->outbox, member->chat_id, changed->version,
                             on_remove_applied, member);
}

void metadata_remove_member(void *service, struct http_request *request)
{
    struct member_request *member = member_request_create(service, request);
    member->user_id = http_path_id(request, "user");
    metadata_store_remove_member(member->service->store, member->chat_id, caller_of(member),
                                 member->user_id, on_removed, member);
}

/* --- own settings --- */

static void on_own(void *context, enum problem problem, const struct metadata_own *own)
{
    struct member_request *member = context;
    if (problem != PROBLEM_NONE) {
        http_fail(member->request, problem, NULL);
        return;
    }
    struct buffer body = BUFFER_EMPTY;
    metadata_render_own(&body, own);
    http_reply_json(member->request, 200, &body);
    buffer_deinit(&body);
}

static void take_muted_until(struct json_reader *body, struct metadata_own *own)
{
    bool is_null = false;
    struct text text = json_take_text_or_null(body, "muted_until", 31, &is_null);
    if (!json_has(body, "muted_until"))
        return;
    own->set |= METADATA_MUTED_UNTIL;
    if (!is_null && !body->failed &&
        (!clock_parse_rfc3339(text, &own->muted_until_ms) || own->muted_until_ms <= 0))
        json_reader_fail(body, "muted_until",
                         "must be a time such as 2026-01-02T03:04:05.678Z, or null");
}

void metadata_update_own(void *service, struct http_request *request)
{
    struct member_request *member = member_request_create(service, request);
    struct json_reader body = http_body(request);
    struct metadata_own own = {0};
    take_muted_until(&body, &own);
    own.set |= json_has(&body, "pinned") ? METADATA_PINNED : 0;
    own.pinned = json_take_bool(&body, "pinned", JSON_OPTIONAL);
    own.set |= json_has(&body, "archived") ? METADATA_ARCHIVED : 0;
    own.archived = json_take_bool(&body, "archived", JSON_OPTIONAL);
    if (!http_body_finish(request, &body))
        return;
    metadata_store_update_own(member->service->store, member->chat_id, caller_of(member), &own,
                              on_own, member);
}
