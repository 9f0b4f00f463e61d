/* Users who have just lost their last connection: until some seconds have passed they count as there. All wait equally
 * long. At most one for each connection that ended within that time. */
#ifndef PARLEY_DELIVERY_LEAVERS_H
#define PARLEY_DELIVERY_LEAVERS_H

#include <stdbool.h>
#include <stdint.h>

struct delivery_leavers;

struct delivery_leavers *delivery_leavers_create(void);
void delivery_leavers_destroy(struct delivery_leavers **leavers);
/* Again moves it. left_ms is wall time, due_ms monotonic, and no lower than that of any other. */
void delivery_leavers_add(struct delivery_leavers *leavers, int64_t user_id, int64_t left_ms,
                          int64_t due_ms);
void delivery_leavers_drop(struct delivery_leavers *leavers, int64_t user_id); /* if it is there */
bool delivery_leavers_has(struct delivery_leavers *leavers, int64_t user_id);
/* The next that is due; false: there is none. */
bool delivery_leavers_take(struct delivery_leavers *leavers, int64_t now_ms, int64_t *user_id_out,
                           int64_t *left_ms_out);
int64_t delivery_leavers_due_ms(const struct delivery_leavers *leavers); /* of the next; 0: none */

#endif
