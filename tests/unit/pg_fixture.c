#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "tests/unit/pg_fixture.h"
#include "tests/unit/private_postgres.h"
#include "tests/unit/waiting.h"

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

struct pg_fixture pg_fixture;
static size_t awaited;

void pg_fixture_on_state(void *context, bool connected)
{
    (void)context;
    pg_fixture.connected_count += connected;
    pg_fixture.lost_count += !connected;
}

void pg_fixture_on_answer(void *context, const struct pg_result *result)
{
    (void)context;
    assert_in_range(pg_fixture.answer_count, 0, PG_FIXTURE_MAX_ANSWERS - 1);
    pg_fixture.answers[pg_fixture.answer_count].outcome = pg_result_outcome(result);
    snprintf(pg_fixture.answers[pg_fixture.answer_count].sqlstate,
             sizeof pg_fixture.answers[0].sqlstate, "%s", pg_result_sqlstate(result));
    snprintf(pg_fixture.answers[pg_fixture.answer_count].constraint,
             sizeof pg_fixture.answers[0].constraint, "%s", pg_result_constraint(result));
    pg_fixture.answers[pg_fixture.answer_count].number = -1;
    if (pg_result_outcome(result) == PG_OK && pg_rows(result, 0) > 0)
        pg_fixture.answers[pg_fixture.answer_count].number = pg_number(result, 0, 0, 0);
    pg_fixture.answer_count++;
}

static bool all_answered(void)
{
    return pg_fixture.answer_count >= awaited;
}

void pg_fixture_await_answers(size_t count)
{
    awaited = count;
    wait_until(all_answered);
    assert_int_equal(pg_fixture.answer_count, count);
}

bool pg_fixture_is_connected(void)
{
    return pg_is_connected(pg_fixture.pg);
}

bool pg_fixture_is_lost(void)
{
    return !pg_is_connected(pg_fixture.pg);
}

void pg_fixture_connect_with(const struct pg_statement *list, size_t count)
{
    struct pg_options options = {.conninfo = private_postgres_conninfo(),
                                 .user = "tester",
                                 .password_file = "",
                                 .application_name = "parley-test/pg",
                                 .statements = list,
                                 .statement_count = count,
                                 .max_units = PG_FIXTURE_MAX_UNITS,
                                 .statement_timeout_ms = PG_FIXTURE_TIMEOUT_MS};
    pg_fixture.pg = pg_create(pg_fixture.loop, &options, pg_fixture_on_state, NULL);
}

void pg_fixture_submit_number(const char *statement, int64_t number)
{
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, statement);
    pg_add_number(unit, number);
    pg_submit(unit, pg_fixture_on_answer, NULL);
}

void pg_fixture_submit_plain(const char *statement)
{
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, statement);
    pg_submit(unit, pg_fixture_on_answer, NULL);
}

void pg_fixture_add_insert(struct pg_unit *unit, int64_t id, int64_t twin)
{
    pg_unit_add(unit, "insert");
    pg_add_number(unit, id);
    if (twin == 0)
        pg_add_null(unit);
    else
        pg_add_number(unit, twin);
}

void pg_fixture_submit_insert(int64_t id, int64_t twin)
{
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_fixture_add_insert(unit, id, twin);
    pg_submit(unit, pg_fixture_on_answer, NULL);
}

void pg_fixture_submit_length(size_t length)
{
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    char *text = mem_alloc(length);
    memset(text, 'x', length);
    pg_unit_add(unit, "length");
    pg_add_text(unit, (struct text){text, length});
    mem_free(text);
    pg_submit(unit, pg_fixture_on_answer, NULL);
}

void pg_fixture_assert_answer(size_t index, enum pg_outcome outcome, const char *sqlstate)
{
    assert_int_equal(pg_fixture.answers[index].outcome, outcome);
    assert_string_equal(pg_fixture.answers[index].sqlstate, sqlstate);
}

int pg_fixture_set_up(void **state)
{
    (void)state;
    pg_fixture.connected_count = pg_fixture.lost_count = 0;
    pg_fixture.answer_count = 0;
    private_postgres_run("TRUNCATE item");
    pg_fixture_connect_with(statements, sizeof statements / sizeof statements[0]);
    wait_until(pg_fixture_is_connected);
    return 0;
}

int pg_fixture_tear_down(void **state)
{
    (void)state;
    pg_destroy(&pg_fixture.pg);
    return 0;
}

void pg_fixture_on_answer_submit_more(void *context, const struct pg_result *result)
{
    pg_fixture_on_answer(NULL, result);
    int *left = context;
    if (--*left == 0)
        return;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, "count");
    pg_submit(unit, pg_fixture_on_answer_submit_more, left);
}

int pg_fixture_make_server(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_ERROR);
    pg_fixture.loop = waiting_start();
    if (chmod(waiting_folder(), 0755) != 0 || !private_postgres_make(waiting_folder()))
        return -1;
    private_postgres_run("CREATE TABLE item (id bigint PRIMARY KEY, twin bigint REFERENCES item "
                         "DEFERRABLE INITIALLY DEFERRED);"
                         "CREATE ROLE tester LOGIN; GRANT ALL ON item TO tester");
    return 0;
}

int pg_fixture_end_server(void **state)
{
    (void)state;
    private_postgres_stop();
    waiting_stop();
    return 0;
}
