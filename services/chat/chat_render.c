/* The shape is fixed, so it is written straight into the buffer. Body and detail were checked when they were taken in,
 * and are given back as they were. */
#include "services/chat/chat_render.h"

#include "services/chat/chat_batch.h"
#include "shared/base/json.h"

static const struct text type_names[] = {
    [CHAT_EVENT_MESSAGE] = TEXT_LITERAL("message"),
    [CHAT_EVENT_MEMBER_ADDED] = TEXT_LITERAL("member_added"),
    [CHAT_EVENT_MEMBER_REMOVED] = TEXT_LITERAL("member_removed"),
    [CHAT_EVENT_ROLE_CHANGED] = TEXT_LITERAL("role_changed"),
    [CHAT_EVENT_CHAT_UPDATED] = TEXT_LITERAL("chat_updated"),
    [CHAT_EVENT_EDIT] = TEXT_LITERAL("edit"),
    [CHAT_EVENT_DELETE] = TEXT_LITERAL("delete"),
    [CHAT_EVENT_REACTION] = TEXT_LITERAL("reaction"),
};

const char *chat_role_name(int64_t role)
{
    static const char *const names[] = {"former", "reader", "member", "admin", "owner"};
    return role >= CHAT_ROLE_READER && role <= CHAT_ROLE_OWNER ? names[role] : names[0];
}

#define APPEND(out, literal) buffer_append((out), (literal), sizeof(literal) - 1)

static void render_head(struct buffer *out, const struct chat_log_event *event)
{
    APPEND(out, "{\"chat\":");
    json_write_id(out, event->chat_id);
    APPEND(out, ",\"seq\":");
    buffer_append_number(out, event->seq);
    APPEND(out, ",\"type\":\"");
    buffer_append_text(out, type_names[event->type]);
    APPEND(out, "\",\"sender\":");
    json_write_id(out, event->sender_id);
    APPEND(out, ",\"at\":");
    json_write_time(out, event->at_ms);
}

static void render_detail(struct buffer *out, const struct chat_log_event *event)
{
    if (event->detail.length == 0)
        return;
    APPEND(out, ",");
    buffer_append_text(out, event->detail);
}

static void render_body(struct buffer *out, const struct chat_log_event *event)
{
    if (event->body.data == NULL)
        return;
    APPEND(out, ",\"body\":");
    buffer_append_text(out, event->body);
}

static void render_message(struct buffer *out, const struct chat_log_event *event)
{
    if (event->client_id.data != NULL) {
        APPEND(out, ",\"client_id\":");
        json_write_string(out, event->client_id);
    }
    render_body(out, event);
    render_detail(out, event);
    if (event->edited_at_ms != 0) {
        APPEND(out, ",\"edited\":");
        json_write_time(out, event->edited_at_ms);
    }
    if (event->is_deleted)
        APPEND(out, ",\"deleted\":true");
    if (event->reactions.data != NULL) {
        APPEND(out, ",\"reactions\":");
        buffer_append_text(out, event->reactions);
    }
}

/* Its client_id was made up by whoever asked for it: nobody's business. */
static void render_action(struct buffer *out, const struct chat_log_event *event)
{
    APPEND(out, ",\"target\":");
    buffer_append_number(out, event->subject_id);
    render_body(out, event);
    render_detail(out, event);
}

/* A change of the chat. */
static void render_change(struct buffer *out, const struct chat_log_event *event)
{
    if (event->subject_id != 0) {
        APPEND(out, ",\"user\":");
        json_write_id(out, event->subject_id);
    }
    render_detail(out, event);
    APPEND(out, ",\"by\":");
    json_write_id(out, event->sender_id);
}

void chat_render_event(struct buffer *out, const struct chat_log_event *event)
{
    render_head(out, event);
    if (event->type == CHAT_EVENT_MESSAGE)
        render_message(out, event);
    else if (event->type >= CHAT_EVENT_EDIT)
        render_action(out, event);
    else
        render_change(out, event);
    APPEND(out, "}");
}

struct chat_log_event chat_log_event_of_row(const struct chat_table *events, size_t row)
{
    return (struct chat_log_event){
        .chat_id = events->numbers[EVENT_CHAT][row],
        .seq = events->numbers[EVENT_SEQ][row],
        .type = events->numbers[EVENT_TYPE][row],
        .sender_id = events->numbers[EVENT_SENDER][row],
        .subject_id = events->numbers[EVENT_SUBJECT][row],
        .at_ms = events->numbers[EVENT_AT][row],
        .client_id = events->texts[EVENT_CLIENT_ID][row],
        .body = events->texts[EVENT_BODY][row],
        .detail = events->texts[EVENT_DETAIL][row],
    };
}
