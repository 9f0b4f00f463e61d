/* How often one may guess at an account. Time is a number that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/rate_limit.h"

#define ANN TEXT_LITERAL("name ann")
#define BOB TEXT_LITERAL("name bob")

static int64_t left, wait_ms;

static void exactly_the_allowed_tries_fail_in_a_row(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(3, 1000, 16);
    for (int64_t i = 2; i >= 0; i--) {
        assert_true(rate_limit_take(limit, ANN, 50, &left, &wait_ms));
        assert_int_equal(left, i);
    }
    assert_false(rate_limit_take(limit, ANN, 50, &left, &wait_ms));
    assert_int_equal(wait_ms, 1000);
    rate_limit_destroy(&limit);
}

static void one_more_try_comes_after_each_refill(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(2, 1000, 16);
    assert_true(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
    assert_true(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
    assert_false(rate_limit_take(limit, ANN, 999, &left, &wait_ms));
    assert_int_equal(wait_ms, 1);
    assert_true(rate_limit_take(limit, ANN, 1000, &left, &wait_ms));
    assert_false(rate_limit_take(limit, ANN, 1000, &left, &wait_ms));
    rate_limit_destroy(&limit);
}

static void a_refused_try_does_not_make_the_wait_longer(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(1, 1000, 16);
    assert_true(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
    for (int64_t now_ms = 0; now_ms < 1000; now_ms += 10)
        assert_false(rate_limit_take(limit, ANN, now_ms, &left, &wait_ms));
    assert_true(rate_limit_take(limit, ANN, 1000, &left, &wait_ms));
    rate_limit_destroy(&limit);
}

static void a_right_password_gives_its_try_back_and_leaves_nothing_behind(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(1, 1000, 16);
    for (int i = 0; i < 100; i++) {
        assert_true(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
        rate_limit_give_back(limit, ANN, 0);
    }
    assert_int_equal(rate_limit_names(limit), 0);
    rate_limit_destroy(&limit);
}

static void names_have_tries_of_their_own(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(1, 1000, 16);
    assert_true(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
    assert_true(rate_limit_take(limit, BOB, 0, &left, &wait_ms));
    assert_false(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
    rate_limit_destroy(&limit);
}

static void a_full_table_forgets_whom_it_heard_of_longest_ago(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(1, 1000, 2);
    assert_true(rate_limit_take(limit, ANN, 0, &left, &wait_ms));
    assert_true(rate_limit_take(limit, BOB, 0, &left, &wait_ms));
    assert_false(rate_limit_take(limit, ANN, 1, &left, &wait_ms)); /* now bob is the oldest */
    assert_true(rate_limit_take(limit, TEXT_LITERAL("name eve"), 2, &left, &wait_ms));
    assert_int_equal(rate_limit_names(limit), 2);
    assert_false(rate_limit_take(limit, ANN, 3, &left, &wait_ms));
    assert_true(rate_limit_take(limit, BOB, 3, &left, &wait_ms));
    rate_limit_give_back(limit, TEXT_LITERAL("name eve"), 3); /* pushed out: harmless */
    rate_limit_destroy(&limit);
}

/* --- against a naive model: tries as numbers that grow by one each refill --- */

#define MODEL_NAMES     5
#define MODEL_TRIES     4
#define MODEL_REFILL_MS 10

struct model {
    int64_t level_ms[MODEL_NAMES]; /* tries, in milliseconds of refill */
    int64_t seen_ms;
};

static void model_pass_time(struct model *model, int64_t now_ms)
{
    for (int i = 0; i < MODEL_NAMES; i++) {
        model->level_ms[i] += now_ms - model->seen_ms;
        if (model->level_ms[i] > MODEL_TRIES * MODEL_REFILL_MS)
            model->level_ms[i] = MODEL_TRIES * MODEL_REFILL_MS;
    }
    model->seen_ms = now_ms;
}

static void random_tries_agree_with_a_naive_bucket(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_create(MODEL_TRIES, MODEL_REFILL_MS, MODEL_NAMES);
    struct model model = {.seen_ms = 0};
    for (int i = 0; i < MODEL_NAMES; i++)
        model.level_ms[i] = MODEL_TRIES * MODEL_REFILL_MS;
    srandom(7);
    for (int step = 0; step < 20000; step++) {
        char name[16];
        int who = (int)(random() % MODEL_NAMES);
        int length = snprintf(name, sizeof name, "name %d", who);
        struct text key = {name, (size_t)length};
        model_pass_time(&model, model.seen_ms + random() % 7);
        bool expected = model.level_ms[who] >= MODEL_REFILL_MS;
        assert_int_equal(rate_limit_take(limit, key, model.seen_ms, &left, &wait_ms), expected);
        if (!expected) {
            assert_int_equal(wait_ms, MODEL_REFILL_MS - model.level_ms[who]);
            continue;
        }
        model.level_ms[who] -= MODEL_REFILL_MS;
        assert_int_equal(left, model.level_ms[who] / MODEL_REFILL_MS);
        if (random() % 4 == 0) {
            rate_limit_give_back(limit, key, model.seen_ms);
            model.level_ms[who] += MODEL_REFILL_MS;
        }
    }
    rate_limit_destroy(&limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_allowed_tries_fail_in_a_row),
        cmocka_unit_test(one_more_try_comes_after_each_refill),
        cmocka_unit_test(a_refused_try_does_not_make_the_wait_longer),
        cmocka_unit_test(a_right_password_gives_its_try_back_and_leaves_nothing_behind),
        cmocka_unit_test(names_have_tries_of_their_own),
        cmocka_unit_test(a_full_table_forgets_whom_it_heard_of_longest_ago),
        cmocka_unit_test(random_tries_agree_with_a_naive_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
