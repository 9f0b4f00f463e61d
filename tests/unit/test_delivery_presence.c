/* What is told of whom, with people and followers as they are, and everything around them played by the test. Connection i
 * is of user i, on device 100 + i. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/delivery/delivery_companions.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_seen.h"
#include "shared/base/clock.h"
#include "tests/unit/live_played.h"
#include "tests/unit/waiting.h"

#define CONNECTIONS 300
#define GRACE_MS    60

static struct {
    struct delivery_service service;
    struct connection connections[CONNECTIONS];
    delivery_on_seen on_seen;
    void *seen_context;
    int64_t seen[CONNECTIONS]; /* what Redis holds of each user */
    int64_t asked_of;          /* whose last presence is asked for; -1: nobody's */
    delivery_on_companions callback;
    void *context;
    size_t pair_count;
    struct chat_pair pairs[COMPANIONS_PAIRS_MAX];
    int64_t first_ms, last_ms;
} world;

/* --- the rest of the daemon --- */

void delivery_frames_presence(struct connection *connection, int64_t user_id, bool is_online,
                              int64_t last_seen_ms)
{
    assert_true(!is_online || last_seen_ms == 0);
    world.last_ms = clock_monotonic_ms();
    if (played.frames == 0)
        world.first_ms = world.last_ms;
    count_frame();
    tell("%d:%c%d%s;", (int)connection->user_id, is_online ? '+' : '-', (int)user_id,
         last_seen_ms > 0 ? "@" : "");
}

struct delivery_seen *delivery_seen_create(struct loop *loop, delivery_on_seen on_seen,
                                           void *context)
{
    (void)loop;
    world.on_seen = on_seen;
    world.seen_context = context;
    return NULL;
}

void delivery_seen_destroy(struct delivery_seen **seen)
{
    (void)seen;
}

void delivery_seen_ask(struct delivery_seen *seen, int64_t user_id)
{
    (void)seen;
    assert_int_equal(world.asked_of, -1);
    world.asked_of = user_id;
}

void delivery_seen_note(struct delivery_seen *seen, int64_t user_id, int64_t at_ms)
{
    (void)seen;
    world.seen[user_id] = at_ms;
}

void delivery_seen_show(struct delivery_seen *seen, int64_t user_id)
{
    (void)seen;
    if (world.seen[user_id] == SEEN_HIDDEN)
        world.seen[user_id] = SEEN_NEVER;
}

void delivery_seen_flush(struct delivery_seen *seen)
{
    (void)seen;
}

bool delivery_seen_is_written(const struct delivery_seen *seen)
{
    (void)seen;
    return true;
}

bool delivery_companions_ask(struct delivery_companions *companions, const struct chat_pair *pairs,
                             size_t count, delivery_on_companions callback, void *context)
{
    (void)companions;
    assert_null(world.callback);
    world.callback = callback;
    world.context = context;
    world.pair_count = count;
    memcpy(world.pairs, pairs, count * sizeof *pairs);
    return true;
}

static void answer_seen(void)
{
    int64_t user_id = world.asked_of;
    world.asked_of = -1;
    world.on_seen(world.seen_context, user_id, world.seen[user_id]);
}

static void answer_companions(const int64_t *shared)
{
    delivery_on_companions callback = world.callback;
    world.callback = NULL;
    callback(world.context, shared);
}

static bool is_asked(void)
{
    return world.callback != NULL;
}

/* --- what the tests do --- */

static const int64_t all[COMPANIONS_PAIRS_MAX] = {1, 1, 1, 1, 1, 1, 1, 1};
static struct device_hub hub;

static void come(int64_t user_id, int64_t flags)
{
    struct connection *connection = &world.connections[user_id];
    struct device *device = delivery_people_add(world.service.people, user_id, 100 + user_id, 1);
    connection->user_id = user_id;
    connection->state = CONNECTION_OPEN;
    connection->device = device;
    device->connection = connection;
    device->state = DEVICE_LIVE;
    device->user->flags = (uint8_t)flags;
    delivery_people_connected(world.service.people, device);
    delivery_presence_came(world.service.presence, device->user);
}

