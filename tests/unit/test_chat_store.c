/* Commits, reads and receipts against sql/0003_chat.sql, on a Postgres of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "services/chat/chat_lease.h"
#include "services/chat/chat_read_store.h"
#include "services/chat/chat_receipts.h"
#include "services/chat/chat_settings.h"
#include "services/chat/chat_store.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"
#include "tests/unit/private_postgres.h"
#include "tests/unit/waiting.h"

enum { ANNA = 11, BEN = 22, CARL = 33, STRANGER = 99, GROUP = 1001, SHARED = 1002, DIRECT = 1003 };

static struct loop *loop;
static struct loop_timer *poll_timer;
static struct chat_partitions partitions;
static struct chat_lease *lease;
static struct chat_store *store;
static struct chat_read_store *reads;
static struct chat_receipts *receipts;
static struct chat_states *states;
static struct chat_batch *batch;
static bool answered;

/* --- waiting --- */

static void on_poll(void *context)
{
    (void)context;
    loop_stop(loop);
}

/* Turns the loop until an answer has come, or the condition holds. */
static void wait_for_answer(void)
{
    for (int i = 0; i < 2000 && !answered; i++) {
        loop_timer_start(poll_timer, 5);
        loop_run(loop);
    }
    assert_true(answered);
    answered = false;
}

static void on_lease_taken(void *context)
{
    (void)context;
    answered = true;
    loop_stop(loop);
}

static void on_lease_lost(void *context)
{
    (void)context;
}

static size_t moved_count;

static void on_moved(void *context, const struct chat_receipt *moved, size_t count)
{
    (void)context;
    (void)moved;
    moved_count = count;
}

static void wait_until_connected(void)
{
    while (!chat_store_is_connected(store) || !chat_read_store_is_connected(reads) ||
           !chat_receipts_is_connected(receipts)) {
        loop_timer_start(poll_timer, 5);
        loop_run(loop);
    }
}

static void create_all(void)
{
    static const struct chat_lease_callbacks callbacks = {NULL, on_lease_taken, on_lease_lost};
    poll_timer = loop_timer_create(loop, on_poll, NULL);
    lease = chat_lease_create(loop, &partitions, &callbacks);
    store = chat_store_create(loop);
    reads = chat_read_store_create(loop, &partitions);
    receipts = chat_receipts_create(loop, &partitions, on_moved, NULL);
    states = chat_states_create(100, 1000);
    batch =
        chat_batch_create(&partitions, &(struct chat_batch_limits){100, 1000000, 1000, 1000, 50});
    wait_for_answer();
    wait_until_connected();
}

static int start_all(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_ERROR + 1);
    loop = waiting_start();
    assert_true(private_postgres_make(waiting_folder()));
    private_postgres_run("create role parley_chat login");
    private_postgres_run_file("sql/0003_chat.sql");
    private_postgres_run_file("sql/0005_chat_poison.sql");
    private_postgres_run_file("sql/0010_chat_actions.sql");
    daemon_settings.postgres = private_postgres_conninfo();
    daemon_settings.postgres_user = "parley_chat";
    daemon_settings.postgres_password_file = "";
    daemon_settings.statement_timeout_ms = 5000;
    chat_settings = (struct chat_settings){.partitions = 4,
                                           .lease_retry_ms = 20,
                                           .max_receipts = 100,
                                           .max_reply_bytes = 1000000,
                                           .read_connections = 2,
                                           .max_store_units = 100};
    create_all();
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    chat_batch_destroy(&batch);
    chat_store_destroy(&store);
    chat_read_store_destroy(&reads);
    chat_receipts_destroy(&receipts);
    chat_lease_destroy(&lease);
    chat_states_destroy(&states);
    loop_timer_destroy(&poll_timer);
    private_postgres_stop();
    waiting_stop();
    return 0;
}

/* --- committing --- */

static enum chat_commit last_commit;

static void on_commit(void *context, enum chat_commit commit)
{
    (void)context;
    last_commit = commit;
    answered = true;
    loop_stop(loop);
}

