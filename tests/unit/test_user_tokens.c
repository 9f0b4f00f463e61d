/* Looking tokens up: many questions, few statements. The store and the notes of usage are fakes of this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sodium.h>
#include <string.h>

#include "services/user/user_tokens.h"
#include "shared/base/mem.h"
#include "shared/daemon/authenticator.h"

#define MAX_STATEMENTS 64

/* --- fakes: a hash's first byte is the user's id, 0 is nobody --- */

static struct {
    user_on_token_owners callback;
    void *context;
    size_t count;
    struct user_token_owner *owners;
} statements[MAX_STATEMENTS];
static size_t statement_count, noted_count;

void user_store_token_owners(struct user_store *store, const struct text *hashes, size_t count,
                             user_on_token_owners on_token_owners, void *context)
{
    (void)store;
    assert_in_range(statement_count, 0, MAX_STATEMENTS - 1);
    statements[statement_count].callback = on_token_owners;
    statements[statement_count].context = context;
    statements[statement_count].count = count;
    statements[statement_count].owners = mem_array(count, sizeof(struct user_token_owner));
    for (size_t i = 0; i < count; i++)
        statements[statement_count].owners[i].identity.user_id = hashes[i].data[0];
    statement_count++;
}

void user_usage_note(struct user_usage *usage, int64_t session_id, int64_t last_used_ms)
{
    (void)usage, (void)session_id, (void)last_used_ms;
    noted_count++;
}

static void answer(size_t statement, enum problem problem)
{
    bool ok = problem == PROBLEM_NONE;
    statements[statement].callback(statements[statement].context, problem,
                                   statements[statement].owners,
                                   ok ? statements[statement].count : 0, ok ? 77 : 0);
    mem_free(statements[statement].owners);
}

/* --- the test's own --- */

static struct loop *loop;
static struct user_tokens *tokens;
static struct loop_timer *end_of_turn;

static void on_turn_over(void *context)
{
    (void)context;
    loop_stop(loop);
}

/* Lets the loop run until what was deferred has run. */
static void pass_a_turn(void)
{
    loop_timer_start(end_of_turn, 1);
    loop_run(loop);
}

