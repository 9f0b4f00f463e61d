/* The op `typing`: how it is answered, and how those who watch are told. Typists and watches are real, the rest is the test's.
 * Connection i is of user i. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_roles.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch.h"
#include "tests/unit/live_played.h"
#include "tests/unit/waiting.h"

#define CONNECTIONS 300
#define CHAT        9
#define TYPISTS     2

static struct {
    struct delivery_service service;
    struct connection connections[CONNECTIONS];
    struct device device; /* of all of them: it is there */
    struct chat_role_answer role;
    bool is_chat_away;
} world;

/* --- the rest of the daemon --- */

void delivery_frames_typing(struct connection *connection, int64_t chat_id, int64_t user_id,
                            bool on)
{
    (void)on;
    assert_int_equal(chat_id, CHAT);
    assert_int_not_equal(connection->user_id, user_id);
    count_frame();
}

bool delivery_roles_ask(struct delivery_roles *roles, int64_t user_id, const int64_t *chats,
                        size_t count, delivery_on_roles callback, void *context)
{
    (void)roles, (void)user_id;
    assert_int_equal(count, 1);
    assert_int_equal(chats[0], CHAT);
    if (!world.is_chat_away)
        callback(context, &world.role);
    return !world.is_chat_away;
}

/* --- what the tests do --- */

static void type(int i, const char *id)
{
    delivery_typing_say(world.service.typing, &world.connections[i], (struct text){id, strlen(id)},
                        CHAT, true);
}

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    memset(&played, 0, sizeof played);
    world.device.state = DEVICE_LIVE;
    for (int i = 0; i < CONNECTIONS; i++) {
        world.connections[i].user_id = i;
        world.connections[i].device = &world.device;
    }
    limits.typing_ms = 5000;
    delivery_settings.max_typists = TYPISTS;
    delivery_settings.live_interval_ms = 1;
    world.service.loop = waiting_start();
    world.service.watch = delivery_watch_create(CONNECTIONS);
    world.service.typing = delivery_typing_create(&world.service);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < CONNECTIONS; i++) {
        delivery_typing_gone(world.service.typing, &world.connections[i]);
        delivery_watch_drop(world.service.watch, &world.connections[i]);
        assert_int_equal(world.connections[i].holds, 0);
    }
    delivery_typing_destroy(&world.service.typing);
    delivery_watch_destroy(&world.service.watch);
    waiting_stop();
    return 0;
}

/* --- the tests --- */

static void who_may_not_write_or_cannot_be_asked_about_gets_an_error(void **state)
{
    (void)state;
    world.role.writing = PROBLEM_FORBIDDEN;
    type(1, "a");
    assert_was_told("error a forbidden;");
    world.is_chat_away = true;
    type(1, "b");
    assert_was_told("error b unavailable;");
    world.is_chat_away = false;
    world.role.writing = PROBLEM_NONE;
    type(1, "c");
    assert_was_told("ok c;");
}

static void above_the_bound_nobody_is_told_that_their_typing_was_taken(void **state)
{
    (void)state;
    for (int i = 0; i < TYPISTS; i++)
        type(i, "in");
    assert_was_told("ok in;ok in;");
    type(TYPISTS, "over");
    assert_was_told("error over unavailable;");
    type(0, "on"); /* goes on */
    assert_was_told("ok on;");
}

static void many_who_watch_are_told_in_slices_between_which_others_have_their_turn(void **state)
{
    (void)state;
    const int64_t chat = CHAT;
    for (int i = 0; i < CONNECTIONS; i++)
        assert_true(delivery_watch_replace(world.service.watch, &world.connections[i], &chat, 1));
    begin_others(world.service.loop, CONNECTIONS - 1);
    type(0, "a");
    wait_until(all_are_told);
    wait_ms(20);
    assert_int_equal(played.frames, CONNECTIONS - 1);
    assert_in_range(played.most_between, 1, LIVE_SLICE_FRAMES);
    loop_timer_destroy(&played.others);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_may_not_write_or_cannot_be_asked_about_gets_an_error),
        TEST(above_the_bound_nobody_is_told_that_their_typing_was_taken),
        TEST(many_who_watch_are_told_in_slices_between_which_others_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
