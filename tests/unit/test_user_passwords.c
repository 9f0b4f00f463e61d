/* Argon2id on threads, with the cheapest parameters that libsodium has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "services/user/user_passwords.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

#define MAX_ANSWERS 64

static struct loop *loop;
static struct user_passwords *passwords;
static struct loop_timer *guard;

static struct {
    enum user_password_outcome outcome;
    char hash[crypto_pwhash_STRBYTES];
} answers[MAX_ANSWERS];
static size_t answer_count, awaited;

static void on_password(void *context, enum user_password_outcome outcome, const char *hash)
{
    (void)context;
    assert_in_range(answer_count, 0, MAX_ANSWERS - 1);
    answers[answer_count].outcome = outcome;
    snprintf(answers[answer_count].hash, sizeof answers[answer_count].hash, "%s",
             hash != NULL ? hash : "");
    if (++answer_count >= awaited)
        loop_stop(loop);
}

static void on_too_late(void *context)
{
    (void)context;
    fail_msg("no answer for ten seconds");
}

static void await(size_t count)
{
    awaited = count;
    if (answer_count < count)
        loop_run(loop);
    assert_int_equal(answer_count, count);
}

static void start(size_t workers, size_t max_jobs, int64_t deadline_ms)
{
    struct user_passwords_options options = {.workers = workers,
                                             .max_jobs = max_jobs,
                                             .memory_bytes = crypto_pwhash_MEMLIMIT_MIN,
                                             .passes = crypto_pwhash_OPSLIMIT_MIN,
                                             .deadline_ms = deadline_ms};
    answer_count = 0;
    awaited = MAX_ANSWERS;
    loop = loop_create();
    guard = loop_timer_create(loop, on_too_late, NULL);
    loop_timer_start(guard, 10000);
    passwords = user_passwords_create(loop, &options);
}

static int stop(void **state)
{
    (void)state;
    user_passwords_destroy(&passwords);
    loop_timer_destroy(&guard);
    loop_destroy(&loop);
    return 0;
}

static enum user_password_outcome verify(const char *password, const char *hash)
{
    size_t before = answer_count;
    assert_true(
        user_passwords_verify(passwords, text_of(password), text_of(hash), on_password, NULL));
    await(before + 1);
    return answers[before].outcome;
}

static void a_hash_matches_its_own_password_only(void **state)
{
    (void)state;
    start(1, 8, 5000);
    assert_true(user_passwords_hash(passwords, TEXT_LITERAL("tr0ub4dor"), on_password, NULL));
    await(1);
    assert_int_equal(answers[0].outcome, USER_PASSWORD_DONE);
    assert_memory_equal(answers[0].hash, "$argon2id$", 10);
    char *hash = mem_string(answers[0].hash);
    assert_int_equal(verify("tr0ub4dor", hash), USER_PASSWORD_DONE);
    assert_int_equal(verify("tr0ub4dos", hash), USER_PASSWORD_WRONG);
    assert_int_equal(verify("tr0ub4do", hash), USER_PASSWORD_WRONG);
    mem_free(hash);
}

static void nothing_of_a_long_password_is_cut_off(void **state)
{
    (void)state;
    char longest[USER_PASSWORD_MAX_BYTES];
    memset(longest, 'x', sizeof longest);
    start(1, 8, 5000);
    assert_true(
        user_passwords_hash(passwords, (struct text){longest, sizeof longest}, on_password, NULL));
    await(1);
    longest[sizeof longest - 1] = 'y';
    assert_true(user_passwords_verify(passwords, (struct text){longest, sizeof longest},
                                      text_of(answers[0].hash), on_password, NULL));
    await(2);
    assert_int_equal(answers[1].outcome, USER_PASSWORD_WRONG);
}

static void without_a_hash_every_password_is_wrong(void **state)
{
    (void)state;
    start(1, 8, 5000);
    assert_int_equal(verify("whatever-it-is", NULL), USER_PASSWORD_WRONG);
    assert_int_equal(verify("", NULL), USER_PASSWORD_WRONG);
}

static void more_than_max_jobs_are_turned_away_until_one_is_done(void **state)
{
    (void)state;
    start(2, 3, 5000);
    for (int i = 0; i < 3; i++)
        assert_true(user_passwords_hash(passwords, TEXT_LITERAL("one of many"), on_password, NULL));
    assert_false(user_passwords_hash(passwords, TEXT_LITERAL("one of many"), on_password, NULL));
    assert_int_equal(user_passwords_jobs(passwords), 3);
    await(3);
    assert_int_equal(user_passwords_jobs(passwords), 0);
    assert_true(user_passwords_is_alive(passwords));
    assert_true(user_passwords_hash(passwords, TEXT_LITERAL("one of many"), on_password, NULL));
    await(4);
}

static void a_job_that_has_waited_past_its_deadline_is_not_begun(void **state)
{
    (void)state;
    start(1, 8, -1);
    assert_int_equal(verify("tr0ub4dor", NULL), USER_PASSWORD_BUSY);
}

static void jobs_that_are_open_at_the_end_are_answered(void **state)
{
    (void)state;
    start(1, 32, 5000);
    for (int i = 0; i < 32; i++)
        assert_true(user_passwords_hash(passwords, TEXT_LITERAL("one of many"), on_password, NULL));
    user_passwords_destroy(&passwords);
    assert_null(passwords);
    assert_int_equal(answer_count, 32);
    for (int i = 0; i < 32; i++)
        assert_int_equal(answers[i].outcome, USER_PASSWORD_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_hash_matches_its_own_password_only, stop),
        cmocka_unit_test_teardown(nothing_of_a_long_password_is_cut_off, stop),
        cmocka_unit_test_teardown(without_a_hash_every_password_is_wrong, stop),
        cmocka_unit_test_teardown(more_than_max_jobs_are_turned_away_until_one_is_done, stop),
        cmocka_unit_test_teardown(a_job_that_has_waited_past_its_deadline_is_not_begun, stop),
        cmocka_unit_test_teardown(jobs_that_are_open_at_the_end_are_answered, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
