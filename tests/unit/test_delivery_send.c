/* Messages, and what is done to messages, on their way to the log: against a chat that answers what the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_send.h"
#include "services/delivery/delivery_ws.h"
#include "tests/unit/waiting.h"

#define MOST 64

/* --- the rest of the daemon --- */

static struct {
    struct delivery_service service;
    struct device device;
    struct connection connection;
    rpc_callback callback; /* of the request in flight; NULL: none is */
    void *context;
    size_t requests, count; /* all of them; items of the last */
    struct chat_message items[MOST];
    char client_ids[MOST][64], bodies[MOST][64];
    char told[4096];
    int holds;
} world;

static void tell(const char *format, ...)
{
    va_list arguments;
    size_t length = strlen(world.told);
    va_start(arguments, format);
    vsnprintf(world.told + length, sizeof world.told - length, format, arguments);
    va_end(arguments);
}

void delivery_ws_hold(struct connection *connection)
{
    (void)connection;
    world.holds++;
}

void delivery_ws_let_go(struct delivery_ws *ws, struct connection *connection)
{
    (void)ws, (void)connection;
    world.holds--;
}

void delivery_frames_ok_send(struct connection *connection, struct text id, int64_t chat_id,
                             int64_t seq, int64_t at_ms)
{
    (void)connection;
    assert_true(chat_id == 7 && at_ms == 1000 + seq);
    tell("ok %.*s %d;", TEXT_PRINT(id), (int)seq);
}

void delivery_frames_error(struct connection *connection, struct text id, enum problem problem,
                           const char *detail, int64_t retry_after_s)
{
    (void)connection, (void)retry_after_s;
    tell("error %.*s %s %s;", TEXT_PRINT(id), problem_info(problem)->code,
         detail != NULL ? detail : "-");
}

void chat_client_append(struct rpc_client *client, const struct chat_append_request *request,
                        int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)deadline_ms;
    assert_null(world.callback);
    assert_in_range(request->messages_count, 1, MOST);
    world.callback = callback;
    world.context = context;
    world.count = request->messages_count;
    world.requests++;
    for (size_t i = 0; i < world.count; i++) {
        world.items[i] = request->messages[i];
        snprintf(world.client_ids[i], sizeof world.client_ids[i], "%.*s",
                 TEXT_PRINT(request->messages[i].client_id));
        snprintf(world.bodies[i], sizeof world.bodies[i], "%.*s",
                 TEXT_PRINT(request->messages[i].body));
    }
}

static void answer(const struct rpc_result *result)
{
    rpc_callback callback = world.callback;
    world.callback = NULL;
    callback(world.context, result);
}

/* The request in flight: seqs count up from 1; the items with these problems fail, PROBLEM_NONE is success. */
static void answer_each(const enum problem *problems)
{
    struct chat_append_result results[MOST] = {{0}};
    for (size_t i = 0; i < world.count; i++)
        results[i] = (struct chat_append_result){problems == NULL ? PROBLEM_NONE : problems[i],
                                                 (int64_t)i + 1, 1001 + (int64_t)i, 0};
    struct chat_append_reply reply = {.results = results, .results_count = world.count};
    answer(&(struct rpc_result){RPC_OK, PROBLEM_NONE, &reply});
}

static bool is_asked(void)
{
    return world.callback != NULL;
}

static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    limits.sends_per_second = limits.sends_burst = 1000;
    limits.max_sends_in_flight = 100;
    delivery_settings.max_queued_sends = 100;
    delivery_settings.send_deadline_ms = 60000;
    world.service.loop = waiting_start();
    world.service.sends = delivery_sends_create(&world.service);
    world.connection.device = &world.device;
    world.connection.user_id = 5;
    return 0;
}

static int end(void **state)
{
    (void)state;
    delivery_sends_destroy(&world.service.sends);
    assert_int_equal(world.holds, 0);
    waiting_stop();
    return 0;
}

/* --- what the tests say --- */

static void say(enum chat_event_type type, int64_t target, const char *id, const char *body)
{
    struct delivery_submission submission = {
        .type = type, .chat_id = 7, .target = target, .id = text_of(id), .body = text_of(body)};
    if (type == CHAT_EVENT_MESSAGE)
        submission.client_id = text_of(id);
    delivery_send(world.service.sends, &world.connection, &submission);
}

static void what_one_connection_does_stays_in_its_order_in_one_request(void **state)
{
    (void)state;
    say(CHAT_EVENT_MESSAGE, 0, "a", "first");
    say(CHAT_EVENT_EDIT, 3, "b", "second");
    say(CHAT_EVENT_DELETE, 3, "c", "");
    say(CHAT_EVENT_REACTION, 2, "d", "");
    say(CHAT_EVENT_MESSAGE, 2, "e", "last");
    wait_until(is_asked);
    const int64_t types[] = {CHAT_EVENT_MESSAGE, CHAT_EVENT_EDIT, CHAT_EVENT_DELETE,
                             CHAT_EVENT_REACTION, CHAT_EVENT_MESSAGE};
    const int64_t targets[] = {0, 3, 3, 2, 2};
    assert_int_equal(world.count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(world.items[i].type, types[i]);
        assert_int_equal(world.items[i].target, targets[i]);
        assert_int_equal(world.items[i].sender_id, 5);
    }
    assert_string_equal(world.bodies[1], "second");
    answer_each(NULL);
    assert_string_equal(world.told, "ok a 1;ok b 2;ok c 3;ok d 4;ok e 5;");
}

