/* Brute force is limited per name, whatever addresses it comes from: a bucket of tries for each name, one more after
 * each refill_ms. A try is taken before the password is looked at (so that parallel ones count too) and given back when
 * it was right or was not held against anything.
 *
 * The table is bounded; the name that was touched longest ago goes first. To push a name out one must fail with as many
 * other names as the table holds, each of which costs an Argon2id hash: by then the pushed out bucket is long full. */
#ifndef PARLEY_USER_LOGIN_LIMIT_H
#define PARLEY_USER_LOGIN_LIMIT_H

#include "shared/base/text.h"

#include <stdint.h>

#define USER_LOGIN_KEY_BYTES 48 /* longer keys are cut */

struct user_login_limit;

struct user_login_limit *user_login_limit_create(int64_t attempts, int64_t refill_ms,
                                                 size_t max_names);
/* False: none left; *wait_ms_out is when there is one. Otherwise *left_out is how many are left. */
bool user_login_limit_take(struct user_login_limit *limit, struct text name, int64_t now_ms,
                           int64_t *left_out, int64_t *wait_ms_out);
void user_login_limit_give_back(struct user_login_limit *limit, struct text name, int64_t now_ms);
size_t user_login_limit_names(const struct user_login_limit *limit);
void user_login_limit_destroy(struct user_login_limit **limit);

#endif
