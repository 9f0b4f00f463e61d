/* The cache of rosters: asked for in batches, again for what an answer had no room for, and bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_rosters.h"
#include "tests/unit/waiting.h"

#define ASKS_MAX 4

static struct {
    struct delivery_service service;
    rpc_callback callbacks[ASKS_MAX];
    void *contexts[ASKS_MAX];
    size_t count; /* requests that are not answered */
    struct chat_roster_ask asks[16];
    size_t ask_count; /* of the last request */
    int requests, loaded;
} w;

void chat_client_members(struct rpc_client *client, const struct chat_members_request *request,
                         int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)deadline_ms;
    assert_true(w.count < ASKS_MAX);
    w.callbacks[w.count] = callback;
    w.contexts[w.count++] = context;
    w.requests++;
    w.ask_count = request->chats_count;
    memcpy(w.asks, request->chats, request->chats_count * sizeof w.asks[0]);
}

static bool is_asked(void)
{
    return w.count > 0;
}

/* Answers the only request: of the chats in the order asked the first so many, each with its members 1 to `members`. */
static void answer(size_t rosters, int64_t members, enum rpc_outcome outcome)
{
    struct chat_span spans[8];
    struct chat_roster list[16];
    for (int64_t i = 0; i < members; i++)
        spans[i] = (struct chat_span){i + 1, 1, 0};
    for (size_t i = 0; i < rosters; i++)
        list[i] = (struct chat_roster){.chat_id = w.asks[i].chat_id,
                                       .as_of_seq = 20,
                                       .spans = spans,
                                       .spans_count = (size_t)members};
    struct chat_members_reply reply = {.rosters = list, .rosters_count = rosters};
    assert_int_equal(w.count, 1);
    w.count = 0;
    w.callbacks[0](w.contexts[0], &(struct rpc_result){outcome, PROBLEM_NONE, &reply});
}

static void on_loaded(void *context)
{
    (void)context;
    w.loaded++;
}

static struct delivery_roster *find(int64_t chat_id, int64_t seq)
{
    return delivery_rosters_find(w.service.rosters, chat_id, seq);
}

static int begin(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    delivery_settings.max_cached_spans = 10;
    w.service.loop = waiting_start();
    w.service.rosters = delivery_rosters_create(&w.service, on_loaded, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < w.count; i++)
        w.callbacks[i](w.contexts[i], &(struct rpc_result){.outcome = RPC_UNAVAILABLE});
    delivery_rosters_destroy(&w.service.rosters);
    waiting_stop();
    return 0;
}

static void chats_that_lack_are_asked_for_together(void **state)
{
    (void)state;
    assert_null(find(1, 10));
    assert_null(find(2, 5));
    assert_null(find(2, 4));
    wait_until(is_asked);
    assert_int_equal(w.ask_count, 2);
    answer(2, 3, RPC_OK);
    assert_int_equal(w.loaded, 1);
    assert_int_equal(find(1, 10)->member_count, 3);
    assert_int_equal(find(2, 4)->as_of_seq, 20);
    assert_int_equal(w.requests, 1);
}

static void what_an_answer_has_no_room_for_is_asked_for_again(void **state)
{
    (void)state;
    for (int64_t chat = 1; chat <= 3; chat++)
        assert_null(find(chat, 10));
    wait_until(is_asked);
    int64_t first = w.asks[0].chat_id;
    answer(1, 3, RPC_OK);
    assert_non_null(find(first, 10));
    wait_until(is_asked);
    assert_int_equal(w.ask_count, 2);
    answer(2, 3, RPC_OK);
    for (int64_t chat = 1; chat <= 3; chat++)
        assert_non_null(find(chat, 10));
}

static void an_empty_answer_holds_nobody_up_for_ever(void **state)
{
    (void)state;
    assert_null(find(1, 10));
    wait_until(is_asked);
    answer(0, 0, RPC_OK);
    assert_int_equal(find(1, 10)->member_count, 0);
}

static void what_was_not_answered_is_asked_for_again_later(void **state)
{
    (void)state;
    assert_null(find(1, 10));
    wait_until(is_asked);
    answer(0, 0, RPC_UNAVAILABLE);
    assert_int_equal(w.count, 0);
    wait_until(is_asked);
    answer(1, 2, RPC_OK);
    assert_int_equal(find(1, 10)->member_count, 2);
}

static void a_seq_before_what_is_known_is_asked_for_from_there(void **state)
{
    (void)state;
    assert_null(find(1, 10));
    wait_until(is_asked);
    answer(1, 2, RPC_OK);
    uint64_t load_number = find(1, 10)->load_number;
    assert_null(find(1, 7));
    wait_until(is_asked);
    assert_int_equal(w.asks[0].from_seq, 7);
    answer(1, 2, RPC_OK);
    assert_true(find(1, 7)->load_number > load_number);
}

static void the_chat_unused_longest_is_forgotten_when_there_are_too_many_members(void **state)
{
    (void)state;
    for (int64_t chat = 1; chat <= 3; chat++) {
        assert_null(find(chat, 10));
        wait_until(is_asked);
        answer(1, 4, RPC_OK);
        find(1, 10);
    }
    assert_non_null(delivery_rosters_peek(w.service.rosters, 1));
    assert_null(delivery_rosters_peek(w.service.rosters, 2));
    assert_non_null(delivery_rosters_peek(w.service.rosters, 3));
}

static void membership_events_keep_it_current(void **state)
{
    (void)state;
    assert_null(find(1, 10));
    wait_until(is_asked);
    answer(1, 2, RPC_OK);
    struct delivery_event event = {
        .ref = {.chat_id = 1, .seq = 20}, .type = CHAT_EVENT_MEMBER_REMOVED, .subject_id = 1};
    delivery_rosters_apply(w.service.rosters, &event); /* it is in what was loaded */
    assert_int_equal(find(1, 20)->member_count, 2);
    event.ref.seq = 21;
    delivery_rosters_apply(w.service.rosters, &event);
    assert_int_equal(find(1, 21)->member_count, 1);
    assert_int_equal(delivery_roster_members_at(find(1, 21), 21), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(chats_that_lack_are_asked_for_together),
        TEST(what_an_answer_has_no_room_for_is_asked_for_again),
        TEST(an_empty_answer_holds_nobody_up_for_ever),
        TEST(what_was_not_answered_is_asked_for_again_later),
        TEST(a_seq_before_what_is_known_is_asked_for_from_there),
        TEST(the_chat_unused_longest_is_forgotten_when_there_are_too_many_members),
        TEST(membership_events_keep_it_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
