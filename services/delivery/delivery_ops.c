/* The table of ops, and for each: the fields out of the JSON, then the part of the daemon that does it. */
#include "services/delivery/delivery_ops.h"

#include "services/delivery/delivery_auth.h"
#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_receipts.h"
#include "services/delivery/delivery_send.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch_op.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/mem.h"
#include "shared/proto/chat_content.h"

#define MAX_OP_BYTES    32
#define MAX_TOKEN_BYTES 256
#define MAX_NUMBER      ((INT64_C(1) << 53) - 1) /* what JSON numbers hold everywhere */
#define FIRST_NUMBER    48                       /* the byte '0' */

struct op_call {
    struct delivery_service *service;
    struct connection *connection;
    struct json_reader reader;
    struct text id; /* data NULL: none was given */
};

struct op {
    const char *name;
    bool before_auth; /* the only one allowed before, and not after */
    bool needs_id;
    void (*handler)(struct op_call *call);
};

/* --- answers --- */

static void fail(struct op_call *call, enum problem problem, const char *detail)
{
    delivery_frames_error(call->connection, call->id, problem, detail, 0);
    delivery_ws_violation(call->service->ws, call->connection);
}

static void fail_fault(struct op_call *call, const struct json_fault *fault)
{
    char detail[JSON_POINTER_SIZE + 256];
    const char *separator = fault->pointer[0] == '\0' ? "" : ": ";
    snprintf(detail, sizeof detail, "%s%s%s", fault->pointer, separator, fault->reason);
    fail(call, problem_of_code(fault->code), detail);
}

/* False: something was wrong with the fields, and has been answered. */
static bool finish(struct op_call *call)
{
    struct json_fault fault;
    if (json_reader_finish(&call->reader, &fault))
        return true;
    fail_fault(call, &fault);
    return false;
}

/* --- handlers --- */

static void take_resume(struct op_call *call, struct delivery_auth_request *request)
{
    struct json_fault fault;
    struct json_reader resume = json_take_object(&call->reader, "resume", JSON_OPTIONAL);
    if (resume.object == NULL)
        return;
    request->resume_session = json_take_id(&resume, "session", JSON_REQUIRED);
    request->resume_n = json_take_number(&resume, "n", JSON_REQUIRED, 0, MAX_NUMBER);
    if (!json_reader_finish(&resume, &fault) && !call->reader.failed) {
        call->reader.failed = true;
        call->reader.fault = fault;
    }
}

static void on_auth(struct op_call *call)
{
    struct delivery_auth_request request = {.resume_session = 0};
    request.token = json_take_text(&call->reader, "token", JSON_REQUIRED, 1, MAX_TOKEN_BYTES);
    take_resume(call, &request);
    if (finish(call))
        delivery_auth_ask(call->service->auth, call->connection, &request);
}

static void on_send(struct op_call *call)
{
    struct chat_content content;
    struct delivery_submission message = {.type = CHAT_EVENT_MESSAGE, .id = call->id};
    message.chat_id = json_take_id(&call->reader, "chat", JSON_REQUIRED);
    chat_content_take(&call->reader, &content);
    message.target = content.reply_to;
    message.client_id = content.client_id;
    message.body = content.body;
    message.detail = buffer_text(&content.detail);
    if (finish(call))
        delivery_send(call->service->sends, call->connection, &message);
    chat_content_deinit(&content);
}

/* What is done to a message, with the fields that all of these have. */
static struct delivery_submission take_action(struct op_call *call, enum chat_event_type type)
{
    struct delivery_submission action = {.type = type, .id = call->id};
    action.chat_id = json_take_id(&call->reader, "chat", JSON_REQUIRED);
    action.target = json_take_number(&call->reader, "seq", JSON_REQUIRED, 1, MAX_NUMBER);
    return action;
}

static void on_edit(struct op_call *call)
{
    struct delivery_submission edit = take_action(call, CHAT_EVENT_EDIT);
    edit.body = chat_content_take_body(&call->reader);
    if (finish(call))
        delivery_send(call->service->sends, call->connection, &edit);
}

static void on_delete(struct op_call *call)
{
    struct delivery_submission deletion = take_action(call, CHAT_EVENT_DELETE);
    if (finish(call))
        delivery_send(call->service->sends, call->connection, &deletion);
}

static void on_react(struct op_call *call)
{
    struct delivery_submission reaction = take_action(call, CHAT_EVENT_REACTION);
    struct buffer detail = BUFFER_EMPTY;
    struct text emoji = json_take_text(&call->reader, "emoji", JSON_REQUIRED, 1, CHAT_EMOJI_BYTES);
    bool on = json_take_bool(&call->reader, "on", JSON_REQUIRED);
    if (!call->reader.failed && !chat_content_is_emoji(emoji))
        json_reader_fail(&call->reader, "emoji",
                         "must be a text that can be seen, without control characters");
    if (finish(call)) {
        chat_content_put_reaction(&detail, emoji, on);
        reaction.detail = buffer_text(&detail);
        delivery_send(call->service->sends, call->connection, &reaction);
    }
    buffer_deinit(&detail);
}

static void answer_ok(struct op_call *call)
{
    if (call->id.data != NULL)
        delivery_frames_ok(call->connection, call->id);
}

static void on_ack(struct op_call *call)
{
    int64_t n = json_take_number(&call->reader, "n", JSON_REQUIRED, 0, MAX_NUMBER);
    if (!finish(call))
        return;
    if (device_ack(call->connection->device, n))
        answer_ok(call);
    else
        fail(call, PROBLEM_BAD_REQUEST, "/n: must not be above what was sent");
}