static void what_is_done_to_a_message_has_a_random_client_id_that_it_keeps(void **state)
{
    (void)state;
    char first[64], second[64];
    say(CHAT_EVENT_EDIT, 1, "a", "x");
    say(CHAT_EVENT_EDIT, 1, "b", "x");
    wait_until(is_asked);
    assert_int_equal(strlen(world.client_ids[0]), 32);
    assert_int_equal(strspn(world.client_ids[0], "0123456789abcdef"), 32);
    assert_string_not_equal(world.client_ids[0], world.client_ids[1]);
    strcpy(first, world.client_ids[0]);
    strcpy(second, world.client_ids[1]);
    answer(&(struct rpc_result){RPC_UNCERTAIN, PROBLEM_UNAVAILABLE, NULL});
    wait_until(is_asked);
    assert_string_equal(world.client_ids[0], first);
    assert_string_equal(world.client_ids[1], second);
    answer_each(NULL);
}

static void without_an_id_there_is_no_ok_but_errors_are_told(void **state)
{
    (void)state;
    const enum problem problems[] = {PROBLEM_NONE, PROBLEM_FORBIDDEN};
    say(CHAT_EVENT_DELETE, 1, NULL, "");
    say(CHAT_EVENT_DELETE, 2, NULL, "");
    wait_until(is_asked);
    answer_each(problems);
    assert_string_equal(world.told,
                        "error  forbidden Only who sent a message and admins delete it.;");
}

static void one_that_is_refused_takes_no_other_with_it(void **state)
{
    (void)state;
    const enum problem problems[] = {PROBLEM_NONE, PROBLEM_CONFLICT, PROBLEM_NONE,
                                     PROBLEM_NOT_FOUND};
    say(CHAT_EVENT_MESSAGE, 0, "a", "x");
    say(CHAT_EVENT_EDIT, 1, "b", "x");
    say(CHAT_EVENT_REACTION, 1, "c", "");
    say(CHAT_EVENT_REACTION, 9, "d", "");
    wait_until(is_asked);
    answer_each(problems);
    assert_string_equal(
        world.told, "ok a 1;error b conflict The message was deleted.;ok c 3;error d not_found -;");
}

/* What chat's decoder or checks refuse is refused with the whole request. */
static void a_request_that_is_refused_is_halved_until_the_one_to_blame_is_alone(void **state)
{
    (void)state;
    static const char *const bodies[] = {"0", "1", "bad", "3", "4", "5"};
    char id[2] = "0";
    for (int i = 0; i < 6; i++, id[0]++)
        say(CHAT_EVENT_MESSAGE, 0, id, bodies[i]);
    size_t answered = 0;
    while (!delivery_sends_are_empty(world.service.sends)) {
        wait_until(is_asked);
        assert_in_range(world.requests, 1, 20);
        bool is_bad = false;
        for (size_t i = 0; i < world.count; i++) {
            assert_string_equal(world.bodies[i], bodies[answered + i]);
            is_bad = is_bad || strcmp(world.bodies[i], "bad") == 0;
        }
        if (!is_bad || world.count == 1)
            answered += world.count;
        if (is_bad)
            answer(&(struct rpc_result){RPC_REFUSED, PROBLEM_BAD_REQUEST, NULL});
        else
            answer_each(NULL);
    }
    assert_int_equal(answered, 6);
    assert_non_null(strstr(world.told, "error 2 bad_request"));
    for (const char *each = "01345"; *each != '\0'; each++) {
        char ok[8];
        snprintf(ok, sizeof ok, "ok %c ", *each);
        assert_non_null(strstr(world.told, ok));
    }
}

static void the_token_bucket_and_the_bound_in_flight_hold_for_all_together(void **state)
{
    (void)state;
    limits.max_sends_in_flight = 3;
    say(CHAT_EVENT_MESSAGE, 0, "a", "x");
    say(CHAT_EVENT_EDIT, 1, "b", "x");
    say(CHAT_EVENT_REACTION, 1, "c", "");
    say(CHAT_EVENT_DELETE, 1, "d", "");
    assert_string_equal(world.told, "error d rate_limited You are sending too fast.;");
    wait_until(is_asked);
    answer_each(NULL);
    limits.sends_per_second = 1;
    limits.sends_burst = 2;
    world.device.sends_full_us = 0;
    world.told[0] = '\0';
    for (const char *id = "e\0f\0g\0"; *id != '\0'; id += 2)
        say(CHAT_EVENT_DELETE, 1, id, "");
    assert_string_equal(world.told, "error g rate_limited You are sending too fast.;");
    wait_until(is_asked);
    answer_each(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_one_connection_does_stays_in_its_order_in_one_request),
        TEST(what_is_done_to_a_message_has_a_random_client_id_that_it_keeps),
        TEST(without_an_id_there_is_no_ok_but_errors_are_told),
        TEST(one_that_is_refused_takes_no_other_with_it),
        TEST(a_request_that_is_refused_is_halved_until_the_one_to_blame_is_alone),
        TEST(the_token_bucket_and_the_bound_in_flight_hold_for_all_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
