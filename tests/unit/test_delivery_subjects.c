/* Who follows whose presence, and who must be told of what: also held against a table. Connection i is of user 100 + i. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "services/delivery/delivery_subjects.h"

#define CONNECTIONS 10
#define USERS       7
#define MOST        40

static struct delivery_subjects *subjects;
static struct connection connections[CONNECTIONS];

static int begin(void **state)
{
    (void)state;
    memset(connections, 0, sizeof connections);
    for (int i = 0; i < CONNECTIONS; i++)
        connections[i].user_id = 100 + i;
    subjects = delivery_subjects_create(MOST);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < CONNECTIONS; i++)
        delivery_subjects_drop(subjects, &connections[i]);
    while (delivery_subjects_start_telling(subjects) != NULL)
        fail_msg("there is nobody who could be told");
    delivery_subjects_destroy(&subjects);
    return 0;
}

static void follow(int i, int64_t user_id)
{
    assert_true(delivery_subjects_replace(subjects, &connections[i], &user_id, 1, 0));
}

static void set(int64_t user_id, enum presence now)
{
    struct presence_subject *subject = delivery_subjects_find(subjects, user_id);
    assert_non_null(subject);
    delivery_subjects_set(subjects, subject, now, 0);
}

/* Who is told next of that subject; NULL: all have been. */
static const struct connection *told_next(struct presence_subject *subject)
{
    const struct subscription *place = delivery_subjects_tell_next(subjects, subject);
    return place == NULL ? NULL : place->connection;
}

/* How many followers of the next changed subject are told; -1: there is none. */
static int tell(void)
{
    struct presence_subject *subject = delivery_subjects_start_telling(subjects);
    int count = 0;
    if (subject == NULL)
        return -1;
    while (told_next(subject) != NULL)
        count++;
    return count;
}

static void every_follower_is_told_of_a_change_once(void **state)
{
    (void)state;
    follow(0, 1);
    follow(1, 1);
    follow(2, 2);
    set(1, PRESENCE_ONLINE);
    assert_int_equal(tell(), 2);
    assert_int_equal(tell(), -1);
    set(1, PRESENCE_ONLINE);
    assert_int_equal(tell(), -1);
}

static void what_came_and_went_before_anybody_was_told_is_not_told(void **state)
{
    (void)state;
    follow(0, 1);
    set(1, PRESENCE_OFFLINE);
    assert_int_equal(tell(), 1);
    set(1, PRESENCE_ONLINE);
    set(1, PRESENCE_OFFLINE);
    assert_int_equal(tell(), -1);
}

static void who_comes_while_a_change_waits_is_told_whatever_becomes_of_it(void **state)
{
    (void)state;
    follow(0, 1);
    set(1, PRESENCE_OFFLINE);
    assert_int_equal(tell(), 1);
    set(1, PRESENCE_ONLINE);
    follow(1, 1); /* is told ONLINE on its own */
    set(1, PRESENCE_OFFLINE);
    assert_int_equal(tell(), 2);
}

static void who_hides_is_told_of_once_to_those_who_have_seen_something(void **state)
{
    (void)state;
    follow(0, 1);
    set(1, PRESENCE_HIDDEN);
    assert_int_equal(tell(), -1);
    set(1, PRESENCE_ONLINE);
    assert_int_equal(tell(), 1);
    set(1, PRESENCE_HIDDEN);
    follow(1, 1);
    assert_int_equal(tell(), 2);
    set(1, PRESENCE_HIDDEN);
    assert_int_equal(tell(), -1);
}

static void a_change_in_the_middle_of_telling_is_told_to_all_afterwards(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        follow(i, 1);
    set(1, PRESENCE_ONLINE);
    struct presence_subject *subject = delivery_subjects_start_telling(subjects);
    assert_ptr_equal(told_next(subject), &connections[3]);
    set(1, PRESENCE_OFFLINE);
    assert_ptr_equal(told_next(subject), &connections[2]);
    delivery_subjects_drop(subjects, &connections[1]);
    assert_ptr_equal(told_next(subject), &connections[0]);
    assert_null(told_next(subject));
    assert_int_equal(tell(), 3);
}

/* Changes of a user while their followers, of whom 3 is told first and 0 last, are told something else. */
static const struct {
    const char *name;
    enum presence first, meanwhile, at_last;
} changes_under_a_walk[] = {
    {"went and came back", PRESENCE_ONLINE, PRESENCE_OFFLINE, PRESENCE_ONLINE},
    {"came and went again", PRESENCE_OFFLINE, PRESENCE_ONLINE, PRESENCE_OFFLINE},
    {"hid and showed again", PRESENCE_ONLINE, PRESENCE_HIDDEN, PRESENCE_ONLINE},
    {"showed and hid again", PRESENCE_HIDDEN, PRESENCE_ONLINE, PRESENCE_HIDDEN},
};

