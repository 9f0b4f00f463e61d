/* The index of words and the search in it (sql/0011_chat_search.sql, chat_index.c, chat_searches.c), on a Postgres of the
 * test's own whose locale knows no letters but ASCII's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "services/chat/chat_index.h"
#include "services/chat/chat_searches.h"
#include "services/chat/chat_settings.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"
#include "tests/unit/private_postgres.h"
#include "tests/unit/waiting.h"

enum { ANN = 11, BEN = 22, PARTITIONS = 4, FIRST_CHAT = 100 };

#define START_MS INT64_C(1700000000000)

static struct loop *loop;
static struct chat_partitions partitions;
static struct chat_index *chat_index;
static struct chat_searches *searches;
static int64_t chat = FIRST_CHAT; /* of this test */

/* --- Postgres --- */

static long run(const char *format, ...)
{
    char sql[4096];
    va_list arguments;
    va_start(arguments, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(sql, sizeof sql, format, arguments);
#pragma GCC diagnostic pop
    va_end(arguments);
    return private_postgres_run(sql);
}

static int start_all(void **state)
{
    (void)state;
    static const char *const files[] = {"sql/0003_chat.sql", "sql/0005_chat_poison.sql",
                                        "sql/0009_chat_quick_commit.sql",
                                        "sql/0010_chat_actions.sql", "sql/0011_chat_search.sql"};
    loop = waiting_start();
    log_init("test", LOG_LEVEL_ERROR + 1);
    assert_true(private_postgres_make(waiting_folder()));
    run("create role parley_chat login");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        private_postgres_run_file(files[i]);
    daemon_settings.postgres = private_postgres_conninfo();
    daemon_settings.postgres_user = "parley_chat";
    daemon_settings.postgres_password_file = "";
    daemon_settings.statement_timeout_ms = 5000;
    daemon_settings.request_deadline_ms = 5000;
    limits.max_search_words = 4;
    partitions.count = PARTITIONS;
    for (int i = 0; i < PARTITIONS; i++)
        partitions.items[i].held = true;
    return 0;
}

static int stop_all(void **state)
{
    (void)state;
    private_postgres_stop();
    waiting_stop();
    return 0;
}

static bool are_searches_connected(void)
{
    return chat_searches_is_connected(searches);
}

static void join(int64_t user_id)
{
    run("insert into chat.member values (%ld, %ld, %ld, 1, 0, 2)",
        (long)id_partition(chat, PARTITIONS), (long)chat, (long)user_id);
}

static void create_chat(void)
{
    chat++;
    join(ANN);
    join(BEN);
    run("insert into chat.chat values (%ld, %ld, 2, 1, 1)", (long)id_partition(chat, PARTITIONS),
        (long)chat);
}

/* Each test has a chat of its own, of Ann and Ben. */
static int set_up(void **state)
{
    (void)state;
    chat_settings = (struct chat_settings){.search_connections = 1,
                                           .search_timeout_ms = 1000,
                                           .max_searches = 2,
                                           .search_tail_events = 5,
                                           .max_reply_bytes = 1000000,
                                           .index_slice_events = 4,
                                           .index_slice_bytes = 65536,
                                           .index_busy_events = 1000000,
                                           .index_busy_percent = 100,
                                           .index_quiet_percent = 100};
    create_chat();
    searches = chat_searches_create(loop, &partitions);
    wait_until(are_searches_connected);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    chat_searches_destroy(&searches);
    chat_index_destroy(&chat_index);
    return 0;
}

/* --- the log --- */

/* An event as a commit would leave it. `subject`: what an edit or a delete is about. */
static void log_event(int64_t seq, int type, int64_t subject, int64_t at_ms, const char *text)
{
    uint32_t partition = id_partition(chat, PARTITIONS);
    int64_t offset = ++partitions.items[partition].committed_offset;
    run("insert into chat.event (partition, chat_id, seq, feed_offset, type, sender_id, "
        "subject_id, "
        "at_ms, body) select %ld, %ld, %ld, %ld, %d, %d, %ld, %ld, '{\"text\":\"' || '%s' || '\"}'",
        (long)partition, (long)chat, (long)seq, (long)offset, type, ANN, (long)subject,
        (long)(START_MS + at_ms), text);
    run("insert into chat.partition values (%ld, 1, %ld) on conflict (partition) do update set "
        "head_offset = excluded.head_offset",
        (long)partition, (long)offset);
}

static void say(int64_t seq, const char *text)
{
    log_event(seq, CHAT_EVENT_MESSAGE, 0, seq, text);
}

static void edit(int64_t seq, int64_t target, const char *text)
{
    log_event(seq, CHAT_EVENT_EDIT, target, seq, text);
    run("update chat.event set edit_seq = %ld where chat_id = %ld and seq = %ld", (long)seq,
        (long)chat, (long)target);
}

static void delete_message(int64_t seq, int64_t target)
{
    log_event(seq, CHAT_EVENT_DELETE, target, seq, "");
    run("update chat.event set delete_seq = %ld, edit_seq = null, body = null where chat_id = %ld "
        "and seq = %ld",
        (long)seq, (long)chat, (long)target);
}

static bool is_all_indexed(void)
{
    for (int i = 0; i < PARTITIONS; i++)
        if (run("select coalesce((select feed_offset from chat.search_cursor where partition = "
                "%d), "
                "0)",
                i) < (long)partitions.items[i].committed_offset)
            return false;
    return true;
}

static void index_all(void)
{
    if (chat_index == NULL)
        chat_index = chat_index_create(loop, &partitions);
    wait_until(is_all_indexed);
}

static long documents(void)
{
    return run("select count(*) from chat.search_document where chat_id = %ld", (long)chat);
}

/* --- searching --- */

static char found[256];
static struct chat_search_page last_page;
static struct chat_search_place last_place;
static bool is_answered;

static bool answered(void)
{
    return is_answered;
}

static void on_done(void *context, const struct chat_search_page *page)
{
    (void)context;
    size_t length = 0;
    found[0] = '\0';
    for (size_t i = 0; i < page->count; i++) {
        const struct chat_log_event *event = &page->hits[i].event;
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%lld",
                                   i > 0 ? " " : "", (long long)event->seq);
        last_place = (struct chat_search_place){event->at_ms, event->chat_id, event->seq};
    }
    last_page = *page;
    is_answered = true;
}

