/* What is done to messages, and receipts that are hidden, through the lane into a Postgres of the test's own and out of it
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "services/chat/chat_lane.h"
#include "services/chat/chat_lease.h"
#include "services/chat/chat_read_store.h"
#include "services/chat/chat_receipts.h"
#include "services/chat/chat_settings.h"
#include "services/chat/chat_store.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"
#include "shared/proto/chat_content.h"
#include "shared/proto/user_protocol.h"
#include "tests/unit/private_postgres.h"
#include "tests/unit/waiting.h"

enum { ANNA = 11, BEN = 22, CARL = 33 };
enum { MAX_EDITS = 4, MAX_EMOJIS = 3, MAX_REACTIONS = 5 };

static struct {
    struct loop *loop;
    struct chat_partitions partitions;
    struct chat_lease *lease;
    struct chat_store *store;
    struct chat_read_store *reads;
    struct chat_receipts *receipts;
    struct chat_lane *lane;
    int64_t chat; /* of this test */
    int64_t version;
    bool answered;
} world;

/* --- life --- */

static bool is_connected(void *context)
{
    (void)context;
    return chat_store_is_connected(world.store);
}

static void load(void *context, const int64_t *chats, size_t count, chat_on_loaded on_loaded,
                 void *loaded_context)
{
    (void)context;
    chat_read_load(world.reads, chats, count, on_loaded, loaded_context);
}

static void look_up(void *context, const struct chat_keys *keys, chat_on_known on_known,
                    void *known_context)
{
    (void)context;
    chat_store_look_up(world.store, keys, on_known, known_context);
}

static void commit(void *context, const struct chat_batch *batch, chat_on_commit on_commit,
                   void *commit_context)
{
    (void)context;
    chat_store_commit(world.store, batch, on_commit, commit_context);
}

static void renew(void *context)
{
    (void)context;
    chat_lease_renew(world.lease);
}

static void prepare_news(void *context, const struct chat_batch *batch)
{
    (void)context, (void)batch;
}

static void send_news(void *context)
{
    (void)context;
}

static void on_taken(void *context)
{
    (void)context;
    chat_lane_lease_taken(world.lane);
}

static void on_lost(void *context)
{
    (void)context;
    chat_lane_lease_lost(world.lane);
}

static struct chat_receipt news[8];
static size_t news_count;

static void on_moved(void *context, const struct chat_receipt *moved, size_t count)
{
    (void)context;
    news_count = count;
    memcpy(news, moved, count * sizeof *moved);
}

static bool is_ready(void)
{
    return chat_store_is_connected(world.store) && chat_read_store_is_connected(world.reads) &&
           chat_receipts_is_connected(world.receipts) &&
           chat_lane_state(world.lane) == CHAT_LANE_IDLE;
}

static int start_all(void **state)
{
    static const struct chat_lease_callbacks callbacks = {NULL, on_taken, on_lost};
    static const struct chat_lane_ports ports = {NULL,   is_connected, load,         look_up,
                                                 commit, renew,        prepare_news, send_news};
    static const struct chat_lane_options options = {
        .batch = {64, 1000000, MAX_EDITS, MAX_REACTIONS, MAX_EMOJIS},
        .max_queue_events = 1000,
        .max_queue_bytes = 1000000,
        .max_cached_chats = 100,
        .max_cached_members = 1000,
        .patience_ms = 1000,
    };
    (void)state;
    log_init("test", LOG_LEVEL_ERROR + 1);
    world.loop = waiting_start();
    if (!private_postgres_make(waiting_folder()))
        return -1;
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
                                           .read_connections = 1,
                                           .max_store_units = 100};
    world.store = chat_store_create(world.loop);
    world.reads = chat_read_store_create(world.loop, &world.partitions);
    world.receipts = chat_receipts_create(world.loop, &world.partitions, on_moved, NULL);
    world.lane = chat_lane_create(world.loop, &world.partitions, &options, &ports);
    world.lease = chat_lease_create(world.loop, &world.partitions, &callbacks);
    wait_until(is_ready);
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    chat_store_destroy(&world.store);
    chat_read_store_destroy(&world.reads);
    chat_lease_destroy(&world.lease);
    chat_receipts_destroy(&world.receipts);
    chat_lane_destroy(&world.lane);
    private_postgres_stop();
    waiting_stop();
    return 0;
}

