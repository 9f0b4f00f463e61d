/* Published batches that do not join on are dropped, not kept: the feed has them, and a hole is rare. */
#include "services/delivery/delivery_stream.h"

#include "services/delivery/delivery_fanout.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define RETRY_MS 200

struct delivery_stream {
    struct delivery_service *service;
    delivery_stream_take take;
    void *context;
    uint32_t partition;
    int64_t taken;                  /* offset of the last event that was taken */
    int64_t received;               /* … and of the last in the queue */
    int64_t head;                   /* … and of the last that we know of */
    struct delivery_event **events; /* a ring; its capacity a power of two */
    size_t capacity, start, count;
    struct loop_timer *retry;
    bool reading;
    bool pumping;
    bool destroyed; /* while a read is under way, which frees it */
};

static struct metric holes_total = {.name = "parley_delivery_feed_holes_total",
                                    .labels = "",
                                    .help = "Published batches that did not join on.",
                                    .kind = METRIC_COUNTER};
static struct metric reads_total = {.name = "parley_delivery_feed_reads_total",
                                    .labels = "",
                                    .help = "Pages of the feed that were read.",
                                    .kind = METRIC_COUNTER};

static struct metric refused_total = {.name = "parley_delivery_feed_refused_total",
                                      .labels = "",
                                      .help = "Pages of the feed that chat refused for good.",
                                      .kind = METRIC_COUNTER};

static void read_on(struct delivery_stream *stream);

/* --- the queue --- */

static void push_event(struct delivery_stream *stream, struct delivery_event *event)
{
    if (stream->count == stream->capacity) {
        size_t capacity = stream->capacity == 0 ? 64 : stream->capacity * 2;
        struct delivery_event **events = mem_array(capacity, sizeof(struct delivery_event *));
        for (size_t i = 0; i < stream->count; i++)
            events[i] = stream->events[(stream->start + i) & (stream->capacity - 1)];
        mem_free(stream->events);
        stream->events = events;
        stream->capacity = capacity;
        stream->start = 0;
    }
    stream->events[(stream->start + stream->count++) & (stream->capacity - 1)] = event;
}

static void pop_event(struct delivery_stream *stream)
{
    delivery_event_drop(&stream->events[stream->start]);
    stream->start = (stream->start + 1) & (stream->capacity - 1);
    stream->count--;
}

static bool has_room(const struct delivery_stream *stream)
{
    return stream->count < (size_t)delivery_settings.max_feed_queue;
}

/* What is queued behind others asks for its chat's members at once, so that a page full of strange chats waits once. */
static void take_batch(struct delivery_stream *stream, const struct chat_feed_batch *batch)
{
    for (size_t i = 0; i < batch->events_count; i++) {
        int64_t offset = batch->first_offset + (int64_t)i;
        if (offset != stream->received + 1)
            continue;
        struct delivery_event *event =
            delivery_event_create(stream->partition, offset, &batch->events[i], DELIVERY_NORMAL);
        stream->received = offset;
        push_event(stream, event);
        (void)delivery_fanout_is_ready(stream->service, event);
    }
}

void delivery_stream_pump(struct delivery_stream *stream)
{
    if (stream->pumping)
        return;
    stream->pumping = true;
    while (stream->count > 0 && stream->take(stream->context, stream->events[stream->start])) {
        stream->taken = stream->events[stream->start]->ref.offset;
        pop_event(stream);
    }
    stream->pumping = false;
    read_on(stream);
}

void delivery_stream_offer(struct delivery_stream *stream, const struct chat_feed_batch *batch)
{
    int64_t last = batch->first_offset + (int64_t)batch->events_count - 1;
    if (last > stream->head)
        stream->head = last;
    if (batch->first_offset > stream->received + 1)
        metric_add(&holes_total, 1);
    else if (has_room(stream))
        take_batch(stream, batch);
    delivery_stream_pump(stream);
}

void delivery_stream_expect(struct delivery_stream *stream, int64_t offset)
{
    if (offset > stream->head)
        stream->head = offset;
    read_on(stream);
}

/* --- reading --- */

static void free_stream(struct delivery_stream *stream)
{
    while (stream->count > 0)
        pop_event(stream);
    loop_timer_destroy(&stream->retry);
    mem_free(stream->events);
    mem_free(stream);
}

static void take_page(struct delivery_stream *stream, const struct chat_feed_batch *page)
{
    if (page->head_offset > stream->head)
        stream->head = page->head_offset;
    if (page->events_count == 0 && stream->received < stream->head) {
        log_warning("feed_page_empty", LOG_NUMBER("partition", stream->partition),
                    LOG_NUMBER("after", stream->received), LOG_NUMBER("head", stream->head));
        loop_timer_start(stream->retry, RETRY_MS);
    }
    take_batch(stream, page);
}

/* Chat shows rows that it cannot read as poison, so it has no reason to refuse a page: an operator must look. The partition
 * waits, for an event that was passed over would be lost. */
static void tell_refused(const struct delivery_stream *stream, enum problem problem)
{
    metric_add(&refused_total, 1);
    log_write_limited(LOG_LEVEL_ERROR, "feed_page_refused",
                      LOG_FIELDS(LOG_NUMBER("partition", stream->partition),
                                 LOG_NUMBER("after", stream->received),
                                 LOG_STRING("problem", problem_info(problem)->code)));
}

static void on_page(void *context, const struct rpc_result *result)
{
    struct delivery_stream *stream = context;
    const struct chat_feed_reply *reply = result->reply;
    stream->reading = false;
    if (stream->destroyed) {
        free_stream(stream);
        return;
    }
    if (result->outcome == RPC_OK && reply->batches_count == 1) {
        take_page(stream, &reply->batches[0]);
    } else {
        if (result->outcome == RPC_REFUSED)
            tell_refused(stream, result->problem);
        loop_timer_start(stream->retry, RETRY_MS);
    }
    delivery_stream_pump(stream);
}

static void read_on(struct delivery_stream *stream)
{
    if (stream->reading || stream->received >= stream->head || !has_room(stream) ||
        loop_timer_is_running(stream->retry))
        return;
    stream->reading = true;
    metric_add(&reads_total, 1);
    struct chat_feed_request request = {.partition = stream->partition,
                                        .after_offset = stream->received,
                                        .limit = delivery_settings.feed_page};
    chat_client_feed(stream->service->chat, &request, daemon_settings.rpc_deadline_ms, on_page,
                     stream);
}

static void on_retry(void *context)
{
    read_on(context);
}

int64_t delivery_stream_position(const struct delivery_stream *stream)
{
    return stream->taken;
}

int64_t delivery_stream_lag(const struct delivery_stream *stream)
{
    return stream->head - stream->taken;
}

struct delivery_stream *delivery_stream_create(struct delivery_service *service, uint32_t partition,
                                               int64_t after_offset, delivery_stream_take take,
                                               void *context)
{
    struct delivery_stream *stream = mem_zalloc(sizeof *stream);
    stream->service = service;
    stream->take = take;
    stream->context = context;
    stream->partition = partition;
    stream->taken = stream->received = stream->head = after_offset;
    stream->retry = loop_timer_create(service->loop, on_retry, stream);
    metrics_register(&holes_total);
    metrics_register(&reads_total);
    metrics_register(&refused_total);
    return stream;
}

void delivery_stream_destroy(struct delivery_stream **stream)
{
    if (*stream == NULL)
        return;
    (*stream)->destroyed = true;
    loop_timer_stop((*stream)->retry);
    if (!(*stream)->reading)
        free_stream(*stream);
    *stream = NULL;
}
