/* The index of who watches what, also held against a table that is looked through from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "services/delivery/delivery_watch.h"

#define CONNECTIONS 12
#define CHATS       9
#define MOST        40 /* watches of all together */

static struct delivery_watch *watch;
static struct connection connections[CONNECTIONS];

static int begin(void **state)
{
    (void)state;
    memset(connections, 0, sizeof connections);
    watch = delivery_watch_create(MOST);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < CONNECTIONS; i++)
        delivery_watch_drop(watch, &connections[i]);
    delivery_watch_destroy(&watch);
    return 0;
}

static void who_watches_a_chat_is_found_by_the_chat_and_by_the_connection(void **state)
{
    (void)state;
    const int64_t first[] = {1, 2}, second[] = {2};
    assert_true(delivery_watch_replace(watch, &connections[0], first, 2));
    assert_true(delivery_watch_replace(watch, &connections[1], second, 1));
    assert_true(delivery_watch_has(&connections[0], 1));
    assert_false(delivery_watch_has(&connections[1], 1));
    assert_int_equal(delivery_watch_count(watch, 2), 2);
    assert_ptr_equal(delivery_watch_first(watch, 1)->connection, &connections[0]);
    assert_null(delivery_watch_first(watch, 1)->next);
    assert_null(delivery_watch_first(watch, 3));
}

static void a_set_replaces_the_former_one_and_an_empty_one_costs_nothing(void **state)
{
    (void)state;
    const int64_t first[] = {1, 2}, second[] = {2, 3};
    assert_null(connections[0].watches);
    assert_true(delivery_watch_replace(watch, &connections[0], first, 2));
    assert_true(delivery_watch_replace(watch, &connections[0], second, 2));
    assert_int_equal(delivery_watch_count(watch, 1), 0);
    assert_int_equal(delivery_watch_count(watch, 2), 1);
    assert_int_equal(delivery_watch_count(watch, 3), 1);
    assert_true(delivery_watch_replace(watch, &connections[0], NULL, 0));
    assert_null(connections[0].watches);
    assert_int_equal(delivery_watch_count(watch, 2), 0);
}

static void what_is_dropped_alone_leaves_the_rest(void **state)
{
    (void)state;
    const int64_t chats[] = {1, 2};
    assert_true(delivery_watch_replace(watch, &connections[0], chats, 2));
    delivery_watch_drop_chat(watch, &connections[0], 3);
    delivery_watch_drop_chat(watch, &connections[0], 1);
    assert_false(delivery_watch_has(&connections[0], 1));
    assert_true(delivery_watch_has(&connections[0], 2));
    delivery_watch_drop_chat(watch, &connections[0], 2);
    assert_null(connections[0].watches);
}

static void above_the_bound_the_former_set_stays(void **state)
{
    (void)state;
    int64_t chats[MOST + 1];
    for (int64_t i = 0; i <= MOST; i++)
        chats[i] = i + 1;
    assert_true(delivery_watch_replace(watch, &connections[0], chats, MOST - 1));
    assert_false(delivery_watch_replace(watch, &connections[1], chats, 2));
    assert_null(connections[1].watches);
    assert_false(delivery_watch_replace(watch, &connections[0], chats, MOST + 1));
    assert_true(delivery_watch_has(&connections[0], MOST - 1));
    assert_true(delivery_watch_replace(watch, &connections[0], chats, MOST));
}

static void a_walk_passes_over_who_goes_and_leaves_out_who_comes(void **state)
{
    (void)state;
    const int64_t chat = 7;
    for (int i = 0; i < 4; i++)
        assert_true(delivery_watch_replace(watch, &connections[i], &chat, 1));
    delivery_watch_start_walk(watch, chat);
    assert_ptr_equal(delivery_watch_walk(watch, chat), &connections[3]);
    delivery_watch_drop(watch, &connections[2]); /* it would be the next */
    assert_true(delivery_watch_replace(watch, &connections[4], &chat, 1));
    assert_ptr_equal(delivery_watch_walk(watch, chat), &connections[1]);
    delivery_watch_drop(watch, &connections[1]); /* it was the last */
    assert_ptr_equal(delivery_watch_walk(watch, chat), &connections[0]);
    assert_null(delivery_watch_walk(watch, chat));
    delivery_watch_start_walk(watch, chat);
    delivery_watch_drop(watch, &connections[0]);
    delivery_watch_drop(watch, &connections[3]);
    delivery_watch_drop(watch, &connections[4]);
    assert_null(delivery_watch_walk(watch, chat));
    assert_null(delivery_watch_walk(watch, 8));
}

/* --- against a table --- */

static bool table[CONNECTIONS][CHATS + 1];

static size_t sum(void)
{
    size_t count = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        for (int chat = 1; chat <= CHATS; chat++)
            count += table[i][chat];
    return count;
}

static void replace_at_random(int i)
{
    int64_t chats[CHATS];
    bool row[CHATS + 1] = {false};
    size_t count = 0, own = 0;
    for (int chat = 1; chat <= CHATS; chat++) {
        own += table[i][chat];
        row[chat] = random() % 3 == 0;
        if (row[chat])
            chats[count++] = chat;
    }
    bool fits = sum() - own + count <= MOST;
    assert_int_equal(delivery_watch_replace(watch, &connections[i], chats, count), fits);
    if (fits)
        memcpy(table[i], row, sizeof row);
}

static void compare(void)
{
    for (int chat = 1; chat <= CHATS; chat++) {
        bool found[CONNECTIONS] = {false};
        size_t count = 0;
        const struct delivery_watching *each = delivery_watch_first(watch, chat);
        for (; each != NULL; each = each->next, count++) {
            size_t i = (size_t)(each->connection - connections);
            assert_false(found[i]);
            found[i] = true;
        }
        assert_int_equal(delivery_watch_count(watch, chat), count);
        for (int i = 0; i < CONNECTIONS; i++) {
            assert_int_equal(found[i], table[i][chat]);
            assert_int_equal(delivery_watch_has(&connections[i], chat), table[i][chat]);
        }
    }
}

static void thousands_of_changes_leave_what_a_table_would_hold(void **state)
{
    (void)state;
    memset(table, 0, sizeof table);
    srandom(1);
    for (int step = 0; step < 20000; step++) {
        int i = (int)(random() % CONNECTIONS), chat = 1 + (int)(random() % CHATS);
        switch (random() % 4) {
        case 0:
            delivery_watch_drop(watch, &connections[i]);
            memset(table[i], 0, sizeof table[i]);
            break;
        case 1:
            delivery_watch_drop_chat(watch, &connections[i], chat);
            table[i][chat] = false;
            break;
        default:
            replace_at_random(i);
        }
        compare();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_watches_a_chat_is_found_by_the_chat_and_by_the_connection),
        TEST(a_set_replaces_the_former_one_and_an_empty_one_costs_nothing),
        TEST(what_is_dropped_alone_leaves_the_rest),
        TEST(above_the_bound_the_former_set_stays),
        TEST(a_walk_passes_over_who_goes_and_leaves_out_who_comes),
        TEST(thousands_of_changes_leave_what_a_table_would_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