/* --- into the log --- */

static bool is_answered(void)
{
    return world.answered;
}

static void wait_for_answer(void)
{
    wait_until(is_answered);
    world.answered = false;
}

static void on_done(struct chat_item *item)
{
    (void)item;
    world.answered = true;
}

static struct chat_outcome put(struct chat_item *item)
{
    item->on_done = on_done;
    assert_true(chat_lane_submit(world.lane, item, 1));
    wait_for_answer();
    return item->outcome;
}

static void change(enum chat_change_kind kind, int64_t user, int64_t role)
{
    struct chat_change_member member = {user, role};
    struct chat_apply_request request = {.chat_id = world.chat,
                                         .version = ++world.version,
                                         .change_kind = kind,
                                         .by_id = ANNA,
                                         .kind = CHAT_GROUP,
                                         .history = CHAT_HISTORY_JOINED,
                                         .members = &member,
                                         .members_count = 1};
    struct chat_item item = {.kind = CHAT_ITEM_CHANGE, .change = &request};
    assert_int_equal(put(&item).problem, PROBLEM_NONE);
}

/* A chat of its own for each test: 1, 2, 3 the members, 4 a message of Anna's. */
static int make_chat(void **state)
{
    (void)state;
    world.chat++;
    world.version = 0;
    change(CHAT_CHANGE_CREATED, ANNA, CHAT_ROLE_OWNER);
    change(CHAT_CHANGE_MEMBERS, BEN, CHAT_ROLE_MEMBER);
    change(CHAT_CHANGE_MEMBERS, CARL, CHAT_ROLE_MEMBER);
    return 0;
}

static struct chat_outcome say(int64_t user, const char *key, const char *body, const char *detail)
{
    struct chat_message message = {.chat_id = world.chat,
                                   .sender_id = user,
                                   .type = CHAT_EVENT_MESSAGE,
                                   .client_id = text_of(key),
                                   .body = text_of(body),
                                   .detail = text_of(detail)};
    struct chat_item item = {.kind = CHAT_ITEM_MESSAGE, .message = &message};
    return put(&item);
}

struct act {
    struct chat_message message;
    struct chat_action action;
    struct chat_item item;
    char key[TEXT_NUMBER_SIZE];
    char detail[64];
};

static void act_make(struct act *act, enum chat_event_type type, int64_t user, int64_t target,
                     const char *word)
{
    static int64_t number;
    *act = (struct act){
        .message = {.chat_id = world.chat, .sender_id = user, .type = type, .target = target}};
    text_format_number(++number, act->key);
    act->message.client_id = text_of(act->key);
    act->item = (struct chat_item){
        .kind = CHAT_ITEM_MESSAGE, .message = &act->message, .action = &act->action};
    if (type == CHAT_EVENT_EDIT)
        act->message.body = text_of(word);
    if (type != CHAT_EVENT_REACTION)
        return;
    act->action.is_on = word[0] != '-';
    act->action.emoji = text_of(word[0] == '-' ? word + 1 : word);
    snprintf(act->detail, sizeof act->detail, "\"emoji\":\"%s\",\"on\":%s",
             word[0] == '-' ? word + 1 : word, act->action.is_on ? "true" : "false");
    act->message.detail = text_of(act->detail);
}

static struct chat_outcome do_to(enum chat_event_type type, int64_t user, int64_t target,
                                 const char *word)
{
    struct act act;
    act_make(&act, type, user, target, word);
    return put(&act.item);
}

#define EDIT(user, target, body)   do_to(CHAT_EVENT_EDIT, (user), (target), (body))
#define DELETE(user, target)       do_to(CHAT_EVENT_DELETE, (user), (target), "")
#define REACT(user, target, emoji) do_to(CHAT_EVENT_REACTION, (user), (target), (emoji))

/* --- out of the log --- */

static char story[2048];
static size_t story_length;