static void what_comes_and_goes_in_the_middle_of_telling_is_told_to_all_afterwards(void **state)
{
    (void)state;
    size_t count = sizeof changes_under_a_walk / sizeof changes_under_a_walk[0];
    for (size_t c = 0; c < count; c++) {
        enum presence first = changes_under_a_walk[c].first;
        for (int i = 0; i < 4; i++)
            follow(i, 1);
        set(1, first == PRESENCE_ONLINE ? PRESENCE_OFFLINE : PRESENCE_ONLINE);
        assert_int_equal(tell(), 4);
        set(1, first);
        struct presence_subject *subject = delivery_subjects_start_telling(subjects);
        assert_ptr_equal(told_next(subject), &connections[3]);
        set(1, changes_under_a_walk[c].meanwhile);
        assert_ptr_equal(told_next(subject), &connections[2]);
        set(1, changes_under_a_walk[c].at_last);
        assert_ptr_equal(told_next(subject), &connections[1]);
        assert_ptr_equal(told_next(subject), &connections[0]);
        assert_null(told_next(subject));
        if (tell() != 4)
            fail_msg("who %s is not told of again", changes_under_a_walk[c].name);
        assert_int_equal(tell(), -1);
        for (int i = 0; i < 4; i++)
            delivery_subjects_drop(subjects, &connections[i]);
    }
}

static void a_subject_that_all_leave_while_they_are_told_is_gone_afterwards(void **state)
{
    (void)state;
    follow(0, 1);
    follow(1, 1);
    set(1, PRESENCE_ONLINE);
    struct presence_subject *subject = delivery_subjects_start_telling(subjects);
    assert_non_null(told_next(subject));
    delivery_subjects_drop(subjects, &connections[0]);
    delivery_subjects_drop(subjects, &connections[1]);
    assert_non_null(delivery_subjects_find(subjects, 1));
    assert_null(told_next(subject));
    assert_null(delivery_subjects_find(subjects, 1));
}

static void above_the_bound_the_former_set_stays(void **state)
{
    (void)state;
    int64_t users[MOST + 1];
    for (int64_t i = 0; i <= MOST; i++)
        users[i] = i + 1;
    assert_true(delivery_subjects_replace(subjects, &connections[0], users, MOST, 0));
    assert_false(delivery_subjects_replace(subjects, &connections[1], users, 1, 0));
    assert_false(delivery_subjects_replace(subjects, &connections[0], users, MOST + 1, 0));
    assert_int_equal(delivery_subjects_count(subjects), MOST);
    assert_true(delivery_subjects_replace(subjects, &connections[0], NULL, 0, 0));
    assert_null(connections[0].presence);
    assert_null(delivery_subjects_find(subjects, 1));
}

static void the_followers_of_a_suspected_user_are_checked_each_once(void **state)
{
    (void)state;
    int64_t follower, user_id;
    bool seen[CONNECTIONS] = {false};
    for (int i = 0; i < 5; i++)
        follow(i, 1);
    follow(5, 2);
    delivery_subjects_suspect(subjects, 1);
    delivery_subjects_suspect(subjects, 1);
    delivery_subjects_suspect(subjects, 3); /* nobody follows */
    for (int count = 0; count < 5; count++) {
        assert_true(delivery_subjects_next_suspect(subjects, &follower, &user_id));
        assert_int_equal(user_id, 1);
        assert_false(seen[follower - 100]);
        seen[follower - 100] = true;
    }
    assert_false(delivery_subjects_next_suspect(subjects, &follower, &user_id));
    delivery_subjects_suspect(subjects, 1);
    for (int i = 0; i < 5; i++)
        delivery_subjects_drop(subjects, &connections[i]);
    assert_false(delivery_subjects_next_suspect(subjects, &follower, &user_id));
    assert_null(delivery_subjects_find(subjects, 1));
}

static void sets_are_checked_in_turn_and_a_suspected_one_first(void **state)
{
    (void)state;
    const int64_t user_id = 1;
    for (int i = 0; i < 3; i++)
        assert_true(delivery_subjects_replace(subjects, &connections[i], &user_id, 1, 10 * i));
    assert_null(delivery_subjects_next_set(subjects, -1, 100));
    delivery_subjects_suspect_set(subjects, &connections[2]);
    assert_ptr_equal(delivery_subjects_next_set(subjects, 5, 100)->connection, &connections[2]);
    assert_ptr_equal(delivery_subjects_next_set(subjects, 5, 100)->connection, &connections[0]);
    assert_null(delivery_subjects_next_set(subjects, 5, 100));
    assert_ptr_equal(delivery_subjects_next_set(subjects, 200, 200)->connection, &connections[1]);
    assert_ptr_equal(delivery_subjects_next_set(subjects, 199, 200)->connection, &connections[2]);
}

