/* One flush at a time; what could not be written is chosen again the next time. */
#include "services/delivery/delivery_flush.h"

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_recovery.h"
#include "services/delivery/delivery_store.h"
#include "shared/base/failpoint.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/base/planted_bug.h"

#define MAX_MOVED 1024

/* What a flush writes; lives until its last answer. */
struct flushing {
    struct delivery_flush *flush;
    size_t count;
    int64_t partitions[MAX_MOVED];
    int64_t offsets[MAX_MOVED];
};

struct delivery_flush {
    struct delivery_service *service;
    struct loop_timer *timer;
    bool is_flushing;
};

static struct metric flushes_total = {.name = "parley_delivery_cursor_flushes_total",
                                      .labels = "",
                                      .help = "Times that cursors were made durable.",
                                      .kind = METRIC_COUNTER};
static struct metric behind_gauge = {
    .name = "parley_delivery_cursor_behind_events",
    .labels = "",
    .help = "Events that were fanned out and that the durable cursors have not passed.",
    .kind = METRIC_GAUGE};

static void on_stored(void *context, enum delivery_stored outcome)
{
    struct flushing *flushing = context;
    struct delivery_flush *flush = flushing->flush;
    for (size_t i = 0; outcome == DELIVERY_STORED && i < flushing->count; i++)
        delivery_cursor_saved(flush->service->cursor, (uint32_t)flushing->partitions[i],
                              flushing->offsets[i]);
    flush->is_flushing = false;
    metric_add(&flushes_total, outcome == DELIVERY_STORED);
    if (outcome == DELIVERY_SUPERSEDED)
        delivery_recovery_superseded(flush->service->recovery);
    mem_free(flushing);
}

static void on_parked_written(void *context, bool ok)
{
    struct flushing *flushing = context;
    struct delivery_flush *flush = flushing->flush;
    if (!ok || flushing->count == 0) {
        flush->is_flushing = false;
        mem_free(flushing);
        return;
    }
    FAILPOINT(parked_cursor_not_advanced);
    delivery_store_save_cursors(
        flush->service->store, delivery_recovery_owner(flush->service->recovery),
        flushing->partitions, flushing->offsets, flushing->count, on_stored, flushing);
}

static int64_t behind(const struct delivery_cursor *cursor)
{
    int64_t events = 0;
    for (uint32_t i = 0; i < delivery_cursor_partitions(cursor); i++)
        events += delivery_cursor_begun(cursor, i) - delivery_cursor_durable(cursor, i);
    return events;
}

static void choose_moved(struct flushing *flushing, const struct delivery_cursor *cursor)
{
    for (uint32_t i = 0; i < delivery_cursor_partitions(cursor); i++) {
        int64_t mark =
            BUG(cursor_ahead) ? delivery_cursor_begun(cursor, i) : delivery_cursor_mark(cursor, i);
        if (mark <= delivery_cursor_durable(cursor, i) || flushing->count == MAX_MOVED)
            continue;
        flushing->partitions[flushing->count] = i;
        flushing->offsets[flushing->count++] = mark;
    }
}

void delivery_flush_now(struct delivery_flush *flush)
{
    struct delivery_service *service = flush->service;
    if (service->cursor == NULL)
        return;
    metric_set(&behind_gauge, behind(service->cursor));
    if (flush->is_flushing || !delivery_recovery_is_up(service->recovery))
        return;
    struct flushing *flushing = mem_alloc(sizeof *flushing);
    flushing->flush = flush;
    flushing->count = 0;
    flush->is_flushing = true;
    choose_moved(flushing, service->cursor);
    delivery_inbox_save_parked(service->inbox, flushing->partitions, flushing->offsets,
                               flushing->count, on_parked_written, flushing);
}

bool delivery_flush_is_level(const struct delivery_flush *flush)
{
    return !flush->is_flushing &&
           (flush->service->cursor == NULL || behind(flush->service->cursor) == 0);
}

static void on_timer(void *context)
{
    delivery_flush_now(context);
}

struct delivery_flush *delivery_flush_create(struct delivery_service *service)
{
    struct delivery_flush *flush = mem_zalloc(sizeof *flush);
    flush->service = service;
    flush->timer = loop_timer_create(service->loop, on_timer, flush);
    loop_timer_repeat(flush->timer, delivery_settings.cursor_flush_ms);
    metrics_register(&flushes_total);
    metrics_register(&behind_gauge);
    return flush;
}

void delivery_flush_destroy(struct delivery_flush **flush)
{
    if (*flush == NULL)
        return;
    loop_timer_destroy(&(*flush)->timer);
    mem_free(*flush);
    *flush = NULL;
}
