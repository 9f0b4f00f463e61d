/* Which partitions this process owns.
 *
 * A session of its own holds an advisory lock per partition; each taking raises the partition's epoch, which every
 * commit checks. The locks keep two daemons from wanting the same thing; the epoch alone makes it safe (I17). When the
 * session is lost everything is given up at once, and taken again when it is back. */
#ifndef PARLEY_CHAT_LEASE_H
#define PARLEY_CHAT_LEASE_H

#include "services/chat/chat_partitions.h"
#include "shared/net/loop.h"

struct chat_lease;

struct chat_lease_callbacks {
    void *context;
    void (*on_taken)(
        void *context); /* heads and epochs of what is held are fresh; maybe nothing is held */
    void (*on_lost)(void *context); /* nothing is held any more */
};

/* Fills `partitions`, which must outlive it. */
struct chat_lease *chat_lease_create(struct loop *loop, struct chat_partitions *partitions,
                                     const struct chat_lease_callbacks *callbacks);
void chat_lease_destroy(struct chat_lease **lease); /* gives the partitions back */
/* Takes all partitions again under new epochs and reads their heads: after a commit that nobody knows the end of. What
 * was held is not held until on_taken. */
void chat_lease_renew(struct chat_lease *lease);
bool chat_lease_is_connected(const struct chat_lease *lease);
size_t chat_lease_held(const struct chat_lease *lease);
const char *chat_lease_last_error(const struct chat_lease *lease);

#endif