static struct chat_search question(int64_t user_id, const char *text)
{
    return (struct chat_search){.user_id = user_id,
                                .chat_id = chat,
                                .before_ms = INT64_MAX,
                                .text = text_of(text),
                                .limit = 50,
                                .on_done = on_done};
}

static void ask(struct chat_search *search)
{
    is_answered = false;
    assert_true(chat_searches_submit(searches, search));
    assert_false(is_answered);
    wait_until(answered);
}

static const char *find(const char *text)
{
    struct chat_search search = question(BEN, text);
    ask(&search);
    assert_int_equal(last_page.problem, PROBLEM_NONE);
    return found;
}

/* --- words --- */

static void folding_takes_away_what_makes_no_difference(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"Hello WORLD", "hello world"},
        {"Straße STRASSE STRAẞE", "strasse strasse strasse"},
        {"Élève ŒUVRE naïve", "eleve oeuvre naive"},
        {"Ёлка Йод и́", "елка йод и"},
        {"ΟΔΟΣ Όδός", "οδοσ οδοσ"},
        {"İI ıi", "ii ii"},
        {"ＡＢＣ ｶﾞ ①", "abc ガ 1"},
        {"العَرَبِيَّة أحمد ٤٢", "العربيه احمد 42"},
        {"हिन्दी", "हिन्दी"},
        {"한국어", "한국어"},
        {"Tiếng Việt Łódź", "tieng viet lodz"},
        {"❤️ 👨‍👩", "❤ 👨👩"},
        {"so\u00ADft", "soft"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (run("select (chat.search_fold('%s') = '%s')::int", cases[i].text, cases[i].want) != 1)
            fail_msg("%s", cases[i].text);
}