/* Each event as its seq, and what of it can change. */
static void tell(const struct chat_log_event *events, size_t count)
{
    struct buffer out = BUFFER_EMPTY;
    for (size_t i = 0; i < count; i++) {
        buffer_append_format(&out, "%s%lld", i > 0 ? " " : "", (long long)events[i].seq);
        if (events[i].type < CHAT_EVENT_EDIT && events[i].type != CHAT_EVENT_MESSAGE)
            continue;
        buffer_append_format(&out, ":%.*s", TEXT_PRINT(events[i].body));
        if (events[i].edited_at_ms != 0)
            buffer_append_string(&out, "~");
        if (events[i].is_deleted)
            buffer_append_string(&out, "X");
        buffer_append_text(&out, events[i].reactions);
    }
    snprintf(story, sizeof story, "%.*s", TEXT_PRINT(buffer_text(&out)));
    buffer_deinit(&out);
    story_length = count;
    world.answered = true;
}

static void on_page(void *context, const struct chat_events_page *page)
{
    (void)context;
    assert_int_equal(page->problem, PROBLEM_NONE);
    tell(page->events, page->count);
}

static void on_events(void *context, enum problem problem, const struct chat_log_event *events,
                      size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    tell(events, count);
}

static const char *history(int64_t user, int64_t after)
{
    struct chat_range range = {false, after, 50};
    chat_read_history(world.reads, user, world.chat, &range, on_page, NULL);
    wait_for_answer();
    return story;
}

static const char *history_back(int64_t user)
{
    struct chat_range range = {true, 1000, 50};
    chat_read_history(world.reads, user, world.chat, &range, on_page, NULL);
    wait_for_answer();
    return story;
}

static const char *several(int64_t user, int64_t after)
{
    struct chat_wanted wanted = {world.chat, after, 50};
    chat_read_several(world.reads, user, &wanted, 1, on_events, NULL);
    wait_for_answer();
    return story;
}

static const char *by_reference(int64_t seq)
{
    struct chat_event_ref ref = {world.chat, seq};
    chat_read_events(world.reads, &ref, 1, on_events, NULL);
    wait_for_answer();
    return story;
}

static struct chat_summary_row summary;

static void on_summaries(void *context, enum problem problem, const struct chat_summary_row *rows,
                         size_t count)
{
    (void)context;
    assert_int_equal(problem, PROBLEM_NONE);
    assert_int_equal(count, 1);
    summary = rows[0];
    tell(&rows[0].last_event, 1);
}

static const char *summarise(int64_t user)
{
    chat_read_summaries(world.reads, user, &world.chat, 1, true, on_summaries, NULL);
    wait_for_answer();
    return story;
}

/* --- messages --- */

static void the_latest_edit_is_what_every_way_of_reading_shows(void **state)
{
    (void)state;
    say(ANNA, "a", "{\"n\":0}", "");
    assert_int_equal(EDIT(ANNA, 4, "{\"n\":1}").seq, 5);
    assert_int_equal(EDIT(ANNA, 4, "{\"n\":2}").seq, 6);
    const char *want = "4:{\"n\":2}~ 5:{\"n\":1} 6:{\"n\":2}";
    assert_string_equal(history(BEN, 3), want);
    assert_string_equal(several(BEN, 3), want);
    assert_string_equal(history_back(BEN) + strlen("2 3 "), want);
    assert_string_equal(by_reference(4), "4:{\"n\":2}~");
    assert_string_equal(summarise(BEN), "6:{\"n\":2}");
}

static void an_edit_to_what_it_says_since_an_edit_is_that_edit(void **state)
{
    (void)state;
    say(ANNA, "a", "{\"n\":0}", "");
    struct chat_outcome first = EDIT(ANNA, 4, "{\"n\":1}");
    struct chat_outcome again = EDIT(ANNA, 4, "{\"n\":1}");
    assert_true(again.duplicate);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(again.at_ms, first.at_ms);
    assert_int_equal(EDIT(ANNA, 4, "{\"n\":0}").seq, 6);
    assert_int_equal(EDIT(ANNA, 4, "{\"n\":1}").seq, 7);
}

static void edits_have_a_bound(void **state)
{
    (void)state;
    static const char *const bodies[] = {"{\"n\":0}", "{\"n\":1}"};
    say(ANNA, "a", "{}", "");
    for (int i = 0; i < MAX_EDITS; i++)
        assert_int_equal(EDIT(ANNA, 4, bodies[i % 2]).problem, PROBLEM_NONE);
    assert_int_equal(EDIT(ANNA, 4, "{}").problem, PROBLEM_CONFLICT);
    assert_true(EDIT(ANNA, 4, bodies[(MAX_EDITS - 1) % 2]).duplicate); /* that one is there */
    assert_int_equal(DELETE(ANNA, 4).problem, PROBLEM_NONE);
}