static void go(int64_t user_id)
{
    struct connection *connection = &world.connections[user_id];
    struct device *device = connection->device;
    if (device == NULL)
        return;
    delivery_presence_gone(world.service.presence, connection);
    connection->device = NULL;
    connection->state = CONNECTION_CLOSED;
    device->connection = NULL;
    device->state = DEVICE_OFFLINE;
    delivery_people_disconnected(world.service.people, device);
    delivery_presence_went(world.service.presence, device->user);
}

static void follow(int64_t user_id, int64_t whom)
{
    delivery_presence_follow(world.service.presence, &world.connections[user_id], TEXT_NONE, &whom,
                             1);
    answer_companions(all);
}

/* What was told within the time that changes are gathered for; then it is forgotten. */
static void assert_told(const char *wanted)
{
    wait_ms(20);
    assert_was_told(wanted);
}

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    memset(&played, 0, sizeof played);
    world.asked_of = -1;
    limits.max_followed_users = 4;
    delivery_settings.max_subscriptions = 2 * CONNECTIONS;
    delivery_settings.presence_grace_ms = GRACE_MS;
    delivery_settings.presence_check_ms = 86400000;
    delivery_settings.live_interval_ms = 1;
    world.service.loop = waiting_start();
    world.service.people = delivery_people_create(&hub, 100);
    world.service.presence = delivery_presence_create(&world.service);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int64_t i = 0; i < CONNECTIONS; i++)
        go(i);
    for (int i = 0; i < CONNECTIONS; i++)
        assert_int_equal(world.connections[i].holds, 0);
    delivery_presence_destroy(&world.service.presence);
    delivery_people_destroy(&world.service.people);
    waiting_stop();
    return 0;
}

/* --- the tests --- */

static void who_is_there_is_told_once_to_who_begins_to_follow(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    follow(1, 2);
    assert_told("1:+2;");
    come(3, 0);
    follow(3, 2);
    assert_told("3:+2;");
}

static void who_is_away_is_told_when_it_is_known_since_when(void **state)
{
    (void)state;
    world.seen[2] = 12345;
    come(1, 0);
    come(3, 0);
    follow(1, 2);
    follow(3, 2);
    assert_told("");
    answer_seen();
    assert_told("3:-2@;1:-2@;");
    come(4, 0);
    follow(4, 2);
    assert_told("4:-2@;");
}

static void who_comes_back_within_the_grace_was_not_away(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    follow(1, 2);
    assert_told("1:+2;");
    go(2);
    come(2, 0);
    wait_ms(2 * GRACE_MS);
    assert_told("");
    go(2);
    assert_told("");
    wait_ms(2 * GRACE_MS);
    assert_told("1:-2@;");
}

static void who_is_in_the_grace_is_told_as_online(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    go(2);
    follow(1, 2);
    assert_told("1:+2;");
    wait_ms(2 * GRACE_MS);
    assert_told("1:-2@;");
}

static void who_comes_while_it_is_asked_when_they_were_there_is_online(void **state)
{
    (void)state;
    come(1, 0);
    follow(1, 2);
    come(2, 0);
    assert_told("1:+2;");
    answer_seen();
    assert_told("");
}

static void of_who_hides_there_is_no_frame_whatever_they_do(void **state)
{
    (void)state;
    come(1, 0);
    come(2, USER_HIDES_PRESENCE);
    follow(1, 2);
    assert_told("");
    go(2);
    wait_ms(2 * GRACE_MS);
    assert_told("");
    come(2, USER_HIDES_PRESENCE);
    assert_told("");
    assert_int_equal(world.seen[2], SEEN_HIDDEN);
    come(3, 0);
    follow(3, 2);
    assert_told("");
}

