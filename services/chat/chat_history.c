/* GET /v1/chats/{chat}/events: a page of the log, oldest first. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"
#include "shared/base/json.h"
#include "shared/base/planted_bug.h"

#define MAX_SEQ (((int64_t)1 << 53) - 1) /* what a JSON number holds exactly */

/* In the request's arena. */
struct history {
    struct http_request *request;
    struct chat_range range;
};

static void write_seq_or_null(struct buffer *out, int64_t seq)
{
    if (seq == 0)
        buffer_append_string(out, "null");
    else
        buffer_append_number(out, seq);
}

/* Both ends of what the caller may see exist as events, so beyond the page there is more until it holds the end. */
static bool has_more(const struct history *history, const struct chat_events_page *page)
{
    if (page->count == 0)
        return false;
    if (history->range.is_before)
        return page->events[0].seq > page->standing.first_seq;
    return page->events[page->count - 1].seq < page->standing.last_seq;
}

static void render_page(struct buffer *out, const struct history *history,
                        const struct chat_events_page *page)
{
    size_t count = page->count;
    if (BUG(stale_history) && count > 0 && !has_more(history, page))
        count--; /* as a replica that lags by one */
    buffer_append_string(out, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_string(out, ",");
        chat_render_event(out, &page->events[i]);
    }
    buffer_append_string(out, "],\"first_seq\":");
    write_seq_or_null(out, count > 0 ? page->events[0].seq : 0);
    buffer_append_string(out, ",\"last_seq\":");
    buffer_append_number(out, count > 0 ? page->events[count - 1].seq : page->standing.last_seq);
    buffer_append_string(out, has_more(history, page) ? ",\"more\":true}" : ",\"more\":false}");
}

static void on_page(void *context, const struct chat_events_page *page)
{
    struct history *history = context;
    struct buffer body = BUFFER_EMPTY;
    if (page->problem == PROBLEM_NONE) {
        render_page(&body, history, page);
        http_reply_json(history->request, 200, &body);
    } else if (page->problem == PROBLEM_UNAVAILABLE) {
        http_fail_retry(history->request, PROBLEM_UNAVAILABLE, "The log cannot be reached.", 1);
    } else {
        http_fail(history->request, page->problem, NULL);
    }
    buffer_deinit(&body);
}

/* False: a mistake was answered. */
static bool read_range(struct http_request *request, struct chat_range *range_out)
{
    bool has_after = http_query(request, "after").data != NULL;
    bool has_before = http_query(request, "before").data != NULL;
    if (has_after && has_before) {
        http_fail_field(request, "/query/before", "cannot be given together with after");
        return false;
    }
    range_out->is_before = has_before;
    return http_query_number(request, "limit", 1, limits.max_page, limits.default_page,
                             &range_out->limit) &&
           http_query_number(request, has_before ? "before" : "after", has_before, MAX_SEQ, 0,
                             &range_out->seq);
}

void chat_history_get(struct chat_service *service, struct http_request *request)
{
    struct history *history = arena_alloc(http_arena(request), sizeof *history);
    history->request = request;
    if (read_range(request, &history->range))
        chat_read_history(service->read, http_identity(request)->user_id,
                          http_path_id(request, "chat"), &history->range, on_page, history);
}