static void reactions_are_shown_in_the_order_of_reacting(void **state)
{
    (void)state;
    say(ANNA, "a", "{}", "");
    REACT(BEN, 4, "b");
    REACT(ANNA, 4, "a");
    REACT(ANNA, 4, "b");
    REACT(CARL, 4, "a");
    assert_string_equal(by_reference(4), "4:{}{\"b\":[\"22\",\"11\"],\"a\":[\"11\",\"33\"]}");
    REACT(BEN, 4, "-b");
    assert_string_equal(by_reference(4), "4:{}{\"a\":[\"11\",\"33\"],\"b\":[\"11\"]}");
    REACT(ANNA, 4, "-b");
    REACT(ANNA, 4, "-a");
    REACT(CARL, 4, "-a");
    assert_string_equal(by_reference(4), "4:{}");
}

static void a_reaction_that_changes_nothing_is_the_head_with_its_time(void **state)
{
    (void)state;
    struct chat_outcome said = say(ANNA, "a", "{}", "");
    struct chat_outcome off = REACT(BEN, 4, "-x");
    assert_true(off.duplicate);
    assert_int_equal(off.seq, 4);
    assert_int_equal(off.at_ms, said.at_ms);
    REACT(BEN, 4, "x");
    assert_int_equal(REACT(BEN, 4, "x").seq, 5);
    assert_string_equal(by_reference(4), "4:{}{\"x\":[\"22\"]}");
}

static void reactions_have_bounds(void **state)
{
    (void)state;
    say(ANNA, "a", "{}", "");
    assert_int_equal(REACT(ANNA, 4, "1").problem, PROBLEM_NONE);
    assert_int_equal(REACT(ANNA, 4, "2").problem, PROBLEM_NONE);
    assert_int_equal(REACT(ANNA, 4, "3").problem, PROBLEM_NONE);
    assert_int_equal(REACT(ANNA, 4, "4").problem, PROBLEM_CONFLICT);
    assert_int_equal(REACT(BEN, 4, "1").problem, PROBLEM_NONE);
    assert_int_equal(REACT(BEN, 4, "2").problem, PROBLEM_NONE);
    assert_int_equal(REACT(CARL, 4, "2").problem, PROBLEM_CONFLICT); /* the sixth */
    assert_int_equal(REACT(ANNA, 4, "-3").problem, PROBLEM_NONE);
    assert_int_equal(REACT(ANNA, 4, "4").problem, PROBLEM_NONE);
}

static void at_the_bounds_a_crowd_in_one_go_gets_exactly_what_fits(void **state)
{
    (void)state;
    enum { CROWD = 8 };
    struct act acts[CROWD];
    size_t taken = 0;
    say(ANNA, "a", "{}", "");
    for (int i = 0; i < CROWD; i++) {
        static const char *const emojis[] = {"1", "2", "3", "4"};
        act_make(&acts[i], CHAT_EVENT_REACTION, i < 4 ? ANNA : BEN, 4, emojis[i % 4]);
        acts[i].item.on_done = on_done;
        assert_true(chat_lane_submit(world.lane, &acts[i].item, 1));
    }
    for (int i = 0; i < 1000 && !chat_lane_is_empty(world.lane); i++)
        wait_ms(5);
    world.answered = false;
    for (int i = 0; i < CROWD; i++)
        taken += acts[i].item.outcome.problem == PROBLEM_NONE;
    assert_int_equal(taken, MAX_REACTIONS);
    assert_int_equal(acts[3].item.outcome.problem, PROBLEM_CONFLICT);
    assert_int_equal(private_postgres_run("select count(distinct emoji) from chat.reaction r "
                                          "where chat_id = (select max(chat_id) from chat.chat)"),
                     MAX_EMOJIS);
}