static void a_text_is_taken_apart_into_words_signs_and_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", "{}"},
        {" .,; ", "{}"},
        {"one two", "{one,two}"},
        {"foo_bar@x.org l''ete", "{foo,bar,x,org,l,ete}"},
        {"上", "{上}"},
        {"上海很好", "{上,海,很,好,上海,海很,很好}"},
        {"2024年3月", "{2024,3,年,月}"},
        {"ok👍👍", "{ok,👍,👍,👍👍}"},
        {"सेब।", "{सेब}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (run("select (chat.search_lexemes('%s') = '%s')::int", cases[i].text, cases[i].want) !=
            1)
            fail_msg("%s", cases[i].text);
}

static void a_damaged_body_has_no_text(void **state)
{
    (void)state;
    assert_int_equal(run("select (chat.search_text('{\"text\":\"x\"}') = 'x')::int"), 1);
    static const char *const bodies[] = {"", "{", "[]", "7", "{\"text\":\"\\u0000\"}", "{}"};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_int_equal(run("select (chat.search_text('%s') is null)::int", bodies[i]), 1);
}

/* --- the index --- */

static void the_index_follows_the_log(void **state)
{
    (void)state;
    for (int64_t seq = 1; seq <= 11; seq++)
        say(seq, "something");
    index_all();
    assert_int_equal(documents(), 11);
    say(12, "more");
    index_all();
    assert_int_equal(documents(), 12);
    assert_string_equal(find("more"), "12");
}

static void an_edit_gives_new_words_and_a_delete_takes_them(void **state)
{
    (void)state;
    say(1, "first words");
    say(2, "other words");
    index_all();
    edit(3, 1, "second wording");
    assert_string_equal(find("words"), "2");
    assert_string_equal(find("second"), "1");
    index_all();
    assert_string_equal(find("words"), "2");
    assert_string_equal(find("second"), "1");
    delete_message(4, 1);
    assert_string_equal(find("second"), "");
    index_all();
    assert_int_equal(documents(), 1);
    assert_string_equal(find("second"), "");
}

static void a_message_that_was_edited_before_it_was_indexed_has_its_latest_words(void **state)
{
    (void)state;
    say(1, "first");
    edit(2, 1, "second");
    edit(3, 1, "third");
    say(4, "fourth");
    delete_message(5, 4);
    index_all();
    assert_int_equal(documents(), 1);
    assert_string_equal(find("first"), "");
    assert_string_equal(find("second"), "");
    assert_string_equal(find("third"), "1");
}

static void what_postgres_refuses_is_passed_by_and_noted(void **state)
{
    (void)state;
    run("alter function chat.search_fold(text) rename to real_fold");
    run("create function chat.search_fold(p_text text) returns text language plpgsql immutable "
        "strict "
        "as $$ begin if p_text ~ 'poison' then raise data_exception; end if; "
        "return chat.real_fold(p_text); end $$");
    say(1, "sound");
    say(2, "sound");
    say(3, "poison");
    say(4, "sound");
    say(5, "sound");
    index_all();
    assert_string_equal(find("sound"), "5 4 2 1");
    assert_int_equal(run("select seq from chat.poison where chat_id = %ld", (long)chat), 3);
    run("drop function chat.search_fold(text)");
    run("alter function chat.real_fold(text) rename to search_fold");
}

static bool have_several_been_indexed(void)
{
    return documents() >= 10;
}

static void no_more_than_its_part_of_the_time_is_spent_on_it(void **state)
{
    (void)state;
    run("alter function chat.search_fold(text) rename to real_fold");
    run("create function chat.search_fold(p_text text) returns text language plpgsql immutable "
        "strict "
        "as $$ begin perform pg_sleep(0.01); return chat.real_fold(p_text); end $$");
    chat_settings.index_slice_events = 1;
    chat_settings.index_quiet_percent = 10;
    for (int64_t seq = 1; seq <= 12; seq++)
        say(seq, "slow");
    chat_index = chat_index_create(loop, &partitions);
    assert_false(wait_at_most(have_several_been_indexed, 900)); /* ten take 1 s at 10 per cent */
    wait_until(have_several_been_indexed);
    run("drop function chat.search_fold(text)");
    run("alter function chat.real_fold(text) rename to search_fold");
    index_all();
}

/* --- searching --- */