/* --- against a table --- */

/* What each connection believes of each user; PRESENCE_UNKNOWN: it was told nothing, or does not follow. */
static enum presence believed[CONNECTIONS][USERS + 1], truth[USERS + 1];
static bool follows[CONNECTIONS][USERS + 1];
static struct presence_subject *walked; /* whose followers are being told */

static void begin_following(int i)
{
    struct presence_set *set_of = connections[i].presence;
    for (size_t p = 0; set_of != NULL && p < set_of->size; p++) {
        struct presence_subject *subject = set_of->places[p].subject;
        if (subject->now == PRESENCE_UNKNOWN)
            delivery_subjects_begin(subject, truth[subject->user_id]);
        assert_int_equal(subject->now, truth[subject->user_id]);
        if (subject->now >= PRESENCE_ONLINE)
            believed[i][subject->user_id] = subject->now;
    }
}

static void replace_at_random(int i)
{
    int64_t users[USERS];
    size_t count = 0;
    bool row[USERS + 1] = {false};
    for (int64_t user = 1; user <= USERS; user++)
        if (random() % 3 == 0) {
            users[count++] = user;
            row[user] = true;
        }
    if (!delivery_subjects_replace(subjects, &connections[i], users, count, 0))
        return;
    memcpy(follows[i], row, sizeof row);
    memset(believed[i], 0, sizeof believed[i]);
    begin_following(i);
}

/* Goes on where it stopped: changes come in the middle of it, too. */
static void tell_some(bool all)
{
    while (all || random() % 3 != 0) {
        if (walked == NULL)
            walked = delivery_subjects_start_telling(subjects);
        if (walked == NULL)
            return;
        int64_t user = walked->user_id;
        enum presence now = walked->now;
        const struct connection *connection = told_next(walked);
        if (connection == NULL) {
            walked = NULL;
            continue;
        }
        size_t i = (size_t)(connection - connections);
        assert_true(follows[i][user]);
        believed[i][user] = now == PRESENCE_HIDDEN ? PRESENCE_OFFLINE : now;
    }
}

/* To whom one hides, one was never there, or is away. */
static void compare(void)
{
    for (int i = 0; i < CONNECTIONS; i++)
        for (int64_t user = 1; user <= USERS; user++) {
            if (!follows[i][user])
                continue;
            if (truth[user] == PRESENCE_HIDDEN)
                assert_int_not_equal(believed[i][user], PRESENCE_ONLINE);
            else
                assert_int_equal(believed[i][user], truth[user]);
        }
}

static void thousands_of_changes_leave_everybody_believing_what_is_true(void **state)
{
    (void)state;
    memset(believed, 0, sizeof believed);
    memset(follows, 0, sizeof follows);
    for (int64_t user = 1; user <= USERS; user++)
        truth[user] = PRESENCE_OFFLINE;
    srandom(3);
    for (int step = 0; step < 30000; step++) {
        int i = (int)(random() % CONNECTIONS);
        int64_t user = walked != NULL && random() % 2 == 0 ? walked->user_id : 1 + random() % USERS;
        struct presence_subject *subject = delivery_subjects_find(subjects, user);
        switch (random() % 5) {
        case 0:
            delivery_subjects_drop(subjects, &connections[i]);
            memset(follows[i], 0, sizeof follows[i]);
            break;
        case 1:
            delivery_subjects_drop_user(subjects, &connections[i], user);
            follows[i][user] = false;
            break;
        case 2:
            replace_at_random(i);
            break;
        default:
            truth[user] = (enum presence)(PRESENCE_HIDDEN + random() % 3);
            if (subject != NULL && subject->now != PRESENCE_UNKNOWN)
                delivery_subjects_set(subjects, subject, truth[user], 0);
        }
        bool all = random() % 3 == 0;
        tell_some(all);
        if (all)
            compare();
    }
    tell_some(true);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_follower_is_told_of_a_change_once),
        TEST(what_came_and_went_before_anybody_was_told_is_not_told),
        TEST(who_comes_while_a_change_waits_is_told_whatever_becomes_of_it),
        TEST(who_hides_is_told_of_once_to_those_who_have_seen_something),
        TEST(a_change_in_the_middle_of_telling_is_told_to_all_afterwards),
        TEST(what_comes_and_goes_in_the_middle_of_telling_is_told_to_all_afterwards),
        TEST(a_subject_that_all_leave_while_they_are_told_is_gone_afterwards),
        TEST(above_the_bound_the_former_set_stays),
        TEST(the_followers_of_a_suspected_user_are_checked_each_once),
        TEST(sets_are_checked_in_turn_and_a_suspected_one_first),
        TEST(thousands_of_changes_leave_everybody_believing_what_is_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
