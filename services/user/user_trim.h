/* Deletes old changes from the feed, so that it does not grow for ever: those that whoever must not miss any has taken
 * over for good, and that are older than user.change_days. */
#ifndef PARLEY_USER_TRIM_H
#define PARLEY_USER_TRIM_H

#include "services/user/user_store.h"

struct user_trim;

struct user_trim *user_trim_create(struct loop *loop, struct user_store *store, int64_t period_ms);
/* Changes up to here are not needed any more. Nothing is deleted before it was said once since the start. */
void user_trim_allow(struct user_trim *trim, int64_t taken);
void user_trim_destroy(
    struct user_trim **trim); /* after the store, which ends what is on its way */

#endif