static int start(void **state)
{
    (void)state;
    statement_count = noted_count = 0;
    loop = loop_create();
    end_of_turn = loop_timer_create(loop, on_turn_over, NULL);
    tokens = user_tokens_create(loop, NULL, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    user_tokens_destroy(&tokens);
    loop_timer_destroy(&end_of_turn);
    loop_destroy(&loop);
    return 0;
}

struct asker {
    int calls;
    enum problem problem;
    int64_t users[4];
    int64_t head;
    size_t count;
};

static void on_identities(void *context, enum problem problem,
                          const struct user_identity *identities, int64_t head)
{
    struct asker *asker = context;
    asker->calls++;
    asker->problem = problem;
    asker->head = head;
    for (size_t i = 0; identities != NULL && i < asker->count; i++)
        asker->users[i] = identities[i].user_id;
}

static const struct text one[] = {{"\1", 1}};
static const struct text two_and_nobody[] = {{"\2", 1}, {"\0", 1}};
static const struct text three[] = {{"\3", 1}};

static void questions_of_one_turn_become_one_statement_and_each_gets_its_own_part(void **state)
{
    (void)state;
    struct asker a = {.count = 1}, b = {.count = 2}, c = {.count = 1};
    user_tokens_look_up(tokens, one, 1, on_identities, &a);
    user_tokens_look_up(tokens, two_and_nobody, 2, on_identities, &b);
    user_tokens_look_up(tokens, three, 1, on_identities, &c);
    assert_int_equal(statement_count, 0);
    pass_a_turn();
    assert_int_equal(statement_count, 1);
    assert_int_equal(statements[0].count, 4);
    answer(0, PROBLEM_NONE);
    assert_int_equal(a.calls + b.calls + c.calls, 3);
    assert_int_equal(a.users[0], 1);
    assert_int_equal(b.users[0], 2);
    assert_int_equal(b.users[1], 0);
    assert_int_equal(c.users[0], 3);
    assert_int_equal(b.head, 77);
    assert_int_equal(noted_count, 3); /* nobody has used nothing */
}

static void with_enough_statements_on_their_way_the_next_questions_gather(void **state)
{
    (void)state;
    struct asker askers[40];
    memset(askers, 0, sizeof askers);
    for (size_t i = 0; i < 40; i++) {
        askers[i].count = 1;
        user_tokens_look_up(tokens, one, 1, on_identities, &askers[i]);
        pass_a_turn();
    }
    assert_int_equal(statement_count, 4);
    answer(0, PROBLEM_NONE);
    pass_a_turn();
    assert_int_equal(statement_count, 5);
    assert_int_equal(statements[4].count, 36);
    for (size_t i = 1; i < 5; i++)
        answer(i, PROBLEM_NONE);
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(askers[i].calls, 1);
}

static void a_statement_that_fails_answers_all_its_questions(void **state)
{
    (void)state;
    struct asker a = {.count = 1}, b = {.count = 2};
    user_tokens_look_up(tokens, one, 1, on_identities, &a);
    user_tokens_look_up(tokens, two_and_nobody, 2, on_identities, &b);
    pass_a_turn();
    answer(0, PROBLEM_UNAVAILABLE);
    assert_int_equal(a.problem, PROBLEM_UNAVAILABLE);
    assert_int_equal(b.problem, PROBLEM_UNAVAILABLE);
    assert_int_equal(noted_count, 0);
}

static void stopping_answers_what_waits_and_leaves_the_rest_to_the_store(void **state)
{
    (void)state;
    struct asker a = {.count = 1}, b = {.count = 1};
    user_tokens_look_up(tokens, one, 1, on_identities, &a);
    pass_a_turn();
    user_tokens_look_up(tokens, three, 1, on_identities, &b);
    user_tokens_stop(tokens);
    assert_int_equal(a.calls, 0);
    assert_int_equal(b.problem, PROBLEM_UNAVAILABLE);
    answer(0, PROBLEM_UNAVAILABLE);
    assert_int_equal(a.calls, 1);
}

/* --- for REST --- */

static enum problem http_problem;
static int64_t http_user;
static int http_calls;

static void on_authenticated(void *context, enum problem problem, const struct identity *identity)
{
    (void)context;
    http_calls++;
    http_problem = problem;
    http_user = problem == PROBLEM_NONE ? identity->user_id : 0;
}

static void something_that_is_no_token_is_refused_without_a_question(void **state)
{
    (void)state;
    http_calls = 0;
    user_tokens_authenticate(tokens, TEXT_LITERAL("secret"), on_authenticated, NULL);
    assert_int_equal(http_calls, 1);
    assert_int_equal(http_problem, PROBLEM_UNAUTHORIZED);
    pass_a_turn();
    assert_int_equal(statement_count, 0);
}

static void a_token_is_asked_for_by_its_hash_and_nobody_behind_it_is_unauthorized(void **state)
{
    (void)state;
    struct text token = TEXT_LITERAL("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    http_calls = 0;
    user_tokens_authenticate(tokens, token, on_authenticated, NULL);
    user_tokens_authenticate(tokens, token, on_authenticated, NULL);
    pass_a_turn();
    assert_int_equal(statements[0].count, 2);
    statements[0].owners[0].identity.user_id = 5;
    statements[0].owners[1].identity.user_id = 0;
    answer(0, PROBLEM_NONE);
    assert_int_equal(http_calls, 2);
    assert_int_equal(http_problem, PROBLEM_UNAUTHORIZED);
    user_tokens_authenticate(tokens, token, on_authenticated, NULL);
    pass_a_turn();
    statements[1].owners[0].identity.user_id = 5;
    answer(1, PROBLEM_NONE);
    assert_int_equal(http_problem, PROBLEM_NONE);
    assert_int_equal(http_user, 5);
}

static void a_failed_look_up_says_unavailable_and_never_unauthorized(void **state)
{
    (void)state;
    struct text token = TEXT_LITERAL("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    user_tokens_authenticate(tokens, token, on_authenticated, NULL);
    pass_a_turn();
    answer(0, PROBLEM_INTERNAL);
    assert_int_equal(http_problem, PROBLEM_UNAVAILABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(questions_of_one_turn_become_one_statement_and_each_gets_its_own_part),
        TEST(with_enough_statements_on_their_way_the_next_questions_gather),
        TEST(a_statement_that_fails_answers_all_its_questions),
        TEST(stopping_answers_what_waits_and_leaves_the_rest_to_the_store),
        TEST(something_that_is_no_token_is_refused_without_a_question),
        TEST(a_token_is_asked_for_by_its_hash_and_nobody_behind_it_is_unauthorized),
        TEST(a_failed_look_up_says_unavailable_and_never_unauthorized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
