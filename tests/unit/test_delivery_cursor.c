/* How far the feed of a partition is settled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/delivery/delivery_cursor.h"

static struct delivery_cursor *cursor;

static int set_up(void **state)
{
    (void)state;
    cursor = delivery_cursor_create(2);
    delivery_cursor_start(cursor, 0, 10);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    delivery_cursor_destroy(&cursor);
    return 0;
}

static void begin_three(void)
{
    for (int64_t offset = 11; offset <= 13; offset++)
        delivery_cursor_begin(cursor, 0, offset);
}

static void the_mark_stays_before_the_oldest_event_that_is_not_settled(void **state)
{
    (void)state;
    begin_three();
    delivery_cursor_release(cursor, 0, 12);
    delivery_cursor_release(cursor, 0, 13);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    delivery_cursor_release(cursor, 0, 11);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 13);
}

static void an_event_is_settled_when_nobody_holds_it_any_more(void **state)
{
    (void)state;
    delivery_cursor_begin(cursor, 0, 11);
    delivery_cursor_hold(cursor, 0, 11);
    delivery_cursor_release(cursor, 0, 11);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    delivery_cursor_release(cursor, 0, 11);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 11);
}

static void partitions_know_nothing_of_each_other(void **state)
{
    (void)state;
    begin_three();
    delivery_cursor_begin(cursor, 1, 1);
    delivery_cursor_release(cursor, 1, 1);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    assert_int_equal(delivery_cursor_mark(cursor, 1), 1);
}

static void a_frozen_partition_keeps_the_durable_mark_whatever_is_settled(void **state)
{
    (void)state;
    begin_three();
    delivery_cursor_freeze(cursor, 0);
    for (int64_t offset = 11; offset <= 13; offset++)
        delivery_cursor_release(cursor, 0, offset);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    delivery_cursor_thaw(cursor, 0);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 13);
}

static void what_is_read_again_holds_the_mark_back_until_it_is_given_back(void **state)
{
    (void)state;
    begin_three();
    delivery_cursor_freeze(cursor, 0);
    for (int64_t offset = 11; offset <= 13; offset++)
        delivery_cursor_release(cursor, 0, offset);
    delivery_cursor_hold(cursor, 0, 11);
    delivery_cursor_hold(cursor, 0, 13);
    delivery_cursor_thaw(cursor, 0);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    delivery_cursor_release(cursor, 0, 13);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    delivery_cursor_release(cursor, 0, 11);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 13);
}

static void what_is_durable_never_goes_back(void **state)
{
    (void)state;
    delivery_cursor_saved(cursor, 0, 12);
    delivery_cursor_saved(cursor, 0, 11);
    assert_int_equal(delivery_cursor_durable(cursor, 0), 12);
}

static void thousands_of_unsettled_events_are_settled_in_any_order(void **state)
{
    (void)state;
    const int64_t count = 10000, step = 7919; /* a prime: visits each once */
    for (int64_t i = 1; i <= count; i++)
        delivery_cursor_begin(cursor, 0, 10 + i);
    for (int64_t i = 1; i < count; i++)
        delivery_cursor_release(cursor, 0, 11 + i * step % count);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10);
    delivery_cursor_release(cursor, 0, 11);
    assert_int_equal(delivery_cursor_mark(cursor, 0), 10 + count);
    assert_true(delivery_cursor_has_room(cursor, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_mark_stays_before_the_oldest_event_that_is_not_settled),
        TEST(an_event_is_settled_when_nobody_holds_it_any_more),
        TEST(partitions_know_nothing_of_each_other),
        TEST(a_frozen_partition_keeps_the_durable_mark_whatever_is_settled),
        TEST(what_is_read_again_holds_the_mark_back_until_it_is_given_back),
        TEST(what_is_durable_never_goes_back),
        TEST(thousands_of_unsettled_events_are_settled_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