static void what_is_found_comes_newest_first_from_all_blocks(void **state)
{
    (void)state;
    static const int64_t seqs[] = {1, 4095, 4096, 8191, 8192, 20000};
    for (size_t i = 0; i < sizeof seqs / sizeof seqs[0]; i++)
        say(seqs[i], "word");
    say(20001, "another");
    index_all();
    assert_string_equal(find("word"), "20000 8192 8191 4096 4095 1");
    struct chat_search search = question(BEN, "word");
    search.before_ms = START_MS + 8191;
    ask(&search);
    assert_string_equal(found, "4096 4095 1");
}

/* Of each page the last place is where the next begins. */
static void find_in_pages(int64_t limit, const char *const *wanted, size_t count)
{
    struct chat_search search = question(BEN, "word");
    search.limit = limit;
    for (size_t i = 0; i < count; i++) {
        ask(&search);
        assert_string_equal(found, wanted[i]);
        assert_int_equal(last_page.has_more, i + 1 < count);
        search.last = last_place;
        search.has_last = true;
    }
}

/* Indexed four at once: the newest of a block comes after its first slice. */
static void pages_are_right_also_where_the_clock_went_back(void **state)
{
    (void)state;
    static const int64_t sent[][2] = {{1, 100},     {2, 99},      {3, 98},     {4, 97},
                                      {4000, 9000}, {4001, 1000}, {4002, 999}, {5000, 1001},
                                      {5001, 1001}, {5002, 1001}, {9000, 500}, {4003, 50}};
    for (size_t i = 0; i < sizeof sent / sizeof sent[0]; i++)
        log_event(sent[i][0], CHAT_EVENT_MESSAGE, 0, sent[i][1], "word");
    index_all();
    find_in_pages(
        2, (const char *const[]){"4000 5002", "5001 5000", "4001 4002", "9000 1", "2 3", "4 4003"},
        6);
    find_in_pages(6, (const char *const[]){"4000 5002 5001 5000 4001 4002", "9000 1 2 3 4 4003"},
                  2);
    struct chat_search search = question(BEN, "word");
    search.before_ms = START_MS + 60;
    ask(&search);
    assert_string_equal(found, "4003");
}

static void blocks_that_share_a_key_are_told_apart(void **state)
{
    (void)state;
    run("alter function chat.search_key(bigint, bigint) rename to real_key");
    run("create function chat.search_key(bigint, bigint) returns text language sql immutable as $$ "
        "select '000000' $$");
    say(1, "word");
    say(9000, "word");
    create_chat();
    say(2, "word");
    index_all();
    assert_string_equal(find("word"), "2");
    chat--;
    assert_string_equal(find("word"), "9000 1");
    chat++;
    run("drop function chat.search_key(bigint, bigint)");
    run("alter function chat.real_key(bigint, bigint) rename to search_key");
}

static void what_is_not_indexed_is_looked_at_within_a_bound(void **state)
{
    (void)state;
    say(1, "word");
    index_all();
    chat_index_destroy(&chat_index);
    for (int64_t seq = 2; seq <= 6; seq++)
        say(seq, "word");
    assert_string_equal(find("word"), "6 5 4 3 2 1");
    assert_true(last_page.is_complete);
    say(7, "word");
    assert_string_equal(find("word"), "7 6 5 4 3 1");
    assert_false(last_page.is_complete);
    index_all();
    assert_string_equal(find("word"), "7 6 5 4 3 2 1");
    assert_true(last_page.is_complete);
}

static void a_question_that_cannot_be_asked_is_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t user_id;
        const char *text;
        enum problem problem;
        enum chat_search_fault fault;
    } cases[] = {
        {BEN, "a b c d", PROBLEM_NONE, CHAT_SEARCH_SOUND},
        {BEN, "a a a a a", PROBLEM_NONE, CHAT_SEARCH_SOUND},
        {BEN, "a b c d e", PROBLEM_BAD_REQUEST, CHAT_SEARCH_TOO_MANY_WORDS},
        {BEN, "上 海 很 好 a", PROBLEM_BAD_REQUEST, CHAT_SEARCH_TOO_MANY_WORDS},
        {BEN, "...", PROBLEM_BAD_REQUEST, CHAT_SEARCH_NO_WORDS},
        {33, "a", PROBLEM_NOT_FOUND, CHAT_SEARCH_SOUND},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct chat_search search = question(cases[i].user_id, cases[i].text);
        ask(&search);
        assert_int_equal(last_page.problem, cases[i].problem);
        assert_int_equal(last_page.fault, cases[i].fault);
    }
}

