/* What a process had in hand when it died. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/in_hand.h"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/parley-in-hand-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    (void)snprintf(path, sizeof path, "%s/inhand", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(folder);
}

/* A process takes the item, and is killed with it in hand or after it has put it down. */
static void live_and_die(int64_t key1, int64_t key2, bool puts_down)
{
    pid_t child = fork();
    if (child == 0) {
        struct in_hand *hand = in_hand_open(path);
        in_hand_take(hand, key1, key2);
        if (puts_down)
            in_hand_put_down(hand);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static int64_t deaths_of(int64_t key1, int64_t key2)
{
    struct in_hand *hand = in_hand_open(path);
    assert_non_null(hand);
    int64_t deaths = in_hand_deaths(hand, key1, key2);
    in_hand_close(&hand);
    return deaths;
}

static void deaths_with_the_item_in_hand_are_counted(void **state)
{
    (void)state;
    assert_int_equal(deaths_of(3, 70), 0);
    for (int i = 0; i < 3; i++)
        live_and_die(3, 70, false);
    assert_int_equal(deaths_of(3, 70), 3);
    assert_int_equal(deaths_of(3, 70), 3); /* opening is no death */
    assert_int_equal(deaths_of(3, 71), 0);
    assert_int_equal(deaths_of(70, 3), 0);
}

static void a_death_with_empty_hands_is_nobodys(void **state)
{
    (void)state;
    live_and_die(3, 70, true);
    assert_int_equal(deaths_of(3, 70), 0);
}

static void an_item_that_was_put_down_starts_over(void **state)
{
    (void)state;
    live_and_die(3, 70, false);
    live_and_die(3, 70, false);
    live_and_die(3, 70, true);
    live_and_die(3, 70, false);
    assert_int_equal(deaths_of(3, 70), 1);
}

static void two_items_that_kill_by_turns_are_both_found(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        live_and_die(1, 5, false);
        live_and_die(2, 9, false);
    }
    assert_int_equal(deaths_of(1, 5), 3);
    assert_int_equal(deaths_of(2, 9), 3);
}

static void an_item_is_forgiven_alone(void **state)
{
    (void)state;
    live_and_die(1, 5, false);
    live_and_die(2, 9, false);
    struct in_hand *hand = in_hand_open(path);
    in_hand_forgive(hand, 1, 5);
    in_hand_close(&hand);
    assert_int_equal(deaths_of(1, 5), 0);
    assert_int_equal(deaths_of(2, 9), 1);
}

static void more_items_than_there_are_places_push_the_oldest_out(void **state)
{
    (void)state;
    for (int64_t key = 1; key <= 17; key++)
        live_and_die(key, key, false);
    assert_int_equal(deaths_of(1, 1), 0);
    assert_int_equal(deaths_of(2, 2), 1);
    assert_int_equal(deaths_of(17, 17), 1);
}

static void a_file_of_something_else_is_begun_anew(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("something that is no such file, and is short", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(deaths_of(1, 1), 0);
    live_and_die(1, 1, false);
    assert_int_equal(deaths_of(1, 1), 1);
}

static void without_a_file_nothing_is_known_and_nothing_breaks(void **state)
{
    (void)state;
    struct in_hand *hand = in_hand_open("/nonexistent/inhand");
    assert_null(hand);
    in_hand_take(hand, 1, 1);
    assert_int_equal(in_hand_deaths(hand, 1, 1), 0);
    in_hand_put_down(hand);
    in_hand_forgive(hand, 1, 1);
    in_hand_close(&hand);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(deaths_with_the_item_in_hand_are_counted),
        TEST(a_death_with_empty_hands_is_nobodys),
        TEST(an_item_that_was_put_down_starts_over),
        TEST(two_items_that_kill_by_turns_are_both_found),
        TEST(an_item_is_forgiven_alone),
        TEST(more_items_than_there_are_places_push_the_oldest_out),
        TEST(a_file_of_something_else_is_begun_anew),
        TEST(without_a_file_nothing_is_known_and_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
