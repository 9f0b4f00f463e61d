/* GET /v1/search: messages in the caller's chats, newest first. The words are looked for in Postgres (sql/0011_chat_search.sql);
 * here are the question, who may ask how often, and the answer. */
#include <stdio.h>

#include "services/chat/chat_handlers.h"
#include "services/chat/chat_searches.h"
#include "services/chat/chat_settings.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/json.h"
#include "shared/base/metrics.h"
#include "shared/base/rate_limit.h"

#define MAX_SEQ  (((int64_t)1 << 53) - 1) /* what a JSON number holds exactly */
#define MS_PER_S 1000
#define TOO_SLOW_S \
    5 /* a wait that lets the others through; the same search may need a narrower question */
#define CURSOR_SIZE 64

static struct metric limited_total = {.name = "parley_chat_searches_limited_total",
                                      .labels = "",
                                      .help = "Searches refused: too many of one user.",
                                      .kind = METRIC_COUNTER};

/* In the request's arena. */
struct search_request {
    struct http_request *request;
    struct chat_search search;
};

/* --- the cursor: the place of the page's last hit, as time-chat-seq --- */

static void write_cursor(struct buffer *out, const struct chat_log_event *event)
{
    char cursor[CURSOR_SIZE];
    snprintf(cursor, sizeof cursor, "\"%lld-%lld-%lld\"", (long long)event->at_ms,
             (long long)event->chat_id, (long long)event->seq);
    buffer_append_string(out, cursor);
}

/* The part up to the next dash, as a positive number in the form in which numbers are written here. */
static bool take_part(struct text *rest, int64_t *number_out)
{
    struct text part = {rest->data, 0};
    while (part.length < rest->length && rest->data[part.length] != '-')
        part.length++;
    size_t used = part.length < rest->length ? part.length + 1 : part.length;
    *rest = (struct text){rest->data + used, rest->length - used};
    return id_parse(part, number_out);
}

static bool read_cursor(struct http_request *request, struct chat_search *search)
{
    struct text cursor = http_query(request, "cursor");
    if (cursor.data == NULL)
        return true;
    search->has_last =
        take_part(&cursor, &search->last.at_ms) && take_part(&cursor, &search->last.chat_id) &&
        take_part(&cursor, &search->last.seq) && cursor.length == 0 && search->last.seq <= MAX_SEQ;
    if (search->has_last)
        return true;
    http_fail_field(request, "/query/cursor", "is not a cursor of this list");
    return false;
}

/* --- the question --- */

static struct text trim(struct text text)
{
    while (text.length > 0 && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && (unsigned char)text.data[text.length - 1] <= ' ')
        text.length--;
    return text;
}

static bool read_text(struct http_request *request, struct chat_search *search)
{
    char reason[64];
    search->text = trim(http_query(request, "q"));
    if (search->text.length >= 1 && search->text.length <= (size_t)limits.max_search_bytes)
        return true;
    snprintf(reason, sizeof reason, "must be 1 to %lld bytes", (long long)limits.max_search_bytes);
    http_fail_field(request, "/query/q", reason);
    return false;
}

static bool read_before(struct http_request *request, struct chat_search *search)
{
    struct text before = http_query(request, "before");
    search->before_ms = INT64_MAX;
    if (before.data == NULL || clock_parse_rfc3339(before, &search->before_ms))
        return true;
    http_fail_field(request, "/query/before", "must be a time such as 2026-01-02T03:04:05.678Z");
    return false;
}

/* False: a mistake was answered. */
static bool read_question(struct http_request *request, struct chat_search *search)
{
    return read_text(request, search) && http_query_id(request, "chat", &search->chat_id) &&
           http_query_id(request, "sender", &search->sender_id) && read_before(request, search) &&
           http_query_number(request, "limit", 1, limits.max_page, limits.default_page,
                             &search->limit) &&
           read_cursor(request, search);
}

/* --- how often --- */

/* False: none is left, and the request is answered. */
static bool take_turn(struct chat_service *service, struct http_request *request)
{
    int64_t user_id = http_identity(request)->user_id, left = 0, wait_ms = 0;
    int64_t refill_ms = MS_PER_S / limits.searches_per_second;
    bool taken = rate_limit_take(service->search_limit,
                                 (struct text){(const char *)&user_id, sizeof user_id},
                                 clock_monotonic_ms(), &left, &wait_ms);
    metrics_register(&limited_total);
    http_tell_rate_limit(
        request, &(struct http_rate_limit){
                     .name = "search",
                     .quota = limits.searches_burst,
                     .window_s = (limits.searches_burst * refill_ms + MS_PER_S - 1) / MS_PER_S,
                     .left = left,
                     .wait_s = 1});
    if (taken)
        return true;
    metric_add(&limited_total, 1);
    http_fail_retry(request, PROBLEM_RATE_LIMITED, "Too many searches.", 1);
    return false;
}

/* --- the answer --- */

static void render_hits(struct buffer *out, const struct chat_search_page *page)
{
    buffer_append_string(out, "{\"items\":[");
    for (size_t i = 0; i < page->count; i++) {
        buffer_append_string(out, i > 0 ? ",{\"event\":" : "{\"event\":");
        chat_render_event(out, &page->hits[i].event);
        buffer_append_string(out, ",\"highlights\":");
        buffer_append_text(out, page->hits[i].excerpt);
        buffer_append_string(out, "}");
    }
    buffer_append_string(out, "],\"next_cursor\":");
    if (page->has_more && page->count > 0)
        write_cursor(out, &page->hits[page->count - 1].event);
    else
        buffer_append_string(out, "null");
    buffer_append_string(out, page->is_complete ? ",\"complete\":true}" : ",\"complete\":false}");
}

static void refuse(struct http_request *request, const struct chat_search_page *page)
{
    char reason[64];
    switch (page->fault) {
    case CHAT_SEARCH_NO_WORDS:
        http_fail_field(request, "/query/q", "must have a letter, a digit or a symbol");
        break;
    case CHAT_SEARCH_TOO_MANY_WORDS:
        snprintf(reason, sizeof reason, "must have at most %lld words",
                 (long long)limits.max_search_words);
        http_fail_field(request, "/query/q", reason);
        break;
    case CHAT_SEARCH_TOO_SLOW:
        http_fail_retry(
            request, PROBLEM_UNAVAILABLE,
            "This search takes too long. Ask for more letters, a chat, a sender or a time.",
            TOO_SLOW_S);
        break;
    case CHAT_SEARCH_SOUND:
        if (page->problem == PROBLEM_UNAVAILABLE)
            http_fail_retry(request, PROBLEM_UNAVAILABLE, "The log cannot be reached.", 1);
        else
            http_fail(request, page->problem, NULL);
        break;
    }
}

static void on_done(void *context, const struct chat_search_page *page)
{
    struct search_request *search = context;
    struct buffer body = BUFFER_EMPTY;
    if (page->problem == PROBLEM_NONE) {
        render_hits(&body, page);
        http_reply_json(search->request, 200, &body);
    } else {
        refuse(search->request, page);
    }
    buffer_deinit(&body);
}

void chat_search_get(struct chat_service *service, struct http_request *request)
{
    struct search_request *search = arena_alloc(http_arena(request), sizeof *search);
    search->request = request;
    search->search.user_id = http_identity(request)->user_id;
    search->search.on_done = on_done;
    search->search.context = search;
    if (!read_question(request, &search->search) || !take_turn(service, request))
        return;
    if (!chat_searches_submit(service->searches, &search->search))
        http_fail_retry(request, PROBLEM_UNAVAILABLE,
                        "Too many searches wait, or the log cannot be reached.", 1);
}
