/* What a batch decides on what is done to messages, and what must not stand in one batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/chat/chat_batch.h"
#include "services/chat/chat_rights.h"
#include "shared/base/mem.h"

enum { OWNER = 11, ADMIN = 12, MEMBER = 13, READER = 14, FORMER = 15, STRANGER = 99, CHAT = 1001 };
enum { TARGET = 3, MAX_EDITS = 3, MAX_REACTIONS = 4, MAX_EMOJIS = 2 };

#define MAY PROBLEM_NONE

struct fixture {
    struct chat_partitions partitions;
    struct chat_states *states;
    struct chat_batch *batch;
    struct chat_state *chat;
};

/* A group whose log has five events; the third is a message. */
static int set_up(void **state)
{
    struct fixture *fixture = mem_zalloc(sizeof *fixture);
    fixture->partitions.count = 4;
    for (int i = 0; i < 4; i++)
        fixture->partitions.items[i] = (struct chat_partition){true, 7, 100, 100};
    fixture->states = chat_states_create(100, 1000);
    fixture->batch = chat_batch_create(
        &fixture->partitions,
        &(struct chat_batch_limits){16, 10000, MAX_EDITS, MAX_REACTIONS, MAX_EMOJIS});
    struct chat_state *chat = fixture->chat = chat_states_pin(fixture->states, CHAT);
    chat->phase = CHAT_STATE_READY;
    chat->exists = true;
    chat->kind = CHAT_GROUP;
    chat->history = CHAT_HISTORY_JOINED;
    chat->version = 3;
    chat->head_seq = chat->committed_seq = 5;
    static const struct chat_member members[] = {{OWNER, 1, CHAT_ROLE_OWNER},
                                                 {ADMIN, 1, CHAT_ROLE_ADMIN},
                                                 {MEMBER, 1, CHAT_ROLE_MEMBER},
                                                 {READER, 1, CHAT_ROLE_READER},
                                                 {FORMER, 0, CHAT_ROLE_FORMER}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        chat_members_put(&chat->members, members[i].user_id, members[i].from_seq, members[i].role);
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

/* Something that is done, to a message of the member's unless said otherwise. */
struct act {
    struct chat_message message;
    struct chat_action action;
    struct chat_item item;
};

static struct act *act_of(struct fixture *fixture, enum chat_event_type type, int64_t sender)
{
    static int64_t number;
    struct act *act = mem_zalloc(sizeof *act);
    char *client_id = mem_zalloc(TEXT_NUMBER_SIZE);
    text_format_number(++number, client_id);
    act->message = (struct chat_message){.chat_id = CHAT,
                                         .sender_id = sender,
                                         .type = type,
                                         .target = TARGET,
                                         .client_id = text_of(client_id)};
    if (type == CHAT_EVENT_EDIT)
        act->message.body = TEXT_LITERAL("{}");
    act->action.target = (struct chat_target){.is_there = true, .sender_id = MEMBER};
    act->item = (struct chat_item){.kind = CHAT_ITEM_MESSAGE,
                                   .message = &act->message,
                                   .action = &act->action,
                                   .state = fixture->chat,
                                   .lookup = CHAT_LOOKUP_FRESH};
    return act;
}

static struct act *reaction_of(struct fixture *fixture, int64_t sender, const char *emoji,
                               bool is_on)
{
    struct act *act = act_of(fixture, CHAT_EVENT_REACTION, sender);
    act->action.emoji = text_of(emoji);
    act->action.is_on = is_on;
    act->message.detail = text_of("\"emoji\":\"x\",\"on\":true");
    return act;
}

static enum chat_batch_add add(struct fixture *fixture, const struct act *act)
{
    return chat_batch_add(fixture->batch, (struct chat_item *)&act->item);
}

/* The batch takes it; what it decides. */
static enum problem decide(struct fixture *fixture, struct act *act)
{
    assert_int_equal(add(fixture, act), CHAT_BATCH_TAKEN);
    return act->item.outcome.problem;
}

static void forget(struct act *act)
{
    mem_free((char *)act->message.client_id.data);
    mem_free(act);
}

static void start_over(struct fixture *fixture)
{
    chat_batch_roll_back(fixture->batch, fixture->states);
    chat_batch_begin(fixture->batch, 1000);
}

/* --- who may --- */

static void each_role_may_what_the_table_says(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        enum chat_event_type type;
        bool is_own;
        enum problem owner, admin, member, reader;
    } rows[] = {
        {CHAT_EVENT_EDIT, true, MAY, MAY, MAY, PROBLEM_FORBIDDEN},
        {CHAT_EVENT_EDIT, false, PROBLEM_FORBIDDEN, PROBLEM_FORBIDDEN, PROBLEM_FORBIDDEN,
         PROBLEM_FORBIDDEN},
        {CHAT_EVENT_DELETE, true, MAY, MAY, MAY, MAY},
        {CHAT_EVENT_DELETE, false, MAY, MAY, PROBLEM_FORBIDDEN, PROBLEM_FORBIDDEN},
        {CHAT_EVENT_REACTION, true, MAY, MAY, MAY, PROBLEM_FORBIDDEN},
        {CHAT_EVENT_REACTION, false, MAY, MAY, MAY, PROBLEM_FORBIDDEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct {
            int64_t user;
            enum problem want;
        } users[] = {{OWNER, rows[i].owner},       {ADMIN, rows[i].admin},
                     {MEMBER, rows[i].member},     {READER, rows[i].reader},
                     {FORMER, PROBLEM_NOT_MEMBER}, {STRANGER, PROBLEM_NOT_FOUND}};
        for (size_t j = 0; j < sizeof users / sizeof users[0]; j++) {
            struct act *act = act_of(fixture, rows[i].type, users[j].user);
            act->action.is_on = true;
            act->action.target.sender_id = rows[i].is_own ? users[j].user : 77;
            assert_int_equal(decide(fixture, act), users[j].want);
            start_over(fixture);
            forget(act);
        }
    }
}

static void the_blocked_of_two_may_only_delete_own_messages(void **state)
{
    struct fixture *fixture = *state;
    fixture->chat->kind = CHAT_DIRECT;
    fixture->chat->blocked = 1; /* the smaller id */
    chat_members_clear(&fixture->chat->members);
    chat_members_put(&fixture->chat->members, MEMBER, 1, CHAT_ROLE_MEMBER);
    chat_members_put(&fixture->chat->members, MEMBER + 1, 2, CHAT_ROLE_MEMBER);
    static const struct {
        enum chat_event_type type;
        enum problem blocked, other;
    } rows[] = {{CHAT_EVENT_EDIT, PROBLEM_BLOCKED, PROBLEM_FORBIDDEN},
                {CHAT_EVENT_REACTION, PROBLEM_BLOCKED, PROBLEM_NONE},
                {CHAT_EVENT_DELETE, PROBLEM_NONE, PROBLEM_FORBIDDEN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct act *blocked = act_of(fixture, rows[i].type, MEMBER);
        struct act *other = act_of(fixture, rows[i].type, MEMBER + 1);
        assert_int_equal(decide(fixture, blocked), rows[i].blocked);
        start_over(fixture);
        assert_int_equal(decide(fixture, other), rows[i].other);
        start_over(fixture);
        forget(blocked);
        forget(other);
    }
}

/* --- the order of decisions --- */

static void a_known_key_comes_before_everything(void **state)
{
    struct fixture *fixture = *state;
    struct act *same = act_of(fixture, CHAT_EVENT_DELETE, FORMER);
    struct act *other = act_of(fixture, CHAT_EVENT_DELETE, MEMBER);
    same->item.lookup = CHAT_LOOKUP_SAME;
    same->item.known_seq = 4;
    same->action.target.is_there = false;
    other->item.lookup = CHAT_LOOKUP_OTHER;
    assert_int_equal(decide(fixture, same), PROBLEM_NONE);
    assert_int_equal(same->item.outcome.seq, 4);
    assert_true(same->item.outcome.duplicate);
    assert_int_equal(decide(fixture, other), PROBLEM_CONFLICT);
    assert_int_equal(fixture->batch->events.count, 0);
    forget(same);
    forget(other);
}

static void what_is_not_there_and_what_was_deleted_come_before_rights(void **state)
{
    struct fixture *fixture = *state;
    static const enum chat_event_type types[] = {CHAT_EVENT_EDIT, CHAT_EVENT_DELETE,
                                                 CHAT_EVENT_REACTION};
    for (size_t i = 0; i < 3; i++) {
        struct act *act = act_of(fixture, types[i], READER);
        act->action.target = (struct chat_target){.is_there = false};
        assert_int_equal(decide(fixture, act), PROBLEM_NOT_FOUND);
        act->action.target =
            (struct chat_target){.is_there = true, .is_deleted = true, .sender_id = MEMBER};
        assert_int_equal(decide(fixture, act), PROBLEM_CONFLICT);
        forget(act);
    }
    assert_int_equal(fixture->batch->events.count, 0);
}

/* --- what is written --- */

static void an_edit_a_delete_and_a_reaction_are_events_with_rows_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    struct act *edit = act_of(fixture, CHAT_EVENT_EDIT, MEMBER);
    struct act *reaction = reaction_of(fixture, ADMIN, "x", true);
    struct act *deletion = act_of(fixture, CHAT_EVENT_DELETE, MEMBER);
    deletion->message.target = 4;
    assert_int_equal(decide(fixture, edit), PROBLEM_NONE);
    assert_int_equal(decide(fixture, reaction), PROBLEM_NONE);
    assert_int_equal(decide(fixture, deletion), PROBLEM_NONE);
    const struct chat_batch *batch = fixture->batch;
    assert_int_equal(batch->events.count, 3);
    static const int64_t types[] = {CHAT_EVENT_EDIT, CHAT_EVENT_REACTION, CHAT_EVENT_DELETE};
    static const int64_t targets[] = {TARGET, TARGET, 4};
    assert_memory_equal(batch->events.numbers[EVENT_TYPE], types, sizeof types);
    assert_memory_equal(batch->events.numbers[EVENT_SUBJECT], targets, sizeof targets);
    assert_true(text_is(batch->events.texts[EVENT_BODY][0], "{}"));
    assert_null(batch->events.texts[EVENT_BODY][1].data);
    assert_null(batch->events.texts[EVENT_DETAIL][0].data);
    assert_int_equal(batch->edits.numbers[ACTION_SEQ][0], 6);
    assert_int_equal(batch->reactions.numbers[ACTION_SEQ][0], 7);
    assert_int_equal(batch->reactions.numbers[REACTION_USER][0], ADMIN);
    assert_int_equal(batch->reactions.numbers[REACTION_ON][0], 1);
    assert_int_equal(batch->deletes.numbers[ACTION_TARGET][0], 4);
    assert_int_equal(deletion->item.outcome.seq, 8);
    forget(edit);
    forget(reaction);
    forget(deletion);
}

static void an_edit_that_was_made_before_is_that_edit(void **state)
{
    struct fixture *fixture = *state;
    struct act *edit = act_of(fixture, CHAT_EVENT_EDIT, MEMBER);
    edit->action.target.edit_seq = 4;
    edit->action.target.same_edit_at_ms = 900;
    assert_int_equal(decide(fixture, edit), PROBLEM_NONE);
    assert_int_equal(edit->item.outcome.seq, 4);
    assert_int_equal(edit->item.outcome.at_ms, 900);
    assert_true(edit->item.outcome.duplicate);
    assert_int_equal(fixture->batch->events.count, 0);
    forget(edit);
}

static void a_reaction_that_changes_nothing_is_answered_with_the_head(void **state)
{
    struct fixture *fixture = *state;
    struct act *off = reaction_of(fixture, MEMBER, "x", false);
    struct act *on = reaction_of(fixture, MEMBER, "y", true);
    off->action.target.head_at_ms = on->action.target.head_at_ms = 950;
    on->action.target.is_on = true;
    assert_int_equal(decide(fixture, off), PROBLEM_NONE);
    assert_int_equal(off->item.outcome.seq, 5);
    assert_int_equal(off->item.outcome.at_ms, 950);
    struct act *other = reaction_of(fixture, ADMIN, "x", true);
    decide(fixture, other);
    decide(fixture, on);
    assert_int_equal(on->item.outcome.seq, 6);
    assert_int_equal(on->item.outcome.at_ms, 1000); /* the head is of this batch */
    assert_true(on->item.outcome.duplicate);
    assert_int_equal(fixture->batch->events.count, 1);
    forget(off);
    forget(on);
    forget(other);
}

static void the_same_key_twice_in_a_batch_is_one_event_and_of_another_kind_a_conflict(void **state)
{
    struct fixture *fixture = *state;
    struct act *deletion = act_of(fixture, CHAT_EVENT_DELETE, MEMBER);
    struct chat_message message = deletion->message;
    message.type = CHAT_EVENT_MESSAGE;
    message.target = 0;
    message.body = TEXT_LITERAL("{}");
    struct chat_item item = {
        .kind = CHAT_ITEM_MESSAGE, .message = &message, .state = fixture->chat};
    decide(fixture, deletion);
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(item.outcome.problem, PROBLEM_CONFLICT);
    struct act *elsewhere = act_of(fixture, CHAT_EVENT_DELETE, MEMBER);
    elsewhere->message.target = 4;
    decide(fixture, elsewhere);
    struct act again = *elsewhere;
    again.item.message = &again.message;
    again.message.target = 2;
    assert_int_equal(decide(fixture, &again), PROBLEM_CONFLICT);
    forget(deletion);
    forget(elsewhere);
}

/* --- bounds --- */

static void a_body_and_the_messages_detail_fit_together(void **state)
{
    struct fixture *fixture = *state;
    struct act *edit = act_of(fixture, CHAT_EVENT_EDIT, MEMBER);
    edit->action.target.detail_bytes = CHAT_BODY_BYTES - 1; /* the body has two */
    assert_int_equal(decide(fixture, edit), PROBLEM_BAD_REQUEST);
    edit->action.target.detail_bytes = CHAT_BODY_BYTES - 2;
    assert_int_equal(decide(fixture, edit), PROBLEM_NONE);
    forget(edit);
}

static void edits_are_bounded_and_one_that_is_there_is_not_one_more(void **state)
{
    struct fixture *fixture = *state;
    struct act *edit = act_of(fixture, CHAT_EVENT_EDIT, MEMBER);
    edit->action.target.edits = MAX_EDITS;
    edit->action.target.edit_seq = 5;
    assert_int_equal(decide(fixture, edit), PROBLEM_CONFLICT);
    edit->action.target.same_edit_at_ms = 900;
    assert_int_equal(decide(fixture, edit), PROBLEM_NONE);
    edit->action.target.same_edit_at_ms = 0;
    edit->action.target.edits = MAX_EDITS - 1;
    assert_int_equal(decide(fixture, edit), PROBLEM_NONE);
    assert_int_equal(fixture->batch->edits.numbers[EDIT_PREVIOUS][0], 5);
    forget(edit);
}

static void reactions_are_bounded_and_one_that_is_there_or_taken_back_is_not_one_more(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int64_t reactions, emojis;
        bool has_emoji, is_on_already, is_on;
        enum problem want;
    } rows[] = {
        {MAX_REACTIONS - 1, 0, true, false, true, PROBLEM_NONE},
        {MAX_REACTIONS, 0, true, false, true, PROBLEM_CONFLICT},
        {MAX_REACTIONS, 0, true, true, true, PROBLEM_NONE},
        {MAX_REACTIONS, 0, true, true, false, PROBLEM_NONE},
        {2, MAX_EMOJIS - 1, false, false, true, PROBLEM_NONE},
        {2, MAX_EMOJIS, false, false, true, PROBLEM_CONFLICT},
        {2, MAX_EMOJIS, false, false, false, PROBLEM_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct act *act = reaction_of(fixture, MEMBER, "x", rows[i].is_on);
        act->action.target.reactions = rows[i].reactions;
        act->action.target.emojis = rows[i].emojis;
        act->action.target.has_emoji = rows[i].has_emoji;
        act->action.target.is_on = rows[i].is_on_already;
        assert_int_equal(decide(fixture, act), rows[i].want);
        start_over(fixture);
        forget(act);
    }
}

static void at_a_bound_the_batch_ends_so_that_the_next_one_counts_anew(void **state)
{
    struct fixture *fixture = *state;
    struct act *first = reaction_of(fixture, MEMBER, "x", true);
    struct act *second = reaction_of(fixture, ADMIN, "x", true);
    first->action.target.reactions = second->action.target.reactions = MAX_REACTIONS - 1;
    first->action.target.has_emoji = second->action.target.has_emoji = true;
    assert_int_equal(decide(fixture, first), PROBLEM_NONE);
    assert_int_equal(add(fixture, second), CHAT_BATCH_FULL);
    forget(first);
    forget(second);
}

/* --- what must not stand in one batch --- */

static void different_reactions_to_one_message_share_a_batch(void **state)
{
    struct fixture *fixture = *state;
    struct act *acts[] = {reaction_of(fixture, MEMBER, "x", true),
                          reaction_of(fixture, ADMIN, "x", true),
                          reaction_of(fixture, OWNER, "x", true)};
    for (size_t i = 0; i < 3; i++) {
        acts[i]->action.target.has_emoji = true;
        assert_int_equal(decide(fixture, acts[i]), PROBLEM_NONE);
    }
    assert_int_equal(fixture->batch->reactions.count, 3);
    for (size_t i = 0; i < 3; i++)
        forget(acts[i]);
}

static void what_could_disturb_another_ends_the_batch(void **state)
{
    struct fixture *fixture = *state;
    enum { EDIT = CHAT_EVENT_EDIT, DELETE = CHAT_EVENT_DELETE, REACT = CHAT_EVENT_REACTION };
    static const struct {
        int first, second;
        bool same_target;
        enum chat_batch_add want;
    } rows[] = {
        {EDIT, EDIT, true, CHAT_BATCH_FULL},     {EDIT, DELETE, true, CHAT_BATCH_FULL},
        {EDIT, REACT, true, CHAT_BATCH_TAKEN},   {DELETE, EDIT, true, CHAT_BATCH_FULL},
        {DELETE, DELETE, true, CHAT_BATCH_FULL}, {DELETE, REACT, true, CHAT_BATCH_FULL},
        {REACT, EDIT, true, CHAT_BATCH_TAKEN},   {REACT, DELETE, true, CHAT_BATCH_FULL},
        {REACT, REACT, true, CHAT_BATCH_FULL},   {EDIT, EDIT, false, CHAT_BATCH_TAKEN},
        {DELETE, EDIT, false, CHAT_BATCH_TAKEN}, {DELETE, DELETE, false, CHAT_BATCH_TAKEN},
        {REACT, REACT, false, CHAT_BATCH_TAKEN}, {EDIT, DELETE, false, CHAT_BATCH_TAKEN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct act *first = act_of(fixture, (enum chat_event_type)rows[i].first, MEMBER);
        struct act *second = act_of(fixture, (enum chat_event_type)rows[i].second, MEMBER);
        first->action.is_on = second->action.is_on = true;
        first->action.emoji = second->action.emoji = TEXT_LITERAL("x");
        if (!rows[i].same_target)
            second->message.target = 4;
        assert_int_equal(decide(fixture, first), PROBLEM_NONE);
        assert_int_equal(add(fixture, second), rows[i].want);
        start_over(fixture);
        forget(first);
        forget(second);
    }
}

static void a_reaction_of_another_chat_is_another(void **state)
{
    struct fixture *fixture = *state;
    struct act *here = reaction_of(fixture, MEMBER, "x", true);
    struct act *there = reaction_of(fixture, MEMBER, "x", true);
    struct chat_state *other = chat_states_pin(fixture->states, CHAT + 1);
    other->phase = CHAT_STATE_READY;
    other->exists = true;
    other->kind = CHAT_GROUP;
    other->head_seq = other->committed_seq = 5;
    chat_members_put(&other->members, MEMBER, 1, CHAT_ROLE_MEMBER);
    there->message.chat_id = CHAT + 1;
    there->item.state = other;
    assert_int_equal(decide(fixture, here), PROBLEM_NONE);
    assert_int_equal(decide(fixture, there), PROBLEM_NONE);
    forget(here);
    forget(there);
}

static void what_is_done_to_a_message_of_the_same_batch_waits_for_it(void **state)
{
    struct fixture *fixture = *state;
    struct act *act = act_of(fixture, CHAT_EVENT_DELETE, MEMBER);
    struct chat_message message = {.chat_id = CHAT,
                                   .sender_id = MEMBER,
                                   .type = CHAT_EVENT_MESSAGE,
                                   .client_id = TEXT_LITERAL("m"),
                                   .body = TEXT_LITERAL("{}")};
    struct chat_item item = {
        .kind = CHAT_ITEM_MESSAGE, .message = &message, .state = fixture->chat};
    act->message.target = 6;
    act->action.target.is_there = false; /* when it was looked up */
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(add(fixture, act), CHAT_BATCH_FULL);
    act->message.target = 7; /* above the head even so */
    assert_int_equal(decide(fixture, act), PROBLEM_NOT_FOUND);
    forget(act);
}

static void what_is_done_behind_a_change_of_the_chat_waits_for_it(void **state)
{
    struct fixture *fixture = *state;
    struct act *act = act_of(fixture, CHAT_EVENT_DELETE, MEMBER);
    struct chat_apply_request change = {.chat_id = CHAT,
                                        .version = 4,
                                        .change_kind = CHAT_CHANGE_UPDATED,
                                        .by_id = OWNER,
                                        .history = CHAT_HISTORY_SHARED};
    struct chat_item item = {.kind = CHAT_ITEM_CHANGE, .change = &change, .state = fixture->chat};
    chat_batch_add(fixture->batch, &item);
    assert_int_equal(item.outcome.problem, PROBLEM_NONE);
    assert_int_equal(add(fixture, act), CHAT_BATCH_FULL);
    forget(act);
}

/* --- replies --- */

static void a_reply_is_to_what_is_in_the_log(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *key;
        int64_t target;
        enum problem want;
    } rows[] = {{"a", 5, PROBLEM_NONE},
                {"b", 6, PROBLEM_NONE}, /* the one before */
                {"c", 8, PROBLEM_BAD_REQUEST},
                {"d", 0, PROBLEM_NONE}};
    struct chat_message messages[4];
    struct chat_item items[4];
    for (size_t i = 0; i < 4; i++) {
        messages[i] = (struct chat_message){.chat_id = CHAT,
                                            .sender_id = MEMBER,
                                            .type = CHAT_EVENT_MESSAGE,
                                            .target = rows[i].target,
                                            .client_id = text_of(rows[i].key),
                                            .body = TEXT_LITERAL("{}")};
        items[i] = (struct chat_item){.kind = CHAT_ITEM_MESSAGE,
                                      .message = &messages[i],
                                      .state = fixture->chat,
                                      .lookup = CHAT_LOOKUP_FRESH};
        chat_batch_add(fixture->batch, &items[i]);
        assert_int_equal(items[i].outcome.problem, rows[i].want);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_role_may_what_the_table_says),
        TEST(the_blocked_of_two_may_only_delete_own_messages),
        TEST(a_known_key_comes_before_everything),
        TEST(what_is_not_there_and_what_was_deleted_come_before_rights),
        TEST(an_edit_a_delete_and_a_reaction_are_events_with_rows_of_their_own),
        TEST(an_edit_that_was_made_before_is_that_edit),
        TEST(a_reaction_that_changes_nothing_is_answered_with_the_head),
        TEST(the_same_key_twice_in_a_batch_is_one_event_and_of_another_kind_a_conflict),
        TEST(a_body_and_the_messages_detail_fit_together),
        TEST(edits_are_bounded_and_one_that_is_there_is_not_one_more),
        TEST(reactions_are_bounded_and_one_that_is_there_or_taken_back_is_not_one_more),
        TEST(at_a_bound_the_batch_ends_so_that_the_next_one_counts_anew),
        TEST(different_reactions_to_one_message_share_a_batch),
        TEST(what_could_disturb_another_ends_the_batch),
        TEST(a_reaction_of_another_chat_is_another),
        TEST(what_is_done_to_a_message_of_the_same_batch_waits_for_it),
        TEST(what_is_done_behind_a_change_of_the_chat_waits_for_it),
        TEST(a_reply_is_to_what_is_in_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