static struct chat_state *state_of(int64_t chat_id)
{
    struct chat_state *chat = chat_states_find(states, chat_id);
    if (chat == NULL)
        chat = chat_states_pin(states, chat_id);
    chat->phase = CHAT_STATE_READY;
    return chat;
}

static enum chat_commit commit_items(struct chat_item *items, size_t count)
{
    chat_batch_begin(batch, 1700000000000);
    for (size_t i = 0; i < count; i++) {
        items[i].state = state_of(chat_item_chat(&items[i]));
        chat_batch_add(batch, &items[i]);
    }
    chat_batch_seal(batch);
    chat_store_commit(store, batch, on_commit, NULL);
    wait_for_answer();
    if (last_commit == CHAT_COMMITTED)
        chat_batch_accept(batch);
    else
        chat_batch_roll_back(batch, states);
    return last_commit;
}

static enum chat_commit commit_change(int64_t chat_id, enum chat_change_kind kind,
                                      struct chat_change_member *members, size_t count)
{
    struct chat_apply_request change = {
        .chat_id = chat_id,
        .version = state_of(chat_id)->version + 1,
        .change_kind = kind,
        .by_id = ANNA,
        .kind = CHAT_GROUP,
        .history = chat_id == SHARED ? CHAT_HISTORY_SHARED : CHAT_HISTORY_JOINED,
        .members = members,
        .members_count = count,
    };
    struct chat_item item = {.kind = CHAT_ITEM_CHANGE, .change = &change};
    enum chat_commit commit = commit_items(&item, 1);
    assert_int_equal(item.outcome.problem, PROBLEM_NONE);
    return commit;
}

static enum chat_commit commit_message(int64_t chat_id, int64_t sender_id, const char *client_id,
                                       const char *body)
{
    struct chat_message message = {.chat_id = chat_id,
                                   .sender_id = sender_id,
                                   .type = CHAT_EVENT_MESSAGE,
                                   .client_id = text_of(client_id),
                                   .body = text_of(body)};
    struct chat_item item = {.kind = CHAT_ITEM_MESSAGE, .message = &message};
    enum chat_commit commit = commit_items(&item, 1);
    assert_int_equal(item.outcome.problem, PROBLEM_NONE);
    return commit;
}

/* 1 Anna, 2 Ben added; 3 a message; 4 Carl added; 5, 6 messages; 7 Ben removed; 8 a message; 9 Ben again; 10 a message */
static void tell_story(int64_t chat_id)
{
    struct chat_change_member first[] = {{ANNA, CHAT_ROLE_OWNER}, {BEN, CHAT_ROLE_MEMBER}};
    struct chat_change_member ben = {BEN, CHAT_ROLE_MEMBER}, carl = {CARL, CHAT_ROLE_MEMBER};
    commit_change(chat_id, CHAT_CHANGE_CREATED, first, 2);
    commit_message(chat_id, ANNA, "a", "{\"text\":\"3\"}");
    commit_change(chat_id, CHAT_CHANGE_MEMBERS, &carl, 1);
    commit_message(chat_id, ANNA, "b", "{\"text\":\"5\"}");
    commit_message(chat_id, BEN, "a", "{\"text\":\"6\"}");
    commit_change(chat_id, CHAT_CHANGE_REMOVED, &ben, 1);
    commit_message(chat_id, ANNA, "c", "{\"text\":\"8\"}");
    commit_change(chat_id, CHAT_CHANGE_MEMBERS, &ben, 1);
    commit_message(chat_id, ANNA, "d", "{\"text\":\"10\"}");
}

static void the_lease_takes_all_partitions_and_counts_epochs(void **state)
{
    (void)state;
    assert_int_equal(partitions.count, 4);
    assert_int_equal(chat_lease_held(lease), 4);
    int64_t epoch = partitions.items[2].epoch;
    chat_lease_renew(lease);
    assert_int_equal(chat_lease_held(lease), 0);
    wait_for_answer();
    assert_int_equal(partitions.items[2].epoch, epoch + 1);
}

