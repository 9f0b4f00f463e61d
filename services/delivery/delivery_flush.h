/* Makes the cursors durable: first what is parked is written beside the inboxes, then, when Redis has confirmed it, the
 * cursors in Postgres. So an older state of Redis shows itself by being behind. Also notices, once a period, that Redis
 * is no longer what it was. */
#ifndef PARLEY_DELIVERY_FLUSH_H
#define PARLEY_DELIVERY_FLUSH_H

#include "services/delivery/delivery_service.h"

struct delivery_flush;

struct delivery_flush *delivery_flush_create(struct delivery_service *service);
void delivery_flush_destroy(struct delivery_flush **flush);
void delivery_flush_now(struct delivery_flush *flush);
bool delivery_flush_is_level(const struct delivery_flush *flush); /* every cursor is durable */

#endif
