/* The Postgres connection against a real server of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/store/pg.h"
#include "tests/unit/private_postgres.h"
#include "tests/unit/waiting.h"

#define MAX_UNITS   16
#define MAX_ANSWERS 128
#define TIMEOUT_MS  1000

static const struct pg_statement statements[] = {
    {"echo",
     "SELECT $1::bigint, $2::text, $3::bool, $4::bytea, NULL::bigint, 7::smallint, -5::int"},
    {"numbers", "SELECT x FROM unnest($1::bigint[]) WITH ORDINALITY AS t(x, n) ORDER BY n"},
    {"texts", "SELECT x FROM unnest($1::text[]) WITH ORDINALITY AS t(x, n) ORDER BY n"},
    {"bytes", "SELECT x FROM unnest($1::bytea[]) WITH ORDINALITY AS t(x, n) ORDER BY n"},
    {"insert", "INSERT INTO item (id, twin) VALUES ($1::bigint, $2::bigint)"},
    {"count", "SELECT count(*) FROM item"},
    {"sleep", "SELECT pg_sleep($1::bigint / 1000.0)"},
    {"length", "SELECT length($1::text)"},
    {"backend", "SELECT pg_backend_pid()"},
    {"settings",
     "SELECT current_setting('synchronous_commit'), current_setting('client_encoding'), "
     "current_setting('application_name'), current_user::text"},
};

static struct loop *loop;
static struct pg *pg;
static int connected_count, lost_count;

/* What came back: the outcome, and the first number of the first row of the unit's last statement. */
static struct {
    enum pg_outcome outcome;
    char sqlstate[6], constraint[32];
    int64_t number;
} answers[MAX_ANSWERS];
static size_t answer_count, awaited;

static void on_state(void *context, bool connected)
{
    (void)context;
    connected_count += connected;
    lost_count += !connected;
}

static void on_answer(void *context, const struct pg_result *result)
{
    const int *last = context;
    assert_in_range(answer_count, 0, MAX_ANSWERS - 1);
    answers[answer_count].outcome = pg_result_outcome(result);
    snprintf(answers[answer_count].sqlstate, sizeof answers[0].sqlstate, "%s",
             pg_result_sqlstate(result));
    snprintf(answers[answer_count].constraint, sizeof answers[0].constraint, "%s",
             pg_result_constraint(result));
    answers[answer_count].number = -1;
    int statement = last == NULL ? 0 : *last;
    if (pg_result_outcome(result) == PG_OK && pg_rows(result, statement) > 0)
        answers[answer_count].number = pg_number(result, statement, 0, 0);
    answer_count++;
}

static bool all_answered(void)
{
    return answer_count >= awaited;
}

static void await_answers(size_t count)
{
    awaited = count;
    wait_until(all_answered);
    assert_int_equal(answer_count, count);
}

static bool is_connected(void)
{
    return pg_is_connected(pg);
}

static bool is_lost(void)
{
    return !pg_is_connected(pg);
}

static void connect_with(const struct pg_statement *list, size_t count)
{
    struct pg_options options = {.conninfo = private_postgres_conninfo(),
                                 .user = "tester",
                                 .password_file = "",
                                 .application_name = "parley-test/pg",
                                 .statements = list,
                                 .statement_count = count,
                                 .max_units = MAX_UNITS,
                                 .statement_timeout_ms = TIMEOUT_MS};
    pg = pg_create(loop, &options, on_state, NULL);
}

static void submit_number(const char *statement, int64_t number)
{
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, statement);
    pg_add_number(unit, number);
    pg_submit(unit, on_answer, NULL);
}

static void submit_plain(const char *statement)
{
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, statement);
    pg_submit(unit, on_answer, NULL);
}

static void add_insert(struct pg_unit *unit, int64_t id, int64_t twin)
{
    pg_unit_add(unit, "insert");
    pg_add_number(unit, id);
    if (twin == 0)
        pg_add_null(unit);
    else
        pg_add_number(unit, twin);
}