static void a_lost_session_gives_everything_up_and_takes_it_again(void **state)
{
    (void)state;
    int64_t epoch = partitions.items[0].epoch;
    private_postgres_run("select count(pg_terminate_backend(pid)) from pg_stat_activity where "
                         "application_name = 'parley-chat/lease'");
    wait_for_answer();
    assert_int_equal(chat_lease_held(lease), 4);
    assert_int_equal(partitions.items[0].epoch, epoch + 1);
}

static void the_story_is_committed(void **state)
{
    (void)state;
    tell_story(GROUP);
    tell_story(SHARED);
    assert_int_equal(state_of(GROUP)->committed_seq, 10);
}

static void a_known_key_refuses_the_commit(void **state)
{
    (void)state;
    assert_int_equal(commit_message(GROUP, ANNA, "a", "{}"), CHAT_COMMIT_KNOWN_KEY);
    assert_int_equal(state_of(GROUP)->head_seq, 10);
}

static void what_cannot_be_stored_is_told_from_what_went_wrong(void **state)
{
    (void)state;
    assert_int_equal(commit_message(GROUP, ANNA, "x", "\xff"), CHAT_COMMIT_POISONED);
}

static void an_older_epoch_cannot_commit(void **state)
{
    (void)state;
    private_postgres_run("update chat.partition set epoch = epoch + 1");
    assert_int_equal(commit_message(GROUP, ANNA, "x", "{}"), CHAT_COMMIT_FENCED);
    chat_lease_renew(lease);
    wait_for_answer();
}

static void a_head_that_is_not_the_logs_cannot_commit(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        partitions.items[i].head_offset = ++partitions.items[i].committed_offset;
    assert_int_equal(commit_message(GROUP, ANNA, "x", "{}"), CHAT_COMMIT_FENCED);
    chat_lease_renew(lease);
    wait_for_answer();
}

static struct chat_known known[4];
static size_t known_count;

static void on_known(void *context, bool ok, const struct chat_known *found, size_t count)
{
    (void)context;
    assert_true(ok);
    known_count = count;
    memcpy(known, found, count * sizeof *found);
    for (size_t i = 0; i < count; i++)
        known[i].body = known[i].detail = TEXT_NONE; /* borrowed */
    answered = true;
    loop_stop(loop);
}

