/* A bucket of tries for each name: so many at once, and one more after each refill_ms.
 *
 * The table is bounded; the name that was touched longest ago goes first, and starts with all its tries when it comes back.
 * To push a name out one must try with as many other names as the table holds. */
#ifndef PARLEY_BASE_RATE_LIMIT_H
#define PARLEY_BASE_RATE_LIMIT_H

#include <stdint.h>

#include "shared/base/text.h"

#define RATE_LIMIT_KEY_BYTES 48 /* longer keys are cut */

struct rate_limit;

struct rate_limit *rate_limit_create(int64_t attempts, int64_t refill_ms, size_t max_names);
/* False: none left; *wait_ms_out is when there is one. Otherwise *left_out is how many are left. */
bool rate_limit_take(struct rate_limit *limit, struct text name, int64_t now_ms, int64_t *left_out,
                     int64_t *wait_ms_out);
void rate_limit_give_back(struct rate_limit *limit, struct text name, int64_t now_ms);
size_t rate_limit_names(const struct rate_limit *limit);
void rate_limit_destroy(struct rate_limit **limit);

#endif