static void submit_insert(int64_t id, int64_t twin)
{
    struct pg_unit *unit = pg_unit_create(pg);
    add_insert(unit, id, twin);
    pg_submit(unit, on_answer, NULL);
}

static void submit_length(size_t length)
{
    struct pg_unit *unit = pg_unit_create(pg);
    char *text = mem_alloc(length);
    memset(text, 'x', length);
    pg_unit_add(unit, "length");
    pg_add_text(unit, (struct text){text, length});
    mem_free(text);
    pg_submit(unit, on_answer, NULL);
}

static void assert_answer(size_t index, enum pg_outcome outcome, const char *sqlstate)
{
    assert_int_equal(answers[index].outcome, outcome);
    assert_string_equal(answers[index].sqlstate, sqlstate);
}

static int set_up(void **state)
{
    (void)state;
    connected_count = lost_count = 0;
    answer_count = 0;
    private_postgres_run("TRUNCATE item");
    connect_with(statements, sizeof statements / sizeof statements[0]);
    wait_until(is_connected);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_destroy(&pg);
    return 0;
}

/* --- values --- */

static void check_values(void *context, const struct pg_result *result)
{
    on_answer(context, result);
    assert_int_equal(pg_rows(result, 0), 1);
    assert_int_equal(pg_number(result, 0, 0, 0), INT64_MIN);
    assert_true(text_is(pg_text(result, 0, 0, 1), "h\xc3\xa9llo"));
    assert_int_equal(pg_number(result, 0, 0, 2), 1);
    assert_true(text_equal(pg_text(result, 0, 0, 3), (struct text){"\0\xff", 2}));
    assert_true(pg_is_null(result, 0, 0, 4));
    assert_int_equal(pg_number(result, 0, 0, 4), 0);
    assert_null(pg_text(result, 0, 0, 4).data);
    assert_int_equal(pg_number(result, 0, 0, 5), 7);
    assert_int_equal(pg_number(result, 0, 0, 6), -5);
}

static void values_go_and_come_unchanged(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, "echo");
    pg_add_number(unit, INT64_MIN);
    pg_add_text(unit, TEXT_LITERAL("h\xc3\xa9llo"));
    pg_add_bool(unit, true);
    pg_add_text(unit, (struct text){"\0\xff", 2});
    pg_submit(unit, check_values, NULL);
    assert_int_equal(answer_count, 0);
    await_answers(1);
}

static void check_absent(void *context, const struct pg_result *result)
{
    on_answer(context, result);
    assert_true(pg_is_null(result, 0, 0, 0));
    assert_false(pg_is_null(result, 0, 0, 1));
    assert_int_equal(pg_text(result, 0, 0, 1).length, 0);
    assert_true(pg_is_null(result, 0, 0, 3));
}

static void an_empty_text_is_not_null_and_a_missing_one_is(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, "echo");
    pg_add_null(unit);
    pg_add_text(unit, (struct text){"", 0});
    pg_add_null(unit);
    pg_add_text(unit, TEXT_NONE);
    pg_submit(unit, check_absent, NULL);
    await_answers(1);
    assert_answer(0, PG_OK, "");
}

static void check_lists(void *context, const struct pg_result *result)
{
    on_answer(context, result);
    assert_int_equal(pg_rows(result, 0), 3);
    assert_int_equal(pg_number(result, 0, 1, 0), -2);
    assert_int_equal(pg_number(result, 0, 2, 0), INT64_MAX);
    assert_int_equal(pg_rows(result, 1), 3);
    assert_true(text_is(pg_text(result, 1, 0, 0), "a"));
    assert_true(pg_is_null(result, 1, 1, 0));
    assert_false(pg_is_null(result, 1, 2, 0));
    assert_int_equal(pg_rows(result, 2), 1);
    assert_int_equal(pg_text(result, 2, 0, 0).length, 3);
    assert_int_equal(pg_rows(result, 3), 0);
}

