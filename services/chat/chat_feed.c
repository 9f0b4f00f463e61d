/* News: one message a commit, with the events of every partition in the order of its offsets, rendered once. And on a
 * timer the heads, so that whoever lost the last news finds out. */
#include "services/chat/chat_feed.h"

#include <assert.h>
#include <nng/nng.h>
#include <stdlib.h>

#include "services/chat/chat_render.h"
#include "services/chat/chat_settings.h"
#include "shared/base/failpoint.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/daemon.h"

struct chat_feed {
    const struct chat_partitions *partitions;
    struct nng_publisher *publisher;
    struct loop_timer *timer;
    struct buffer wire;        /* encoded news that wait for chat_feed_send */
    struct buffer json;        /* scratch: the rendered events of a batch */
    struct chat_event *events; /* scratch */
    size_t *ends;              /* scratch: where each row's JSON ends */
    size_t capacity;
};

static struct metric published = {.name = "parley_chat_published_total",
                                  .labels = "",
                                  .help = "Events that were published.",
                                  .kind = METRIC_COUNTER};

static void publish(struct chat_feed *feed, const struct buffer *wire)
{
    nng_msg *msg;
    if (nng_msg_alloc(&msg, 0) != 0 || nng_msg_append(msg, wire->data, wire->length) != 0)
        abort(); /* out of memory, as in shared/base/mem.h */
    nng_publish(feed->publisher, msg);
}

static void publish_news(struct chat_feed *feed, const struct chat_news *news)
{
    struct buffer wire = BUFFER_EMPTY;
    codec_encode(&chat_news_codec, news, &wire);
    publish(feed, &wire);
    buffer_deinit(&wire);
}

/* --- the news of a batch --- */

static void reserve(struct chat_feed *feed, size_t count)
{
    if (count <= feed->capacity)
        return;
    feed->events = mem_resize(feed->events, count * sizeof *feed->events);
    feed->ends = mem_resize(feed->ends, count * sizeof *feed->ends);
    feed->capacity = count;
}

static void render_rows(struct chat_feed *feed, const struct chat_table *rows)
{
    buffer_clear(&feed->json);
    for (size_t row = 0; row < rows->count; row++) {
        struct chat_log_event event = chat_log_event_of_row(rows, row);
        chat_render_event(&feed->json, &event);
        feed->ends[row] = feed->json.length;
    }
}

static struct chat_event event_of_row(const struct chat_feed *feed, const struct chat_table *rows,
                                      size_t row)
{
    size_t start = row == 0 ? 0 : feed->ends[row - 1];
    return (struct chat_event){
        .chat_id = rows->numbers[EVENT_CHAT][row],
        .seq = rows->numbers[EVENT_SEQ][row],
        .type = rows->numbers[EVENT_TYPE][row],
        .sender_id = rows->numbers[EVENT_SENDER][row],
        .subject_id = rows->numbers[EVENT_SUBJECT][row],
        .json = {feed->json.data + start, feed->ends[row] - start},
    };
}

/* Groups the rows by partition: each has its place in `events` from its offset and where its partition begins. */
static void place_rows(struct chat_feed *feed, const struct chat_batch *batch)
{
    size_t start[CHAT_MAX_PARTITIONS];
    size_t place = 0;
    for (size_t i = 0; i < batch->fence.count; i++) {
        start[batch->fence.numbers[FENCE_PARTITION][i]] = place;
        place +=
            (size_t)(batch->fence.numbers[FENCE_HEAD][i] - batch->fence.numbers[FENCE_BEFORE][i]);
    }
    assert(place == batch->events.count);
    for (size_t row = 0; row < batch->events.count; row++) {
        size_t *next = &start[batch->events.numbers[EVENT_PARTITION][row]];
        feed->events[(*next)++] = event_of_row(feed, &batch->events, row);
    }
}

