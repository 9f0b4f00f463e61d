/* What a batch decides, one rule at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/chat/chat_batch.h"
#include "shared/base/id.h"
#include "shared/base/mem.h"

enum { ANNA = 11, BEN = 22, CARL = 33, STRANGER = 99, CHAT = 1001 };

struct fixture {
    struct chat_partitions partitions;
    struct chat_states *states;
    struct chat_batch *batch;
    struct chat_state *chat;
};

static int set_up(void **state)
{
    struct fixture *fixture = mem_zalloc(sizeof *fixture);
    fixture->partitions.count = 4;
    for (int i = 0; i < 4; i++)
        fixture->partitions.items[i] = (struct chat_partition){true, 7, 100, 100};
    fixture->states = chat_states_create(100, 1000);
    fixture->batch =
        chat_batch_create(&fixture->partitions, &(struct chat_batch_limits){8, 10000, 3, 4, 2});
    fixture->chat = chat_states_pin(fixture->states, CHAT);
    fixture->chat->phase = CHAT_STATE_READY;
    chat_batch_begin(fixture->batch, 1000);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    chat_batch_roll_back(fixture->batch, fixture->states);
    chat_batch_destroy(&fixture->batch);
    chat_states_destroy(&fixture->states);
    mem_free(fixture);
    return 0;
}

/* The chat has five events; Anna owns it, Ben writes, Carl was removed. */
static void make_group(struct fixture *fixture)
{
    struct chat_state *chat = fixture->chat;
    chat->exists = true;
    chat->kind = CHAT_GROUP;
    chat->history = CHAT_HISTORY_JOINED;
    chat->version = 3;
    chat->head_seq = chat->committed_seq = 5;
    chat_members_put(&chat->members, ANNA, 1, CHAT_ROLE_OWNER);
    chat_members_put(&chat->members, BEN, 2, CHAT_ROLE_MEMBER);
    chat_members_put(&chat->members, CARL, 0, CHAT_ROLE_FORMER);
}

static struct chat_message message_of(int64_t sender, const char *client_id, const char *body)
{
    return (struct chat_message){.chat_id = CHAT,
                                 .sender_id = sender,
                                 .type = CHAT_EVENT_MESSAGE,
                                 .client_id = text_of(client_id),
                                 .body = text_of(body)};
}

static struct chat_item item_of(struct fixture *fixture, const struct chat_message *message)
{
    return (struct chat_item){
        .kind = CHAT_ITEM_MESSAGE, .message = message, .state = fixture->chat};
}

static struct chat_item change_item_of(struct fixture *fixture,
                                       const struct chat_apply_request *change)
{
    return (struct chat_item){.kind = CHAT_ITEM_CHANGE, .change = change, .state = fixture->chat};
}

static const struct chat_partition *partition_of(const struct fixture *fixture)
{
    return &fixture->partitions.items[id_partition(CHAT, fixture->partitions.count)];
}

static void a_message_gets_the_next_seq_and_offset(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_message message = message_of(BEN, "a", "{}");
    struct chat_item item = item_of(fixture, &message);
    assert_int_equal(chat_batch_add(fixture->batch, &item), CHAT_BATCH_TAKEN);
    chat_batch_seal(fixture->batch);
    assert_int_equal(item.outcome.problem, PROBLEM_NONE);
    assert_int_equal(item.outcome.seq, 6);
    assert_int_equal(item.outcome.at_ms, 1000);
    assert_int_equal(fixture->batch->events.numbers[EVENT_OFFSET][0], 101);
    assert_int_equal(fixture->batch->fence.count, 1);
    assert_int_equal(fixture->batch->fence.numbers[FENCE_EPOCH][0], 7);
    assert_int_equal(fixture->batch->fence.numbers[FENCE_BEFORE][0], 100);
    assert_int_equal(fixture->batch->fence.numbers[FENCE_HEAD][0], 101);
}