static void lists_go_as_arrays_with_nulls_and_without_items(void **state)
{
    (void)state;
    static const int64_t numbers[] = {1, -2, INT64_MAX};
    static const struct text texts[] = {{"a", 1}, {NULL, 0}, {"", 0}}, bytes[] = {{"\0\1\2", 3}};
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, "numbers");
    pg_add_numbers(unit, numbers, 3);
    pg_unit_add(unit, "texts");
    pg_add_texts(unit, texts, 3);
    pg_unit_add(unit, "bytes");
    pg_add_bytes_list(unit, bytes, 1);
    pg_unit_add(unit, "numbers");
    pg_add_numbers(unit, NULL, 0);
    pg_submit(unit, check_lists, NULL);
    await_answers(1);
    assert_answer(0, PG_OK, "");
}

static void check_settings(void *context, const struct pg_result *result)
{
    on_answer(context, result);
    assert_true(text_is(pg_text(result, 0, 0, 0), "on"));
    assert_true(text_is(pg_text(result, 0, 0, 1), "UTF8"));
    assert_true(text_is(pg_text(result, 0, 0, 2), "parley-test/pg"));
    assert_true(text_is(pg_text(result, 0, 0, 3), "tester"));
}

static void the_connection_commits_synchronously_in_utf8_as_its_role(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, "settings");
    pg_submit(unit, check_settings, NULL);
    await_answers(1);
}

/* --- units --- */

static void units_are_answered_in_their_order(void **state)
{
    (void)state;
    for (int64_t i = 0; i < MAX_UNITS; i++) {
        struct pg_unit *unit = pg_unit_create(pg);
        pg_unit_add(unit, "numbers");
        pg_add_numbers(unit, &i, 1);
        pg_submit(unit, on_answer, NULL);
    }
    assert_int_equal(pg_in_flight(pg), MAX_UNITS);
    await_answers(MAX_UNITS);
    for (int i = 0; i < MAX_UNITS; i++)
        assert_int_equal(answers[i].number, i);
    assert_int_equal(pg_in_flight(pg), 0);
}

static void a_unit_happens_whole_or_not_at_all(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg);
    submit_insert(1, 0);
    add_insert(unit, 2, 0);
    add_insert(unit, 1, 0); /* is there */
    add_insert(unit, 3, 0);
    pg_submit(unit, on_answer, NULL);
    submit_insert(4, 0);
    submit_plain("count");
    await_answers(4);
    assert_answer(0, PG_OK, "");
    assert_answer(1, PG_REFUSED, "23505");
    assert_string_equal(answers[1].constraint, "item_pkey");
    assert_answer(2, PG_OK, "");
    assert_int_equal(answers[3].number, 2);
}

static void what_the_commit_itself_refuses_is_refused(void **state)
{
    (void)state;
    submit_insert(1, 99); /* its twin must be there at the end of the transaction */
    struct pg_unit *unit = pg_unit_create(pg);
    add_insert(unit, 2, 3);
    add_insert(unit, 3, 2);
    pg_submit(unit, on_answer, NULL);
    submit_plain("count");
    await_answers(3);
    assert_answer(0, PG_REFUSED, "23503");
    assert_answer(1, PG_OK, "");
    assert_int_equal(answers[2].number, 2);
    assert_int_equal(lost_count, 0);
}

static void a_slow_statement_is_ended_and_those_behind_it_are_not(void **state)
{
    (void)state;
    submit_number("sleep", 5000);
    submit_plain("count");
    await_answers(2);
    assert_answer(0, PG_REFUSED, "57014");
    assert_answer(1, PG_OK, "");
}

static void many_slow_units_in_a_row_are_no_silence(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        submit_number("sleep", 700); /* together longer than twice the timeout */
    await_answers(5);
    assert_answer(4, PG_OK, "");
    assert_int_equal(lost_count, 0);
}