/* A partition's events in pieces of at most CHAT_MAX_BATCH. Returns how many pieces there are now. */
static size_t add_pieces(struct chat_feed *feed, const struct chat_table *fence, size_t row,
                         size_t *place, struct chat_feed_batch *pieces, size_t count)
{
    int64_t head = fence->numbers[FENCE_HEAD][row];
    for (int64_t first = fence->numbers[FENCE_BEFORE][row] + 1; first <= head;) {
        size_t size = (size_t)(head - first + 1) < CHAT_MAX_BATCH ? (size_t)(head - first + 1)
                                                                  : CHAT_MAX_BATCH;
        pieces[count++] = (struct chat_feed_batch){
            .partition = fence->numbers[FENCE_PARTITION][row],
            .epoch = fence->numbers[FENCE_EPOCH][row],
            .first_offset = first,
            .head_offset = head,
            .events = feed->events + *place,
            .events_count = size,
        };
        *place += size;
        first += (int64_t)size;
    }
    return count;
}

void chat_feed_prepare(struct chat_feed *feed, const struct chat_batch *batch)
{
    size_t place = 0;
    struct chat_news news = {0};
    reserve(feed, batch->events.count);
    render_rows(feed, &batch->events);
    place_rows(feed, batch);
    news.batches =
        mem_array(batch->fence.count + batch->events.count / CHAT_MAX_BATCH, sizeof *news.batches);
    for (size_t row = 0; row < batch->fence.count; row++)
        news.batches_count =
            add_pieces(feed, &batch->fence, row, &place, news.batches, news.batches_count);
    buffer_clear(&feed->wire);
    codec_encode(&chat_news_codec, &news, &feed->wire);
    mem_free(news.batches);
    metric_add(&published, (int64_t)batch->events.count);
}

void chat_feed_send(struct chat_feed *feed)
{
    if (!FAILPOINT_IS_DUE(lose_last_batch))
        publish(feed, &feed->wire);
    buffer_clear(&feed->wire);
}

/* --- receipts and heads --- */

void chat_feed_publish_receipts(struct chat_feed *feed, const struct chat_receipt *moved,
                                size_t count)
{
    struct chat_receipt *copy = mem_copy(moved, count * sizeof *moved);
    for (size_t at = 0; at < count; at += 4096) { /* the bound of news.receipts */
        struct chat_news news = {.receipts = copy + at,
                                 .receipts_count = count - at < 4096 ? count - at : 4096};
        publish_news(feed, &news);
    }
    mem_free(copy);
}

static void on_timer(void *context)
{
    struct chat_feed *feed = context;
    struct chat_head heads[CHAT_MAX_PARTITIONS];
    struct chat_news news = {.heads = heads};
    for (uint32_t i = 0; i < feed->partitions->count; i++) {
        const struct chat_partition *partition = &feed->partitions->items[i];
        if (partition->held)
            heads[news.heads_count++] =
                (struct chat_head){i, partition->epoch, partition->committed_offset};
    }
    if (news.heads_count > 0)
        publish_news(feed, &news);
}

/* --- life --- */

struct chat_feed *chat_feed_create(struct loop *loop, struct nng_bus *bus,
                                   const struct chat_partitions *partitions, char *message_out,
                                   int message_size)
{
    struct nng_publisher *publisher =
        nng_publisher_create(bus, daemon_socket_url("chat", "pub"), message_out, message_size);
    if (publisher == NULL)
        return NULL;
    struct chat_feed *feed = mem_zalloc(sizeof *feed);
    feed->partitions = partitions;
    feed->publisher = publisher;
    feed->timer = loop_timer_create(loop, on_timer, feed);
    loop_timer_repeat(feed->timer, chat_settings.heads_period_ms);
    metrics_register(&published);
    return feed;
}

void chat_feed_destroy(struct chat_feed **feed)
{
    if (*feed == NULL)
        return;
    loop_timer_destroy(&(*feed)->timer);
    nng_publisher_destroy(&(*feed)->publisher);
    buffer_deinit(&(*feed)->wire);
    buffer_deinit(&(*feed)->json);
    mem_free((*feed)->events);
    mem_free((*feed)->ends);
    mem_free(*feed);
    *feed = NULL;
}
