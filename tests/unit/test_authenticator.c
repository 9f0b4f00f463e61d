/* Who is behind a token. The user daemon is a fake of this file: it keeps the questions until the test answers them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/daemon/authenticator.h"

#define MAX_ENTRIES   3000
#define MAX_QUESTIONS 8
#define TOKEN_SIZE    44
#define A             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define B             "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"
#define C             "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA"

static struct loop *loop;
static struct loop_timer *tick;
static struct authenticator *authenticator;

/* --- the fake --- */

struct question {
    unsigned char *hashes;
    size_t count;
    rpc_callback callback;
    void *context;
};

static struct question questions[MAX_QUESTIONS];
static size_t question_count;

void rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *request,
              int64_t deadline_ms, rpc_callback callback, void *context)
{
    const struct user_authenticate_request *asked = request;
    struct question *question = &questions[question_count++];
    (void)client;
    assert_ptr_equal(method, &user_authenticate_method);
    assert_int_equal(deadline_ms, 1234);
    assert_true(question_count <= MAX_QUESTIONS && asked->tokens_count > 0);
    *question = (struct question){mem_array(asked->tokens_count, TOKEN_HASH_BYTES),
                                  asked->tokens_count, callback, context};
    for (size_t i = 0; i < asked->tokens_count; i++) {
        assert_int_equal(asked->tokens[i].hash.length, TOKEN_HASH_BYTES);
        memcpy(question->hashes + i * TOKEN_HASH_BYTES, asked->tokens[i].hash.data,
               TOKEN_HASH_BYTES);
    }
}

static bool asks_about(const struct question *question, size_t index, const char *token)
{
    unsigned char hash[TOKEN_HASH_BYTES];
    assert_true(token_hash(text_of(token), hash));
    return memcmp(question->hashes + index * TOKEN_HASH_BYTES, hash, sizeof hash) == 0;
}

/* The n-th token of the question belongs to user first_user + n; 0: nobody. */
static void reply(size_t index, int64_t first_user, size_t count)
{
    struct question *question = &questions[index];
    struct user_identity *identities = mem_array(count + 1, sizeof *identities);
    for (size_t i = 0; i < count && first_user > 0; i++)
        identities[i] = (struct user_identity){.user_id = first_user + (int64_t)i,
                                               .session_id = 7,
                                               .device_id = 8,
                                               .expires_at_ms = clock_wall_ms() + 60000,
                                               .created_change = 9};
    struct user_authenticate_reply answer = {.identities = identities, .identities_count = count};
    question->callback(question->context,
                       &(struct rpc_result){.outcome = RPC_OK, .reply = &answer});
    mem_free(identities);
}

static void reply_to(size_t index, int64_t first_user)
{
    reply(index, first_user, questions[index].count);
}

static void fail_question(size_t index, enum rpc_outcome outcome)
{
    questions[index].callback(
        questions[index].context,
        &(struct rpc_result){.outcome = outcome, .problem = PROBLEM_UNAVAILABLE});
}

/* --- who asks --- */

struct asker {
    int calls;
    enum problem problem;
    struct identity identity;
};

static void on_authenticated(void *context, enum problem problem, const struct identity *identity)
{
    struct asker *asker = context;
    asker->calls++;
    asker->problem = problem;
    if (problem == PROBLEM_NONE)
        asker->identity = *identity;
}

static void ask(const char *token, struct asker *asker)
{
    authenticator_check(authenticator, text_of(token), on_authenticated, asker);
}

static void assert_told(const struct asker *asker, enum problem problem, int64_t user_id)
{
    assert_int_equal(asker->calls, 1);
    assert_int_equal(asker->problem, problem);
    assert_int_equal(asker->identity.user_id, user_id);
}

static void on_tick(void *context)
{
    (void)context;
    loop_stop(loop);
}

static void end_turn(void)
{
    loop_timer_start(tick, 0);
    loop_run(loop);
}

static int start_with(size_t max_entries)
{
    loop = loop_create();
    tick = loop_timer_create(loop, on_tick, NULL);
    question_count = 0;
    authenticator = authenticator_create(loop, NULL, max_entries, 1234);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(MAX_ENTRIES);
}

static int start_small(void **state)
{
    (void)state;
    return start_with(2);
}

static int stop(void **state)
{
    (void)state;
    authenticator_destroy(&authenticator);
    for (size_t i = 0; i < question_count; i++)
        mem_free(questions[i].hashes);
    loop_timer_destroy(&tick);
    loop_destroy(&loop);
    return 0;
}

/* --- hashes --- */

static void a_hash_is_blake2b_of_the_text(void **state)
{
    unsigned char hash[TOKEN_HASH_BYTES];
    char hex[2 * TOKEN_HASH_BYTES + 1];
    (void)state;
    assert_true(token_hash(text_of(A), hash));
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    /* printf %s AAAA… | b2sum -l 256 */
    assert_string_equal(hex, "6342b384e5d6294c5df1110132b93b97b395a2ff4cca498af637b3e06b3095dd");
}

