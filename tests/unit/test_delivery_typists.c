/* Who is typing where, and what is told of it. Connection i is of user i; time is what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/delivery/delivery_typists.h"

#define CONNECTIONS 40
#define MOST        30
#define TYPING_MS   5000

static struct delivery_typists *typists;
static struct connection connections[CONNECTIONS];
static int64_t now_ms;
static char told[512];

static int begin(void **state)
{
    (void)state;
    memset(connections, 0, sizeof connections);
    for (int i = 0; i < CONNECTIONS; i++)
        connections[i].user_id = i;
    now_ms = 1000000;
    typists = delivery_typists_create(MOST, TYPING_MS);
    return 0;
}

static int end(void **state)
{
    (void)state;
    delivery_typists_destroy(&typists);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_null(connections[i].typists);
    return 0;
}

/* Of all chats, as "chat:+user-user". */
static const char *tell(void)
{
    struct typing_change changes[TYPISTS_CHANGES_MAX];
    size_t length = 0;
    told[0] = '\0';
    while (delivery_typists_have_changes(typists)) {
        int64_t chat_id;
        size_t count = delivery_typists_take(typists, now_ms, &chat_id, changes);
        for (size_t i = 0; i < count; i++)
            length += (size_t)snprintf(told + length, sizeof told - length, "%s%d:%c%d",
                                       length > 0 ? " " : "", (int)chat_id,
                                       changes[i].on ? '+' : '-', (int)changes[i].user_id);
    }
    return told;
}

static void start(int user, int64_t chat_id)
{
    struct typist *typist = delivery_typists_start(typists, &connections[user], chat_id, now_ms);
    assert_non_null(typist);
    if (!delivery_typists_may(typists, typist, now_ms))
        delivery_typists_allow(typists, typist, now_ms);
}

static void stop(int user, int64_t chat_id)
{
    delivery_typists_stop(typists, delivery_typists_find(typists, chat_id, user), now_ms);
}

static void who_begins_and_ends_is_told_once_each(void **state)
{
    (void)state;
    start(1, 7);
    start(1, 7);
    assert_string_equal(tell(), "7:+1");
    start(1, 7);
    assert_string_equal(tell(), "");
    stop(1, 7);
    assert_string_equal(tell(), "7:-1");
}

static void who_goes_on_is_told_again_after_some_seconds(void **state)
{
    (void)state;
    start(1, 7);
    assert_string_equal(tell(), "7:+1");
    now_ms += TYPISTS_AGAIN_MS - 1;
    start(1, 7);
    assert_string_equal(tell(), "");
    now_ms += 1;
    start(1, 7);
    assert_string_equal(tell(), "7:+1");
}

static void on_and_off_before_anybody_was_told_is_not_told(void **state)
{
    (void)state;
    start(1, 7);
    stop(1, 7);
    assert_string_equal(tell(), "");
    start(1, 7);
    assert_string_equal(tell(), "7:+1");
    stop(1, 7);
    start(1, 7);
    assert_string_equal(tell(), "");
}

static void it_ends_by_itself_after_the_last_time_that_it_was_said(void **state)
{
    (void)state;
    start(1, 7);
    assert_string_equal(tell(), "7:+1");
    now_ms += 2000;
    start(1, 7);
    now_ms += TYPING_MS - 1;
    delivery_typists_sweep(typists, now_ms);
    assert_string_equal(tell(), "");
    now_ms += 1;
    delivery_typists_sweep(typists, now_ms);
    assert_string_equal(tell(), "7:-1");
}

static void it_ends_with_the_connection_that_said_so_last(void **state)
{
    (void)state;
    connections[2].user_id = 1; /* another device */
    start(1, 7);
    start(1, 8);
    start(2, 8);
    assert_string_equal(tell(), "7:+1 8:+1");
    delivery_typists_gone(typists, &connections[1], now_ms);
    assert_string_equal(tell(), "7:-1");
    delivery_typists_gone(typists, &connections[2], now_ms);
    assert_string_equal(tell(), "8:-1");
}

static void who_has_no_right_is_never_told(void **state)
{
    (void)state;
    struct typist *typist = delivery_typists_start(typists, &connections[1], 7, now_ms);
    assert_false(delivery_typists_may(typists, typist, now_ms));
    assert_string_equal(tell(), "");
    delivery_typists_deny(typists, typist, now_ms);
    assert_string_equal(tell(), "");
    assert_int_equal(delivery_typists_count(typists), 0);
}