static void known_messages_are_found_by_their_keys(void **state)
{
    (void)state;
    static const char *const client_ids[] = {"nothing", "b", "a"};
    static const int64_t senders[] = {ANNA, ANNA, BEN};
    struct chat_keys keys = {.items = NULL};
    chat_table_init(&keys.rows, KEY_NUMBERS, KEY_TEXTS);
    for (size_t i = 0; i < 3; i++) {
        size_t row = chat_table_add(&keys.rows);
        keys.rows.numbers[KEY_PARTITION][row] = batch->events.numbers[EVENT_PARTITION][0];
        keys.rows.numbers[KEY_CHAT][row] = GROUP;
        keys.rows.numbers[KEY_SENDER][row] = senders[i];
        keys.rows.numbers[KEY_TARGET][row] = 0;
        keys.rows.texts[KEY_CLIENT_ID][row] = text_of(client_ids[i]);
        keys.rows.texts[KEY_EMOJI][row] = keys.rows.texts[KEY_BODY][row] = TEXT_NONE;
    }
    chat_store_look_up(store, &keys, on_known, NULL);
    wait_for_answer();
    chat_table_deinit(&keys.rows);
    assert_int_equal(known_count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(known[i].seq, known[i].index == 1 ? 5 : 6);
}

/* --- reading --- */

static struct chat_loaded_chat loaded_chat;
static int64_t loaded_roles[3], loaded_from[3];

static void on_loaded(void *context, const struct chat_loaded *loaded)
{
    (void)context;
    assert_true(loaded->ok);
    assert_int_equal(loaded->chat_count, 1);
    loaded_chat = loaded->chats[0];
    assert_int_equal(loaded->member_count, 3);
    for (size_t i = 0; i < 3; i++) {
        loaded_roles[i] = loaded->members[i].role;
        loaded_from[i] = loaded->members[i].from_seq;
    }
    answered = true;
    loop_stop(loop);
}

static void a_state_is_loaded_as_it_was_written(void **state)
{
    (void)state;
    int64_t chats[] = {GROUP, 4711};
    chat_read_load(reads, chats, 2, on_loaded, NULL);
    wait_for_answer();
    assert_int_equal(loaded_chat.chat_id, GROUP);
    assert_int_equal(loaded_chat.head_seq, 10);
    assert_int_equal(loaded_chat.version, 4);
    static const int64_t roles[] = {CHAT_ROLE_OWNER, CHAT_ROLE_MEMBER, CHAT_ROLE_MEMBER};
    static const int64_t from[] = {1, 9, 4};
    assert_memory_equal(loaded_roles, roles, sizeof roles);
    assert_memory_equal(loaded_from, from, sizeof from);
}

static char seqs[128];
static struct chat_events_page last_page;

static void note_seqs(const struct chat_log_event *events, size_t count)
{
    size_t length = 0;
    seqs[0] = '\0';
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(seqs + length, sizeof seqs - length, "%s%lld", i > 0 ? " " : "",
                                   (long long)events[i].seq);
}

static void on_page(void *context, const struct chat_events_page *page)
{
    (void)context;
    last_page = *page;
    note_seqs(page->events, page->count);
    answered = true;
    loop_stop(loop);
}

static void everybody_sees_their_own_part_of_the_log(void **state)
{
    (void)state;
    static const struct {
        int64_t user, chat;
        struct chat_range range;
        const char *want;
    } cases[] = {
        {ANNA, GROUP, {false, 0, 50}, "1 2 3 4 5 6 7 8 9 10"},
        {ANNA, GROUP, {false, 4, 2}, "5 6"},
        {ANNA, GROUP, {false, 10, 50}, ""},
        {ANNA, GROUP, {true, 4, 50}, "1 2 3"},
        {ANNA, GROUP, {true, 100, 2}, "9 10"},
        {BEN, GROUP, {false, 0, 50}, "1 2 3 4 5 6 7 9 10"},
        {BEN, GROUP, {false, 6, 2}, "7 9"},
        {BEN, GROUP, {true, 10, 3}, "6 7 9"},
        {CARL, GROUP, {false, 0, 50}, "4 5 6 7 8 9 10"},
        {CARL, GROUP, {true, 5, 50}, "4"},
        {BEN, SHARED, {false, 0, 50}, "1 2 3 4 5 6 7 8 9 10"},
        {CARL, SHARED, {true, 5, 50}, "1 2 3 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        chat_read_history(reads, cases[i].user, cases[i].chat, &cases[i].range, on_page, NULL);
        wait_for_answer();
        assert_int_equal(last_page.problem, PROBLEM_NONE);
        assert_string_equal(seqs, cases[i].want);
    }
    assert_true(last_page.standing.is_member);
    assert_int_equal(last_page.standing.first_seq, 1);
    assert_int_equal(last_page.standing.last_seq, 10);
}

static void strangers_find_nothing(void **state)
{
    (void)state;
    struct chat_range range = {false, 0, 50};
    chat_read_history(reads, STRANGER, GROUP, &range, on_page, NULL);
    wait_for_answer();
    assert_int_equal(last_page.problem, PROBLEM_NOT_FOUND);
    chat_read_history(reads, ANNA, 4711, &range, on_page, NULL);
    wait_for_answer();
    assert_int_equal(last_page.problem, PROBLEM_NOT_FOUND);
}

static void a_page_of_large_events_ends_early(void **state)
{
    (void)state;
    struct chat_range range = {false, 0, 50};
    chat_settings.max_reply_bytes = 500;
    chat_read_history(reads, ANNA, GROUP, &range, on_page, NULL);
    wait_for_answer();
    chat_settings.max_reply_bytes = 1000000;
    assert_string_equal(seqs, "1 2 3");
}

static struct chat_standing standings[4];
static size_t standing_count;

static void on_standings(void *context, enum problem problem, const struct chat_standing *found,
                         size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    standing_count = count;
    memcpy(standings, found, count * sizeof *found);
    answered = true;
    loop_stop(loop);
}

static void a_former_member_keeps_the_past_and_nothing_else(void **state)
{
    (void)state;
    struct chat_change_member carl = {CARL, CHAT_ROLE_MEMBER};
    struct chat_range range = {false, 0, 50};
    commit_change(SHARED, CHAT_CHANGE_REMOVED, &carl, 1);
    commit_message(SHARED, ANNA, "e", "{\"text\":\"12\"}");
    chat_read_history(reads, CARL, SHARED, &range, on_page, NULL);
    wait_for_answer();
    assert_string_equal(seqs, "4 5 6 7 8 9 10 11");
    assert_false(last_page.standing.is_member);
    assert_int_equal(last_page.standing.last_seq, 11);

    int64_t named[] = {SHARED, 4711};
    chat_read_standings(reads, CARL, named, 2, on_standings, NULL);
    wait_for_answer();
    assert_int_equal(standing_count, 2);
    assert_int_equal(standings[0].chat_id, GROUP);
    assert_true(standings[0].is_member);
    assert_int_equal(standings[1].chat_id, SHARED);
    assert_false(standings[1].is_member);
    chat_read_standings(reads, CARL, named, 0, on_standings, NULL);
    wait_for_answer();
    assert_int_equal(standing_count, 1);
}

static void on_events(void *context, enum problem problem, const struct chat_log_event *events,
                      size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    note_seqs(events, count);
    answered = true;
    loop_stop(loop);
}

static void several_chats_are_read_at_once(void **state)
{
    (void)state;
    struct chat_wanted wanted[] = {{GROUP, 5, 2}, {SHARED, 9, 50}};
    chat_read_several(reads, BEN, wanted, 2, on_events, NULL);
    wait_for_answer();
    assert_string_equal(seqs, "6 7 10 11 12");
}

static void events_are_read_by_reference_in_the_order_asked(void **state)
{
    (void)state;
    struct chat_event_ref refs[] = {{SHARED, 12}, {GROUP, 99}, {GROUP, 1}};
    chat_read_events(reads, refs, 3, on_events, NULL);
    wait_for_answer();
    assert_string_equal(seqs, "12 0 1");
}

static struct chat_summary_row summaries[2];

static void on_summaries(void *context, enum problem problem, const struct chat_summary_row *rows,
                         size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    assert_int_equal(count, 2);
    memcpy(summaries, rows, sizeof summaries);
    answered = true;
    loop_stop(loop);
}

static void unread_are_the_messages_of_others_that_one_may_see(void **state)
{
    (void)state;
    static const struct {
        int64_t user, chat, want;
    } cases[] = {{ANNA, GROUP, 1},  /* Ben's */
                 {BEN, GROUP, 3},   /* 3, 5, 10; not 8: he was away */
                 {BEN, SHARED, 5},  /* 3, 5, 8, 10, 12 */
                 {CARL, GROUP, 4}}; /* 5, 6, 8, 10 */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t chats[] = {4711, cases[i].chat};
        chat_read_summaries(reads, cases[i].user, chats, 2, true, on_summaries, NULL);
        wait_for_answer();
        assert_int_equal(summaries[0].last_seq, 0);
        assert_int_equal(summaries[1].unread, cases[i].want);
        chat_read_summaries(reads, cases[i].user, chats, 2, false, on_summaries, NULL);
        wait_for_answer();
        assert_int_equal(summaries[1].last_seq, cases[i].chat == GROUP ? 10 : 12);
    }
}

static struct chat_roster_row rosters[8];
static size_t roster_count;

static void on_rosters(void *context, enum problem problem, const struct chat_roster_row *rows,
                       size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    roster_count = count;
    memcpy(rosters, rows, count * sizeof *rows);
    answered = true;
    loop_stop(loop);
}

static void a_roster_has_the_spans_that_matter_from_a_seq_on(void **state)
{
    (void)state;
    struct chat_roster_ask asks[] = {{4711, 0}, {GROUP, 0}, {GROUP, 8}};
    chat_read_rosters(reads, asks, 3, 1000, on_rosters, NULL);
    wait_for_answer();
    assert_int_equal(roster_count, 1 + 4 + 3);
    assert_int_equal(rosters[0].span.user_id, 0);
    assert_int_equal(rosters[1].as_of_seq, 10);
    assert_int_equal(rosters[5].index, 2);
}

static void rosters_that_are_too_many_rows_end_in_the_order_asked(void **state)
{
    (void)state;
    struct chat_roster_ask asks[] = {{4711, 0}, {GROUP, 0}, {GROUP, 8}};
    chat_read_rosters(reads, asks, 3, 6, on_rosters, NULL);
    wait_for_answer();
    assert_int_equal(roster_count, 6);
    for (size_t i = 0; i < roster_count; i++)
        assert_int_equal(rosters[i].index, i == 0 ? 0 : i < 5 ? 1 : 2);
}

static struct chat_feed_page feed_page;

static void on_feed(void *context, const struct chat_feed_page *page)
{
    (void)context;
    feed_page = *page;
    answered = true;
    loop_stop(loop);
}

static void the_feed_is_read_by_offset(void **state)
{
    (void)state;
    int64_t total = 0;
    for (int64_t partition = 0; partition < 4; partition++) {
        chat_read_feed(reads, partition, 0, 100, on_feed, NULL);
        wait_for_answer();
        assert_int_equal(feed_page.problem, PROBLEM_NONE);
        assert_int_equal(feed_page.head_offset, feed_page.count);
        total += feed_page.head_offset;
        if (feed_page.head_offset < 2)
            continue;
        chat_read_feed(reads, partition, 1, 1, on_feed, NULL);
        wait_for_answer();
        assert_int_equal(feed_page.first_offset, 2);
        assert_int_equal(feed_page.count, 1);
    }
    assert_int_equal(total, 10 + 12);
    chat_read_feed(reads, 77, 0, 100, on_feed, NULL);
    wait_for_answer();
    assert_int_equal(feed_page.problem, PROBLEM_NOT_FOUND);
}

/* --- receipts --- */

static void on_receipts_done(struct chat_receipts_item *item)
{
    (void)item;
    answered = true;
    loop_stop(loop);
}

static struct chat_receipt_outcome move(int64_t user_id, int64_t delivered, int64_t read)
{
    struct chat_receipt receipt = {
        .chat_id = GROUP, .user_id = user_id, .delivered = delivered, .read = read};
    struct chat_receipt_outcome outcome;
    struct chat_receipts_item item = {
        .receipts = &receipt, .count = 1, .outcomes = &outcome, .on_done = on_receipts_done};
    moved_count = 0;
    assert_true(chat_receipts_submit(receipts, &item));
    wait_for_answer();
    return outcome;
}

static void watermarks_never_go_back_and_read_moves_delivered(void **state)
{
    (void)state;
    static const struct {
        int64_t delivered, read, want_delivered, want_read;
        size_t want_moved;
    } steps[] = {
        {4, 0, 4, 0, 1}, {0, 6, 6, 6, 1}, {3, 2, 6, 6, 0}, {0, 0, 6, 6, 0}, {10, 0, 10, 6, 1}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct chat_receipt_outcome outcome = move(ANNA, steps[i].delivered, steps[i].read);
        assert_int_equal(outcome.problem, PROBLEM_NONE);
        assert_int_equal(outcome.delivered, steps[i].want_delivered);
        assert_int_equal(outcome.read, steps[i].want_read);
        assert_int_equal(moved_count, steps[i].want_moved);
    }
}

static void watermarks_above_the_head_and_of_others_are_refused(void **state)
{
    (void)state;
    struct chat_receipt_outcome outcome = move(ANNA, 11, 0);
    assert_int_equal(outcome.problem, PROBLEM_BAD_REQUEST);
    assert_false(outcome.is_read_at_fault);
    outcome = move(ANNA, 1, 11);
    assert_int_equal(outcome.problem, PROBLEM_BAD_REQUEST);
    assert_true(outcome.is_read_at_fault);
    assert_int_equal(move(STRANGER, 1, 1).problem, PROBLEM_NOT_FOUND);
    struct chat_change_member carl = {CARL, CHAT_ROLE_MEMBER};
    commit_change(GROUP, CHAT_CHANGE_REMOVED, &carl, 1);
    assert_int_equal(move(CARL, 1, 1).problem, PROBLEM_NOT_MEMBER);
}

static void several_receipts_of_one_member_in_a_write_are_merged(void **state)
{
    (void)state;
    struct chat_receipt three[] = {
        {GROUP, BEN, 2, 0, 0, 0}, {GROUP, BEN, 7, 3, 0, 0}, {GROUP, BEN, 5, 5, 0, 0}};
    struct chat_receipt_outcome outcomes[3];
    struct chat_receipts_item item = {
        .receipts = three, .count = 3, .outcomes = outcomes, .on_done = on_receipts_done};
    assert_true(chat_receipts_submit(receipts, &item));
    wait_for_answer();
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(outcomes[i].problem, PROBLEM_NONE);
        assert_int_equal(outcomes[i].delivered, 7);
        assert_int_equal(outcomes[i].read, 5);
    }
}

