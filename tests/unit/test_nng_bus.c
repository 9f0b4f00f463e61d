/* Requests and replies over real sockets. The other side is this executable itself, started anew, where it has to die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/net/nng_bus.h"
#include "tests/unit/waiting.h"

#define MAX_BYTES   4096
#define MAX_ANSWERS 600
#define PARALLEL    64
#define MAX_HELD    32
#define DEADLINE_MS 5000

static struct nng_bus *bus;
static struct nng_server *server;
static struct nng_client *client;
static char message[256];

static struct {
    enum nng_outcome outcome;
    char text[32];
} answers[MAX_ANSWERS];
static size_t answer_count, awaited;

/* --- the replying side: "echo N" is answered with itself, "hold" later, "forget" never --- */

static struct nng_exchange *held[MAX_HELD];
static size_t held_count, forgotten_count;

static nng_msg *message_of(const char *text)
{
    nng_msg *msg;
    assert_int_equal(nng_msg_alloc(&msg, strlen(text)), 0);
    memcpy(nng_msg_body(msg), text, strlen(text));
    return msg;
}

static void on_request(void *context, struct nng_exchange *exchange, struct text request)
{
    char text[64];
    (void)context;
    snprintf(text, sizeof text, "%.*s", TEXT_PRINT(request));
    if (strcmp(text, "hold") == 0)
        held[held_count++] = exchange;
    else if (strcmp(text, "forget") == 0) {
        forgotten_count++;
        nng_reply(exchange, NULL);
    } else
        nng_reply(exchange, message_of(text));
}

static bool serve(int concurrency)
{
    server = nng_server_create(bus, waiting_path("ipc://", "s"), concurrency, MAX_BYTES, on_request,
                               NULL, message, sizeof message);
    return server != NULL;
}

/* --- the asking side --- */

static void on_reply(void *context, enum nng_outcome outcome, struct text reply)
{
    assert_in_range(answer_count, 0, MAX_ANSWERS - 1);
    size_t number = context == NULL ? answer_count : (size_t)(uintptr_t)context - 1;
    answers[number].outcome = outcome;
    snprintf(answers[number].text, sizeof answers[0].text, "%.*s", TEXT_PRINT(reply));
    answer_count++;
}

