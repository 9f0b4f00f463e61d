/* One chat's members: against a naive walk over what happened, and in the figures that are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/delivery/delivery_roster.h"

#define USERS 40
#define STEPS 3000

/* What really happened, event by event: was_member[seq][user]. */
static bool was_member[STEPS + 2][USERS + 1];
static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t members_at(int64_t seq)
{
    size_t count = 0;
    for (int user = 1; user <= USERS; user++)
        count += was_member[seq][user];
    return count;
}

static bool is_in(const struct delivery_roster *roster, int64_t user, int64_t seq)
{
    for (size_t i = 0; i < roster->span_count; i++)
        if (roster->spans[i].user_id == user && delivery_span_covers(&roster->spans[i], seq))
            return true;
    return false;
}

static void look_at(struct delivery_roster *roster, int64_t seq)
{
    assert_int_equal(delivery_roster_members_at(roster, seq), members_at(seq));
    for (int64_t user = 1; user <= USERS; user++)
        assert_int_equal(is_in(roster, user, seq), was_member[seq][user]);
}

/* Somebody comes, goes, or says something. Returns the event's type. */
static int64_t happen(int64_t seq, const bool *now, int64_t *user_out)
{
    int64_t user = 1 + (int64_t)(next_random() % USERS);
    *user_out = user;
    if (next_random() % 3 == 0) {
        *user_out = 0;
        return CHAT_EVENT_MESSAGE;
    }
    was_member[seq][user] = true; /* also at the event that ends it */
    return now[user] ? CHAT_EVENT_MEMBER_REMOVED : CHAT_EVENT_MEMBER_ADDED;
}

static void members_are_those_of_a_naive_walk_now_and_in_the_past(void **state)
{
    (void)state;
    struct delivery_roster roster = {.chat_id = 1};
    bool now[USERS + 1] = {false};
    int64_t user;
    random_state = 0x9E3779B97F4A7C15u;
    delivery_roster_fill(&roster, NULL, 0, 1, 0);
    for (int64_t seq = 1; seq <= STEPS; seq++) {
        memcpy(was_member[seq], now, sizeof now);
        int64_t type = happen(seq, now, &user);
        delivery_roster_apply(&roster, type, user, seq);
        if (type != CHAT_EVENT_MESSAGE)
            now[user] = type == CHAT_EVENT_MEMBER_ADDED;
        look_at(&roster, seq);
        look_at(&roster, seq + (int64_t)(next_random() % 2) * (roster.from_seq - seq));
        look_at(&roster,
                roster.from_seq + (int64_t)(next_random() % (uint64_t)(seq - roster.from_seq + 1)));
        for (int64_t other = 1; other <= USERS; other++) /* by the last span: exact for today */
            assert_int_equal(delivery_roster_has(&roster, other, seq), was_member[seq][other]);
    }
    assert_true(roster.from_seq > 1); /* it was pruned on the way */
    delivery_roster_clear(&roster);
}

static void a_loaded_roster_counts_the_member_who_was_removed_at_its_head(void **state)
{
    (void)state;
    struct delivery_roster roster = {.chat_id = 1};
    const struct chat_span spans[] = {{7, 1, 0}, {8, 2, 9}, {9, 3, 5}, {9, 7, 0}};
    delivery_roster_fill(&roster, spans, 4, 4, 9);
    assert_int_equal(roster.member_count, 2);
    assert_int_equal(delivery_roster_members_at(&roster, 9), 3);
    assert_int_equal(delivery_roster_members_at(&roster, 10), 2);
    assert_int_equal(delivery_roster_members_at(&roster, 6), 2);
    assert_int_equal(delivery_roster_members_at(&roster, 5), 3);
    assert_true(delivery_roster_has(&roster, 8, 9));
    assert_false(delivery_roster_has(&roster, 8, 10));
    assert_true(delivery_roster_has(&roster, 9, INT64_MAX));
    assert_false(delivery_roster_has(&roster, 1, 9));
    delivery_roster_clear(&roster);
}

static void a_message_changes_nobody(void **state)
{
    (void)state;
    struct delivery_roster roster = {.chat_id = 1};
    const struct chat_span spans[] = {{7, 1, 0}};
    delivery_roster_fill(&roster, spans, 1, 1, 1);
    delivery_roster_apply(&roster, CHAT_EVENT_MESSAGE, 0, 2);
    delivery_roster_apply(&roster, CHAT_EVENT_ROLE_CHANGED, 7, 3);
    delivery_roster_apply(&roster, CHAT_EVENT_MEMBER_REMOVED, 8, 4); /* of whom it has not heard */
    assert_int_equal(roster.as_of_seq, 4);
    assert_int_equal(roster.member_count, 1);
    assert_int_equal(delivery_roster_members_at(&roster, 4), 1);
    delivery_roster_clear(&roster);
}

static void what_is_known_of_the_past_stays_known_while_others_join(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct delivery_roster roster = {.chat_id = 1};
    for (int64_t seq = 1; seq <= MANY; seq++)
        delivery_roster_apply(&roster, CHAT_EVENT_MEMBER_ADDED, seq, seq);
    for (int64_t seq = 1; seq <= MANY; seq++) { /* the feed is read again */
        assert_int_equal(delivery_roster_members_at(&roster, seq), seq);
        delivery_roster_apply(&roster, CHAT_EVENT_MEMBER_ADDED, MANY + seq, MANY + seq);
        assert_int_equal(roster.step_count, MANY + 1 + seq); /* one more, and no new walk */
    }
    delivery_roster_clear(&roster);
}

static void a_large_roster_is_not_walked_for_the_few_that_leave(void **state)
{
    (void)state;
    enum { MANY = 20000, LEAVE = 1000 };
    struct delivery_roster roster = {.chat_id = 1};
    for (int64_t seq = 1; seq <= MANY; seq++)
        delivery_roster_apply(&roster, CHAT_EVENT_MEMBER_ADDED, seq, seq);
    for (int64_t i = 1; i <= LEAVE; i++)
        delivery_roster_apply(&roster, CHAT_EVENT_MEMBER_REMOVED, i, MANY + i);
    assert_int_equal(roster.member_count, MANY - LEAVE);
    assert_int_equal(roster.span_count, MANY); /* not pruned: the table of places stays as it is */
    assert_false(delivery_roster_has(&roster, LEAVE, MANY + LEAVE + 1));
    assert_true(delivery_roster_has(&roster, MANY, MANY + LEAVE + 1));
    delivery_roster_clear(&roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_those_of_a_naive_walk_now_and_in_the_past),
        cmocka_unit_test(a_loaded_roster_counts_the_member_who_was_removed_at_its_head),
        cmocka_unit_test(a_message_changes_nobody),
        cmocka_unit_test(what_is_known_of_the_past_stays_known_while_others_join),
        cmocka_unit_test(a_large_roster_is_not_walked_for_the_few_that_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
