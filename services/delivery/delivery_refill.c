/* A partition is done at the moment at which the second reading stands exactly where the live feed does: both run in this
 * thread, so from the next event on parking goes by the live feed, in order. */
#include "services/delivery/delivery_refill.h"

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_fanout.h"
#include "services/delivery/delivery_feed.h"
#include "services/delivery/delivery_poison.h"
#include "services/delivery/delivery_stream.h"
#include "shared/base/mem.h"

struct refill_partition {
    struct delivery_stream *stream; /* NULL: not started, or done */
    bool suspended;
};

struct delivery_refill {
    struct delivery_service *service;
    struct refill_partition *partitions;
    uint32_t partition_count;
};

static bool take(void *context, struct delivery_event *event)
{
    struct delivery_service *service = context;
    const struct delivery_ref *ref = &event->ref;
    if (ref->offset > delivery_feed_position(service->feed, ref->partition) ||
        service->hub.waiting > delivery_settings.max_queued_parks / 2 ||
        !delivery_fanout_is_ready(service, event))
        return false;
    event->mode = DELIVERY_PARK_ONLY;
    delivery_cursor_hold(service->cursor, ref->partition, ref->offset);
    delivery_poison_fan_out(service->poison, event);
    return true;
}

void delivery_refill_suspend(struct delivery_refill *refill)
{
    for (uint32_t i = 0; i < refill->partition_count; i++) {
        delivery_stream_destroy(&refill->partitions[i].stream);
        refill->partitions[i].suspended = true;
        delivery_cursor_freeze(refill->service->cursor, i);
    }
}

void delivery_refill_start(struct delivery_refill *refill)
{
    struct delivery_service *service = refill->service;
    for (uint32_t i = 0; i < refill->partition_count; i++) {
        int64_t durable = delivery_cursor_durable(service->cursor, i);
        refill->partitions[i].stream = delivery_stream_create(service, i, durable, take, service);
    }
}

/* True when the partition has met the live feed. */
static bool read_on(struct delivery_refill *refill, uint32_t partition)
{
    struct delivery_stream *stream = refill->partitions[partition].stream;
    int64_t position = delivery_feed_position(refill->service->feed, partition);
    delivery_stream_expect(stream, position);
    delivery_stream_pump(stream);
    return delivery_stream_position(stream) == position;
}

bool delivery_refill_turn(struct delivery_refill *refill)
{
    bool level = true;
    for (uint32_t i = 0; i < refill->partition_count; i++) {
        struct refill_partition *part = &refill->partitions[i];
        if (!part->suspended)
            continue;
        if (!read_on(refill, i)) {
            level = false;
            continue;
        }
        part->suspended = false;
        delivery_cursor_thaw(refill->service->cursor, i);
        delivery_stream_destroy(&part->stream);
    }
    return level;
}

bool delivery_refill_is_done(const struct delivery_refill *refill, uint32_t partition)
{
    return !refill->partitions[partition].suspended;
}

struct delivery_refill *delivery_refill_create(struct delivery_service *service)
{
    struct delivery_refill *refill = mem_zalloc(sizeof *refill);
    refill->service = service;
    refill->partition_count = delivery_cursor_partitions(service->cursor);
    refill->partitions = mem_array(refill->partition_count, sizeof *refill->partitions);
    return refill;
}

void delivery_refill_destroy(struct delivery_refill **refill)
{
    if (*refill == NULL)
        return;
    for (uint32_t i = 0; i < (*refill)->partition_count; i++)
        delivery_stream_destroy(&(*refill)->partitions[i].stream);
    mem_free((*refill)->partitions);
    mem_free(*refill);
    *refill = NULL;
}