static void ask(const char *text, int64_t deadline_ms)
{
    nng_request(client, message_of(text), deadline_ms, on_reply, NULL);
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

static void assert_answer(size_t number, enum nng_outcome outcome, const char *text)
{
    assert_int_equal(answers[number].outcome, outcome);
    assert_string_equal(answers[number].text, text);
}

static bool is_connected(void)
{
    return nng_client_is_connected(client);
}

static void connect_client(int max_outstanding)
{
    client = nng_client_create(bus, waiting_path("ipc://", "s"), max_outstanding, MAX_BYTES);
}

static int set_up(void **state)
{
    (void)state;
    answer_count = held_count = forgotten_count = 0;
    memset(answers, 0, sizeof answers);
    bus = nng_bus_create(waiting_start());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    nng_client_destroy(&client);
    nng_server_destroy(&server);
    nng_bus_destroy(&bus);
    waiting_stop();
    return 0;
}

static void start_both(void)
{
    assert_true(serve(4));
    connect_client(PARALLEL);
    wait_until(is_connected);
}

/* --- the tests --- */

static void a_request_gets_its_reply_after_nng_request_has_returned(void **state)
{
    (void)state;
    start_both();
    ask("hello", DEADLINE_MS);
    assert_int_equal(answer_count, 0);
    await_answers(1);
    assert_answer(0, NNG_OUTCOME_OK, "hello");
}

static void each_of_many_requests_at_once_gets_its_own_reply(void **state)
{
    (void)state;
    start_both();
    for (int round = 0; round < 8; round++) {
        answer_count = 0;
        for (uintptr_t i = 0; i < PARALLEL; i++) {
            char text[16];
            snprintf(text, sizeof text, "%zu", (size_t)i);
            nng_request(client, message_of(text), DEADLINE_MS, on_reply, (void *)(i + 1));
        }
        await_answers(PARALLEL);
        for (size_t i = 0; i < PARALLEL; i++) {
            char text[16];
            snprintf(text, sizeof text, "%zu", i);
            assert_answer(i, NNG_OUTCOME_OK, text);
        }
    }
}

static void what_is_above_the_bound_is_refused_as_busy_and_in_order(void **state)
{
    (void)state;
    start_both();
    for (int i = 0; i < PARALLEL; i++)
        ask("forget", 300);
    for (uintptr_t i = 0; i < 8; i++)
        nng_request(client, message_of("x"), 300, on_reply, (void *)(i + 1));
    assert_int_equal(answer_count, 0);
    awaited = 8;
    assert_true(wait_at_most(all_answered, 200));
    for (size_t i = 0; i < 8; i++)
        assert_answer(i, NNG_OUTCOME_BUSY, "");
    await_answers(8 + PARALLEL);
}

static void a_request_waits_within_its_deadline_for_a_server_that_comes_later(void **state)
{
    (void)state;
    connect_client(PARALLEL);
    ask("hello", DEADLINE_MS);
    wait_ms(300);
    assert_int_equal(answer_count, 0);
    assert_true(serve(4));
    await_answers(1);
    assert_answer(0, NNG_OUTCOME_OK, "hello");
}

static void without_a_server_a_request_ends_at_its_deadline_as_not_sent(void **state)
{
    (void)state;
    connect_client(PARALLEL);
    int64_t before_ms = clock_monotonic_ms();
    ask("later", 400);
    ask("soon", 150);
    await_answers(2);
    assert_answer(0, NNG_OUTCOME_BUSY, "");
    assert_in_range(clock_monotonic_ms() - before_ms, 390, 1500);
}

static void a_server_that_says_nothing_leaves_the_request_uncertain_at_its_deadline(void **state)
{
    (void)state;
    start_both();
    int64_t before_ms = clock_monotonic_ms();
    ask("hold", 200);
    await_answers(1);
    assert_answer(0, NNG_OUTCOME_UNCERTAIN, "");
    assert_in_range(clock_monotonic_ms() - before_ms, 190, 1500);
    assert_int_equal(nng_server_in_progress(server), 1);
    nng_reply(held[0], message_of("too late"));
    ask("next", DEADLINE_MS);
    await_answers(2);
    assert_answer(1, NNG_OUTCOME_OK, "next");
    assert_int_equal(nng_server_in_progress(server), 0);
}

static void a_request_that_is_dropped_by_the_server_frees_its_place_there(void **state)
{
    (void)state;
    start_both();
    for (int i = 0; i < 12; i++)
        ask("forget", 200);
    await_answers(12);
    assert_int_equal(forgotten_count, 12);
    ask("next", DEADLINE_MS);
    await_answers(13);
    assert_answer(12, NNG_OUTCOME_OK, "next");
}

static void requests_beyond_the_servers_places_wait_for_one(void **state)
{
    (void)state;
    start_both();
    for (int i = 0; i < 4; i++)
        ask("hold", DEADLINE_MS);
    ask("next", DEADLINE_MS);
    wait_ms(100);
    assert_int_equal(held_count, 4);
    assert_int_equal(answer_count, 0);
    nng_reply(held[0], message_of("done"));
    await_answers(2);
    for (int i = 1; i < 4; i++)
        nng_reply(held[i], message_of("done"));
    await_answers(5);
}

static void a_message_over_the_bound_reaches_nobody_and_the_next_one_does(void **state)
{
    (void)state;
    nng_msg *msg;
    start_both();
    assert_int_equal(nng_msg_alloc(&msg, MAX_BYTES + 1), 0);
    nng_request(client, msg, 1000, on_reply, NULL);
    await_answers(1);
    assert_answer(0, NNG_OUTCOME_UNCERTAIN, "");
    ask("next", DEADLINE_MS);
    await_answers(2);
    assert_answer(1, NNG_OUTCOME_OK, "next");
}

static void a_second_server_of_the_same_name_is_refused_and_does_no_harm(void **state)
{
    (void)state;
    start_both();
    struct nng_server *second = nng_server_create(bus, waiting_path("ipc://", "s"), 4, MAX_BYTES,
                                                  on_request, NULL, message, sizeof message);
    assert_null(second);
    assert_non_null(strstr(message, "/s.lock"));
    assert_non_null(strstr(message, "runs already"));
    nng_client_destroy(&client);
    connect_client(PARALLEL);
    ask("hello", DEADLINE_MS);
    await_answers(1);
    assert_answer(0, NNG_OUTCOME_OK, "hello");
}

static void a_folder_that_is_not_there_is_told_with_the_mend(void **state)
{
    (void)state;
    assert_null(nng_server_create(bus, waiting_path("ipc://", "none/s"), 4, MAX_BYTES, on_request,
                                  NULL, message, sizeof message));
    assert_non_null(strstr(message, "No such file"));
    assert_non_null(strstr(message, "make its folder"));
}

static void the_socket_is_for_user_and_group_only(void **state)
{
    (void)state;
    struct stat status;
    assert_true(serve(1));
    assert_int_equal(stat(waiting_path("", "s"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0660);
}

static void on_reply_ask_again(void *context, enum nng_outcome outcome, struct text reply)
{
    on_reply(context, outcome, reply);
    if (answer_count < 8)
        nng_request(client, message_of("again"), DEADLINE_MS, on_reply_ask_again, NULL);
}

static void a_client_that_goes_ends_its_requests_even_when_they_ask_again(void **state)
{
    (void)state;
    start_both();
    ask("hold", DEADLINE_MS);
    nng_request(client, message_of("hold"), DEADLINE_MS, on_reply_ask_again, NULL);
    wait_ms(50);
    nng_client_destroy(&client);
    assert_int_equal(answer_count, 8);
    assert_int_equal(answers[0].outcome, NNG_OUTCOME_UNCERTAIN);
    assert_int_equal(answers[1].outcome, NNG_OUTCOME_UNCERTAIN);
    assert_int_equal(answers[7].outcome, NNG_OUTCOME_BUSY);
    nng_reply(held[0], message_of("to nobody"));
    wait_ms(50);
}

static void a_server_may_go_while_it_works_and_while_replies_arrive(void **state)
{
    (void)state;
    start_both();
    ask("hold", 500);
    for (int i = 0; i < 40; i++)
        ask("x", 500);
    wait_ms(2);
    nng_server_destroy(&server);
    await_answers(41);
    assert_answer(40, NNG_OUTCOME_UNCERTAIN, ""); /* the one that was held */
}

/* --- a server that dies --- */

static pid_t start_server(void)
{
    return start_self((const char *const[]){"serve", waiting_path("ipc://", "s"), NULL});
}

static void a_killed_server_leaves_requests_uncertain_at_once_and_is_found_again(void **state)
{
    (void)state;
    pid_t pid = start_server();
    connect_client(PARALLEL);
    wait_until(is_connected);
    for (int i = 0; i < 3; i++)
        ask("forget", DEADLINE_MS);
    wait_ms(50);
    kill_and_reap(&pid);
    int64_t before_ms = clock_monotonic_ms();
    await_answers(3);
    assert_in_range(clock_monotonic_ms() - before_ms, 0, 1000);
    assert_answer(2, NNG_OUTCOME_UNCERTAIN, "");
    ask("hello", DEADLINE_MS);
    wait_ms(100);
    assert_false(nng_client_is_connected(client));
    pid = start_server();
    await_answers(4);
    assert_answer(3, NNG_OUTCOME_OK, "hello");
    kill_and_reap(&pid);
}

static void a_stopped_server_costs_deadlines_and_nothing_else(void **state)
{
    (void)state;
    char long_text
        [2000]; /* together more than the kernel takes in for a process that does not read */
    pid_t pid = start_server();
    connect_client(PARALLEL);
    wait_until(is_connected);
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    kill(pid, SIGSTOP);
    for (size_t round = 1; round <= 8; round++) {
        for (int i = 0; i < PARALLEL; i++)
            ask(long_text, 50);
        await_answers(round * PARALLEL);
    }
    assert_answer(0, NNG_OUTCOME_UNCERTAIN, "");
    assert_answer(8 * PARALLEL - 1, NNG_OUTCOME_UNCERTAIN, "");
    kill(pid, SIGCONT);
    size_t before = answer_count;
    ask("hello", DEADLINE_MS);
    await_answers(before + 1);
    assert_answer(before, NNG_OUTCOME_OK, "hello");
    kill_and_reap(&pid);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0) {
        struct loop *loop = loop_create();
        bus = nng_bus_create(loop);
        server = nng_server_create(bus, argv[2], 4, MAX_BYTES, on_request, NULL, message,
                                   sizeof message);
        loop_run(loop);
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_request_gets_its_reply_after_nng_request_has_returned),
        TEST(each_of_many_requests_at_once_gets_its_own_reply),
        TEST(what_is_above_the_bound_is_refused_as_busy_and_in_order),
        TEST(a_request_waits_within_its_deadline_for_a_server_that_comes_later),
        TEST(without_a_server_a_request_ends_at_its_deadline_as_not_sent),
        TEST(a_server_that_says_nothing_leaves_the_request_uncertain_at_its_deadline),
        TEST(a_request_that_is_dropped_by_the_server_frees_its_place_there),
        TEST(requests_beyond_the_servers_places_wait_for_one),
        TEST(a_message_over_the_bound_reaches_nobody_and_the_next_one_does),
        TEST(a_second_server_of_the_same_name_is_refused_and_does_no_harm),
        TEST(a_folder_that_is_not_there_is_told_with_the_mend),
        TEST(the_socket_is_for_user_and_group_only),
        TEST(a_client_that_goes_ends_its_requests_even_when_they_ask_again),
        TEST(a_server_may_go_while_it_works_and_while_replies_arrive),
        TEST(a_killed_server_leaves_requests_uncertain_at_once_and_is_found_again),
        TEST(a_stopped_server_costs_deadlines_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