static void a_deleted_chat_is_not_there_for_anybody(void **state)
{
    (void)state;
    struct chat_range range = {false, 0, 50};
    int64_t named[] = {GROUP};
    commit_change(GROUP, CHAT_CHANGE_DELETED, NULL, 0);
    chat_read_history(reads, ANNA, GROUP, &range, on_page, NULL);
    wait_for_answer();
    assert_int_equal(last_page.problem, PROBLEM_NOT_FOUND);
    chat_read_standings(reads, CARL, named, 1, on_standings, NULL);
    wait_for_answer();
    assert_int_equal(standing_count, 0);
    assert_int_equal(move(ANNA, 1, 1).problem, PROBLEM_NOT_FOUND);
}

/* The tests build on each other: one story in one database. */
static struct chat_role_answer roles[8];
static int64_t shared_pairs[8];

static void on_roles(void *context, enum problem problem, const struct chat_role_answer *answers,
                     size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    memcpy(roles, answers, count * sizeof *answers);
    answered = true;
    loop_stop(loop);
}

static void on_companions(void *context, enum problem problem, const int64_t *shared, size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    memcpy(shared_pairs, shared, count * sizeof *shared);
    answered = true;
    loop_stop(loop);
}

static void make_direct_chat(int64_t blocked)
{
    struct chat_change_member members[] = {{ANNA, CHAT_ROLE_MEMBER}, {BEN, CHAT_ROLE_MEMBER}};
    struct chat_apply_request changes[] = {
        {.change_kind = CHAT_CHANGE_CREATED,
         .kind = CHAT_DIRECT,
         .members = members,
         .members_count = 2},
        {.change_kind = CHAT_CHANGE_BLOCKS, .kind = CHAT_DIRECT, .blocked = blocked}};
    for (int i = 0; i < 2; i++) {
        changes[i].chat_id = DIRECT;
        changes[i].version = i + 1;
        changes[i].by_id = ANNA;
        changes[i].history = CHAT_HISTORY_JOINED;
        struct chat_item item = {.kind = CHAT_ITEM_CHANGE, .change = &changes[i]};
        commit_items(&item, 1);
        assert_int_equal(item.outcome.problem, PROBLEM_NONE);
    }
}

