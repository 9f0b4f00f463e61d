/* Timers and the end of a turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/net/loop.h"

static struct loop *loop;
static char history[256]; /* what ran, one letter each */

static void note(const char *letter)
{
    size_t length = strlen(history);
    if (length + 1 < sizeof history)
        snprintf(history + length, sizeof history - length, "%s", letter);
}

static void on_note(void *letter)
{
    note(letter);
}

static void on_stop(void *unused)
{
    (void)unused;
    note(".");
    loop_stop(loop);
}

static int set_up(void **state)
{
    (void)state;
    history[0] = '\0';
    loop = loop_create();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_destroy(&loop);
    assert_null(loop);
    return 0;
}

static void run_for(int64_t duration_ms)
{
    struct loop_timer *end = loop_timer_create(loop, on_stop, NULL);
    loop_timer_start(end, duration_ms);
    loop_run(loop);
    loop_timer_destroy(&end);
}

/* --- timers --- */

static void timers_run_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    struct loop_timer *late = loop_timer_create(loop, on_note, "b"),
                      *soon = loop_timer_create(loop, on_note, "a");
    int64_t before_ms = clock_monotonic_ms();
    loop_timer_start(late, 40);
    loop_timer_start(soon, 20);
    assert_true(loop_timer_is_running(soon));
    run_for(60);
    assert_string_equal(history, "ab.");
    assert_in_range(clock_monotonic_ms() - before_ms, 59, 300);
    assert_false(loop_timer_is_running(soon));
    loop_timer_destroy(&late);
    loop_timer_destroy(&soon);
    assert_null(soon);
}

static void a_timer_waits_to_be_started_and_may_be_moved_and_stopped(void **state)
{
    (void)state;
    struct loop_timer *never = loop_timer_create(loop, on_note, "n"),
                      *moved = loop_timer_create(loop, on_note, "m"),
                      *stopped = loop_timer_create(loop, on_note, "s");
    loop_timer_start(moved, 5);
    loop_timer_start(moved, 60);
    loop_timer_start(stopped, 5);
    loop_timer_stop(stopped);
    assert_false(loop_timer_is_running(never));
    assert_false(loop_timer_is_running(stopped));
    run_for(30);
    assert_string_equal(history, ".");
    run_for(60);
    assert_string_equal(history, ".m.");
    loop_timer_destroy(&never);
    loop_timer_destroy(&moved);
    loop_timer_destroy(&stopped);
}

static void a_delay_below_zero_is_none(void **state)
{
    (void)state;
    struct loop_timer *timer = loop_timer_create(loop, on_note, "a");
    loop_timer_start(timer, -5);
    run_for(20);
    assert_string_equal(history, "a.");
    loop_timer_destroy(&timer);
}

static struct loop_timer *repeated;

static void on_third_stop(void *unused)
{
    (void)unused;
    note("r");
    if (strlen(history) == 3)
        loop_timer_stop(repeated);
}

static void a_repeated_timer_runs_until_it_is_stopped_even_by_itself(void **state)
{
    (void)state;
    repeated = loop_timer_create(loop, on_third_stop, NULL);
    loop_timer_repeat(repeated, 10);
    run_for(100);
    assert_string_equal(history, "rrr.");
    loop_timer_destroy(&repeated);
}

/* --- the end of a turn --- */

static void on_readable(evutil_socket_t fd, short what, void *deferred)
{
    char byte;
    (void)what;
    if (read(fd, &byte, 1) == 1)
        note("r");
    loop_deferred_request(deferred);
}