static void a_delete_leaves_nothing_of_the_content(void **state)
{
    (void)state;
    say(ANNA, "a", "{\"secret\":0}", "\"mentions\":[\"22\"],\"attachments\":[{\"secret\":1}]");
    EDIT(ANNA, 4, "{\"secret\":2}");
    EDIT(ANNA, 4, "{\"secret\":3}");
    REACT(BEN, 4, "x");
    say(BEN, "b", "{\"kept\":1}", "");
    assert_int_equal(DELETE(ANNA, 4).seq, 9);
    assert_string_equal(history(BEN, 3), "4:X 5: 6: 7: 8:{\"kept\":1} 9:");
    assert_string_equal(by_reference(5), "5:");
    assert_int_equal(
        private_postgres_run("select count(*) from chat.event e where e::text like '%secret%'"), 0);
    assert_int_equal(private_postgres_run("select count(*) from chat.reaction where chat_id = "
                                          "(select max(chat_id) from chat.chat)"),
                     0);
    assert_int_equal(DELETE(ANNA, 4).problem, PROBLEM_CONFLICT);
    assert_int_equal(EDIT(ANNA, 4, "{}").problem, PROBLEM_CONFLICT);
    assert_int_equal(REACT(ANNA, 4, "x").problem, PROBLEM_CONFLICT);
}

static void a_message_is_known_by_its_first_body_and_after_a_delete_by_its_key(void **state)
{
    (void)state;
    say(ANNA, "k", "{\"n\":0}", "\"reply_to\":1");
    EDIT(ANNA, 4, "{\"n\":1}");
    assert_int_equal(say(ANNA, "k", "{\"n\":0}", "\"reply_to\":1").seq, 4);
    assert_int_equal(say(ANNA, "k", "{\"n\":1}", "\"reply_to\":1").problem, PROBLEM_CONFLICT);
    DELETE(ANNA, 4);
    assert_int_equal(say(ANNA, "k", "{\"n\":0}", "").seq, 4);
}

static void what_was_done_is_known_by_its_key_and_done_once(void **state)
{
    (void)state;
    struct act edit, other, reaction;
    say(ANNA, "a", "{}", "");
    act_make(&edit, CHAT_EVENT_EDIT, ANNA, 4, "{\"n\":1}");
    act_make(&reaction, CHAT_EVENT_REACTION, ANNA, 4, "x");
    assert_int_equal(put(&edit.item).seq, 5);
    assert_int_equal(put(&reaction.item).seq, 6);
    EDIT(ANNA, 4, "{\"n\":2}");
    REACT(ANNA, 4, "-x");
    act_make(&other, CHAT_EVENT_DELETE, ANNA, 4, "");
    memcpy(other.key, edit.key, sizeof other.key);
    other.message.client_id = text_of(other.key);
    edit.item = (struct chat_item){
        .kind = CHAT_ITEM_MESSAGE, .message = &edit.message, .action = &edit.action};
    reaction.item = (struct chat_item){
        .kind = CHAT_ITEM_MESSAGE, .message = &reaction.message, .action = &reaction.action};
    assert_int_equal(put(&edit.item).seq, 5);
    assert_int_equal(put(&reaction.item).seq, 6);
    assert_int_equal(put(&other.item).problem, PROBLEM_CONFLICT);
    DELETE(ANNA, 4);
    edit.item.lookup = CHAT_LOOKUP_NONE;
    assert_int_equal(put(&edit.item).seq, 5); /* its body is gone: the key decides */
}

static void only_messages_that_one_may_see_can_be_reached(void **state)
{
    (void)state;
    say(ANNA, "a", "{}", "");
    change(CHAT_CHANGE_REMOVED, BEN, 0);
    say(ANNA, "b", "{}", "");
    change(CHAT_CHANGE_MEMBERS, BEN, CHAT_ROLE_ADMIN);
    assert_int_equal(REACT(BEN, 4, "x").problem, PROBLEM_NONE);
    assert_int_equal(REACT(BEN, 6, "x").problem, PROBLEM_NOT_FOUND); /* he was away */
    assert_int_equal(DELETE(BEN, 6).problem, PROBLEM_NOT_FOUND);
    assert_int_equal(DELETE(BEN, 1).problem, PROBLEM_NOT_FOUND); /* no message */
    assert_int_equal(DELETE(BEN, 99).problem, PROBLEM_NOT_FOUND);
    assert_int_equal(DELETE(BEN, 4).problem, PROBLEM_NONE);
}