static void a_role_is_what_a_user_is_to_a_chat_now_and_whether_they_may_write(void **state)
{
    (void)state;
    struct chat_change_member reader = {BEN, CHAT_ROLE_READER};
    make_direct_chat(2); /* the larger id may not write */
    commit_change(GROUP, CHAT_CHANGE_MEMBERS, &reader, 1);
    static const struct {
        struct chat_role_ask ask;
        enum problem problem, writing;
    } cases[] = {
        {{GROUP, ANNA}, PROBLEM_NONE, PROBLEM_NONE},
        {{GROUP, BEN}, PROBLEM_NONE, PROBLEM_FORBIDDEN},
        {{GROUP, STRANGER}, PROBLEM_NOT_FOUND, PROBLEM_NONE},
        {{SHARED, CARL}, PROBLEM_NOT_MEMBER, PROBLEM_NONE},
        {{4711, ANNA}, PROBLEM_NOT_FOUND, PROBLEM_NONE},
        {{DIRECT, ANNA}, PROBLEM_NONE, PROBLEM_NONE},
        {{DIRECT, BEN}, PROBLEM_NONE, PROBLEM_BLOCKED},
    };
    enum { COUNT = sizeof cases / sizeof cases[0] };
    struct chat_role_ask asks[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        asks[i] = cases[i].ask;
    chat_read_roles(reads, asks, COUNT, on_roles, NULL);
    wait_for_answer();
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(roles[i].problem, cases[i].problem);
        assert_int_equal(roles[i].writing, cases[i].writing);
    }
}

