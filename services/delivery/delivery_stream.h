/* The feed of one partition, in order and without holes: a queue of events that have come and were not taken yet, filled
 * from what is published as long as that joins on, and by reading the feed otherwise. */
#ifndef PARLEY_DELIVERY_STREAM_H
#define PARLEY_DELIVERY_STREAM_H

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_service.h"

struct delivery_stream;

/* Takes the next event; false: not now, the stream must be pumped again. */
typedef bool (*delivery_stream_take)(void *context, struct delivery_event *event);

struct delivery_stream *delivery_stream_create(struct delivery_service *service, uint32_t partition,
                                               int64_t after_offset, delivery_stream_take take,
                                               void *context);
void delivery_stream_destroy(struct delivery_stream **stream);
void delivery_stream_offer(struct delivery_stream *stream, const struct chat_feed_batch *batch);
/* There are events up to this offset. */
void delivery_stream_expect(struct delivery_stream *stream, int64_t offset);
void delivery_stream_pump(struct delivery_stream *stream);
int64_t delivery_stream_position(
    const struct delivery_stream *stream); /* of the last event that was taken */
int64_t delivery_stream_lag(
    const struct delivery_stream *stream); /* events that are known of and not taken */

#endif
