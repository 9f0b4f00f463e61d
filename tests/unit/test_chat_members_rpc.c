/* Who was a member of these chats: an answer that would be too large ends before the first chat that it would cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"
#include "shared/base/mem.h"

#define CHATS     3
#define SOME_ROWS 262144 /* of several chats */
#define MOST_ROWS (CHAT_MAX_SPANS + 1)

static struct {
    struct chat_service service;
    struct arena arena;
    int64_t spans[CHATS]; /* of the chats that are asked for, which are 1, 2, 3 */
    int reads;
    size_t read_chats;
    bool is_broken;
    enum problem failed;
    size_t answered; /* rosters */
    size_t answered_spans[CHATS];
} w;

/* What Postgres would answer: the rows of each chat in turn, one for a chat without members, and no more than asked. */
void chat_read_rosters(struct chat_read_store *store, const struct chat_roster_ask *asks,
                       size_t count, int64_t max_rows, chat_on_rosters on_rosters, void *context)
{
    (void)store;
    struct chat_roster_row *rows = mem_array((size_t)max_rows, sizeof *rows);
    size_t row_count = 0;
    w.reads++;
    w.read_chats = count;
    for (size_t i = 0; i < count; i++) {
        int64_t spans = w.spans[asks[i].chat_id - 1];
        for (int64_t j = 0; j < (spans == 0 ? 1 : spans) && row_count < (size_t)max_rows; j++)
            rows[row_count++] =
                (struct chat_roster_row){i, 9, {spans == 0 ? 0 : j + 1, spans == 0 ? 0 : 1, 0}};
    }
    if (w.is_broken)
        on_rosters(context, PROBLEM_UNAVAILABLE, NULL, 0);
    else
        on_rosters(context, PROBLEM_NONE, rows, row_count);
    mem_free(rows);
}

void rpc_reply(struct rpc_exchange *exchange, const void *message)
{
    const struct chat_members_reply *reply = message;
    (void)exchange;
    w.answered = reply->rosters_count;
    for (size_t i = 0; i < reply->rosters_count; i++) {
        assert_int_equal(reply->rosters[i].chat_id, i + 1);
        assert_int_equal(reply->rosters[i].as_of_seq, 9);
        w.answered_spans[i] = reply->rosters[i].spans_count;
        for (size_t j = 0; j < reply->rosters[i].spans_count; j++)
            assert_int_equal(reply->rosters[i].spans[j].user_id, j + 1);
    }
}

void rpc_fail(struct rpc_exchange *exchange, enum problem problem)
{
    (void)exchange;
    w.failed = problem;
}

struct arena *rpc_arena(struct rpc_exchange *exchange)
{
    (void)exchange;
    return &w.arena;
}

/* The rest of what is read for the other daemons. */
void chat_read_feed(struct chat_read_store *store, int64_t partition, int64_t after_offset,
                    int64_t limit, chat_on_feed on_feed, void *context)
{
    (void)store, (void)partition, (void)after_offset, (void)limit, (void)on_feed, (void)context;
}

void chat_read_heads(struct chat_read_store *store, chat_on_heads on_heads, void *context)
{
    (void)store, (void)on_heads, (void)context;
}

void chat_read_events(struct chat_read_store *store, const struct chat_event_ref *refs,
                      size_t count, chat_on_events on_events, void *context)
{
    (void)store, (void)refs, (void)count, (void)on_events, (void)context;
}

static void ask(int64_t first, int64_t second, int64_t third, bool is_broken)
{
    struct chat_roster_ask asks[CHATS] = {{1, 1}, {2, 1}, {3, 1}};
    struct chat_members_request request = {.chats = asks, .chats_count = CHATS};
    arena_deinit(&w.arena);
    w.arena = (struct arena)ARENA_EMPTY;
    w.spans[0] = first;
    w.spans[1] = second;
    w.spans[2] = third;
    w.is_broken = is_broken;
    w.reads = 0;
    w.failed = PROBLEM_NONE;
    w.answered = 0;
    chat_members_rpc(&w.service, NULL, &request);
}

static void an_answer_has_whole_chats_only(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int64_t spans[CHATS];
        size_t answered;
        int reads;
        enum problem failed;
    } cases[] = {
        {"small chats come together", {2, 0, 3}, 3, 1, PROBLEM_NONE},
        {"what fits comes", {SOME_ROWS - 3, 1, 0}, 3, 1, PROBLEM_NONE},
        {"the last is cut, or may be", {1, 1, SOME_ROWS}, 2, 1, PROBLEM_NONE},
        {"the second is cut", {1, SOME_ROWS, 1}, 1, 1, PROBLEM_NONE},
        {"one that fills an answer comes alone", {SOME_ROWS, 1, 1}, 1, 2, PROBLEM_NONE},
        {"up to as large as one may be", {CHAT_MAX_SPANS, 1, 1}, 1, 2, PROBLEM_NONE},
        {"and no larger", {MOST_ROWS, 1, 1}, 0, 2, PROBLEM_INTERNAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const int64_t *spans = cases[i].spans;
        ask(spans[0], spans[1], spans[2], false);
        if (w.answered != cases[i].answered || w.reads != cases[i].reads ||
            w.failed != cases[i].failed)
            fail_msg("%s: %zu rosters after %d readings", cases[i].what, w.answered, w.reads);
        for (size_t j = 0; j < w.answered; j++)
            assert_int_equal(w.answered_spans[j], spans[j]);
        if (w.reads == 2)
            assert_int_equal(w.read_chats, 1);
    }
}

static void what_cannot_be_read_is_unavailable(void **state)
{
    (void)state;
    ask(1, 1, 1, true);
    assert_int_equal(w.failed, PROBLEM_UNAVAILABLE);
    assert_int_equal(w.reads, 1);
    arena_deinit(&w.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_whole_chats_only),
        cmocka_unit_test(what_cannot_be_read_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
