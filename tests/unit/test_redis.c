/* The Redis connection against a real server of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/store/redis.h"
#include "tests/unit/waiting.h"

#define MAX_OUTSTANDING 32
#define MAX_ANSWERS     256
#define DEADLINE_MS     500

static struct loop *loop;
static struct redis *redis;
static pid_t server;
static int connected_count, lost_count;

static struct {
    enum redis_outcome outcome;
    int type;
    long long number;
    char text[64];
    size_t length;
} answers[MAX_ANSWERS];
static size_t answer_count, awaited;

static void on_state(void *context, bool connected)
{
    (void)context;
    connected_count += connected;
    lost_count += !connected;
}

static void on_reply(void *context, enum redis_outcome outcome, const struct redisReply *reply)
{
    (void)context;
    assert_in_range(answer_count, 0, MAX_ANSWERS - 1);
    answers[answer_count].outcome = outcome;
    answers[answer_count].type = reply == NULL ? 0 : reply->type;
    answers[answer_count].number = reply == NULL ? 0 : reply->integer;
    answers[answer_count].length = reply == NULL || reply->str == NULL ? 0 : (size_t)reply->len;
    answers[answer_count].text[0] = '\0';
    if (reply != NULL && reply->str != NULL && (size_t)reply->len < sizeof answers[0].text)
        memcpy(answers[answer_count].text, reply->str, (size_t)reply->len + 1);
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
    return redis_is_connected(redis);
}

static bool is_lost(void)
{
    return !redis_is_connected(redis);
}

static void start_server(void)
{
    const char *const argv[] = {"setpriv",
                                "--pdeathsig=KILL",
                                "redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                waiting_path("", "r"),
                                "--save",
                                "",
                                "--dir",
                                waiting_folder(),
                                NULL};
    extern char **environ;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    assert_int_equal(
        posix_spawnp(&server, argv[0], &actions, NULL, (char **)(uintptr_t)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
}

static void command(redis_callback callback, const char *a, const char *b, const char *c)
{
    struct text words[] = {text_of(a), text_of(b), text_of(c)};
    size_t count = b == NULL ? 1 : c == NULL ? 2 : 3;
    redis_command(redis, words, count, callback, NULL);
}

static void open_redis(const char *address)
{
    struct redis_options options = {
        .address = address, .max_outstanding = MAX_OUTSTANDING, .deadline_ms = DEADLINE_MS};
    redis = redis_create(loop, &options, on_state, NULL);
}

static int set_up(void **state)
{
    (void)state;
    connected_count = lost_count = 0;
    answer_count = 0;
    if (server == 0)
        start_server();
    open_redis(waiting_path("", "r"));
    wait_until(is_connected);
    command(on_reply, "FLUSHALL", NULL, NULL);
    await_answers(1);
    answer_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    redis_destroy(&redis);
    return 0;
}

/* --- commands --- */

static void a_reply_comes_after_redis_command_has_returned(void **state)
{
    (void)state;
    command(on_reply, "SET", "key", "value");
    command(on_reply, "GET", "key", NULL);
    command(on_reply, "GET", "other", NULL);
    assert_int_equal(answer_count, 0);
    assert_int_equal(redis_outstanding(redis), 3);
    await_answers(3);
    assert_int_equal(answers[1].outcome, REDIS_DONE);
    assert_string_equal(answers[1].text, "value");
    assert_int_equal(answers[2].outcome, REDIS_DONE);
    assert_int_equal(answers[2].type, REDIS_REPLY_NIL);
    assert_int_equal(redis_outstanding(redis), 0);
}

static void words_may_hold_any_bytes_or_none(void **state)
{
    (void)state;
    const struct text set[] = {TEXT_LITERAL("SET"), {"k\0\r\n", 4}, {"\0\xff\r\n", 4}};
    const struct text get[] = {TEXT_LITERAL("GET"), {"k\0\r\n", 4}};
    const struct text set_empty[] = {TEXT_LITERAL("SET"), {NULL, 0}, {"", 0}};
    const struct text length[] = {TEXT_LITERAL("STRLEN"), {"", 0}};
    redis_command(redis, set, 3, on_reply, NULL);
    redis_command(redis, get, 2, on_reply, NULL);
    redis_command(redis, set_empty, 3, on_reply, NULL);
    redis_command(redis, length, 2, on_reply, NULL);
    await_answers(4);
    assert_int_equal(answers[1].length, 4);
    assert_memory_equal(answers[1].text, "\0\xff\r\n", 4);
    assert_int_equal(answers[2].outcome, REDIS_DONE);
    assert_int_equal(answers[3].number, 0);
}

static void commands_are_answered_in_their_order(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_OUTSTANDING; i++)
        command(on_reply, "INCR", "n", NULL);
    await_answers(MAX_OUTSTANDING);
    for (int i = 0; i < MAX_OUTSTANDING; i++)
        assert_int_equal(answers[i].number, i + 1);
}

static void an_error_reply_is_a_refusal_and_hurts_no_other(void **state)
{
    (void)state;
    command(on_reply, "SET", "key", "value");
    command(on_reply, "INCR", "key", NULL);
    command(on_reply, "PING", NULL, NULL);
    await_answers(3);
    assert_int_equal(answers[1].outcome, REDIS_REFUSED);
    assert_non_null(strstr(answers[1].text, "not an integer"));
    assert_int_equal(answers[2].outcome, REDIS_DONE);
}

