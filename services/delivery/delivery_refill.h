/* Reads the feed again, from the durable cursors to where the live feed stands, for the inboxes of the absent only. */
#ifndef PARLEY_DELIVERY_REFILL_H
#define PARLEY_DELIVERY_REFILL_H

#include "services/delivery/delivery_service.h"

struct delivery_refill;

struct delivery_refill *
delivery_refill_create(struct delivery_service *service); /* service->cursor is there */
void delivery_refill_destroy(struct delivery_refill **refill);
/* Nothing is parked any more: every partition will have to be read again, and its cursor stands still until then. */
void delivery_refill_suspend(struct delivery_refill *refill);
void delivery_refill_start(struct delivery_refill *refill); /* after suspend */
bool delivery_refill_turn(
    struct delivery_refill *refill); /* reads on; true when all partitions are done */
/* The partition has met the live feed, or was never suspended: what comes is parked. */
bool delivery_refill_is_done(const struct delivery_refill *refill, uint32_t partition);

#endif
