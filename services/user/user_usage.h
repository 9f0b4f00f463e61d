/* last_used_at of sessions and devices: noted when a token was looked up, at most once a minute for each session, and
 * written for many together on a timer, so that no request waits for it. Losing some of it is harmless. */
#ifndef PARLEY_USER_USAGE_H
#define PARLEY_USER_USAGE_H

#include "services/user/user_store.h"

struct user_usage;

struct user_usage *user_usage_create(struct loop *loop, struct user_store *store,
                                     int64_t period_ms);
/* last_used_ms is what stands in the store. */
void user_usage_note(struct user_usage *usage, int64_t session_id, int64_t last_used_ms);
void user_usage_destroy(struct user_usage **usage); /* after the store */

#endif