static void who_was_hidden_when_they_were_last_there_is_hidden(void **state)
{
    (void)state;
    world.seen[2] = SEEN_HIDDEN;
    come(1, 0);
    follow(1, 2);
    answer_seen();
    assert_told("");
}

static void who_begins_to_hide_is_told_as_away_once_and_no_more(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    follow(1, 2);
    assert_told("1:+2;");
    delivery_presence_privacy(world.service.presence, 2, USER_HIDES_PRESENCE);
    assert_told("1:-2;");
    go(2);
    wait_ms(2 * GRACE_MS);
    assert_told("");
    assert_int_equal(world.seen[2], SEEN_HIDDEN);
}

static void who_does_not_hide_any_more_is_told_as_they_are(void **state)
{
    (void)state;
    come(1, 0);
    come(2, USER_HIDES_PRESENCE);
    follow(1, 2);
    delivery_presence_privacy(world.service.presence, 2, 0);
    assert_told("1:+2;");
    delivery_presence_privacy(world.service.presence, 2, USER_HIDES_READS);
    assert_told("");
    go(2);
    wait_ms(2 * GRACE_MS);
    assert_told("1:-2@;");
    assert_true(world.seen[2] > 0);
    delivery_presence_privacy(world.service.presence, 2, 0);
    assert_told("");
    assert_true(world.seen[2] > 0);
}

static void of_who_is_erased_nothing_is_remembered(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    follow(1, 2);
    assert_told("1:+2;");
    delivery_presence_erased(world.service.presence, 2);
    go(2);
    wait_ms(2 * GRACE_MS);
    assert_told("1:-2;");
    assert_int_equal(world.seen[2], SEEN_NEVER);
}

static void those_with_whom_one_shares_no_chat_are_left_out_in_silence(void **state)
{
    (void)state;
    const int64_t users[] = {2, 3}, shared[] = {0, 1};
    come(1, 0);
    come(2, 0);
    come(3, 0);
    delivery_presence_follow(world.service.presence, &world.connections[1], TEXT_LITERAL("p"),
                             users, 2);
    answer_companions(shared);
    assert_told("ok p;1:+3;");
    delivery_presence_follow(world.service.presence, &world.connections[1], TEXT_LITERAL("p"),
                             users, 2);
    answer_companions(NULL);
    assert_told("error p unavailable;");
    go(3);
    wait_ms(2 * GRACE_MS);
    assert_told("1:-3@;");
}

static void
who_leaves_a_chat_is_checked_from_both_sides_and_ends_with_the_last_common_one(void **state)
{
    (void)state;
    const int64_t shared[] = {0, 1};
    come(1, 0);
    come(2, 0);
    come(3, 0);
    follow(1, 2);
    follow(2, 3);
    assert_told("1:+2;2:+3;");
    delivery_presence_suspect(world.service.presence, 2);
    wait_until(is_asked);
    assert_int_equal(world.pair_count, 2);
    assert_true(world.pairs[0].user_id == 1 && world.pairs[0].other_id == 2);
    assert_true(world.pairs[1].user_id == 2 && world.pairs[1].other_id == 3);
    answer_companions(NULL); /* chat is away: the same is asked again */
    wait_until(is_asked);
    assert_int_equal(world.pair_count, 2);
    answer_companions(shared);
    assert_null(world.connections[1].presence);
    assert_non_null(world.connections[2].presence);
    go(3);
    wait_ms(2 * GRACE_MS);
    assert_told("2:-3@;");
}

static void what_a_connection_did_not_take_is_told_when_it_is_checked(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    follow(1, 2);
    assert_told("1:+2;");
    played.is_full = true;
    go(2);
    wait_ms(2 * GRACE_MS);
    played.is_full = false;
    assert_told("");
    delivery_settings.presence_check_ms = 0;
    wait_until(is_asked);
    answer_companions(all);
    assert_told("1:-2@;");
}

