/* Values and units of the Postgres connection, against a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <string.h>

#include "tests/unit/pg_fixture.h"
#include "tests/unit/private_postgres.h"

/* --- values --- */

static void check_values(void *context, const struct pg_result *result)
{
    pg_fixture_on_answer(context, result);
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
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, "echo");
    pg_add_number(unit, INT64_MIN);
    pg_add_text(unit, TEXT_LITERAL("h\xc3\xa9llo"));
    pg_add_bool(unit, true);
    pg_add_text(unit, (struct text){"\0\xff", 2});
    pg_submit(unit, check_values, NULL);
    assert_int_equal(pg_fixture.answer_count, 0);
    pg_fixture_await_answers(1);
}

static void check_absent(void *context, const struct pg_result *result)
{
    pg_fixture_on_answer(context, result);
    assert_true(pg_is_null(result, 0, 0, 0));
    assert_false(pg_is_null(result, 0, 0, 1));
    assert_int_equal(pg_text(result, 0, 0, 1).length, 0);
    assert_true(pg_is_null(result, 0, 0, 3));
}

static void an_empty_text_is_not_null_and_a_missing_one_is(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, "echo");
    pg_add_null(unit);
    pg_add_text(unit, (struct text){"", 0});
    pg_add_null(unit);
    pg_add_text(unit, TEXT_NONE);
    pg_submit(unit, check_absent, NULL);
    pg_fixture_await_answers(1);
    pg_fixture_assert_answer(0, PG_OK, "");
}

static void check_lists(void *context, const struct pg_result *result)
{
    pg_fixture_on_answer(context, result);
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
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, "numbers");
    pg_add_numbers(unit, numbers, 3);
    pg_unit_add(unit, "texts");
    pg_add_texts(unit, texts, 3);
    pg_unit_add(unit, "bytes");
    pg_add_bytes_list(unit, bytes, 1);
    pg_unit_add(unit, "numbers");
    pg_add_numbers(unit, NULL, 0);
    pg_submit(unit, check_lists, NULL);
    pg_fixture_await_answers(1);
    pg_fixture_assert_answer(0, PG_OK, "");
}

static void check_settings(void *context, const struct pg_result *result)
{
    pg_fixture_on_answer(context, result);
    assert_true(text_is(pg_text(result, 0, 0, 0), "on"));
    assert_true(text_is(pg_text(result, 0, 0, 1), "UTF8"));
    assert_true(text_is(pg_text(result, 0, 0, 2), "parley-test/pg"));
    assert_true(text_is(pg_text(result, 0, 0, 3), "tester"));
}

static void the_connection_commits_synchronously_in_utf8_as_its_role(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, "settings");
    pg_submit(unit, check_settings, NULL);
    pg_fixture_await_answers(1);
}

/* --- units --- */

static void units_are_answered_in_their_order(void **state)
{
    (void)state;
    for (int64_t i = 0; i < PG_FIXTURE_MAX_UNITS; i++) {
        struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
        pg_unit_add(unit, "numbers");
        pg_add_numbers(unit, &i, 1);
        pg_submit(unit, pg_fixture_on_answer, NULL);
    }
    assert_int_equal(pg_in_flight(pg_fixture.pg), PG_FIXTURE_MAX_UNITS);
    pg_fixture_await_answers(PG_FIXTURE_MAX_UNITS);
    for (int i = 0; i < PG_FIXTURE_MAX_UNITS; i++)
        assert_int_equal(pg_fixture.answers[i].number, i);
    assert_int_equal(pg_in_flight(pg_fixture.pg), 0);
}

static void a_unit_happens_whole_or_not_at_all(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_fixture_submit_insert(1, 0);
    pg_fixture_add_insert(unit, 2, 0);
    pg_fixture_add_insert(unit, 1, 0); /* is there */
    pg_fixture_add_insert(unit, 3, 0);
    pg_submit(unit, pg_fixture_on_answer, NULL);
    pg_fixture_submit_insert(4, 0);
    pg_fixture_submit_plain("count");
    pg_fixture_await_answers(4);
    pg_fixture_assert_answer(0, PG_OK, "");
    pg_fixture_assert_answer(1, PG_REFUSED, "23505");
    assert_string_equal(pg_fixture.answers[1].constraint, "item_pkey");
    pg_fixture_assert_answer(2, PG_OK, "");
    assert_int_equal(pg_fixture.answers[3].number, 2);
}