static void what_is_no_token_of_ours_is_refused_unasked(void **state)
{
    static const char *const tokens[] = {"",
                                         "x",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                         A "A",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nA",
                                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\xFF"
                                         "A"};
    (void)state;
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        struct asker asker = {0};
        ask(tokens[i], &asker);
        assert_told(&asker, PROBLEM_UNAUTHORIZED, 0);
    }
    end_turn();
    assert_int_equal(question_count, 0);
}

/* --- asking --- */

static void tokens_of_one_turn_are_one_question_and_get_their_own_answers(void **state)
{
    struct asker a = {0}, b = {0}, c = {0};
    (void)state;
    ask(A, &a);
    ask(B, &b);
    ask(C, &c);
    assert_int_equal(question_count, 0);
    end_turn();
    assert_int_equal(question_count, 1);
    assert_int_equal(questions[0].count, 3);
    assert_true(asks_about(&questions[0], 0, A) && asks_about(&questions[0], 1, B) &&
                asks_about(&questions[0], 2, C));
    assert_int_equal(a.calls + b.calls + c.calls, 0);
    reply_to(0, 100);
    assert_told(&a, PROBLEM_NONE, 100);
    assert_told(&b, PROBLEM_NONE, 101);
    assert_told(&c, PROBLEM_NONE, 102);
    assert_true(a.identity.session_id == 7 && a.identity.device_id == 8 &&
                a.identity.created_change == 9);
}

static void a_token_that_is_being_asked_is_not_asked_again(void **state)
{
    struct asker first = {0}, second = {0}, third = {0};
    (void)state;
    ask(A, &first);
    ask(A, &second);
    end_turn();
    ask(A, &third);
    end_turn();
    assert_int_equal(question_count, 1);
    assert_int_equal(questions[0].count, 1);
    reply_to(0, 100);
    assert_told(&first, PROBLEM_NONE, 100);
    assert_told(&second, PROBLEM_NONE, 100);
    assert_told(&third, PROBLEM_NONE, 100);
}

static void more_tokens_than_one_question_holds_are_several_questions(void **state)
{
    static struct asker askers[2100];
    (void)state;
    memset(askers, 0, sizeof askers);
    for (int i = 0; i < 2100; i++) {
        char token[TOKEN_SIZE];
        snprintf(token, sizeof token, "%042dA", i);
        ask(token, &askers[i]);
    }
    for (int i = 0; i < 4; i++)
        end_turn();
    assert_int_equal(question_count, 3);
    assert_int_equal(questions[0].count + questions[1].count + questions[2].count, 2100);
    assert_int_equal(questions[0].count, 1024);
    reply_to(0, 1);
    reply_to(1, 1025);
    reply_to(2, 2049);
    for (int i = 0; i < 2100; i++)
        assert_told(&askers[i], PROBLEM_NONE, i + 1);
}

static void an_unknown_token_is_refused(void **state)
{
    struct asker asker = {0}, again = {0};
    (void)state;
    ask(A, &asker);
    end_turn();
    reply_to(0, 0);
    assert_told(&asker, PROBLEM_UNAUTHORIZED, 0);
    ask(A, &again);
    assert_told(&again, PROBLEM_UNAUTHORIZED, 0);
}

static void a_session_that_has_expired_is_refused(void **state)
{
    struct asker asker = {0};
    struct user_identity identity = {.user_id = 5, .expires_at_ms = clock_wall_ms() - 1};
    struct user_authenticate_reply answer = {.identities = &identity, .identities_count = 1};
    (void)state;
    ask(A, &asker);
    end_turn();
    questions[0].callback(questions[0].context,
                          &(struct rpc_result){.outcome = RPC_OK, .reply = &answer});
    assert_told(&asker, PROBLEM_UNAUTHORIZED, 0);
}

static void without_an_answer_it_is_unavailable_and_asked_again_at_once(void **state)
{
    static const enum rpc_outcome outcomes[] = {RPC_REFUSED, RPC_UNAVAILABLE, RPC_UNCERTAIN};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct asker asker = {0};
        ask(A, &asker);
        end_turn();
        assert_int_equal(question_count, i + 1);
        fail_question(i, outcomes[i]);
        assert_told(&asker, PROBLEM_UNAVAILABLE, 0);
    }
}

static void an_answer_that_is_too_short_leaves_the_rest_unavailable(void **state)
{
    struct asker a = {0}, b = {0};
    (void)state;
    ask(A, &a);
    ask(B, &b);
    end_turn();
    reply(0, 100, 1);
    assert_told(&a, PROBLEM_NONE, 100);
    assert_told(&b, PROBLEM_UNAVAILABLE, 0);
}

/* --- remembering --- */