static void a_former_member_sees_what_was_done_in_their_time(void **state)
{
    (void)state;
    say(ANNA, "a", "{\"n\":0}", "");
    EDIT(ANNA, 4, "{\"n\":1}");
    REACT(ANNA, 4, "x");
    change(CHAT_CHANGE_REMOVED, BEN, 0);
    EDIT(ANNA, 4, "{\"n\":2}");
    REACT(CARL, 4, "y");
    const char *want = "4:{\"n\":1}~{\"x\":[\"11\"]} 5:{\"n\":1} 6: 7";
    assert_string_equal(history(BEN, 3), want);
    assert_string_equal(several(BEN, 3), want);
    assert_string_equal(history_back(BEN) + strlen("2 3 "), want);
    DELETE(ANNA, 4);
    assert_string_equal(history(BEN, 3), "4:X 5: 6: 7");
}

static size_t page_length(int64_t after, int64_t max_bytes)
{
    chat_settings.max_reply_bytes = max_bytes;
    history(BEN, after);
    chat_settings.max_reply_bytes = 1000000;
    return story_length;
}

/* A page ends behind the event with which it is as large as it may be. */
static void a_page_counts_edits_and_reactions(void **state)
{
    (void)state;
    static char body[901];
    memset(body, ' ', sizeof body - 1);
    body[0] = '{';
    body[sizeof body - 2] = '}';
    say(ANNA, "a", "{}", "");
    say(ANNA, "b", "{}", "");
    say(ANNA, "c", "{}", "");
    assert_int_equal(page_length(3, 600), 3);
    EDIT(ANNA, 4, body);
    assert_int_equal(page_length(3, 600), 1);
    assert_int_equal(page_length(4, 600), 3);
    REACT(ANNA, 5, "1");
    REACT(ANNA, 5, "2");
    REACT(ANNA, 5, "3");
    assert_int_equal(page_length(4, 600), 1);
    assert_int_equal(page_length(4, 1000000), 6);
}

static void unread_mentions_are_those_of_messages_that_mention_one(void **state)
{
    (void)state;
    say(ANNA, "a", "{}", "\"mentions\":[\"22\"]");
    say(ANNA, "b", "{}", "\"reply_to\":4,\"mentions\":[\"33\",\"22\"]");
    say(ANNA, "c", "{}", "\"mentions\":[\"2\",\"222\",\"122\"]");
    say(ANNA, "d", "{}", "\"attachments\":[{\"mentions\":[\"22\"]}]");
    say(ANNA, "e", "{}", "\"mentions\":[\"33\"],\"attachments\":[{\"x\":[\"22\"]}]");
    say(BEN, "f", "{}", "\"mentions\":[\"22\"]");
    summarise(BEN);
    assert_int_equal(summary.unread, 5);
    assert_int_equal(summary.mentions, 2);
    DELETE(ANNA, 4);
    summarise(BEN);
    assert_int_equal(summary.unread, 5);
    assert_int_equal(summary.mentions, 1);
    summarise(CARL);
    assert_int_equal(summary.mentions, 2);
}

/* --- receipts --- */

static void on_receipts_done(struct chat_receipts_item *item)
{
    (void)item;
    world.answered = true;
}

static struct chat_receipt_outcome move(int64_t delivered, int64_t read, int64_t flags)
{
    struct chat_receipt receipt = {.chat_id = world.chat,
                                   .user_id = BEN,
                                   .delivered = delivered,
                                   .read = read,
                                   .flags = flags};
    struct chat_receipt_outcome outcome;
    struct chat_receipts_item item = {
        .receipts = &receipt, .count = 1, .outcomes = &outcome, .on_done = on_receipts_done};
    news_count = 0;
    assert_true(chat_receipts_submit(world.receipts, &item));
    wait_for_answer();
    assert_int_equal(outcome.problem, PROBLEM_NONE);
    return outcome;
}

static int64_t read_of_ben;

static void on_receipts(void *context, const struct chat_receipts_page *page)
{
    (void)context;
    assert_int_equal(page->problem, PROBLEM_NONE);
    assert_int_equal(page->count, 3);
    assert_int_equal(page->receipts[1].user_id, BEN);
    read_of_ben = page->receipts[1].read;
    world.answered = true;
}

