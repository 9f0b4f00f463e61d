/* The verbs of a chat as a whole. A change goes: checked input → one function in Postgres → the outbox → the chat's log →
 * the answer; so an answer always means that the log has it. */
#include "services/metadata/metadata_chats.h"

#include "services/metadata/metadata_changes.h"
#include "services/metadata/metadata_outbox.h"
#include "services/metadata/metadata_render.h"
#include "services/metadata/metadata_service.h"
#include "shared/base/id.h"
#include "shared/base/mem.h"

#include <stdio.h>

#define MAX_TITLE_BYTES       256
#define MAX_DESCRIPTION_BYTES 4096
#define MAX_AVATAR_BYTES      2048

/* A request on its way; lives in the request's arena. */
struct chat_request {
    struct http_request *request;
    struct metadata_service *service;
    int64_t chat_id;
    int status; /* of the answer */
    enum chat_kind kind;
    struct metadata_chat_fields fields;
    int64_t *members;
    size_t member_count;
    int64_t blocks_taken; /* when who has blocked whom was asked */
    int64_t last_seq;
};

static struct chat_request *chat_request_create(void *service, struct http_request *request)
{
    struct chat_request *chat = arena_alloc(http_arena(request), sizeof *chat);
    chat->request = request;
    chat->service = service;
    return chat;
}

static int64_t caller_of(const struct chat_request *chat)
{
    return http_identity(chat->request)->user_id;
}

/* --- answering with a chat --- */

static void on_chat(void *context, enum problem problem, const struct metadata_chat *chat)
{
    struct chat_request *reading = context;
    if (problem != PROBLEM_NONE) {
        http_fail(reading->request, problem, NULL);
        return;
    }
    struct buffer body = BUFFER_EMPTY;
    metadata_render_chat(&body, chat, reading->last_seq);
    http_reply_json(reading->request, reading->status, &body);
    buffer_deinit(&body);
}

static void on_summary(void *context, const struct rpc_result *result)
{
    struct chat_request *chat = context;
    const struct chat_summaries_reply *reply = result->reply;
    if (result->outcome != RPC_OK || reply->summaries_count != 1) {
        http_fail(chat->request, PROBLEM_UNAVAILABLE,
                  "The chat's log cannot be read at the moment.");
        return;
    }
    chat->last_seq = reply->summaries[0].last_seq;
    metadata_store_chat(chat->service->store, chat->chat_id, caller_of(chat), on_chat, chat);
}

void metadata_answer_chat(struct http_request *request, int64_t chat_id, int status)
{
    struct chat_request *chat = chat_request_create(http_service(request), request);
    chat->chat_id = chat_id;
    chat->status = status;
    struct chat_summaries_request ask = {
        .user_id = caller_of(chat), .chats = &chat->chat_id, .chats_count = 1};
    chat_client_summaries(chat->service->chat, &ask, daemon_settings.rpc_deadline_ms, on_summary,
                          chat);
}

/* Strangers are told before the log is asked. */
static void on_standing(void *context, enum problem problem, const struct metadata_chat *row)
{
    struct chat_request *chat = context;
    (void)row;
    if (problem != PROBLEM_NONE)
        http_fail(chat->request, problem, NULL);
    else
        metadata_answer_chat(chat->request, chat->chat_id, 200);
}

void metadata_get_chat(void *service, struct http_request *request)
{
    struct chat_request *chat = chat_request_create(service, request);
    chat->chat_id = http_path_id(request, "chat");
    metadata_store_chat(chat->service->store, chat->chat_id, caller_of(chat), on_standing, chat);
}

/* --- what every change ends with --- */

static void on_applied(void *context, enum metadata_applied applied)
{
    struct chat_request *chat = context;
    if (applied != METADATA_IN_LOG)
        http_fail(chat->request, PROBLEM_UNAVAILABLE,
                  "The change is recorded and takes effect once the chat's log can be written.");
    else if (chat->status == 204)
        http_reply_empty(chat->request);
    else
        metadata_answer_chat(chat->request, chat->chat_id, chat->status);
}

