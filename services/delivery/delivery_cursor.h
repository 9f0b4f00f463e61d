/* How far each partition's feed is settled: per partition a ring of the events that are not, with how many still need
 * each of them. The low-water mark is the offset before the oldest of them: every event at or below it is, for every
 * device that it was for, acknowledged, parked, or superseded by a resync. Only it may become durable (contract I16).
 *
 * While parking is impossible a partition is frozen: its mark stays at what is durable, whatever happens in the ring,
 * because what was dropped in between will be read again from there. References taken on offsets that the ring has
 * passed (by that second reading) are owed: the mark moves on when they are given back too. */
#ifndef PARLEY_DELIVERY_CURSOR_H
#define PARLEY_DELIVERY_CURSOR_H

#include <stdbool.h>
#include <stdint.h>

struct delivery_cursor;

struct delivery_cursor *delivery_cursor_create(uint32_t partition_count);
void delivery_cursor_destroy(struct delivery_cursor **cursor);
uint32_t delivery_cursor_partitions(const struct delivery_cursor *cursor);

void delivery_cursor_start(struct delivery_cursor *cursor, uint32_t partition,
                           int64_t durable_offset);
/* False: too many events are unsettled for another one. */
bool delivery_cursor_has_room(const struct delivery_cursor *cursor, uint32_t partition);
/* The next event of the feed, with one reference. Offsets come one by one. */
void delivery_cursor_begin(struct delivery_cursor *cursor, uint32_t partition, int64_t offset);
void delivery_cursor_hold(struct delivery_cursor *cursor, uint32_t partition, int64_t offset);
void delivery_cursor_release(struct delivery_cursor *cursor, uint32_t partition, int64_t offset);

void delivery_cursor_freeze(struct delivery_cursor *cursor, uint32_t partition);
void delivery_cursor_thaw(struct delivery_cursor *cursor, uint32_t partition);

int64_t delivery_cursor_mark(const struct delivery_cursor *cursor,
                             uint32_t partition); /* what may be made durable */
int64_t delivery_cursor_durable(const struct delivery_cursor *cursor,
                                uint32_t partition); /* what is */
int64_t delivery_cursor_begun(const struct delivery_cursor *cursor,
                              uint32_t partition); /* the newest event */
void delivery_cursor_saved(struct delivery_cursor *cursor, uint32_t partition, int64_t offset);

#endif