static void what_is_deferred_runs_once_after_all_that_was_ready(void **state)
{
    (void)state;
    int pipes[3][2];
    struct event *events[3];
    struct loop_deferred *deferred = loop_deferred_create(loop, on_note, "d");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pipe(pipes[i]), 0);
        assert_int_equal(write(pipes[i][1], "x", 1), 1);
        events[i] = event_new(loop_base(loop), pipes[i][0], EV_READ, on_readable, deferred);
        event_add(events[i], NULL);
    }
    run_for(30);
    assert_string_equal(history, "rrrd.");
    for (int i = 0; i < 3; i++) {
        event_free(events[i]);
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    loop_deferred_destroy(&deferred);
    assert_null(deferred);
}

static void what_is_deferred_before_the_loop_runs_does_not_wait_for_an_event(void **state)
{
    (void)state;
    struct loop_deferred *deferred = loop_deferred_create(loop, on_stop, NULL);
    loop_deferred_request(deferred);
    loop_run(loop);
    assert_string_equal(history, ".");
    loop_deferred_destroy(&deferred);
}

static struct loop_deferred *again;

static void on_again(void *unused)
{
    (void)unused;
    note("a");
    loop_deferred_request(again);
}

/* A busy end of the turn starves nobody: what it asks for belongs to the next one. */
static void what_is_deferred_while_the_turn_ends_runs_in_the_next_turn(void **state)
{
    (void)state;
    struct loop_timer *timer = loop_timer_create(loop, on_note, "t"),
                      *end = loop_timer_create(loop, on_stop, NULL);
    again = loop_deferred_create(loop, on_again, NULL);
    loop_deferred_request(again);
    loop_timer_start(timer, 0);
    loop_timer_start(end, 5);
    loop_run(loop);
    assert_true(strchr(history, 't') - history <= 2);
    assert_true(strlen(history) > 4);
    loop_timer_destroy(&timer);
    loop_timer_destroy(&end);
    loop_deferred_destroy(&again);
}

static struct loop_deferred *victim;

static void on_destroy_victim(void *unused)
{
    (void)unused;
    note("k");
    loop_deferred_destroy(&victim);
}

static void what_is_destroyed_while_the_turn_ends_does_not_run_and_the_others_do(void **state)
{
    (void)state;
    struct loop_deferred *killer = loop_deferred_create(loop, on_destroy_victim, NULL),
                         *after = loop_deferred_create(loop, on_note, "a");
    victim = loop_deferred_create(loop, on_note, "v");
    loop_deferred_request(killer);
    loop_deferred_request(victim);
    loop_deferred_request(after);
    run_for(20);
    assert_string_equal(history, "ka.");
    loop_deferred_destroy(&killer);
    loop_deferred_destroy(&after);
}

static void what_is_destroyed_before_the_turn_ends_leaves_the_others_in_order(void **state)
{
    (void)state;
    struct loop_deferred *first = loop_deferred_create(loop, on_note, "1"),
                         *last = loop_deferred_create(loop, on_note, "3"),
                         *added = loop_deferred_create(loop, on_note, "4");
    victim = loop_deferred_create(loop, on_note, "2");
    loop_deferred_request(first);
    loop_deferred_request(last);
    loop_deferred_request(victim);
    loop_deferred_destroy(&victim);
    loop_deferred_request(added);
    run_for(20);
    assert_string_equal(history, "134.");
    loop_deferred_destroy(&first);
    loop_deferred_destroy(&last);
    loop_deferred_destroy(&added);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(timers_run_in_the_order_of_their_deadlines),
        TEST(a_timer_waits_to_be_started_and_may_be_moved_and_stopped),
        TEST(a_delay_below_zero_is_none),
        TEST(a_repeated_timer_runs_until_it_is_stopped_even_by_itself),
        TEST(what_is_deferred_runs_once_after_all_that_was_ready),
        TEST(what_is_deferred_before_the_loop_runs_does_not_wait_for_an_event),
        TEST(what_is_deferred_while_the_turn_ends_runs_in_the_next_turn),
        TEST(what_is_destroyed_while_the_turn_ends_does_not_run_and_the_others_do),
        TEST(what_is_destroyed_before_the_turn_ends_leaves_the_others_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