static void on_changed(void *context, const struct metadata_changed *changed)
{
    struct chat_request *chat = context;
    if (changed->problem != PROBLEM_NONE) {
        http_fail(chat->request, changed->problem,
                  changed->problem == PROBLEM_CONFLICT
                      ? "One of the members is in too many chats, or was erased a moment ago."
                      : NULL);
        return;
    }
    chat->chat_id = changed->chat_id;
    if (chat->kind == CHAT_DIRECT && !changed->created)
        chat->status = 200;
    metadata_outbox_wait(chat->service->outbox, changed->chat_id, changed->version, on_applied,
                         chat);
}

/* --- creating --- */

static void create_direct(struct chat_request *chat, int64_t blocked)
{
    metadata_store_create_direct(chat->service->store, id_random(), caller_of(chat),
                                 chat->members[0], blocked, on_changed, chat);
}

static void ask_blocks(struct chat_request *chat);

/* A block that was taken over while this answer was on its way found no chat, and the answer may not have it: it is asked
 * for again. One that is taken over from here on finds the chat: Postgres does what it is asked in order. */
static void on_blocks(void *context, const struct rpc_result *result)
{
    struct chat_request *chat = context;
    const struct user_blocks_reply *reply = result->reply;
    if (result->outcome != RPC_OK) {
        http_fail(chat->request, PROBLEM_UNAVAILABLE,
                  "Who has blocked whom cannot be read at the moment.");
        return;
    }
    if (reply->other_blocks_user) {
        http_fail(chat->request, PROBLEM_BLOCKED, NULL);
        return;
    }
    if (chat->blocks_taken != metadata_changes_blocks(chat->service->changes)) {
        ask_blocks(chat);
        return;
    }
    /* The bits say who may not write: bit 0 the smaller id, bit 1 the larger. */
    bool caller_is_low = caller_of(chat) < chat->members[0];
    create_direct(chat, reply->user_blocks_other ? (caller_is_low ? 2 : 1) : 0);
}

static void ask_blocks(struct chat_request *chat)
{
    struct user_blocks_request ask = {.user_id = caller_of(chat), .other_id = chat->members[0]};
    chat->blocks_taken = metadata_changes_blocks(chat->service->changes);
    user_client_blocks(chat->service->user, &ask, daemon_settings.rpc_deadline_ms, on_blocks, chat);
}

static void fail_member(struct chat_request *chat, size_t index, const char *reason)
{
    char pointer[48];
    snprintf(pointer, sizeof pointer, "/body/members/%zu", index);
    http_fail_field(chat->request, pointer, reason);
}