static void what_the_commit_itself_refuses_is_refused(void **state)
{
    (void)state;
    pg_fixture_submit_insert(1, 99); /* its twin must be there at the end of the transaction */
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_fixture_add_insert(unit, 2, 3);
    pg_fixture_add_insert(unit, 3, 2);
    pg_submit(unit, pg_fixture_on_answer, NULL);
    pg_fixture_submit_plain("count");
    pg_fixture_await_answers(3);
    pg_fixture_assert_answer(0, PG_REFUSED, "23503");
    pg_fixture_assert_answer(1, PG_OK, "");
    assert_int_equal(pg_fixture.answers[2].number, 2);
    assert_int_equal(pg_fixture.lost_count, 0);
}

static void a_slow_statement_is_ended_and_those_behind_it_are_not(void **state)
{
    (void)state;
    pg_fixture_submit_number("sleep", 5000);
    pg_fixture_submit_plain("count");
    pg_fixture_await_answers(2);
    pg_fixture_assert_answer(0, PG_REFUSED, "57014");
    pg_fixture_assert_answer(1, PG_OK, "");
}

static void many_slow_units_in_a_row_are_no_silence(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        pg_fixture_submit_number("sleep", 700); /* together longer than twice the timeout */
    pg_fixture_await_answers(5);
    pg_fixture_assert_answer(4, PG_OK, "");
    assert_int_equal(pg_fixture.lost_count, 0);
}

static void above_the_bound_units_are_refused_as_busy(void **state)
{
    (void)state;
    for (int i = 0; i < PG_FIXTURE_MAX_UNITS; i++)
        pg_fixture_submit_number("sleep", 20);
    pg_fixture_submit_insert(1, 0);
    assert_int_equal(pg_fixture.answer_count, 0);
    pg_fixture_await_answers(1);
    pg_fixture_assert_answer(0, PG_BUSY, "");
    pg_fixture_await_answers(1 + PG_FIXTURE_MAX_UNITS);
    assert_int_equal(private_postgres_run("SELECT count(*) FROM item"), 0);
}

static void units_larger_than_the_sockets_buffers_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < PG_FIXTURE_MAX_UNITS; i++)
        pg_fixture_submit_length(((size_t)1 << 20) + i);
    pg_fixture_await_answers(PG_FIXTURE_MAX_UNITS);
    for (int i = 0; i < PG_FIXTURE_MAX_UNITS; i++)
        assert_int_equal(pg_fixture.answers[i].number, (1 << 20) + i);
}

static void an_answer_may_submit_the_next_unit(void **state)
{
    (void)state;
    int left = 10;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_unit_add(unit, "count");
    pg_submit(unit, pg_fixture_on_answer_submit_more, &left);
    pg_fixture_await_answers(10);
}

static void a_unit_that_is_not_submitted_leaves_nothing(void **state)
{
    (void)state;
    struct pg_unit *unit = pg_unit_create(pg_fixture.pg);
    pg_fixture_add_insert(unit, 1, 0);
    pg_unit_destroy(&unit);
    assert_null(unit);
}

/* --- what libpq brings along --- */

/* The name is in GnuTLS as well, weakly, where it says 0. */
static void gnutls_is_told_not_to_prepare_itself_when_it_is_loaded(void **state)
{
    int (*skips)(void);
    (void)state;
    *(void **)&skips = dlsym(RTLD_DEFAULT, "_gnutls_global_init_skip");
    if (skips == NULL)
        skip(); /* a libpq without LDAP */
    assert_int_equal(skips(), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pg_fixture_set_up, pg_fixture_tear_down)
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
        cmocka_unit_test(gnutls_is_told_not_to_prepare_itself_when_it_is_loaded),
    };
    return cmocka_run_group_tests(tests, pg_fixture_make_server, pg_fixture_end_server);
}
