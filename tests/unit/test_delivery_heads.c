/* The heads of pulled chats: who is told, how often, and in how many slices. Users and devices are real; rosters, watches and
 * frames are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_heads.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_watch.h"
#include "shared/base/clock.h"
#include "tests/unit/waiting.h"

#define CHAT        7
#define USERS_MAX   6000
#define INTERVAL_MS 150

static struct {
    struct delivery_service service;
    struct device_hub hub;
    struct delivery_roster roster;
    bool is_roster_away;
    int roster_asks;
    struct connection
        connections[USERS_MAX + 1]; /* by user; a user has one device, of the same number */
    bool is_watching[USERS_MAX + 1];
    int told[USERS_MAX + 1];
    int64_t told_seq[USERS_MAX + 1];
    size_t frames, frames_wanted;
    void (*on_frame)(int64_t user_id);
    int frames_in_turn, most_in_turn;
} w;

struct delivery_roster *delivery_rosters_find(struct delivery_rosters *rosters, int64_t chat_id,
                                              int64_t seq)
{
    (void)rosters, (void)seq;
    assert_int_equal(chat_id, CHAT);
    w.roster_asks++;
    w.frames_in_turn = 0;
    return w.is_roster_away ? NULL : &w.roster;
}

bool delivery_watch_has(const struct connection *connection, int64_t chat_id)
{
    (void)chat_id;
    return w.is_watching[connection->user_id];
}

void delivery_frames_head(struct connection *connection, int64_t chat_id, int64_t seq)
{
    int64_t user_id = connection->user_id;
    assert_int_equal(chat_id, CHAT);
    assert_true(seq >= w.told_seq[user_id]);
    w.told[user_id]++;
    w.told_seq[user_id] = seq;
    w.frames++;
    if (++w.frames_in_turn > w.most_in_turn)
        w.most_in_turn = w.frames_in_turn;
    if (w.on_frame != NULL)
        w.on_frame(user_id);
}

/* --- the world --- */

static void connect_user(int64_t user_id)
{
    struct device *device = delivery_people_add(w.service.people, user_id, user_id, 1);
    w.connections[user_id].user_id = user_id;
    w.connections[user_id].device = device;
    device->connection = &w.connections[user_id];
    device->state = DEVICE_LIVE;
    delivery_people_connected(w.service.people, device);
}

static void disconnect_user(int64_t user_id)
{
    struct device *device = w.connections[user_id].device;
    if (device == NULL)
        return;
    w.connections[user_id].device = NULL;
    device->connection = NULL;
    device->state = DEVICE_OFFLINE;
    delivery_people_disconnected(w.service.people, device);
}

/* Users first to last are connected, and from first_member to last_member members. */
static void populate(int64_t first, int64_t last, int64_t first_member, int64_t last_member)
{
    for (int64_t user = first; user <= last; user++)
        connect_user(user);
    for (int64_t user = first_member; user <= last_member; user++)
        delivery_roster_apply(&w.roster, CHAT_EVENT_MEMBER_ADDED, user, user);
}

static int begin(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    delivery_settings.heads_interval_ms = INTERVAL_MS;
    w.service.loop = waiting_start();
    w.service.people = delivery_people_create(&w.hub, 1000);
    w.service.heads = delivery_heads_create(&w.service);
    return 0;
}

static int end(void **state)
{
    (void)state;
    delivery_heads_destroy(&w.service.heads);
    for (int64_t user = 1; user <= USERS_MAX; user++)
        disconnect_user(user);
    delivery_people_destroy(&w.service.people);
    delivery_roster_clear(&w.roster);
    waiting_stop();
    return 0;
}

static bool all_frames(void)
{
    return w.frames >= w.frames_wanted;
}

static void wait_frames(size_t count)
{
    w.frames_wanted = count;
    wait_until(all_frames);
}

static void note(int64_t seq)
{
    delivery_heads_note(w.service.heads, CHAT, seq);
}

/* --- tests --- */

static void who_is_there_and_a_member_is_told_once(void **state)
{
    (void)state;
    populate(1, 20, 11, 3000); /* few are connected: they are walked */
    note(3001);
    wait_frames(10);
    wait_ms(3 * INTERVAL_MS);
    for (int64_t user = 1; user <= 20; user++)
        assert_int_equal(w.told[user], user > 10);
    assert_int_equal(w.told_seq[20], 3001);
}

static void it_is_the_same_when_the_members_are_fewer(void **state)
{
    (void)state;
    populate(1, 3000, 11, 20);
    note(21);
    wait_frames(10);
    wait_ms(3 * INTERVAL_MS);
    for (int64_t user = 1; user <= 3000; user++)
        assert_int_equal(w.told[user], user > 10 && user <= 20);
}

static void news_of_an_interval_become_one_frame(void **state)
{
    (void)state;
    populate(1, 1, 1, 10);
    int64_t began_ms = clock_monotonic_ms();
    for (int64_t seq = 11; seq < 60; seq++) {
        note(seq);
        wait_ms(10);
    }
    note(60);
    wait_ms(2 * INTERVAL_MS);
    int64_t intervals = (clock_monotonic_ms() - began_ms) / INTERVAL_MS;
    assert_int_equal(w.told_seq[1], 60);
    assert_in_range(w.told[1], 2, (uintmax_t)intervals + 1);
}