static bool contains(const int64_t *ids, size_t count, int64_t id)
{
    for (size_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static void on_existing(void *context, const struct rpc_result *result)
{
    struct chat_request *chat = context;
    const struct user_existing_reply *reply = result->reply;
    if (result->outcome != RPC_OK) {
        http_fail(chat->request, PROBLEM_UNAVAILABLE,
                  "The members cannot be looked up at the moment.");
        return;
    }
    for (size_t i = 0; i < chat->member_count; i++)
        if (!contains(reply->users, reply->users_count, chat->members[i])) {
            fail_member(chat, i, "there is no such user");
            return;
        }
    if (chat->kind == CHAT_DIRECT) {
        ask_blocks(chat);
        return;
    }
    metadata_store_create_chat(chat->service->store, id_random(), chat->kind, &chat->fields,
                               caller_of(chat), chat->members, chat->member_count, on_changed,
                               chat);
}

/* A text that stays: the request's arena instead of its document. */
static struct text take_field(struct chat_request *chat, struct json_reader *body, const char *name,
                              size_t max_bytes, enum metadata_chat_field field)
{
    bool is_null = false;
    if (!json_has(body, name))
        return TEXT_NONE;
    chat->fields.set |= (int)field;
    struct text value = json_take_text_or_null(body, name, max_bytes, &is_null);
    return is_null ? TEXT_NONE : arena_text(http_arena(chat->request), value);
}

static void take_fields(struct chat_request *chat, struct json_reader *body)
{
    chat->fields.title = take_field(chat, body, "title", MAX_TITLE_BYTES, METADATA_TITLE);
    chat->fields.description =
        take_field(chat, body, "description", MAX_DESCRIPTION_BYTES, METADATA_DESCRIPTION);
    chat->fields.avatar = take_field(chat, body, "avatar", MAX_AVATAR_BYTES, METADATA_AVATAR);
    int history = json_take_choice(body, "history", JSON_OPTIONAL, metadata_histories);
    if (history >= 0)
        chat->fields.set |= METADATA_HISTORY;
    chat->fields.history = history < 0 ? CHAT_HISTORY_JOINED : history + 1;
}

/* A chat is made by one change in its log: what a channel may have more is added later. */
static size_t max_first_members(enum chat_kind kind)
{
    int64_t most = kind == CHAT_CHANNEL ? limits.max_channel_members : limits.max_members;
    return most < CHAT_MAX_MEMBERS ? (size_t)most : CHAT_MAX_MEMBERS;
}

/* The creator is a member in any case: naming them is harmless. */
static void take_members(struct chat_request *chat, struct json_reader *body)
{
    int64_t *ids = NULL;
    size_t most = max_first_members(chat->kind);
    size_t count = json_take_ids(body, "members", JSON_REQUIRED, most, &ids);
    chat->members = arena_alloc(http_arena(chat->request), (count + 1) * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        if (ids[i] != caller_of(chat))
            chat->members[chat->member_count++] = ids[i];
    mem_free(ids);
    if (chat->member_count >= most)
        json_reader_fail(body, "members", "has more members than a chat can begin with");
    if (chat->kind == CHAT_DIRECT && chat->member_count != 1)
        json_reader_fail(body, "members", "must name exactly one other user in a direct chat");
    if (chat->kind == CHAT_DIRECT && chat->fields.set != 0)
        json_reader_fail(
            body, "kind",
            "must not be direct when a title, description, avatar or history is given");
}

void metadata_create_chat(void *service, struct http_request *request)
{
    struct chat_request *chat = chat_request_create(service, request);
    struct json_reader body = http_body(request);
    chat->status = 201;
    chat->kind =
        (enum chat_kind)(json_take_choice(&body, "kind", JSON_REQUIRED, metadata_kinds) + 1);
    take_fields(chat, &body);
    take_members(chat, &body);
    if (!http_body_finish(request, &body))
        return;
    struct user_existing_request ask = {.users = chat->members, .users_count = chat->member_count};
    user_client_existing(chat->service->user, &ask, daemon_settings.rpc_deadline_ms, on_existing,
                         chat);
}

/* --- changing and deleting --- */

static void write_change(struct buffer *detail, const char *name, struct text value, bool given)
{
    if (!given)
        return;
    buffer_append_format(detail, "%s\"%s\":", detail->length > 0 ? "," : "", name);
    json_write_text_or_null(detail, value);
}

/* The changed members as the event in the log carries them. */
static struct buffer render_changes(const struct metadata_chat_fields *fields)
{
    struct buffer detail = BUFFER_EMPTY;
    write_change(&detail, "title", fields->title, fields->set & METADATA_TITLE);
    write_change(&detail, "description", fields->description, fields->set & METADATA_DESCRIPTION);
    write_change(&detail, "avatar", fields->avatar, fields->set & METADATA_AVATAR);
    write_change(&detail, "history", text_of(metadata_histories[fields->history - 1]),
                 fields->set & METADATA_HISTORY);
    return detail;
}

void metadata_update_chat(void *service, struct http_request *request)
{
    struct chat_request *chat = chat_request_create(service, request);
    struct json_reader body = http_body(request);
    chat->chat_id = http_path_id(request, "chat");
    chat->status = 200;
    take_fields(chat, &body);
    if (!http_body_finish(request, &body))
        return;
    if (chat->fields.set == 0) { /* nothing asked for: the chat as it is */
        metadata_get_chat(service, request);
        return;
    }
    struct buffer detail = render_changes(&chat->fields);
    metadata_store_update_chat(chat->service->store, chat->chat_id, caller_of(chat), &chat->fields,
                               buffer_text(&detail), on_changed, chat);
    buffer_deinit(&detail);
}

void metadata_delete_chat(void *service, struct http_request *request)
{
    struct chat_request *chat = chat_request_create(service, request);
    chat->chat_id = http_path_id(request, "chat");
    chat->status = 204;
    metadata_store_delete_chat(chat->service->store, chat->chat_id, caller_of(chat), on_changed,
                               chat);
}
