/* Publishing drops messages when we are slow or away. A hole shows by its offsets; a lost last batch shows by the heads,
 * which are published on a timer, and asked for when nothing was heard for a second or a connection is new. */
#include "services/delivery/delivery_feed.h"

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_fanout.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_poison.h"
#include "services/delivery/delivery_receipts.h"
#include "services/delivery/delivery_recovery.h"
#include "services/delivery/delivery_stream.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/base/planted_bug.h"

#define TICK_MS        250
#define QUIET_MS       1000
#define MAX_NEWS_BYTES (64 << 20)

struct delivery_feed {
    struct delivery_service *service;
    struct nng_subscriber *subscriber;
    struct loop_timer *tick;
    struct delivery_stream **streams;
    uint32_t stream_count;
    int64_t heard_ms;
    bool asking;
    bool stopped;
    bool level; /* the heads have been known once, and everything up to them was taken */
    bool heads_known;
};

static struct metric lag_gauge = {
    .name = "parley_delivery_feed_lag_events",
    .labels = "",
    .help = "Events that are known to be in the feed and were not fanned out yet.",
    .kind = METRIC_GAUGE};

/* --- one event --- */

static bool take(void *context, struct delivery_event *event)
{
    struct delivery_feed *feed = context;
    struct delivery_service *service = feed->service;
    const struct delivery_ref *ref = &event->ref;
    if (feed->stopped || !delivery_fanout_is_ready(service, event))
        return false;
    if (delivery_park_is_full(service->park))
        delivery_recovery_lose(service->recovery, "more waits to be parked than is allowed");
    if (!delivery_cursor_has_room(service->cursor, ref->partition)) {
        delivery_recovery_relieve(service->recovery);
        return false;
    }
    bool parks = delivery_recovery_parks(service->recovery, ref->partition);
    event->mode = parks ? DELIVERY_NORMAL : DELIVERY_LIVE_ONLY;
    delivery_cursor_begin(service->cursor, ref->partition, ref->offset);
    if (BUG(drop_batch) && ref->offset % 10 == 0) {
        delivery_cursor_release(service->cursor, ref->partition, ref->offset);
        return true;
    }
    delivery_poison_fan_out(service->poison, event);
    return true;
}

/* --- what is published --- */

static struct delivery_stream *stream_of(struct delivery_feed *feed, int64_t partition)
{
    if (partition < 0 || partition >= feed->stream_count)
        return NULL;
    return feed->streams[partition];
}

static void take_heads(struct delivery_feed *feed, const struct chat_head *heads, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct delivery_stream *stream = stream_of(feed, heads[i].partition);
        if (stream != NULL)
            delivery_stream_expect(stream, heads[i].head_offset);
    }
}

static void take_news(struct delivery_feed *feed, const struct chat_news *news)
{
    feed->heard_ms = clock_monotonic_ms();
    for (size_t i = 0; i < news->batches_count; i++) {
        struct delivery_stream *stream = stream_of(feed, news->batches[i].partition);
        if (stream != NULL)
            delivery_stream_offer(stream, &news->batches[i]);
    }
    take_heads(feed, news->heads, news->heads_count);
    delivery_receipts_publish(feed->service->receipts, news->receipts, news->receipts_count);
}

static void on_published(void *context, struct text message)
{
    struct delivery_feed *feed = context;
    struct arena arena = ARENA_EMPTY;
    struct chat_news news;
    struct codec_error error;
    if (feed->streams == NULL)
        return;
    if (codec_decode(&chat_news_codec, message, &arena, &news, &error))
        take_news(feed, &news);
    else
        log_warning("bad_news", LOG_STRING("message", error.message),
                    LOG_STRING("reason", error.reason));
    arena_deinit(&arena);
}

/* --- asking for the heads --- */

static void on_heads(void *context, const struct rpc_result *result)
{
    struct delivery_feed *feed = context;
    feed->asking = false;
    if (result->outcome != RPC_OK)
        return; /* the tick asks again */
    const struct chat_heads_reply *reply = result->reply;
    feed->heard_ms = clock_monotonic_ms();
    feed->heads_known = true;
    take_heads(feed, reply->heads, reply->heads_count);
}

static void ask_heads(struct delivery_feed *feed)
{
    if (feed->asking || feed->streams == NULL)
        return;
    feed->asking = true;
    struct chat_heads_request request = {0};
    chat_client_heads(feed->service->chat, &request, daemon_settings.rpc_deadline_ms, on_heads,
                      feed);
}

static void on_subscribed(void *context)
{
    ask_heads(context);
}

static int64_t total_lag(const struct delivery_feed *feed)
{
    int64_t lag = 0;
    for (uint32_t i = 0; i < feed->stream_count; i++)
        lag += delivery_stream_lag(feed->streams[i]);
    return lag;
}

static void on_tick(void *context)
{
    struct delivery_feed *feed = context;
    if (feed->streams == NULL)
        return;
    if (!feed->heads_known || clock_monotonic_ms() - feed->heard_ms >= QUIET_MS)
        ask_heads(feed);
    delivery_feed_pump(feed);
    metric_set(&lag_gauge, total_lag(feed));
    feed->level = feed->level || (feed->heads_known && total_lag(feed) == 0);
}

void delivery_feed_pump(struct delivery_feed *feed)
{
    for (uint32_t i = 0; i < feed->stream_count; i++)
        delivery_stream_pump(feed->streams[i]);
}

/* --- life --- */

void delivery_feed_start(struct delivery_feed *feed)
{
    const struct delivery_cursor *cursor = feed->service->cursor;
    feed->stream_count = delivery_cursor_partitions(cursor);
    feed->streams = mem_array(feed->stream_count, sizeof(struct delivery_stream *));
    for (uint32_t i = 0; i < feed->stream_count; i++)
        feed->streams[i] = delivery_stream_create(feed->service, i,
                                                  delivery_cursor_durable(cursor, i), take, feed);
    ask_heads(feed);
}

void delivery_feed_stop(struct delivery_feed *feed)
{
    feed->stopped = true;
}

bool delivery_feed_is_level(const struct delivery_feed *feed)
{
    return feed->level;
}

int64_t delivery_feed_position(const struct delivery_feed *feed, uint32_t partition)
{
    if (feed->streams == NULL)
        return delivery_cursor_durable(feed->service->cursor, partition);
    return delivery_stream_position(feed->streams[partition]);
}

struct delivery_feed *delivery_feed_create(struct delivery_service *service)
{
    struct delivery_feed *feed = mem_zalloc(sizeof *feed);
    feed->service = service;
    feed->subscriber = nng_subscriber_create(service->bus, daemon_socket_url("chat", "pub"),
                                             MAX_NEWS_BYTES, on_published, on_subscribed, feed);
    feed->tick = loop_timer_create(service->loop, on_tick, feed);
    loop_timer_repeat(feed->tick, TICK_MS);
    metrics_register(&lag_gauge);
    return feed;
}

void delivery_feed_destroy(struct delivery_feed **feed)
{
    if (*feed == NULL)
        return;
    nng_subscriber_destroy(&(*feed)->subscriber);
    loop_timer_destroy(&(*feed)->tick);
    for (uint32_t i = 0; i < (*feed)->stream_count; i++)
        delivery_stream_destroy(&(*feed)->streams[i]);
    mem_free((*feed)->streams);
    mem_free(*feed);
    *feed = NULL;
}
