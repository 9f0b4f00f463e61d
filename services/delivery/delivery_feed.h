/* The live feed: a stream per partition, fed by what chat publishes and by reading where that has holes. */
#ifndef PARLEY_DELIVERY_FEED_H
#define PARLEY_DELIVERY_FEED_H

#include "services/delivery/delivery_service.h"

struct delivery_feed;

struct delivery_feed *delivery_feed_create(struct delivery_service *service);
void delivery_feed_destroy(struct delivery_feed **feed);
/* Begins at the durable cursors; service->cursor is there. */
void delivery_feed_start(struct delivery_feed *feed);
void delivery_feed_stop(struct delivery_feed *feed); /* takes no more events: the daemon drains */
void delivery_feed_pump(
    struct delivery_feed *feed); /* something that events waited for may be there */
bool delivery_feed_is_level(
    const struct delivery_feed *feed); /* what was known of when we started has been taken */
int64_t delivery_feed_position(const struct delivery_feed *feed, uint32_t partition);

#endif