static void above_the_bound_commands_are_refused_as_busy(void **state)
{
    (void)state;
    for (int i = 0; i < MAX_OUTSTANDING + 2; i++)
        command(on_reply, "INCR", "n", NULL);
    assert_int_equal(answer_count, 0);
    await_answers(MAX_OUTSTANDING + 2);
    size_t busy = 0;
    for (size_t i = 0; i < answer_count; i++)
        busy += answers[i].outcome == REDIS_BUSY;
    assert_int_equal(busy, 2);
    command(on_reply, "GET", "n", NULL);
    await_answers(MAX_OUTSTANDING + 3);
    assert_string_equal(answers[MAX_OUTSTANDING + 2].text, "32");
}

static int asked_again;

static void on_reply_ask_again(void *context, enum redis_outcome outcome,
                               const struct redisReply *reply)
{
    on_reply(context, outcome, reply);
    if (++asked_again < 4)
        command(on_reply_ask_again, "PING", NULL, NULL);
}

static void a_callback_may_ask_again(void **state)
{
    (void)state;
    asked_again = 0;
    command(on_reply_ask_again, "PING", NULL, NULL);
    await_answers(4);
    assert_int_equal(answers[3].outcome, REDIS_DONE);
}

/* --- loss --- */

static void a_killed_server_leaves_commands_uncertain_also_when_they_ask_again(void **state)
{
    (void)state;
    asked_again = 0;
    kill(server, SIGSTOP);
    command(on_reply, "INCR", "n", NULL);
    command(on_reply_ask_again, "INCR", "n", NULL);
    command(on_reply, "INCR", "n", NULL);
    wait_ms(50);
    kill_and_reap(&server);
    await_answers(6);
    assert_int_equal(answers[0].outcome, REDIS_UNCERTAIN);
    assert_int_equal(answers[1].outcome, REDIS_UNCERTAIN);
    assert_int_equal(answers[2].outcome, REDIS_UNCERTAIN);
    assert_int_equal(answers[5].outcome, REDIS_UNAVAILABLE);
    assert_int_equal(lost_count, 1);
    wait_ms(300);
    assert_string_not_equal(redis_last_error(redis), "");
    start_server();
    wait_until(is_connected);
    assert_string_equal(redis_last_error(redis), "");
    assert_int_equal(connected_count, 2);
    assert_int_equal(lost_count, 1);
}

static void an_idle_connection_that_is_lost_is_noticed_and_made_again(void **state)
{
    (void)state;
    kill_and_reap(&server);
    wait_until(is_lost);
    command(on_reply, "PING", NULL, NULL);
    assert_int_equal(answer_count, 0);
    await_answers(1);
    assert_int_equal(answers[0].outcome, REDIS_UNAVAILABLE);
    start_server();
    wait_until(is_connected);
}

static void a_server_that_is_silent_is_given_up_at_the_deadline(void **state)
{
    (void)state;
    kill(server, SIGSTOP);
    int64_t before_ms = clock_monotonic_ms();
    command(on_reply, "PING", NULL, NULL);
    await_answers(1);
    assert_int_equal(answers[0].outcome, REDIS_UNCERTAIN);
    assert_in_range(clock_monotonic_ms() - before_ms, DEADLINE_MS - 10, 4 * DEADLINE_MS);
    kill(server, SIGCONT);
    answer_count = 0;
    wait_until(is_connected);
    command(on_reply, "PING", NULL, NULL);
    await_answers(1);
    assert_int_equal(answers[0].outcome, REDIS_DONE);
}

static void a_connection_that_goes_ends_its_commands_before(void **state)
{
    (void)state;
    asked_again = 0;
    command(on_reply, "PING", NULL, NULL);
    command(on_reply_ask_again, "PING", NULL, NULL);
    redis_destroy(&redis);
    assert_int_equal(answer_count, 5);
    assert_int_equal(answers[0].outcome, REDIS_UNCERTAIN);
    assert_int_equal(answers[4].outcome, REDIS_UNAVAILABLE);
    assert_int_equal(lost_count, 0);
}

static void an_address_where_nobody_listens_is_told(void **state)
{
    (void)state;
    redis_destroy(&redis);
    open_redis("127.0.0.1:1");
    wait_ms(200);
    assert_false(redis_is_connected(redis));
    assert_string_equal(redis_last_error(redis), "Connection refused");
    redis_destroy(&redis);
    open_redis(waiting_path("", "none"));
    wait_ms(200);
    assert_string_equal(redis_last_error(redis), "No such file or directory");
    assert_int_equal(lost_count, 0);
}

static int make_folder(void **state)
{
    (void)state;
    log_init("test", LOG_LEVEL_ERROR);
    signal(SIGPIPE, SIG_IGN); /* hiredis writes without MSG_NOSIGNAL */
    loop = waiting_start();
    return 0;
}

static int end_server(void **state)
{
    (void)state;
    kill_and_reap(&server);
    waiting_stop();
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_reply_comes_after_redis_command_has_returned),
        TEST(words_may_hold_any_bytes_or_none),
        TEST(commands_are_answered_in_their_order),
        TEST(an_error_reply_is_a_refusal_and_hurts_no_other),
        TEST(above_the_bound_commands_are_refused_as_busy),
        TEST(a_callback_may_ask_again),
        TEST(a_killed_server_leaves_commands_uncertain_also_when_they_ask_again),
        TEST(an_idle_connection_that_is_lost_is_noticed_and_made_again),
        TEST(a_server_that_is_silent_is_given_up_at_the_deadline),
        TEST(a_connection_that_goes_ends_its_commands_before),
        TEST(an_address_where_nobody_listens_is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, end_server);
}