static void above_the_bound_units_are_refused_as_busy(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_UNITS; i++)
        submit_number("sleep", 20);
    submit_insert(1, 0);
    assert_int_equal(answer_count, 0);
    await_answers(1);
    assert_answer(0, PG_BUSY, "");
    await_answers(1 + MAX_UNITS);
    assert_int_equal(private_postgres_run("SELECT count(*) FROM item"), 0);
}

static void units_larger_than_the_sockets_buffers_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < MAX_UNITS; i++)
        submit_length(((size_t)1 << 20) + i);
    await_answers(MAX_UNITS);
    for (int i = 0; i < MAX_UNITS; i++)
        assert_int_equal(answers[i].number, (1 << 20) + i);
}

static void on_answer_submit_more(void *context, const struct pg_result *result)
{
    on_answer(NULL, result);
    int *left = context;
    if (--*left == 0)
        return;
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, "count");
    pg_submit(unit, on_answer_submit_more, left);
}

static void an_answer_may_submit_the_next_unit(void **state)
{
    (void)state;
    int left = 10;
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, "count");
    pg_submit(unit, on_answer_submit_more, &left);
    await_answers(10);
}

static void a_unit_that_is_not_submitted_leaves_nothing(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg);
    add_insert(unit, 1, 0);
    pg_unit_destroy(&unit);
    assert_null(unit);
}

/* --- loss --- */

static void a_terminated_backend_leaves_its_units_uncertain_and_is_replaced(void **state)
{
    (void)state;
    submit_plain("backend");
    await_answers(1);
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", (int)answers[0].number);
    submit_insert(1, 0);
    submit_number("sleep", 900);
    submit_insert(2, 0);
    await_answers(2);
    private_postgres_run(sql);
    await_answers(4);
    assert_answer(1, PG_OK, "");
    assert_answer(2, PG_UNCERTAIN, "");
    assert_answer(3, PG_UNCERTAIN, "");
    assert_int_equal(lost_count, 1);
    wait_until(is_connected);
    assert_int_equal(connected_count, 2);
    submit_plain("count");
    await_answers(5);
    assert_int_equal(answers[4].number, 1);
}

static void without_a_server_units_are_unavailable_and_it_comes_back_by_itself(void **state)
{
    (void)state;
    private_postgres_stop();
    wait_until(is_lost);
    submit_insert(1, 0);
    assert_int_equal(answer_count, 0);
    await_answers(1);
    assert_answer(0, PG_UNAVAILABLE, "");
    wait_ms(300);
    assert_non_null(strstr(pg_last_error(pg), "failed"));
    assert_null(strchr(pg_last_error(pg), '\n'));
    private_postgres_start();
    wait_until(is_connected);
    assert_string_equal(pg_last_error(pg), "");
    submit_plain("count");
    await_answers(2);
    assert_answer(1, PG_OK, "");
    assert_int_equal(lost_count, 1);
}

static void a_silent_server_is_given_up_after_twice_the_timeout(void **state)
{
    (void)state;
    submit_plain("backend");
    await_answers(1);
    pid_t pid = (pid_t)answers[0].number;
    kill(pid, SIGSTOP);
    submit_plain("count");
    int64_t before_ms = clock_monotonic_ms();
    await_answers(2);
    kill(pid, SIGCONT);
    assert_answer(1, PG_UNCERTAIN, "");
    assert_in_range(clock_monotonic_ms() - before_ms, 2 * TIMEOUT_MS - 50, 4 * TIMEOUT_MS);
    wait_until(is_connected);
}

static void a_drop_ends_what_is_in_flight_and_connects_anew(void **state)
{
    (void)state;
    submit_number("sleep", 300);
    wait_ms(50);
    pg_drop(pg);
    assert_false(pg_is_connected(pg));
    submit_plain("count");
    await_answers(2);
    assert_int_equal(answers[0].outcome + answers[1].outcome, PG_UNAVAILABLE + PG_UNCERTAIN);
    wait_until(is_connected);
    assert_int_equal(lost_count, 1);
}

