/* What an event ends of what is only live. Rosters are real; watches, typists and presence are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_roles.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch.h"

#define CHAT 9

static struct {
    struct delivery_service service;
    struct delivery_roster roster;
    struct delivery_user user;
    struct device device;
    struct connection connection;
    int typing_ended, roles_changed, suspected, watches_dropped;
} world;

/* --- the rest of the daemon --- */

void delivery_typing_end(struct delivery_typing *typing, int64_t chat_id, int64_t user_id)
{
    (void)typing, (void)chat_id, (void)user_id;
    world.typing_ended++;
}

void delivery_typing_gone(struct delivery_typing *typing, struct connection *connection)
{
    (void)typing, (void)connection;
}

void delivery_typing_role_changed(struct delivery_typing *typing, int64_t chat_id, int64_t user_id)
{
    (void)typing, (void)chat_id, (void)user_id;
}

void delivery_roles_changed(struct delivery_roles *roles, int64_t chat_id, int64_t user_id)
{
    (void)roles, (void)chat_id, (void)user_id;
    world.roles_changed++;
}

void delivery_presence_suspect(struct delivery_presence *presence, int64_t user_id)
{
    (void)presence, (void)user_id;
    world.suspected++;
}

void delivery_presence_gone(struct delivery_presence *presence, struct connection *connection)
{
    (void)presence, (void)connection;
}

void delivery_watch_drop_chat(struct delivery_watch *watch, struct connection *connection,
                              int64_t chat_id)
{
    (void)watch, (void)chat_id;
    assert_ptr_equal(connection, &world.connection);
    world.watches_dropped++;
}

void delivery_watch_drop(struct delivery_watch *watch, struct connection *connection)
{
    (void)watch, (void)connection;
}

struct delivery_user *delivery_people_find(struct delivery_people *people, int64_t user_id)
{
    (void)people, (void)user_id;
    return &world.user; /* everybody is there, with the same device */
}

/* --- what the tests do --- */

static void happen(enum chat_event_type type, int64_t user_id, int64_t seq)
{
    struct delivery_event event = {
        .ref = {.chat_id = CHAT, .seq = seq}, .type = (uint8_t)type, .subject_id = user_id};
    if (seq > world.roster.as_of_seq)
        delivery_roster_apply(&world.roster, type, user_id, seq);
    delivery_live_event(&world.service, &event, &world.roster);
}

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world.user.devices = &world.device;
    world.device.connection = &world.connection;
    return 0;
}

static int end(void **state)
{
    (void)state;
    delivery_roster_clear(&world.roster);
    return 0;
}

/* --- the tests --- */

static void a_removal_ends_the_watch_and_a_new_role_does_not(void **state)
{
    (void)state;
    happen(CHAT_EVENT_MEMBER_ADDED, 7, 1);
    happen(CHAT_EVENT_ROLE_CHANGED, 7, 2);
    assert_int_equal(world.roles_changed, 1);
    assert_int_equal(world.watches_dropped, 0);
    happen(CHAT_EVENT_MEMBER_REMOVED, 7, 3);
    assert_int_equal(world.roles_changed, 2);
    assert_int_equal(world.suspected, 1);
    assert_int_equal(world.watches_dropped, 1);
    assert_int_equal(world.typing_ended, 0);
}

static void a_removal_that_is_read_again_ends_nothing_of_who_is_back(void **state)
{
    (void)state;
    happen(CHAT_EVENT_MEMBER_ADDED, 7, 1);
    happen(CHAT_EVENT_MEMBER_REMOVED, 7, 2);
    happen(CHAT_EVENT_MEMBER_ADDED, 7, 3);
    happen(CHAT_EVENT_MEMBER_REMOVED, 7, 2);
    assert_int_equal(world.watches_dropped, 1);
}

static void a_message_ends_its_senders_typing(void **state)
{
    (void)state;
    happen(CHAT_EVENT_MESSAGE, 0, 1);
    assert_int_equal(world.typing_ended, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_removal_ends_the_watch_and_a_new_role_does_not),
        TEST(a_removal_that_is_read_again_ends_nothing_of_who_is_back),
        TEST(a_message_ends_its_senders_typing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