static void a_batch_that_is_rolled_back_leaves_no_trace(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_message message = message_of(BEN, "a", "{}");
    struct chat_item item = item_of(fixture, &message);
    chat_batch_add(fixture->batch, &item);
    chat_batch_roll_back(fixture->batch, fixture->states);
    assert_int_equal(fixture->chat->head_seq, 5);
    assert_int_equal(partition_of(fixture)->head_offset, 100);
    assert_int_equal(fixture->chat->phase, CHAT_STATE_READY);
    chat_batch_begin(fixture->batch, 1001);
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(item.outcome.seq, 6);
}

static void an_accepted_batch_moves_the_committed_heads(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_message message = message_of(BEN, "a", "{}");
    struct chat_item item = item_of(fixture, &message);
    chat_batch_add(fixture->batch, &item);
    chat_batch_seal(fixture->batch);
    chat_batch_accept(fixture->batch);
    assert_int_equal(fixture->chat->committed_seq, 6);
    assert_int_equal(partition_of(fixture)->committed_offset, 101);
}

static void who_may_write_is_decided_by_the_log(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    chat_members_put(&fixture->chat->members, 44, 3, CHAT_ROLE_READER);
    static const struct {
        int64_t sender;
        enum problem want;
    } cases[] = {{ANNA, PROBLEM_NONE},
                 {BEN, PROBLEM_NONE},
                 {44, PROBLEM_FORBIDDEN},
                 {CARL, PROBLEM_NOT_MEMBER},
                 {STRANGER, PROBLEM_NOT_FOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_message message = message_of(cases[i].sender, "a", "{}");
        struct chat_item item = item_of(fixture, &message);
        chat_batch_add(fixture->batch, &item);
        assert_int_equal(item.outcome.problem, cases[i].want);
    }
}

static void a_chat_that_is_not_there_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct chat_message message = message_of(ANNA, "a", "{}");
    struct chat_item item = item_of(fixture, &message);
    chat_batch_add(fixture->batch, &item);
    chat_batch_seal(fixture->batch);
    assert_int_equal(item.outcome.problem, PROBLEM_NOT_FOUND);
    assert_int_equal(fixture->batch->lookups_wanted, 0);
    assert_false(chat_batch_writes(fixture->batch));
}

static void a_refusal_is_only_final_once_the_log_was_asked(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_message message = message_of(CARL, "a", "{}");
    struct chat_item item = item_of(fixture, &message);
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(fixture->batch->lookups_wanted, 1);
    assert_int_equal(item.lookup, CHAT_LOOKUP_WANTED);

    chat_batch_roll_back(fixture->batch, fixture->states);
    chat_batch_begin(fixture->batch, 1000);
    item.lookup = CHAT_LOOKUP_FRESH;
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(fixture->batch->lookups_wanted, 0);
    assert_int_equal(item.outcome.problem, PROBLEM_NOT_MEMBER);

    chat_batch_roll_back(fixture->batch, fixture->states);
    chat_batch_begin(fixture->batch, 1000);
    item.lookup = CHAT_LOOKUP_SAME;
    item.known_seq = 4;
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(item.outcome.problem, PROBLEM_NONE);
    assert_int_equal(item.outcome.seq, 4);
    assert_true(item.outcome.duplicate);
}

static void the_same_message_twice_in_a_batch_is_one_event(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_message first = message_of(BEN, "a", "{1}"), other = message_of(BEN, "a", "{2}"),
                        of_anna = message_of(ANNA, "a", "{3}");
    struct chat_item items[4] = {item_of(fixture, &first), item_of(fixture, &first),
                                 item_of(fixture, &other), item_of(fixture, &of_anna)};
    for (size_t i = 0; i < 4; i++)
        chat_batch_add(fixture->batch, &items[i]);
    assert_int_equal(fixture->batch->events.count, 2);
    assert_int_equal(items[1].outcome.seq, items[0].outcome.seq);
    assert_true(items[1].outcome.duplicate);
    assert_int_equal(items[2].outcome.problem, PROBLEM_CONFLICT);
    assert_int_equal(items[3].outcome.seq, 7);
}