static void on_read(struct op_call *call)
{
    int64_t chat_id = json_take_id(&call->reader, "chat", JSON_REQUIRED);
    int64_t seq = json_take_number(&call->reader, "seq", JSON_REQUIRED, 1, MAX_NUMBER);
    if (finish(call))
        delivery_receipts_read(call->service->receipts, call->connection, call->id, chat_id, seq);
}

/* --- what lives as long as the connection --- */

/* As finish(), and not too often. */
static bool finish_live(struct op_call *call)
{
    if (!finish(call))
        return false;
    int64_t wait_s = delivery_live_wait_s(call->connection);
    if (wait_s == 0)
        return true;
    delivery_frames_error(call->connection, call->id, PROBLEM_RATE_LIMITED,
                          "You are saying too much.", wait_s);
    return false;
}

static void on_watch(struct op_call *call)
{
    int64_t *chats;
    size_t count = json_take_ids(&call->reader, "chats", JSON_REQUIRED,
                                 (size_t)limits.max_watched_chats, &chats);
    if (finish_live(call))
        delivery_watch_ask(call->service, call->connection, call->id, chats, count);
    mem_free(chats);
}

static void on_typing(struct op_call *call)
{
    int64_t chat_id = json_take_id(&call->reader, "chat", JSON_REQUIRED);
    bool on = json_take_bool(&call->reader, "on", JSON_REQUIRED);
    if (finish_live(call))
        delivery_typing_say(call->service->typing, call->connection, call->id, chat_id, on);
}

static void on_presence(struct op_call *call)
{
    int64_t *users;
    size_t count = json_take_ids(&call->reader, "users", JSON_REQUIRED,
                                 (size_t)limits.max_followed_users, &users);
    if (finish_live(call))
        delivery_presence_follow(call->service->presence, call->connection, call->id, users, count);
    mem_free(users);
}

static void on_ping(struct op_call *call)
{
    if (finish(call))
        delivery_frames_pong(call->connection, call->id);
}

static const struct op ops[] = {
    {"auth", .handler = on_auth, .before_auth = true},
    {"send", .handler = on_send, .needs_id = true},
    {"ack", .handler = on_ack},
    {"read", .handler = on_read},
    {"ping", .handler = on_ping},
    {"edit", .handler = on_edit},
    {"delete", .handler = on_delete},
    {"react", .handler = on_react},
    {"watch", .handler = on_watch},
    {"typing", .handler = on_typing},
    {"presence", .handler = on_presence},
};

/* --- dispatch --- */

static const struct op *op_of(struct text name)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (text_is(name, ops[i].name))
            return &ops[i];
    return NULL;
}

static void dispatch(struct op_call *call, const struct op *op)
{
    bool is_new = call->connection->state == CONNECTION_NEW;
    if (is_new && (op == NULL || !op->before_auth)) {
        delivery_ws_close(call->service->ws, call->connection, CLOSE_NOT_AUTHENTICATED,
                          "auth comes first");
    } else if (op == NULL) {
        fail(call, PROBLEM_BAD_REQUEST,
             "/op: must be one of auth, send, ack, read, ping, edit, delete, react, watch, typing, "
             "presence");
    } else if (!is_new && op->before_auth) {
        fail(call, PROBLEM_BAD_REQUEST, "/op: this connection is authenticated already");
    } else if (op->needs_id && call->id.data == NULL && !call->reader.failed) {
        fail(call, PROBLEM_BAD_REQUEST, "/id: is required");
    } else {
        op->handler(call);
    }
}

static void take_document(struct op_call *call, struct json_document *document)
{
    call->reader = json_reader_start(document, "");
    struct text name = json_take_text(&call->reader, "op", JSON_REQUIRED, 1, MAX_OP_BYTES);
    if (json_has(&call->reader, "id"))
        call->id =
            json_take_text(&call->reader, "id", JSON_REQUIRED, 1, (size_t)limits.max_op_id_bytes);
    if (call->reader.failed && call->connection->state != CONNECTION_NEW)
        fail_fault(call, &call->reader.fault);
    else
        dispatch(call, op_of(name));
}

/* {"op":"ack","n":17} is the frame that comes most: read without building a document. */
static bool take_plain_ack(struct connection *connection, struct text message)
{
    static const char begin[] = "{\"op\":\"ack\",\"n\":";
    size_t at = sizeof begin - 1;
    int64_t n = 0;
    if (connection->state != CONNECTION_OPEN || message.length < at + 2 ||
        message.length > at + 16 || memcmp(message.data, begin, at) != 0)
        return false;
    if (message.data[at] == '0' && message.data[at + 1] != '}')
        return false;
    for (; message.data[at] >= '0' && message.data[at] <= '9' && at < message.length - 1; at++)
        n = n * 10 + (message.data[at] - FIRST_NUMBER);
    return at == message.length - 1 && at >= sizeof begin && message.data[at] == '}' &&
           device_ack(connection->device, n);
}

void delivery_ops_take(struct delivery_service *service, struct connection *connection,
                       struct text message)
{
    struct op_call call = {.service = service, .connection = connection};
    struct json_fault fault;
    if (take_plain_ack(connection, message))
        return;
    struct json_document *document = json_parse(message, &fault);
    if (document == NULL) {
        fail_fault(&call, &fault);
        return;
    }
    take_document(&call, document);
    json_destroy(&document);
}