static void a_crowd_is_told_in_slices(void **state)
{
    (void)state;
    populate(1, USERS_MAX, 1, USERS_MAX);
    note(USERS_MAX + 1);
    wait_frames(USERS_MAX);
    wait_ms(2 * INTERVAL_MS);
    for (int64_t user = 1; user <= USERS_MAX; user++)
        assert_int_equal(w.told[user], 1);
    assert_true(w.most_in_turn <= 128);
}

static void come_and_go(int64_t user_id)
{
    disconnect_user(1 + (user_id * 7919) % 3000);
}

static void whoever_stays_is_told_while_others_go(void **state)
{
    (void)state;
    for (int by_members = 0; by_members < 2; by_members++) {
        populate(1, 3000, 1, by_members ? 2990 : USERS_MAX);
        w.on_frame = come_and_go;
        note(USERS_MAX + 1);
        wait_ms(6 * INTERVAL_MS);
        for (int64_t user = 1; user <= (by_members ? 2990 : 3000); user++)
            assert_true(w.connections[user].device == NULL || w.told[user] > 0);
        assert_true(w.frames > 100);
        w.on_frame = NULL;
        note(USERS_MAX + 2); /* and those who are left are all still there */
        wait_ms(6 * INTERVAL_MS);
        for (int64_t user = 1; user <= (by_members ? 2990 : 3000); user++)
            assert_true(w.connections[user].device == NULL || w.told_seq[user] == USERS_MAX + 2);
        end(NULL);
        begin(NULL);
    }
}

static void leave_roster(int64_t user_id)
{
    static int64_t seq;
    int64_t leaver = 1 + (user_id * 7919) % 3000;
    seq = w.roster.as_of_seq + 1;
    delivery_roster_apply(&w.roster, CHAT_EVENT_MEMBER_REMOVED, leaver, seq);
}

static void members_are_not_passed_over_when_the_roster_is_pruned(void **state)
{
    (void)state;
    populate(1, 3001, 1, 3000); /* the members are the fewer */
    w.on_frame = leave_roster;
    note(3001);
    wait_ms(6 * INTERVAL_MS);
    assert_true(w.roster.from_seq > 1);
    for (int64_t user = 1; user <= 3000; user++)
        assert_true(!delivery_roster_has(&w.roster, user, INT64_MAX) || w.told[user] > 0);
    w.on_frame = NULL;
}

static void a_watcher_is_told_only_of_what_passed_it_by(void **state)
{
    (void)state;
    populate(1, 3, 1, 10);
    w.is_watching[1] = w.is_watching[2] = true;
    wait_ms(5);
    note(11);
    w.connections[2].device->passed_by_ms = clock_monotonic_ms();
    wait_frames(2);
    wait_ms(2 * INTERVAL_MS);
    assert_int_equal(w.told[1], 0);
    assert_int_equal(w.told[2], 1);
    assert_int_equal(w.told[3], 1);
    note(12); /* what passed it by before is not news any more */
    wait_frames(3);
    wait_ms(2 * INTERVAL_MS);
    assert_int_equal(w.told[2], 1);
    assert_int_equal(w.told[3], 2);
}

static void who_was_removed_before_the_walk_hears_nothing(void **state)
{
    (void)state;
    for (int64_t connected = 2; connected <= 20;
         connected += 18) { /* fewer than members, and more */
        populate(1, connected, 1, 10);
        note(11);
        delivery_roster_apply(&w.roster, CHAT_EVENT_MEMBER_REMOVED, 1, 12);
        wait_frames(1);
        wait_ms(2 * INTERVAL_MS);
        assert_int_equal(w.told[1], 0);
        end(NULL);
        begin(NULL);
    }
}

static void who_is_not_ready_yet_is_not_told(void **state)
{
    (void)state;
    populate(1, 2, 1, 10);
    w.connections[1].device->state = DEVICE_CONNECTING;
    note(11);
    wait_frames(1);
    wait_ms(INTERVAL_MS);
    assert_int_equal(w.told[1], 0);
}

static void news_wait_for_a_roster_that_is_asked_for(void **state)
{
    (void)state;
    populate(1, 2, 1, 10);
    w.is_roster_away = true;
    note(11);
    wait_ms(INTERVAL_MS);
    assert_in_range(w.roster_asks, 1, INTERVAL_MS / 20); /* it does not spin */
    w.is_roster_away = false;
    wait_frames(2);
}

static void a_roster_that_was_loaded_anew_is_walked_from_the_beginning(void **state)
{
    (void)state;
    populate(1, 3001, 1, 3000);
    note(3001);
    wait_frames(300);
    for (size_t i = 0; i < 1500; i++) { /* another order: the places of before mean nothing */
        struct chat_span other = w.roster.spans[i];
        w.roster.spans[i] = w.roster.spans[2999 - i];
        w.roster.spans[2999 - i] = other;
    }
    w.roster.load_number++;
    wait_ms(6 * INTERVAL_MS);
    for (int64_t user = 1; user <= 3000; user++)
        assert_true(w.told[user] > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_there_and_a_member_is_told_once),
        TEST(it_is_the_same_when_the_members_are_fewer),
        TEST(news_of_an_interval_become_one_frame),
        TEST(a_crowd_is_told_in_slices),
        TEST(whoever_stays_is_told_while_others_go),
        TEST(members_are_not_passed_over_when_the_roster_is_pruned),
        TEST(a_watcher_is_told_only_of_what_passed_it_by),
        TEST(who_was_removed_before_the_walk_hears_nothing),
        TEST(who_is_not_ready_yet_is_not_told),
        TEST(news_wait_for_a_roster_that_is_asked_for),
        TEST(a_roster_that_was_loaded_anew_is_walked_from_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