static void an_answer_is_remembered_for_half_a_second_from_its_question(void **state)
{
    struct asker first = {0}, soon = {0}, later = {0};
    (void)state;
    ask(A, &first);
    end_turn();
    usleep(200 * 1000);
    reply_to(0, 100);
    ask(A, &soon);
    assert_told(&soon, PROBLEM_NONE, 100);
    usleep((AUTHENTICATOR_FRESH_MS - 200 + 20) * 1000);
    ask(A, &later);
    assert_int_equal(later.calls, 0);
    end_turn();
    assert_int_equal(question_count, 2);
    reply_to(1, 0); /* the session has ended meanwhile */
    assert_told(&later, PROBLEM_UNAUTHORIZED, 0);
}

static void an_answer_to_an_old_question_is_not_given_to_who_came_later(void **state)
{
    struct asker first = {0}, late = {0};
    (void)state;
    ask(A, &first);
    end_turn();
    usleep((AUTHENTICATOR_FRESH_MS + 20) * 1000);
    ask(A, &late); /* the session may have ended since the question */
    end_turn();
    reply_to(0, 100);
    assert_told(&first, PROBLEM_NONE, 100);
    assert_int_equal(late.calls, 0);
    end_turn();
    assert_int_equal(question_count, 2);
    reply_to(1, 0);
    assert_told(&late, PROBLEM_UNAUTHORIZED, 0);
}

static void when_all_room_is_taken_the_oldest_answer_goes(void **state)
{
    struct asker a = {0}, b = {0}, c = {0}, again = {0};
    (void)state;
    ask(A, &a);
    end_turn();
    ask(B, &b);
    end_turn();
    reply_to(0, 100);
    reply_to(1, 200);
    ask(C, &c);
    end_turn();
    reply_to(2, 300);
    assert_told(&c, PROBLEM_NONE, 300);
    ask(B, &again);
    assert_told(&again, PROBLEM_NONE, 200);
    again = (struct asker){0};
    ask(A, &again);
    assert_int_equal(again.calls, 0);
    end_turn();
    reply_to(3, 100);
    assert_told(&again, PROBLEM_NONE, 100);
}

static void what_is_being_asked_keeps_its_room(void **state)
{
    struct asker a = {0}, b = {0}, c = {0};
    (void)state;
    ask(A, &a);
    ask(B, &b);
    end_turn();
    ask(C, &c);
    assert_told(&c, PROBLEM_UNAVAILABLE, 0);
    reply_to(0, 100);
    assert_told(&a, PROBLEM_NONE, 100);
    assert_told(&b, PROBLEM_NONE, 101);
}

static struct asker nested;

static void on_first_then_ask_another(void *context, enum problem problem,
                                      const struct identity *identity)
{
    on_authenticated(context, problem, identity);
    ask(C, &nested);
}

static void who_is_told_may_ask_again_although_there_is_no_room(void **state)
{
    struct asker a = {0}, b = {0};
    (void)state;
    nested = (struct asker){0};
    authenticator_check(authenticator, text_of(A), on_first_then_ask_another, &a);
    ask(B, &b);
    end_turn();
    reply_to(0, 100);
    assert_told(&a, PROBLEM_NONE, 100);
    assert_told(&b, PROBLEM_NONE, 101);
    end_turn();
    assert_int_equal(question_count, 2);
    reply_to(1, 300);
    assert_told(&nested, PROBLEM_NONE, 300);
}

/* --- the end --- */

static void at_the_end_all_who_wait_are_told_and_a_late_answer_is_harmless(void **state)
{
    struct asker asked = {0}, queued = {0};
    (void)state;
    ask(A, &asked);
    end_turn();
    ask(B, &queued);
    authenticator_destroy(&authenticator);
    assert_told(&asked, PROBLEM_UNAVAILABLE, 0);
    assert_told(&queued, PROBLEM_UNAVAILABLE, 0);
    fail_question(0, RPC_UNCERTAIN);
    assert_int_equal(asked.calls, 1);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, start, stop)
#define SMALL_TEST(name) cmocka_unit_test_setup_teardown(name, start_small, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_hash_is_blake2b_of_the_text),
        TEST(what_is_no_token_of_ours_is_refused_unasked),
        TEST(tokens_of_one_turn_are_one_question_and_get_their_own_answers),
        TEST(a_token_that_is_being_asked_is_not_asked_again),
        TEST(more_tokens_than_one_question_holds_are_several_questions),
        TEST(an_unknown_token_is_refused),
        TEST(a_session_that_has_expired_is_refused),
        TEST(without_an_answer_it_is_unavailable_and_asked_again_at_once),
        TEST(an_answer_that_is_too_short_leaves_the_rest_unavailable),
        TEST(an_answer_is_remembered_for_half_a_second_from_its_question),
        TEST(an_answer_to_an_old_question_is_not_given_to_who_came_later),
        SMALL_TEST(when_all_room_is_taken_the_oldest_answer_goes),
        SMALL_TEST(what_is_being_asked_keeps_its_room),
        SMALL_TEST(who_is_told_may_ask_again_although_there_is_no_room),
        TEST(at_the_end_all_who_wait_are_told_and_a_late_answer_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
