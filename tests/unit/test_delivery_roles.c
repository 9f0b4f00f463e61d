/* Questions what a user is to chats: gathered, and never answered with what was true before a change that was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/delivery/delivery_roles.h"
#include "tests/unit/waiting.h"

static struct {
    struct delivery_service service;
    rpc_callback callback; /* of the last request; NULL: it is answered */
    void *context;
    size_t requests, asks;
} world;

struct answer {
    int count;
    bool unavailable;
    int64_t problem; /* of the first chat */
};

void chat_client_roles(struct rpc_client *client, const struct chat_roles_request *request,
                       int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)deadline_ms;
    assert_null(world.callback);
    world.callback = callback;
    world.context = context;
    world.requests++;
    world.asks = request->asks_count;
}

static bool is_asked(void)
{
    return world.callback != NULL;
}

static void reply(enum rpc_outcome outcome, enum problem first)
{
    struct chat_role_answer answers[64] = {{.problem = first}};
    struct chat_roles_reply message = {.answers = answers, .answers_count = world.asks};
    rpc_callback callback = world.callback;
    world.callback = NULL;
    callback(world.context, &(struct rpc_result){outcome, PROBLEM_NONE, &message});
}

static void on_roles(void *context, const struct chat_role_answer *answers)
{
    struct answer *answer = context;
    answer->count++;
    answer->unavailable = answers == NULL;
    answer->problem = answers == NULL ? 0 : answers[0].problem;
}

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    delivery_settings.max_role_questions = 3;
    world.service.loop = waiting_start();
    world.service.roles = delivery_roles_create(&world.service);
    return 0;
}

static int end(void **state)
{
    (void)state;
    delivery_roles_destroy(&world.service.roles);
    waiting_stop();
    return 0;
}

static bool ask(int64_t user_id, int64_t chat_id, struct answer *answer)
{
    int64_t chats[] = {chat_id, chat_id + 1};
    *answer = (struct answer){0};
    return delivery_roles_ask(world.service.roles, user_id, chats, 2, on_roles, answer);
}

static void questions_of_a_turn_are_one_request_and_each_gets_its_own_answers(void **state)
{
    (void)state;
    struct answer first, second;
    assert_true(ask(1, 10, &first));
    assert_true(ask(2, 20, &second));
    wait_until(is_asked);
    assert_int_equal(world.requests, 1);
    assert_int_equal(world.asks, 4);
    reply(RPC_OK, PROBLEM_NOT_FOUND);
    assert_int_equal(first.count + second.count, 2);
    assert_int_equal(first.problem, PROBLEM_NOT_FOUND);
    assert_int_equal(second.problem, PROBLEM_NONE);
}

static void who_was_removed_while_it_was_asked_is_asked_for_again(void **state)
{
    (void)state;
    struct answer first, second;
    assert_true(ask(1, 10, &first));
    assert_true(ask(2, 20, &second));
    wait_until(is_asked);
    delivery_roles_changed(world.service.roles, 11, 1);
    delivery_roles_changed(world.service.roles, 11, 2); /* nobody has asked for this */
    reply(RPC_OK, PROBLEM_NONE);
    assert_int_equal(first.count, 0);
    assert_int_equal(second.count, 1);
    wait_until(is_asked);
    assert_int_equal(world.asks, 2);
    reply(RPC_OK, PROBLEM_NOT_MEMBER);
    assert_int_equal(first.count, 1);
    assert_int_equal(first.problem, PROBLEM_NOT_MEMBER);
}

static void more_changes_than_are_remembered_count_as_one_that_matters(void **state)
{
    (void)state;
    struct answer answer;
    assert_true(ask(1, 10, &answer));
    for (int times = 0; times < 3; times++) {
        wait_until(is_asked);
        assert_int_equal(answer.count, 0);
        for (int64_t i = 0; i < 1000; i++)
            delivery_roles_changed(world.service.roles, 99, 1);
        reply(RPC_OK, PROBLEM_NONE);
    }
    assert_int_equal(answer.count, 1);
    assert_true(answer.unavailable);
}

static void a_chat_that_does_not_answer_is_told(void **state)
{
    (void)state;
    struct answer answer;
    assert_true(ask(1, 10, &answer));
    wait_until(is_asked);
    reply(RPC_UNCERTAIN, PROBLEM_NONE);
    assert_int_equal(answer.count, 1);
    assert_true(answer.unavailable);
}

static void above_the_bound_nothing_more_is_asked(void **state)
{
    (void)state;
    struct answer answers[4];
    for (int i = 0; i < 3; i++)
        assert_true(ask(i, 10, &answers[i]));
    assert_false(ask(3, 10, &answers[3]));
    wait_until(is_asked);
    reply(RPC_OK, PROBLEM_NONE);
    assert_int_equal(answers[3].count, 0);
    assert_true(ask(3, 10, &answers[3]));
    wait_until(is_asked);
    reply(RPC_OK, PROBLEM_NONE);
    assert_int_equal(answers[3].count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(questions_of_a_turn_are_one_request_and_each_gets_its_own_answers),
        TEST(who_was_removed_while_it_was_asked_is_asked_for_again),
        TEST(more_changes_than_are_remembered_count_as_one_that_matters),
        TEST(a_chat_that_does_not_answer_is_told),
        TEST(above_the_bound_nothing_more_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