static void companions_are_those_who_are_members_of_one_chat_now(void **state)
{
    (void)state;
    struct chat_change_member carl = {CARL, CHAT_ROLE_MEMBER};
    const struct chat_pair pairs[] = {{ANNA, BEN},      {BEN, ANNA},      {CARL, BEN},
                                      {ANNA, STRANGER}, {STRANGER, ANNA}, {ANNA, ANNA}};
    static const int64_t want[] = {1, 1, 1, 0, 0, 1};
    commit_change(GROUP, CHAT_CHANGE_MEMBERS, &carl, 1);
    chat_read_companions(reads, pairs, 6, on_companions, NULL);
    wait_for_answer();
    assert_memory_equal(shared_pairs, want, sizeof want);
    commit_change(GROUP, CHAT_CHANGE_REMOVED, &carl, 1);
    const struct chat_pair of_carl[] = {{CARL, BEN}, {BEN, CARL}};
    chat_read_companions(reads, of_carl, 2, on_companions, NULL);
    wait_for_answer();
    assert_int_equal(shared_pairs[0], 0);
    assert_int_equal(shared_pairs[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lease_takes_all_partitions_and_counts_epochs),
        cmocka_unit_test(a_lost_session_gives_everything_up_and_takes_it_again),
        cmocka_unit_test(the_story_is_committed),
        cmocka_unit_test(a_known_key_refuses_the_commit),
        cmocka_unit_test(what_cannot_be_stored_is_told_from_what_went_wrong),
        cmocka_unit_test(an_older_epoch_cannot_commit),
        cmocka_unit_test(a_head_that_is_not_the_logs_cannot_commit),
        cmocka_unit_test(known_messages_are_found_by_their_keys),
        cmocka_unit_test(a_state_is_loaded_as_it_was_written),
        cmocka_unit_test(everybody_sees_their_own_part_of_the_log),
        cmocka_unit_test(strangers_find_nothing),
        cmocka_unit_test(a_page_of_large_events_ends_early),
        cmocka_unit_test(a_former_member_keeps_the_past_and_nothing_else),
        cmocka_unit_test(several_chats_are_read_at_once),
        cmocka_unit_test(events_are_read_by_reference_in_the_order_asked),
        cmocka_unit_test(unread_are_the_messages_of_others_that_one_may_see),
        cmocka_unit_test(a_roster_has_the_spans_that_matter_from_a_seq_on),
        cmocka_unit_test(rosters_that_are_too_many_rows_end_in_the_order_asked),
        cmocka_unit_test(the_feed_is_read_by_offset),
        cmocka_unit_test(watermarks_never_go_back_and_read_moves_delivered),
        cmocka_unit_test(watermarks_above_the_head_and_of_others_are_refused),
        cmocka_unit_test(several_receipts_of_one_member_in_a_write_are_merged),
        cmocka_unit_test(a_role_is_what_a_user_is_to_a_chat_now_and_whether_they_may_write),
        cmocka_unit_test(companions_are_those_who_are_members_of_one_chat_now),
        cmocka_unit_test(a_deleted_chat_is_not_there_for_anybody),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