static void a_connection_that_goes_ends_its_units_before(void **state)
{
    (void)state;
    int left = 3;
    struct pg_unit *unit = pg_unit_create(pg);
    submit_number("sleep", 300);
    pg_unit_add(unit, "count");
    pg_submit(unit, on_answer_submit_more, &left);
    pg_destroy(&pg);
    assert_int_equal(answer_count, 4);
    assert_answer(0, PG_UNCERTAIN, "");
    assert_answer(1, PG_UNCERTAIN, "");
    assert_answer(3, PG_UNAVAILABLE, "");
}

/* --- connecting --- */

static void statements_that_do_not_fit_the_tables_are_told_until_they_do(void **state)
{
    (void)state;
    static const struct pg_statement ahead[] = {{"later", "SELECT count(*) FROM later"}};
    pg_destroy(&pg);
    connect_with(ahead, 1);
    wait_ms(500);
    assert_false(pg_is_connected(pg));
    assert_non_null(strstr(pg_last_error(pg), "relation \"later\" does not exist"));
    assert_non_null(strstr(pg_last_error(pg), "deploy/migrate"));
    private_postgres_run("CREATE TABLE later (x int); GRANT ALL ON later TO PUBLIC");
    wait_until(is_connected);
    private_postgres_run("DROP TABLE later");
}

static void a_role_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct pg_options options = {.conninfo = private_postgres_conninfo(),
                                 .user = "nobody_here",
                                 .application_name = "parley-test/pg",
                                 .max_units = 1,
                                 .statement_timeout_ms = TIMEOUT_MS};
    pg_destroy(&pg);
    pg = pg_create(loop, &options, on_state, NULL);
    wait_ms(300);
    assert_false(pg_is_connected(pg));
    assert_non_null(strstr(pg_last_error(pg), "role \"nobody_here\" does not exist"));
}

static int make_server(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_ERROR);
    loop = waiting_start();
    if (chmod(waiting_folder(), 0755) != 0 || !private_postgres_make(waiting_folder()))
        return -1;
    private_postgres_run("CREATE TABLE item (id bigint PRIMARY KEY, twin bigint REFERENCES item "
                         "DEFERRABLE INITIALLY DEFERRED);"
                         "CREATE ROLE tester LOGIN; GRANT ALL ON item TO tester");
    return 0;
}

static int end_server(void **state)
{
    (void)state;
    private_postgres_stop();
    waiting_stop();
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(values_go_and_come_unchanged),
        TEST(an_empty_text_is_not_null_and_a_missing_one_is),
        TEST(lists_go_as_arrays_with_nulls_and_without_items),
        TEST(the_connection_commits_synchronously_in_utf8_as_its_role),
        TEST(units_are_answered_in_their_order),
        TEST(a_unit_happens_whole_or_not_at_all),
        TEST(what_the_commit_itself_refuses_is_refused),
        TEST(a_slow_statement_is_ended_and_those_behind_it_are_not),
        TEST(many_slow_units_in_a_row_are_no_silence),
        TEST(above_the_bound_units_are_refused_as_busy),
        TEST(units_larger_than_the_sockets_buffers_pass),
        TEST(an_answer_may_submit_the_next_unit),
        TEST(a_unit_that_is_not_submitted_leaves_nothing),
        TEST(a_terminated_backend_leaves_its_units_uncertain_and_is_replaced),
        TEST(without_a_server_units_are_unavailable_and_it_comes_back_by_itself),
        TEST(a_silent_server_is_given_up_after_twice_the_timeout),
        TEST(a_drop_ends_what_is_in_flight_and_connects_anew),
        TEST(a_connection_that_goes_ends_its_units_before),
        TEST(statements_that_do_not_fit_the_tables_are_told_until_they_do),
        TEST(a_role_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, make_server, end_server);
}
