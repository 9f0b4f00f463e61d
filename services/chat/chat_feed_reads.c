/* The certain way to what was published: feed, heads, events and members, read from Postgres for the other daemons. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"
#include "shared/base/log.h"
#include "shared/base/metrics.h"

static struct metric feed_reads = {.name = "parley_chat_feed_reads_total",
                                   .labels = "",
                                   .help = "Pages of the feed that were read by other daemons.",
                                   .kind = METRIC_COUNTER};

/* The events with their JSON, in the exchange's arena except for the JSON, which lies in `json`. */
static struct chat_event *render(struct rpc_exchange *exchange, const struct chat_log_event *rows,
                                 size_t count, struct buffer *json)
{
    struct chat_event *events = arena_alloc(rpc_arena(exchange), (count + 1) * sizeof *events);
    for (size_t i = 0; i < count; i++) {
        size_t start = json->length;
        if (rows[i].seq != 0)
            chat_render_event(json, &rows[i]);
        events[i] = (struct chat_event){rows[i].chat_id,    rows[i].seq,
                                        rows[i].type,       rows[i].sender_id,
                                        rows[i].subject_id, {NULL, json->length - start}};
    }
    const char *at = json->data;
    for (size_t i = 0; i < count; i++) {
        events[i].json.data = events[i].json.length > 0 ? at : NULL;
        at += events[i].json.length;
    }
    return events;
}

/* --- feed --- */

/* In the exchange's arena. */
struct feed_question {
    struct rpc_exchange *exchange;
    int64_t partition, after_offset;
};

static void on_feed(void *context, const struct chat_feed_page *page)
{
    struct feed_question *question = context;
    if (page->problem != PROBLEM_NONE) {
        rpc_fail(question->exchange, page->problem);
        return;
    }
    struct buffer json = BUFFER_EMPTY;
    struct chat_feed_batch batch = {
        .partition = question->partition,
        .epoch = page->epoch,
        .first_offset = page->count > 0 ? page->first_offset : question->after_offset + 1,
        .head_offset = page->head_offset,
        .events = render(question->exchange, page->events, page->count, &json),
        .events_count = page->count,
    };
    struct chat_feed_reply reply = {.batches = &batch, .batches_count = 1};
    rpc_reply(question->exchange, &reply);
    buffer_deinit(&json);
}

void chat_feed_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                   const struct chat_feed_request *request)
{
    metrics_register(&feed_reads);
    metric_add(&feed_reads, 1);
    if (request->limit < 1 || request->limit > CHAT_MAX_BATCH || request->after_offset < 0) {
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    struct feed_question *question = arena_alloc(rpc_arena(exchange), sizeof *question);
    *question = (struct feed_question){exchange, request->partition, request->after_offset};
    chat_read_feed(service->read, request->partition, request->after_offset, request->limit,
                   on_feed, question);
}

static void on_heads(void *context, enum problem problem, const struct chat_head *heads,
                     size_t count)
{
    struct rpc_exchange *exchange = context;
    if (problem != PROBLEM_NONE) {
        rpc_fail(exchange, problem);
        return;
    }
    struct chat_heads_reply reply = {
        .heads = arena_alloc(rpc_arena(exchange), (count + 1) * sizeof *heads),
        .heads_count = count};
    for (size_t i = 0; i < count; i++)
        reply.heads[i] = heads[i];
    rpc_reply(exchange, &reply);
}

void chat_heads_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                    const struct chat_heads_request *request)
{
    (void)request;
    chat_read_heads(service->read, on_heads, exchange);
}

/* --- events --- */

static void on_events(void *context, enum problem problem, const struct chat_log_event *rows,
                      size_t count)
{
    struct rpc_exchange *exchange = context;
    if (problem != PROBLEM_NONE) {
        rpc_fail(exchange, problem);
        return;
    }
    struct buffer json = BUFFER_EMPTY;
    struct chat_events_reply reply = {.events = render(exchange, rows, count, &json),
                                      .events_count = count};
    rpc_reply(exchange, &reply);
    buffer_deinit(&json);
}

void chat_events_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                     const struct chat_events_request *request)
{
    chat_read_events(service->read, request->refs, request->refs_count, on_events, exchange);
}

/* --- members --- */

#define ANSWER_ROWS \
    262144 /* of several chats together: an answer lies in memory several times over */
#define CHAT_ROWS (CHAT_MAX_SPANS + 1) /* of a chat that is larger than that alone */

/* In the exchange's arena. */
struct members_question {
    struct chat_service *service;
    struct rpc_exchange *exchange;
    const struct chat_members_request *request;
    size_t count; /* of the request's chats: how many are being read */
    int64_t max_rows;
};

/* Rows of a chat stand together: each roster is a stretch of one array of spans. */
static void fill_rosters(struct chat_roster *rosters, const struct chat_roster_row *rows,
                         size_t count, struct chat_span *spans)
{
    for (size_t i = 0; i < count; i++) {
        struct chat_roster *roster = &rosters[rows[i].index];
        roster->as_of_seq = rows[i].as_of_seq;
        if (rows[i].span.user_id == 0)
            continue;
        spans[i] = rows[i].span;
        if (roster->spans_count++ == 0)
            roster->spans = &spans[i];
    }
}

static void reply_rosters(const struct members_question *question,
                          const struct chat_roster_row *rows, size_t count, size_t whole_chats)
{
    struct arena *arena = rpc_arena(question->exchange);
    struct chat_members_reply reply = {
        .rosters = arena_alloc(arena, (question->count + 1) * sizeof *reply.rosters),
        .rosters_count = whole_chats};
    for (size_t i = 0; i < question->count; i++)
        reply.rosters[i] = (struct chat_roster){.chat_id = question->request->chats[i].chat_id};
    fill_rosters(reply.rosters, rows, count,
                 arena_alloc(arena, (count + 1) * sizeof(struct chat_span)));
    rpc_reply(question->exchange, &reply);
}

static void read_rosters(struct members_question *question);

/* A chat that fills an answer is read alone. */
static void on_rosters(void *context, enum problem problem, const struct chat_roster_row *rows,
                       size_t count)
{
    struct members_question *question = context;
    bool is_full = count == (size_t)question->max_rows;
    size_t whole_chats = is_full ? rows[count - 1].index : question->count;
    if (is_full && whole_chats == 0 && question->max_rows < CHAT_ROWS) {
        question->count = 1;
        question->max_rows = CHAT_ROWS;
        read_rosters(question);
        return;
    }
    if (is_full && whole_chats == 0) {
        log_error("roster_too_large", LOG_ID("chat", question->request->chats[0].chat_id));
        problem = PROBLEM_INTERNAL;
    }
    if (problem == PROBLEM_NONE)
        reply_rosters(question, rows, count, whole_chats);
    else
        rpc_fail(question->exchange, problem);
}

static void read_rosters(struct members_question *question)
{
    chat_read_rosters(question->service->read, question->request->chats, question->count,
                      question->max_rows, on_rosters, question);
}

void chat_members_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                      const struct chat_members_request *request)
{
    struct members_question *question = arena_alloc(rpc_arena(exchange), sizeof *question);
    *question =
        (struct members_question){service, exchange, request, request->chats_count, ANSWER_ROWS};
    read_rosters(question);
}
