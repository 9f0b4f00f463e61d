/* api/asyncapi.yaml is what these agree with. One buffer for all: frames are copied into the connection's output. */
#include "services/delivery/delivery_frames.h"

#include "services/delivery/delivery_ws.h"
#include "shared/base/json.h"

static struct buffer frame; /* reused; nothing of it outlives a call */

/* An `ok` is made for each message, so none of these goes through printf, which would be half of what it takes. */
static void begin(const char *op)
{
    buffer_clear(&frame);
    buffer_append_string(&frame, "{\"op\":\"");
    buffer_append_string(&frame, op);
    buffer_append_string(&frame, "\"");
}

static void add_name(const char *name)
{
    buffer_append_string(&frame, ",\"");
    buffer_append_string(&frame, name);
    buffer_append_string(&frame, "\":");
}

static void add_id(const char *name, int64_t id)
{
    add_name(name);
    json_write_id(&frame, id);
}

static void add_op_id(struct text id)
{
    if (id.data == NULL)
        return;
    add_name("id");
    json_write_string(&frame, id);
}

static void add_number(const char *name, int64_t number)
{
    add_name(name);
    buffer_append_number(&frame, number);
}

static void add_bool(const char *name, bool value)
{
    add_name(name);
    buffer_append_string(&frame, value ? "true" : "false");
}

static void send_frame(struct connection *connection)
{
    buffer_append_string(&frame, "}");
    delivery_ws_send(connection->ws, connection, buffer_text(&frame));
}

/* Those of GET /v1/limits that concern a connection, under the same names. */
static void add_limits(void)
{
#define LIMIT(name_)          \
    {                         \
#name_, &limits.name_ \
    }
    static const struct {
        const char *name;
        const int64_t *value;
    } told[] = {
        LIMIT(max_frame_bytes),    LIMIT(max_text_bytes),      LIMIT(max_client_id_bytes),
        LIMIT(max_op_id_bytes),    LIMIT(window_events),       LIMIT(max_inbox_events),
        LIMIT(max_inbox_days),     LIMIT(pushed_members),      LIMIT(sends_per_second),
        LIMIT(sends_burst),        LIMIT(max_sends_in_flight), LIMIT(max_watched_chats),
        LIMIT(max_followed_users), LIMIT(typing_ms),           LIMIT(live_ops_per_second),
        LIMIT(live_ops_burst),
    };
#undef LIMIT
    buffer_append_string(&frame, ",\"limits\":{");
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        buffer_append_string(&frame, i == 0 ? "\"" : ",\"");
        buffer_append_string(&frame, told[i].name);
        buffer_append_string(&frame, "\":");
        buffer_append_number(&frame, *told[i].value);
    }
    buffer_append_string(&frame, "}");
}

void delivery_frames_ready(struct connection *connection, enum device_verdict verdict,
                           int64_t inbox)
{
    static const char *const states[] = {"resumed", "inbox", "resync"};
    begin("ready");
    add_id("session", connection->device->session);
    add_id("user", connection->user_id);
    add_id("device", connection->device->device_id);
    buffer_append_format(&frame, ",\"state\":\"%s\"", states[verdict]);
    add_number("inbox", inbox);
    buffer_append_format(&frame, ",\"heartbeat\":%g", (double)limits.heartbeat_ms / 1000);
    add_limits();
    send_frame(connection);
}

void delivery_frames_resync(struct connection *connection)
{
    begin("resync");
    send_frame(connection);
}

void delivery_frames_ok(struct connection *connection, struct text id)
{
    begin("ok");
    add_op_id(id);
    send_frame(connection);
}

void delivery_frames_ok_send(struct connection *connection, struct text id, int64_t chat_id,
                             int64_t seq, int64_t at_ms)
{
    begin("ok");
    add_op_id(id);
    add_id("chat", chat_id);
    add_number("seq", seq);
    add_name("at");
    json_write_time(&frame, at_ms);
    send_frame(connection);
}

void delivery_frames_error(struct connection *connection, struct text id, enum problem problem,
                           const char *detail, int64_t retry_after_s)
{
    bool must_retry = problem == PROBLEM_UNAVAILABLE || problem == PROBLEM_RATE_LIMITED;
    const struct problem_info *info = problem_info(problem);
    begin("error");
    add_op_id(id);
    buffer_append_format(&frame, ",\"code\":\"%s\",\"detail\":", info->code);
    json_write_string(&frame, text_of(detail != NULL ? detail : info->title));
    if (must_retry || retry_after_s > 0)
        add_number("retry_after", retry_after_s > 0 ? retry_after_s : 1);
    send_frame(connection);
}

void delivery_frames_pong(struct connection *connection, struct text id)
{
    begin("pong");
    add_op_id(id);
    send_frame(connection);
}

void delivery_frames_receipt(struct connection *connection, int64_t chat_id, int64_t user_id,
                             int64_t delivered, int64_t read)
{
    begin("receipt");
    add_id("chat", chat_id);
    add_id("user", user_id);
    if (delivered > 0)
        add_number("delivered", delivered);
    if (read > 0)
        add_number("read", read);
    send_frame(connection);
}

void delivery_frames_typing(struct connection *connection, int64_t chat_id, int64_t user_id,
                            bool on)
{
    begin("typing");
    add_id("chat", chat_id);
    add_id("user", user_id);
    add_bool("on", on);
    send_frame(connection);
}

void delivery_frames_presence(struct connection *connection, int64_t user_id, bool is_online,
                              int64_t last_seen_ms)
{
    begin("presence");
    add_id("user", user_id);
    add_bool("online", is_online);
    if (last_seen_ms > 0) {
        add_name("last_seen");
        json_write_time(&frame, last_seen_ms);
    }
    send_frame(connection);
}

void delivery_frames_head(struct connection *connection, int64_t chat_id, int64_t seq)
{
    begin("head");
    add_id("chat", chat_id);
    add_number("seq", seq);
    send_frame(connection);
}
