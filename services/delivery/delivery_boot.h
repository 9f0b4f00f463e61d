/* What must be known before events can be taken: the shard is ours, the cursors, how many partitions there are, where the
 * user daemon's feed is. In that order, each tried until it is there; then the inboxes are looked at, and the feed
 * begins when they are usable, or have been given some time. */
#ifndef PARLEY_DELIVERY_BOOT_H
#define PARLEY_DELIVERY_BOOT_H

#include "services/delivery/delivery_service.h"

struct delivery_boot;

struct delivery_boot *delivery_boot_create(struct delivery_service *service);
void delivery_boot_destroy(struct delivery_boot **boot);
bool delivery_boot_is_done(const struct delivery_boot *boot);

#endif
