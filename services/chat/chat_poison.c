/* Checked when rows are read, never on the way in: there the content was checked before it was stored. */
#include "services/chat/chat_poison.h"

#include "shared/base/clock.h"
#include "shared/base/json_scan.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define REMEMBERED       64 /* events told of lately */
#define TELL_AGAIN_MS    60000
#define MAX_CLIENT_BYTES 128 /* of the column when it was written */

static struct metric unreadable_total = {.name = "parley_chat_unreadable_events_total",
                                         .labels = "",
                                         .help = "Times that a row of the log could not be shown.",
                                         .kind = METRIC_COUNTER};

static struct {
    chat_poison_note note;
    void *context;
    struct {
        int64_t chat_id, seq, told_ms;
    } told[REMEMBERED];
    size_t next;
} reports;

void chat_poison_report_to(chat_poison_note note, void *context)
{
    metrics_register(&unreadable_total);
    reports.note = note;
    reports.context = context;
}

static bool was_told(const struct chat_log_event *event, int64_t now_ms)
{
    for (size_t i = 0; i < REMEMBERED; i++)
        if (reports.told[i].chat_id == event->chat_id && reports.told[i].seq == event->seq &&
            now_ms - reports.told[i].told_ms < TELL_AGAIN_MS)
            return true;
    return false;
}

static void tell(const struct chat_log_event *event, const char *reason)
{
    int64_t now_ms = clock_monotonic_ms();
    metric_add(&unreadable_total, 1);
    if (reports.note == NULL || was_told(event, now_ms))
        return;
    size_t place = reports.next++ % REMEMBERED;
    reports.told[place].chat_id = event->chat_id;
    reports.told[place].seq = event->seq;
    reports.told[place].told_ms = now_ms;
    log_error("event_unreadable", LOG_ID("chat", event->chat_id), LOG_NUMBER("seq", event->seq),
              LOG_STRING("reason", reason));
    reports.note(reports.context, event, reason);
}

static bool is_object(struct text bytes)
{
    struct json_scan scan = {0};
    struct json_fault fault;
    bool passes = json_scan(bytes, &scan, &fault);
    mem_free(scan.odd_numbers);
    return passes;
}

/* The detail is what stands between the braces of an object. */
static bool is_members(struct text detail)
{
    struct buffer object = BUFFER_EMPTY;
    buffer_append_string(&object, "{");
    buffer_append_text(&object, detail);
    buffer_append_string(&object, "}");
    bool passes = is_object(buffer_text(&object));
    buffer_deinit(&object);
    return passes;
}

static bool is_known_type(const struct chat_log_event *event)
{
    return event->type >= CHAT_EVENT_MESSAGE && event->type <= CHAT_EVENT_REACTION;
}

static const char *fault_of(const struct chat_log_event *event)
{
    if (!is_known_type(event))
        return "unknown type";
    if (event->client_id.length > MAX_CLIENT_BYTES)
        return "client_id too long";
    if (event->body.length + event->detail.length > CHAT_BODY_BYTES)
        return "content too long";
    if (event->type == CHAT_EVENT_MESSAGE && event->body.data == NULL && !event->is_deleted)
        return "body is missing";
    if (event->body.data != NULL && !is_object(event->body))
        return "body is no JSON object";
    if (event->detail.length > 0 && !is_members(event->detail))
        return "detail is no JSON";
    return NULL;
}

const char *chat_poison_mend(struct chat_log_event *event)
{
    const char *reason = fault_of(event);
    if (reason == NULL)
        return NULL;
    tell(event, reason);
    if (!is_known_type(event))
        event->type = CHAT_EVENT_MESSAGE;
    if (event->client_id.length > MAX_CLIENT_BYTES)
        event->client_id = TEXT_NONE;
    bool has_body = event->type == CHAT_EVENT_MESSAGE && !event->is_deleted;
    event->body = has_body ? text_of("{\"text\":\"\"}") : TEXT_NONE;
    event->detail = TEXT_NONE;
    return reason;
}