static void
who_hides_while_a_connection_takes_nothing_is_away_to_it_when_it_is_checked(void **state)
{
    (void)state;
    const int64_t whom[] = {2, 3};
    come(1, 0);
    come(2, 0);
    come(3, USER_HIDES_PRESENCE);
    delivery_presence_follow(world.service.presence, &world.connections[1], TEXT_NONE, whom, 2);
    answer_companions(all);
    assert_told("1:+2;");
    played.is_full = true;
    delivery_presence_privacy(world.service.presence, 2, USER_HIDES_PRESENCE);
    wait_ms(20);
    played.is_full = false;
    assert_told("");
    delivery_settings.presence_check_ms = 1;
    wait_until(is_asked);
    answer_companions(all);
    assert_told("1:-2;"); /* of 3, who hid from the beginning, there is still nothing */
    wait_until(is_asked);
    answer_companions(all);
    assert_told("");
}

static void before_ready_nothing_is_told_and_with_it_everything(void **state)
{
    (void)state;
    come(1, 0);
    come(2, 0);
    world.connections[1].device->state = DEVICE_CONNECTING;
    follow(1, 2);
    assert_told("");
    world.connections[1].device->state = DEVICE_LIVE;
    delivery_presence_ready(world.service.presence, &world.connections[1]);
    delivery_presence_ready(world.service.presence, &world.connections[1]);
    assert_told("1:+2;");
}

static void who_has_gone_before_the_answer_follows_nobody(void **state)
{
    (void)state;
    const int64_t whom = 2;
    come(1, 0);
    come(2, 0);
    delivery_presence_follow(world.service.presence, &world.connections[1], TEXT_NONE, &whom, 1);
    go(1);
    answer_companions(all);
    assert_null(world.connections[1].presence);
    assert_told("");
}

static void many_followers_are_told_in_slices_between_which_others_have_their_turn(void **state)
{
    (void)state;
    const int64_t followers = CONNECTIONS - 10;
    const size_t slices = (size_t)(followers + LIVE_SLICE_FRAMES - 1) / LIVE_SLICE_FRAMES;
    for (int64_t i = 1; i <= followers; i++) {
        come(i, 0);
        follow(i, 0);
    }
    begin_others(world.service.loop, (size_t)followers);
    come(0, 0);
    wait_until(all_are_told);
    wait_ms(20);
    assert_int_equal(played.frames, followers);
    assert_in_range(played.most_between, 1, LIVE_SLICE_FRAMES);
    assert_true(world.last_ms - world.first_ms >= (int64_t)(slices - 1) * LIVE_SLICE_MS - 1);
    loop_timer_destroy(&played.others);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_there_is_told_once_to_who_begins_to_follow),
        TEST(who_is_away_is_told_when_it_is_known_since_when),
        TEST(who_comes_back_within_the_grace_was_not_away),
        TEST(who_is_in_the_grace_is_told_as_online),
        TEST(who_comes_while_it_is_asked_when_they_were_there_is_online),
        TEST(of_who_hides_there_is_no_frame_whatever_they_do),
        TEST(who_was_hidden_when_they_were_last_there_is_hidden),
        TEST(who_begins_to_hide_is_told_as_away_once_and_no_more),
        TEST(who_does_not_hide_any_more_is_told_as_they_are),
        TEST(of_who_is_erased_nothing_is_remembered),
        TEST(those_with_whom_one_shares_no_chat_are_left_out_in_silence),
        TEST(who_leaves_a_chat_is_checked_from_both_sides_and_ends_with_the_last_common_one),
        TEST(what_a_connection_did_not_take_is_told_when_it_is_checked),
        TEST(who_hides_while_a_connection_takes_nothing_is_away_to_it_when_it_is_checked),
        TEST(before_ready_nothing_is_told_and_with_it_everything),
        TEST(who_has_gone_before_the_answer_follows_nobody),
        TEST(many_followers_are_told_in_slices_between_which_others_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
