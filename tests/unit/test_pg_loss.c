/* The Postgres connection when it is lost, or cannot be made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "tests/unit/pg_fixture.h"
#include "tests/unit/private_postgres.h"
#include "tests/unit/waiting.h"

/* --- loss --- */

static void a_terminated_backend_leaves_its_units_uncertain_and_is_replaced(void **state)
{
    (void)state;
    pg_fixture_submit_plain("backend");
    pg_fixture_await_answers(1);
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d)", (int)pg_fixture.answers[0].number);
    pg_fixture_submit_insert(1, 0);
    pg_fixture_submit_number("sleep", 900);
    pg_fixture_submit_insert(2, 0);
    pg_fixture_await_answers(2);
    private_postgres_run(sql);
    pg_fixture_await_answers(4);
    pg_fixture_assert_answer(1, PG_OK, "");
    pg_fixture_assert_answer(2, PG_UNCERTAIN, "");
    pg_fixture_assert_answer(3, PG_UNCERTAIN, "");
    assert_int_equal(pg_fixture.lost_count, 1);
    wait_until(pg_fixture_is_connected);
    assert_int_equal(pg_fixture.connected_count, 2);
    pg_fixture_submit_plain("count");
    pg_fixture_await_answers(5);
    assert_int_equal(pg_fixture.answers[4].number, 1);
}

static void without_a_server_units_are_unavailable_and_it_comes_back_by_itself(void **state)
{
    (void)state;
    private_postgres_stop();
    wait_until(pg_fixture_is_lost);
    pg_fixture_submit_insert(1, 0);
    assert_int_equal(pg_fixture.answer_count, 0);
    pg_fixture_await_answers(1);
    pg_fixture_assert_answer(0, PG_UNAVAILABLE, "");
    wait_ms(300);
    assert_non_null(strstr(pg_last_error(pg_fixture.pg), "failed"));
    assert_null(strchr(pg_last_error(pg_fixture.pg), '\n'));
    private_postgres_start();
    wait_until(pg_fixture_is_connected);
    assert_string_equal(pg_last_error(pg_fixture.pg), "");
    pg_fixture_submit_plain("count");
    pg_fixture_await_answers(2);
    pg_fixture_assert_answer(1, PG_OK, "");
    assert_int_equal(pg_fixture.lost_count, 1);
}

static void a_silent_server_is_given_up_after_twice_the_timeout(void **state)
{
    (void)state;
    pg_fixture_submit_plain("backend");
    pg_fixture_await_answers(1);
    pid_t pid = (pid_t)pg_fixture.answers[0].number;
    kill(pid, SIGSTOP);
    pg_fixture_submit_plain("count");
    int64_t before_ms = clock_monotonic_ms();
    pg_fixture_await_answers(2);
    kill(pid, SIGCONT);
    pg_fixture_assert_answer(1, PG_UNCERTAIN, "");
    assert_in_range(clock_monotonic_ms() - before_ms, 2 * PG_FIXTURE_TIMEOUT_MS - 50,
                    4 * PG_FIXTURE_TIMEOUT_MS);
    wait_until(pg_fixture_is_connected);
}

static void a_drop_ends_what_is_in_flight_and_connects_anew(void **state)
{
    (void)state;
    pg_fixture_submit_number("sleep", 300);
    wait_ms(50);
    pg_drop(pg_fixture.pg);
    assert_false(pg_is_connected(pg_fixture.pg));
    pg_fixture_submit_plain("count");
    pg_fixture_await_answers(2);
    assert_int_equal(pg_fixture.answers[0].outcome + pg_fixture.answers[1].outcome,
                     PG_UNAVAILABLE + PG_UNCERTAIN);
    wait_until(pg_fixture_is_connected);
    assert_int_equal(pg_fixture.lost_count, 1);
}

static void a_connection_that_goes_ends_its_units_before(void **state)
{
    (void)state;
    int left = 3;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_fixture_submit_number("sleep", 300);
    pg_unit_add(unit, "count");
    pg_submit(unit, pg_fixture_on_answer_submit_more, &left);
    pg_destroy(&pg_fixture.pg);
    assert_int_equal(pg_fixture.answer_count, 4);
    pg_fixture_assert_answer(0, PG_UNCERTAIN, "");
    pg_fixture_assert_answer(1, PG_UNCERTAIN, "");
    pg_fixture_assert_answer(3, PG_UNAVAILABLE, "");
}

/* --- connecting --- */

static void statements_that_do_not_fit_the_tables_are_told_until_they_do(void **state)
{
    (void)state;
    static const struct pg_statement ahead[] = {{"later", "SELECT count(*) FROM later"}};
    pg_destroy(&pg_fixture.pg);
    pg_fixture_connect_with(ahead, 1);
    wait_ms(500);
    assert_false(pg_is_connected(pg_fixture.pg));
    assert_non_null(strstr(pg_last_error(pg_fixture.pg), "relation \"later\" does not exist"));
    assert_non_null(strstr(pg_last_error(pg_fixture.pg), "deploy/migrate"));
    private_postgres_run("CREATE TABLE later (x int); GRANT ALL ON later TO PUBLIC");
    wait_until(pg_fixture_is_connected);
    private_postgres_run("DROP TABLE later");
}

static void a_role_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct pg_options options = {.conninfo = private_postgres_conninfo(),
                                 .user = "nobody_here",
                                 .application_name = "parley-test/pg",
                                 .max_units = 1,
                                 .statement_timeout_ms = PG_FIXTURE_TIMEOUT_MS};
    pg_destroy(&pg_fixture.pg);
    pg_fixture.pg = pg_create(pg_fixture.loop, &options, pg_fixture_on_state, NULL);
    wait_ms(300);
    assert_false(pg_is_connected(pg_fixture.pg));
    assert_non_null(strstr(pg_last_error(pg_fixture.pg), "role \"nobody_here\" does not exist"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pg_fixture_set_up, pg_fixture_tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_terminated_backend_leaves_its_units_uncertain_and_is_replaced),
        TEST(without_a_server_units_are_unavailable_and_it_comes_back_by_itself),
        TEST(a_silent_server_is_given_up_after_twice_the_timeout),
        TEST(a_drop_ends_what_is_in_flight_and_connects_anew),
        TEST(a_connection_that_goes_ends_its_units_before),
        TEST(statements_that_do_not_fit_the_tables_are_told_until_they_do),
        TEST(a_role_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, pg_fixture_make_server, pg_fixture_end_server);
}