static void a_right_that_is_taken_ends_it_and_one_that_is_old_is_asked_for_again(void **state)
{
    (void)state;
    start(1, 7);
    assert_string_equal(tell(), "7:+1");
    struct typist *typist = delivery_typists_find(typists, 7, 1);
    assert_true(delivery_typists_may(typists, typist, now_ms + TYPISTS_RIGHT_MS - 1));
    assert_false(delivery_typists_may(typists, typist, now_ms + TYPISTS_RIGHT_MS));
    delivery_typists_forget_rights(typists);
    assert_false(delivery_typists_may(typists, typist, now_ms));
    delivery_typists_deny(typists, typist, now_ms);
    assert_string_equal(tell(), "7:-1");
}

static void who_has_stopped_keeps_the_right_for_some_seconds_and_is_then_forgotten(void **state)
{
    (void)state;
    start(1, 7);
    stop(1, 7);
    assert_string_equal(tell(), "");
    assert_true(delivery_typists_may(typists, delivery_typists_find(typists, 7, 1), now_ms + 100));
    delivery_typists_sweep(typists, now_ms + TYPISTS_RIGHT_MS - 1);
    assert_int_equal(delivery_typists_count(typists), 1);
    delivery_typists_sweep(typists, now_ms + TYPISTS_RIGHT_MS);
    assert_int_equal(delivery_typists_count(typists), 0);
}

static void of_one_chat_only_so_many_are_told_at_once(void **state)
{
    (void)state;
    for (int user = 1; user <= TYPISTS_TOLD_MAX + 2; user++)
        start(user, 7);
    tell();
    assert_non_null(strstr(told, "7:+20"));
    assert_null(strstr(told, "7:+21"));
    stop(3, 7);
    stop(22, 7);
    start(21, 7);
    assert_string_equal(tell(), "7:-3 7:+21");
}

static void above_the_bound_who_rests_gives_way_and_who_types_does_not(void **state)
{
    (void)state;
    for (int user = 0; user < MOST; user++)
        start(user, 7 + user);
    assert_null(delivery_typists_start(typists, &connections[MOST], 7, now_ms));
    tell();
    stop(4, 11);
    assert_null(delivery_typists_start(typists, &connections[MOST], 7, now_ms));
    assert_string_equal(tell(), "11:-4");
    start(MOST, 7);
    assert_null(delivery_typists_find(typists, 11, 4));
    assert_string_equal(tell(), "7:+30");
}

/* Whatever happens, who watches believes what is true, as soon as time has passed. */
static void thousands_of_changes_leave_nobody_typing_who_does_not(void **state)
{
    (void)state;
    bool believed[4][8] = {{false}};
    struct typing_change changes[TYPISTS_CHANGES_MAX];
    srandom(2);
    for (int step = 0; step < 20000; step++) {
        int user = (int)(random() % 8);
        int64_t chat_id = random() % 4, of;
        struct typist *typist = delivery_typists_find(typists, chat_id, user);
        switch (random() % 6) {
        case 0:
        case 1:
            start(user, chat_id);
            break;
        case 2:
            if (typist != NULL)
                delivery_typists_stop(typists, typist, now_ms);
            break;
        case 3:
            delivery_typists_gone(typists, &connections[user], now_ms);
            break;
        case 4:
            if (typist != NULL)
                delivery_typists_deny(typists, typist, now_ms);
            break;
        default:
            now_ms += random() % 1000;
            delivery_typists_sweep(typists, now_ms);
        }
        if (random() % 3 != 0)
            continue;
        while (delivery_typists_have_changes(typists)) {
            size_t count = delivery_typists_take(typists, now_ms, &of, changes);
            for (size_t i = 0; i < count; i++) {
                assert_true(changes[i].on || believed[of][changes[i].user_id]);
                believed[of][changes[i].user_id] = changes[i].on;
            }
        }
        for (int64_t chat = 0; chat < 4; chat++)
            for (int64_t each = 0; each < 8; each++) {
                const struct typist *one = delivery_typists_find(typists, chat, each);
                bool types = one != NULL && one->is_on && one->has_right;
                assert_int_equal(believed[chat][each], types);
            }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_begins_and_ends_is_told_once_each),
        TEST(who_goes_on_is_told_again_after_some_seconds),
        TEST(on_and_off_before_anybody_was_told_is_not_told),
        TEST(it_ends_by_itself_after_the_last_time_that_it_was_said),
        TEST(it_ends_with_the_connection_that_said_so_last),
        TEST(who_has_no_right_is_never_told),
        TEST(a_right_that_is_taken_ends_it_and_one_that_is_old_is_asked_for_again),
        TEST(who_has_stopped_keeps_the_right_for_some_seconds_and_is_then_forgotten),
        TEST(of_one_chat_only_so_many_are_told_at_once),
        TEST(above_the_bound_who_rests_gives_way_and_who_types_does_not),
        TEST(thousands_of_changes_leave_nobody_typing_who_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
