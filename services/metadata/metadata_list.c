/* The list in four steps: which chats (Postgres), when each had its last event (chat), sort and cut the page, then what
 * the page shows of each (chat and Postgres). What lies outside the page costs two numbers a chat; how many there can
 * be is bounded by limits.max_chats_per_user. */
#include "services/metadata/metadata_list.h"

#include <stdlib.h>
#include <string.h>

#include "services/metadata/metadata_cursor.h"
#include "services/metadata/metadata_render.h"
#include "services/metadata/metadata_service.h"
#include "shared/base/id.h"

/* A request on its way; lives in the request's arena. */
struct list_request {
    struct http_request *request;
    struct metadata_service *service;
    int64_t limit;
    bool has_cursor;
    struct metadata_place cursor; /* the last item of the page before */
    int64_t *chats;               /* all of the caller's; then those of the page */
    size_t chat_count;
    bool more;
    struct metadata_place last;
    struct metadata_chat *rows; /* of the page, in its order; chat_id 0: left meanwhile */
};

static int64_t caller_of(const struct list_request *list)
{
    return http_identity(list->request)->user_id;
}

/* Latest first; the id decides between equals, so that pages do not overlap. */
static int place_order(const void *left, const void *right)
{
    const struct metadata_place *a = left, *b = right;
    if (a->last_at_ms != b->last_at_ms)
        return a->last_at_ms < b->last_at_ms ? 1 : -1;
    return (a->chat_id < b->chat_id) - (a->chat_id > b->chat_id);
}

/* --- step 4: what the page shows --- */

static void write_end(struct buffer *body, const struct list_request *list)
{
    char cursor[METADATA_CURSOR_SIZE];
    if (!list->more) {
        buffer_append_string(body, "],\"next_cursor\":null}");
        return;
    }
    metadata_cursor_write(&list->last, cursor);
    buffer_append_format(body, "],\"next_cursor\":\"%s\"}", cursor);
}

static void on_page_summaries(void *context, const struct rpc_result *result)
{
    struct list_request *list = context;
    const struct chat_summaries_reply *reply = result->reply;
    if (result->outcome != RPC_OK || reply->summaries_count != list->chat_count) {
        http_fail(list->request, PROBLEM_UNAVAILABLE,
                  "The chats' logs cannot be read at the moment.");
        return;
    }
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"items\":[");
    for (size_t i = 0, written = 0; i < list->chat_count; i++) {
        if (list->rows[i].chat_id == 0)
            continue;
        if (written++ > 0)
            buffer_append_string(&body, ",");
        metadata_render_item(&body, &list->rows[i], &reply->summaries[i]);
    }
    write_end(&body, list);
    http_reply_json(list->request, 200, &body);
    buffer_deinit(&body);
}

static struct text keep(struct list_request *list, struct text text)
{
    return text.data == NULL ? text : arena_text(http_arena(list->request), text);
}

static void on_page_chats(void *context, enum problem problem, const struct metadata_chat *chats,
                          size_t count)
{
    struct list_request *list = context;
    if (problem != PROBLEM_NONE) {
        http_fail(list->request, problem, NULL);
        return;
    }
    list->rows =
        arena_alloc(http_arena(list->request), (list->chat_count + 1) * sizeof *list->rows);
    for (size_t i = 0; i < list->chat_count; i++)
        for (size_t j = 0; j < count; j++)
            if (chats[j].chat_id == list->chats[i]) {
                list->rows[i] = chats[j];
                list->rows[i].title = keep(list, chats[j].title);
                list->rows[i].description = keep(list, chats[j].description);
                list->rows[i].avatar = keep(list, chats[j].avatar);
            }
    struct chat_summaries_request ask = {.user_id = caller_of(list),
                                         .chats = list->chats,
                                         .chats_count = list->chat_count,
                                         .with_events = 1};
    chat_client_summaries(list->service->chat, &ask, daemon_settings.rpc_deadline_ms,
                          on_page_summaries, list);
}

/* --- steps 2 and 3: when, sorted, cut --- */

static void cut_page(struct list_request *list, const struct metadata_place *places, size_t count)
{
    size_t first = 0;
    while (list->has_cursor && first < count && place_order(&places[first], &list->cursor) <= 0)
        first++;
    size_t rest = count - first;
    list->more = rest > (size_t)list->limit;
    list->chat_count = list->more ? (size_t)list->limit : rest;
    for (size_t i = 0; i < list->chat_count; i++)
        list->chats[i] = places[first + i].chat_id;
    if (list->chat_count > 0)
        list->last = places[first + list->chat_count - 1];
}

static void on_all_summaries(void *context, const struct rpc_result *result)
{
    struct list_request *list = context;
    const struct chat_summaries_reply *reply = result->reply;
    if (result->outcome != RPC_OK || reply->summaries_count != list->chat_count) {
        http_fail(list->request, PROBLEM_UNAVAILABLE,
                  "The chats' logs cannot be read at the moment.");
        return;
    }
    struct metadata_place *places =
        arena_alloc(http_arena(list->request), (list->chat_count + 1) * sizeof *places);
    for (size_t i = 0; i < list->chat_count; i++)
        places[i] = (struct metadata_place){reply->summaries[i].last_at_ms, list->chats[i]};
    qsort(places, list->chat_count, sizeof *places, place_order);
    cut_page(list, places, list->chat_count);
    metadata_store_own_chats(list->service->store, caller_of(list), list->chats, list->chat_count,
                             on_page_chats, list);
}

/* --- step 1: which --- */

static void on_chats_of(void *context, enum problem problem, const int64_t *ids, size_t count)
{
    struct list_request *list = context;
    if (problem != PROBLEM_NONE) {
        http_fail(list->request, problem, NULL);
        return;
    }
    list->chat_count = count;
    list->chats = arena_alloc(http_arena(list->request), (count + 1) * sizeof *list->chats);
    memcpy(list->chats, ids, count * sizeof *ids);
    struct chat_summaries_request ask = {
        .user_id = caller_of(list), .chats = list->chats, .chats_count = count};
    chat_client_summaries(list->service->chat, &ask, daemon_settings.rpc_deadline_ms,
                          on_all_summaries, list);
}

void metadata_list_chats(void *service, struct http_request *request)
{
    struct list_request *list = arena_alloc(http_arena(request), sizeof *list);
    list->request = request;
    list->service = service;
    if (!http_query_number(request, "limit", 1, limits.max_page, limits.default_page, &list->limit))
        return;
    struct text cursor = http_query(request, "cursor");
    list->has_cursor = cursor.data != NULL;
    if (list->has_cursor && !metadata_cursor_read(cursor, &list->cursor)) {
        http_fail_field(request, "/query/cursor", "must be the next_cursor of an answer");
        return;
    }
    metadata_store_chats_of(list->service->store, caller_of(list), on_chats_of, list);
}