static void only_the_blocked_of_two_may_not_write(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    fixture->chat->kind = CHAT_DIRECT;
    chat_members_clear(&fixture->chat->members);
    chat_members_put(&fixture->chat->members, BEN, 1, CHAT_ROLE_MEMBER);
    chat_members_put(&fixture->chat->members, ANNA, 2, CHAT_ROLE_MEMBER);
    static const struct {
        int64_t blocked;
        enum problem anna, ben; /* Anna's id is the smaller */
    } cases[] = {{0, PROBLEM_NONE, PROBLEM_NONE},
                 {1, PROBLEM_BLOCKED, PROBLEM_NONE},
                 {2, PROBLEM_NONE, PROBLEM_BLOCKED},
                 {3, PROBLEM_BLOCKED, PROBLEM_BLOCKED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_message of_anna = message_of(ANNA, "a", "{}"),
                            of_ben = message_of(BEN, "a", "{}");
        struct chat_item items[2] = {item_of(fixture, &of_anna), item_of(fixture, &of_ben)};
        items[0].lookup = items[1].lookup = CHAT_LOOKUP_FRESH;
        fixture->chat->blocked = cases[i].blocked;
        chat_batch_add(fixture->batch, &items[0]);
        chat_batch_add(fixture->batch, &items[1]);
        assert_int_equal(items[0].outcome.problem, cases[i].anna);
        assert_int_equal(items[1].outcome.problem, cases[i].ben);
        chat_batch_roll_back(fixture->batch, fixture->states);
        chat_batch_begin(fixture->batch, 1000);
    }
}

static void a_new_chat_begins_with_its_members_who_all_see_it_from_there(void **state)
{
    struct fixture *fixture = *state;
    struct chat_change_member members[] = {{ANNA, CHAT_ROLE_OWNER}, {BEN, CHAT_ROLE_MEMBER}};
    struct chat_apply_request change = {.chat_id = CHAT,
                                        .version = 1,
                                        .change_kind = CHAT_CHANGE_CREATED,
                                        .by_id = ANNA,
                                        .kind = CHAT_GROUP,
                                        .history = CHAT_HISTORY_JOINED,
                                        .members = members,
                                        .members_count = 2};
    struct chat_message message = message_of(BEN, "a", "{}");
    struct chat_item created = change_item_of(fixture, &change),
                     again = change_item_of(fixture, &change), item = item_of(fixture, &message);
    chat_batch_add(fixture->batch, &created);
    chat_batch_add(fixture->batch, &again);
    chat_batch_add(fixture->batch, &item);
    chat_batch_seal(fixture->batch);
    assert_int_equal(created.outcome.problem, PROBLEM_NONE);
    assert_int_equal(created.outcome.seq, 2);
    assert_int_equal(again.outcome.seq, 2);
    assert_int_equal(item.outcome.seq, 3);
    assert_int_equal(fixture->batch->events.count, 3);
    assert_int_equal(fixture->batch->chats.count, 1);
    assert_int_equal(fixture->batch->spans.count, 2);
    assert_int_equal(fixture->batch->spans.numbers[SPAN_FROM][0], 1);
    assert_int_equal(fixture->batch->spans.numbers[SPAN_FROM][1], 1);
}

static void a_removal_takes_effect_at_its_own_place(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_change_member ben = {BEN, 0};
    struct chat_apply_request change = {.chat_id = CHAT,
                                        .version = 4,
                                        .change_kind = CHAT_CHANGE_REMOVED,
                                        .by_id = ANNA,
                                        .members = &ben,
                                        .members_count = 1};
    struct chat_message before = message_of(BEN, "a", "{}"), after = message_of(BEN, "b", "{}");
    struct chat_item items[3] = {item_of(fixture, &before), change_item_of(fixture, &change),
                                 item_of(fixture, &after)};
    items[2].lookup = CHAT_LOOKUP_FRESH;
    for (size_t i = 0; i < 3; i++)
        chat_batch_add(fixture->batch, &items[i]);
    assert_int_equal(items[0].outcome.seq, 6);
    assert_int_equal(items[1].outcome.seq, 7);
    assert_int_equal(items[2].outcome.problem, PROBLEM_NOT_MEMBER);
    assert_int_equal(fixture->batch->spans.numbers[SPAN_FROM][0], 2);
    assert_int_equal(fixture->batch->spans.numbers[SPAN_TO][0], 7);
}

static void leaving_and_coming_back_in_one_batch_gives_two_spans(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_change_member ben = {BEN, CHAT_ROLE_MEMBER}, admin = {BEN, CHAT_ROLE_ADMIN};
    struct chat_apply_request changes[] = {{.chat_id = CHAT,
                                            .version = 4,
                                            .change_kind = CHAT_CHANGE_MEMBERS,
                                            .members = &admin,
                                            .members_count = 1},
                                           {.chat_id = CHAT,
                                            .version = 5,
                                            .change_kind = CHAT_CHANGE_REMOVED,
                                            .members = &ben,
                                            .members_count = 1},
                                           {.chat_id = CHAT,
                                            .version = 6,
                                            .change_kind = CHAT_CHANGE_MEMBERS,
                                            .members = &ben,
                                            .members_count = 1}};
    struct chat_item items[3];
    for (size_t i = 0; i < 3; i++) {
        items[i] = change_item_of(fixture, &changes[i]);
        chat_batch_add(fixture->batch, &items[i]);
    }
    const struct chat_table *spans = &fixture->batch->spans;
    assert_int_equal(spans->count, 2);
    assert_int_equal(spans->numbers[SPAN_FROM][0], 2);
    assert_int_equal(spans->numbers[SPAN_TO][0], 7);
    assert_int_equal(spans->numbers[SPAN_FROM][1], 8);
    assert_int_equal(spans->numbers[SPAN_TO][1], 0);
    assert_int_equal(fixture->batch->events.numbers[EVENT_TYPE][0], CHAT_EVENT_ROLE_CHANGED);
    assert_int_equal(fixture->batch->events.numbers[EVENT_TYPE][2], CHAT_EVENT_MEMBER_ADDED);
}

static void versions_count_up_by_one(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    static const struct {
        int64_t version;
        enum problem want;
        int64_t seq;
    } cases[] = {
        {2, PROBLEM_NONE, 5}, {3, PROBLEM_NONE, 5}, {5, PROBLEM_CONFLICT, 5}, {4, PROBLEM_NONE, 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_apply_request change = {.chat_id = CHAT,
                                            .version = cases[i].version,
                                            .change_kind = CHAT_CHANGE_UPDATED,
                                            .detail = text_of("\"title\":\"x\"")};
        struct chat_item item = change_item_of(fixture, &change);
        chat_batch_add(fixture->batch, &item);
        assert_int_equal(item.outcome.problem, cases[i].want);
        assert_int_equal(item.outcome.seq, cases[i].seq);
    }
}

static void a_deleted_chat_removes_all_and_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_apply_request change = {
        .chat_id = CHAT, .version = 4, .change_kind = CHAT_CHANGE_DELETED};
    struct chat_message message = message_of(ANNA, "a", "{}");
    struct chat_item items[2] = {change_item_of(fixture, &change), item_of(fixture, &message)};
    items[1].lookup = CHAT_LOOKUP_FRESH;
    chat_batch_add(fixture->batch, &items[0]);
    chat_batch_add(fixture->batch, &items[1]);
    chat_batch_seal(fixture->batch);
    assert_int_equal(fixture->batch->events.count, 2);
    assert_int_equal(fixture->batch->spans.count, 2);
    assert_int_equal(fixture->batch->chats.numbers[CHAT_DELETED][0], 1);
    assert_int_equal(items[1].outcome.problem, PROBLEM_NOT_FOUND);
}

static void a_block_is_written_without_an_event(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_apply_request change = {
        .chat_id = CHAT, .version = 4, .change_kind = CHAT_CHANGE_BLOCKS, .blocked = 2};
    struct chat_item item = change_item_of(fixture, &change);
    chat_batch_add(fixture->batch, &item);
    chat_batch_seal(fixture->batch);
    assert_int_equal(fixture->batch->events.count, 0);
    assert_true(chat_batch_writes(fixture->batch));
    assert_int_equal(fixture->batch->fence.numbers[FENCE_HEAD][0], 100);
    assert_int_equal(fixture->batch->chats.numbers[CHAT_BLOCKED][0], 2);
    assert_int_equal(item.outcome.seq, 5);
}

static void a_rolled_back_change_must_be_read_again(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_apply_request change = {
        .chat_id = CHAT, .version = 4, .change_kind = CHAT_CHANGE_DELETED};
    struct chat_item item = change_item_of(fixture, &change);
    chat_batch_add(fixture->batch, &item);
    chat_batch_roll_back(fixture->batch, fixture->states);
    assert_int_equal(fixture->chat->phase, CHAT_STATE_UNKNOWN);
}

static void a_full_batch_takes_no_more_but_always_one(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    char client_ids[9][2];
    struct chat_message messages[9];
    struct chat_item items[9];
    for (size_t i = 0; i < 9; i++) {
        client_ids[i][0] = (char)('a' + i);
        client_ids[i][1] = '\0';
        messages[i] = message_of(BEN, client_ids[i], "{}");
        items[i] = item_of(fixture, &messages[i]);
        assert_int_equal(chat_batch_add(fixture->batch, &items[i]),
                         i < 8 ? CHAT_BATCH_TAKEN : CHAT_BATCH_FULL);
    }
    chat_batch_roll_back(fixture->batch, fixture->states);
    chat_batch_begin(fixture->batch, 1000);
    char *large = mem_zalloc(20000);
    messages[0].body = (struct text){large, 20000};
    assert_int_equal(chat_batch_add(fixture->batch, &items[0]), CHAT_BATCH_TAKEN);
    assert_int_equal(chat_batch_add(fixture->batch, &items[1]), CHAT_BATCH_FULL);
    mem_free(large);
}

static void an_unsound_change_is_refused(void **state)
{
    struct fixture *fixture = *state;
    make_group(fixture);
    struct chat_change_member no_role = {CARL, 0}, no_user = {0, CHAT_ROLE_MEMBER};
    struct chat_apply_request changes[] = {
        {.chat_id = CHAT, .version = 4, .change_kind = 0},
        {.chat_id = CHAT, .version = 4, .change_kind = 7},
        {.chat_id = CHAT,
         .version = 4,
         .change_kind = CHAT_CHANGE_MEMBERS,
         .members = &no_role,
         .members_count = 1},
        {.chat_id = CHAT,
         .version = 4,
         .change_kind = CHAT_CHANGE_REMOVED,
         .members = &no_user,
         .members_count = 1},
        {.chat_id = CHAT, .version = 4, .change_kind = CHAT_CHANGE_BLOCKS, .blocked = 4},
        {.chat_id = CHAT, .version = 4, .change_kind = CHAT_CHANGE_UPDATED, .history = 3},
        {.chat_id = CHAT, .version = 0, .change_kind = CHAT_CHANGE_DELETED},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct chat_item item = change_item_of(fixture, &changes[i]);
        chat_batch_add(fixture->batch, &item);
        assert_int_equal(item.outcome.problem, PROBLEM_BAD_REQUEST);
    }
    assert_int_equal(fixture->batch->events.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_gets_the_next_seq_and_offset),
        TEST(a_batch_that_is_rolled_back_leaves_no_trace),
        TEST(an_accepted_batch_moves_the_committed_heads),
        TEST(who_may_write_is_decided_by_the_log),
        TEST(a_chat_that_is_not_there_is_not_found),
        TEST(a_refusal_is_only_final_once_the_log_was_asked),
        TEST(the_same_message_twice_in_a_batch_is_one_event),
        TEST(only_the_blocked_of_two_may_not_write),
        TEST(a_new_chat_begins_with_its_members_who_all_see_it_from_there),
        TEST(a_removal_takes_effect_at_its_own_place),
        TEST(leaving_and_coming_back_in_one_batch_gives_two_spans),
        TEST(versions_count_up_by_one),
        TEST(a_deleted_chat_removes_all_and_is_not_found),
        TEST(a_block_is_written_without_an_event),
        TEST(a_rolled_back_change_must_be_read_again),
        TEST(a_full_batch_takes_no_more_but_always_one),
        TEST(an_unsound_change_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
