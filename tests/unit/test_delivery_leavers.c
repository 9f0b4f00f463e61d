/* Who has just gone, held against a naive list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "services/delivery/delivery_leavers.h"

#define USERS    50
#define GRACE_MS 20
#define STEPS    20000

static int64_t due_ms[USERS + 1], left_ms[USERS + 1]; /* due 0: is not among them */

/* Who is due next; 0: nobody is there. Of those of one moment, who was added first. */
static int64_t first(const int64_t *order)
{
    int64_t found = 0;
    for (int64_t user = 1; user <= USERS; user++)
        if (due_ms[user] != 0 && (found == 0 || order[user] < order[found]))
            found = user;
    return found;
}

static void who_left_is_there_until_their_time_has_come_in_the_order_of_leaving(void **state)
{
    (void)state;
    struct delivery_leavers *leavers = delivery_leavers_create();
    int64_t order[USERS + 1] = {0}, user_id, at_ms;
    int taken = 0;
    srandom(5);
    for (int64_t now_ms = 1; now_ms <= STEPS; now_ms++) {
        for (int changes = (int)(random() % 3); changes > 0; changes--) {
            int64_t user = 1 + random() % USERS;
            if (random() % 4 == 0) {
                delivery_leavers_drop(leavers, user);
                due_ms[user] = 0;
                continue;
            }
            due_ms[user] = now_ms + GRACE_MS;
            left_ms[user] = random();
            order[user] = now_ms * 3 - changes;
            delivery_leavers_add(leavers, user, left_ms[user], due_ms[user]);
        }
        while (delivery_leavers_take(leavers, now_ms, &user_id, &at_ms)) {
            assert_int_equal(user_id, first(order));
            assert_in_range(due_ms[user_id], 1, now_ms);
            assert_int_equal(at_ms, left_ms[user_id]);
            due_ms[user_id] = 0;
            taken++;
        }
        int64_t next = first(order);
        assert_int_equal(delivery_leavers_due_ms(leavers), next == 0 ? 0 : due_ms[next]);
        assert_true(next == 0 || due_ms[next] > now_ms);
        for (int64_t user = 1; user <= USERS; user++)
            assert_int_equal(delivery_leavers_has(leavers, user), due_ms[user] != 0);
    }
    assert_in_range(taken, STEPS / 10, STEPS);
    delivery_leavers_destroy(&leavers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_left_is_there_until_their_time_has_come_in_the_order_of_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