static int64_t shown_to(int64_t user)
{
    chat_read_receipts(world.reads, user, world.chat, 0, 10, on_receipts, NULL);
    wait_for_answer();
    return read_of_ben;
}

static void who_hides_their_reads_sees_them_and_others_do_not(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        say(ANNA, &"a\0b\0c\0d\0e\0f"[i * 2], "{}", "");
    static const struct {
        int64_t delivered, read, flags;
        int64_t want_read, want_shown;
        size_t want_news;
        int64_t want_flags; /* of the news */
    } steps[] = {
        {4, 4, 0, 4, 4, 1, 0},
        {9, 0, USER_HIDES_READS, 4, 4, 1, 0},                /* delivered is no secret */
        {0, 6, USER_HIDES_READS, 6, 4, 1, USER_HIDES_READS}, /* only to the own devices */
        {0, 5, USER_HIDES_READS, 6, 4, 0, 0},
        {0, 5, 0, 6, 5, 1, 0},
        {0, 6, 0, 6, 6, 1, 0}, /* shown now what was read before */
        {0, 6, 0, 6, 6, 0, 0},
        {0, 8, USER_HIDES_READS | USER_HIDES_PRESENCE, 8, 6, 1, USER_HIDES_READS},
        {0, 9, USER_HIDES_PRESENCE, 9, 9, 1, 0},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct chat_receipt_outcome outcome =
            move(steps[i].delivered, steps[i].read, steps[i].flags);
        assert_int_equal(outcome.read, steps[i].want_read);
        assert_int_equal(shown_to(BEN), steps[i].want_read);
        assert_int_equal(shown_to(ANNA), steps[i].want_shown);
        assert_int_equal(news_count, steps[i].want_news);
        if (news_count == 0)
            continue;
        assert_int_equal(news[0].read, steps[i].want_read);
        assert_int_equal(news[0].read_shown, steps[i].want_shown);
        assert_int_equal(news[0].flags, steps[i].want_flags);
    }
}

#define OF_BEN                                                                  \
    " from chat.receipt where user_id = 22 and chat_id = (select max(chat_id) " \
    "from chat.chat)"

static void the_times_are_those_of_what_others_see(void **state)
{
    (void)state;
    say(ANNA, "a", "{}", "");
    move(0, 2, USER_HIDES_READS);
    assert_int_equal(private_postgres_run("select (read_at_ms is null)::int" OF_BEN), 1);
    assert_int_equal(private_postgres_run("select (delivered_at_ms > 0)::int" OF_BEN), 1);
    private_postgres_run("update chat.receipt set delivered_at_ms = 1 where user_id = 22");
    move(0, 2, 0);
    assert_int_equal(private_postgres_run("select (read_at_ms > 0)::int" OF_BEN), 1);
    assert_int_equal(private_postgres_run("select delivered_at_ms" OF_BEN), 1);
    move(3, 0, 0);
    assert_int_equal(private_postgres_run("select (delivered_at_ms > 1)::int" OF_BEN), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, make_chat)
    const struct CMUnitTest tests[] = {
        TEST(the_latest_edit_is_what_every_way_of_reading_shows),
        TEST(an_edit_to_what_it_says_since_an_edit_is_that_edit),
        TEST(edits_have_a_bound),
        TEST(reactions_are_shown_in_the_order_of_reacting),
        TEST(a_reaction_that_changes_nothing_is_the_head_with_its_time),
        TEST(reactions_have_bounds),
        TEST(at_the_bounds_a_crowd_in_one_go_gets_exactly_what_fits),
        TEST(a_delete_leaves_nothing_of_the_content),
        TEST(a_message_is_known_by_its_first_body_and_after_a_delete_by_its_key),
        TEST(what_was_done_is_known_by_its_key_and_done_once),
        TEST(only_messages_that_one_may_see_can_be_reached),
        TEST(a_former_member_sees_what_was_done_in_their_time),
        TEST(a_page_counts_edits_and_reactions),
        TEST(unread_mentions_are_those_of_messages_that_mention_one),
        TEST(who_hides_their_reads_sees_them_and_others_do_not),
        TEST(the_times_are_those_of_what_others_see),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
