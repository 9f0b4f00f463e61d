/* Whether anything can be parked, and what is done when it could not be for a while.
 *
 *     AWAY       nothing is parked; connected devices get what comes; the cursors stand still
 *       → HELLO      Redis answers: is it the data set that we know, and not an older state of it?
 *       → FOUNDING   it is not: a new epoch begins; devices without a record in it are told to resync
 *       → REWRITING  inboxes of devices that were told to resync meanwhile are emptied
 *       → FILLING    the feed is read again from the durable cursors, for inboxes only, until it meets the live feed
 *       → UP
 *
 * Every failure of Redis leads back to AWAY, as does having more to park than is allowed. */
#ifndef PARLEY_DELIVERY_RECOVERY_H
#define PARLEY_DELIVERY_RECOVERY_H

#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_store.h"

struct delivery_recovery;

struct delivery_recovery *delivery_recovery_create(struct delivery_service *service);
void delivery_recovery_destroy(struct delivery_recovery **recovery);
struct delivery_inbox_callbacks
delivery_recovery_inbox_callbacks(struct delivery_recovery *recovery);

/* The shard is ours and the cursors are known. */
void delivery_recovery_begin(struct delivery_recovery *recovery,
                             const struct delivery_shard *shard);
void delivery_recovery_lose(struct delivery_recovery *recovery, const char *reason);
/* Too many events wait for devices that do not acknowledge, and nothing can be parked: those devices must go. */
void delivery_recovery_relieve(struct delivery_recovery *recovery);
void delivery_recovery_superseded(
    struct delivery_recovery *recovery); /* another process owns the shard: ends this one */
void delivery_recovery_pump(struct delivery_recovery *recovery);
bool delivery_recovery_parks(const struct delivery_recovery *recovery, uint32_t partition);
bool delivery_recovery_is_up(const struct delivery_recovery *recovery);
/* Another one after each loss: while it is the same, what was written to Redis under it was not lost. */
uint32_t delivery_recovery_generation(const struct delivery_recovery *recovery);
const char *delivery_recovery_state_name(const struct delivery_recovery *recovery);
int64_t delivery_recovery_owner(const struct delivery_recovery *recovery); /* our number */

#endif