static void a_full_queue_refuses_and_an_end_answers_all(void **state)
{
    (void)state;
    struct chat_search waiting[4];
    for (size_t i = 0; i < 4; i++)
        waiting[i] = question(BEN, "word");
    for (size_t i = 0; i < 3; i++) /* one is asked, two wait */
        assert_true(chat_searches_submit(searches, &waiting[i]));
    assert_false(chat_searches_submit(searches, &waiting[3]));
    is_answered = false;
    chat_searches_destroy(&searches);
    assert_true(is_answered);
    assert_int_equal(last_page.problem, PROBLEM_UNAVAILABLE);
}

/* Whoever asked, in the order of the answers. */
static int64_t askers[8];
static size_t asker_count;

static void on_asker_done(void *context, const struct chat_search_page *page)
{
    (void)page;
    askers[asker_count++] = ((const struct chat_search *)context)->user_id;
}

static void submit_as(struct chat_search *search, int64_t user_id, const char *text)
{
    *search = question(user_id, text);
    search->on_done = on_asker_done;
    search->context = search;
    assert_true(chat_searches_submit(searches, search));
}

static bool are_four_done(void)
{
    return asker_count == 4;
}

static void slow_searches_of_one_user_leave_a_connection_to_the_others(void **state)
{
    (void)state;
    struct chat_search asked[4];
    chat_searches_destroy(&searches);
    chat_settings.search_connections = 2;
    chat_settings.max_searches = 10;
    searches = chat_searches_create(loop, &partitions);
    wait_until(are_searches_connected);
    run("alter function chat.search_fold(text) rename to real_fold");
    run("create function chat.search_fold(p_text text) returns text language plpgsql immutable "
        "strict as $$ begin if p_text = 'slow' then perform pg_sleep(0.3); end if; "
        "return chat.real_fold(p_text); end $$");
    asker_count = 0;
    for (size_t i = 0; i < 3; i++)
        submit_as(&asked[i], BEN, "slow");
    submit_as(&asked[3], ANN, "word");
    wait_until(are_four_done);
    assert_int_equal(askers[0], ANN);
    run("drop function chat.search_fold(text)");
    run("alter function chat.real_fold(text) rename to search_fold");
}

static void one_user_does_not_fill_the_queue(void **state)
{
    (void)state;
    struct chat_search asked[6], refused = question(BEN, "word");
    chat_settings.max_searches = 10;
    asker_count = 0;
    for (size_t i = 0; i < 5; i++) /* one is asked, four wait */
        submit_as(&asked[i], BEN, "word");
    assert_false(chat_searches_submit(searches, &refused));
    submit_as(&asked[5], ANN, "word");
    chat_searches_destroy(&searches);
    assert_int_equal(asker_count, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(folding_takes_away_what_makes_no_difference),
        TEST(a_text_is_taken_apart_into_words_signs_and_pairs),
        TEST(a_damaged_body_has_no_text),
        TEST(the_index_follows_the_log),
        TEST(an_edit_gives_new_words_and_a_delete_takes_them),
        TEST(a_message_that_was_edited_before_it_was_indexed_has_its_latest_words),
        TEST(what_postgres_refuses_is_passed_by_and_noted),
        TEST(no_more_than_its_part_of_the_time_is_spent_on_it),
        TEST(what_is_found_comes_newest_first_from_all_blocks),
        TEST(pages_are_right_also_where_the_clock_went_back),
        TEST(blocks_that_share_a_key_are_told_apart),
        TEST(what_is_not_indexed_is_looked_at_within_a_bound),
        TEST(a_question_that_cannot_be_asked_is_refused),
        TEST(a_full_queue_refuses_and_an_end_answers_all),
        TEST(slow_searches_of_one_user_leave_a_connection_to_the_others),
        TEST(one_user_does_not_fill_the_queue),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
