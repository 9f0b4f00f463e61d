/* Publishes how far the feed of changes is: at the end of a turn in which a commit moved it, and on a timer, for the
 * last publication may be lost, another user daemon may have moved it, or a commit's outcome was unknown. */
#ifndef PARLEY_USER_CHANGES_H
#define PARLEY_USER_CHANGES_H

#include "services/user/user_store.h"
#include "shared/net/nng_bus.h"

#define USER_CHANGES_PERIOD_MS 500

struct user_changes;

struct user_changes *user_changes_create(struct loop *loop, struct nng_bus *bus,
                                         struct user_store *store, const char *url,
                                         char *message_out, int message_size);
void user_changes_note(struct user_changes *changes,
                       int64_t head);                     /* a commit has moved it there */
void user_changes_destroy(struct user_changes **changes); /* after the store */

#endif
