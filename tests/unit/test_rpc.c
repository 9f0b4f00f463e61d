/* Typed requests over a real bus; where a peer must misbehave, it speaks on the bus below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <nng/nng.h>
#include <string.h>

#include "shared/base/log.h"
#include "shared/base/metrics.h"
#include "shared/proto/rpc.h"
#include "tests/unit/waiting.h"

#define DEADLINE_MS 5000

/* clang-format off */
#define SHOP_PRICE_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) TEXT(T, name, 8) IDS(T, sizes, 4)
CODEC_DECLARE(shop_price_request, SHOP_PRICE_REQUEST_FIELDS)
CODEC_DEFINE(shop_price_request, SHOP_PRICE_REQUEST_FIELDS)
#define SHOP_PRICE_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, price) TEXT(T, name, 8)
CODEC_DECLARE(shop_price_reply, SHOP_PRICE_REPLY_FIELDS)
CODEC_DEFINE(shop_price_reply, SHOP_PRICE_REPLY_FIELDS)
/* clang-format on */
RPC_DECLARE_METHOD(shop, price)
RPC_DEFINE_METHOD(shop, price, 7)

static struct nng_bus *bus;
static struct rpc_server *server;
static struct rpc_client *client;
static struct nng_client *raw_client;
static struct nng_server *raw_server;
static char message[256];

/* --- the service: what it does follows from the name that is asked for --- */

static struct rpc_exchange *held;
static const struct shop_price_request *held_request;
static int64_t handled_count;

static void on_price(void *service, struct rpc_exchange *exchange, const void *request_in)
{
    const struct shop_price_request *request = request_in;
    assert_ptr_equal(service, &handled_count);
    handled_count++;
    struct shop_price_reply reply = {.price = request->sizes_count > 0 ? request->sizes[0] : 0,
                                     .name = request->name};
    if (text_is(request->name, "hold")) {
        held = exchange;
        held_request = request;
    } else if (text_is(request->name, "none"))
        rpc_fail(exchange, PROBLEM_NOT_FOUND);
    else if (text_is(request->name, "away"))
        rpc_fail(exchange, PROBLEM_UNAVAILABLE);
    else
        rpc_reply(exchange, &reply);
}

static const struct rpc_method methods[] = {RPC_SERVE(shop, price, 7, on_price)};

static bool serve(void)
{
    server = rpc_server_create(bus, waiting_path("ipc://", "s"), 4, methods, 1, &handled_count,
                               message, sizeof message);
    return server != NULL;
}

/* --- the caller --- */

static struct {
    int count;
    enum rpc_outcome outcome;
    enum problem problem;
    int64_t price;
    char name[9];
} answer;

static void on_answer(void *context, const struct rpc_result *result)
{
    (void)context;
    answer.count++;
    answer.outcome = result->outcome;
    answer.problem = result->problem;
    assert_int_equal(result->reply != NULL, result->outcome == RPC_OK);
    if (result->reply == NULL)
        return;
    const struct shop_price_reply *reply = result->reply;
    answer.price = reply->price;
    memcpy(answer.name, reply->name.data, reply->name.length);
}

static bool is_answered(void)
{
    return answer.count > 0;
}

static void call(const char *name, int64_t deadline_ms)
{
    int64_t sizes[] = {42};
    struct shop_price_request request = {.name = text_of(name), .sizes = sizes, .sizes_count = 1};
    memset(&answer, 0, sizeof answer);
    shop_client_price(client, &request, deadline_ms, on_answer, NULL);
    assert_int_equal(answer.count, 0);
}

static void call_and_wait(const char *name, enum rpc_outcome outcome, enum problem problem)
{
    call(name, DEADLINE_MS);
    wait_until(is_answered);
    assert_int_equal(answer.outcome, outcome);
    assert_int_equal(answer.problem, problem);
}

static int set_up(void **state)
{
    (void)state;
    log_init("test", (enum log_level)(LOG_LEVEL_ERROR + 1)); /* errors are expected here */
    handled_count = 0;
    held = NULL;
    bus = nng_bus_create(waiting_start());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rpc_client_destroy(&client);
    nng_client_destroy(&raw_client);
    rpc_server_destroy(&server);
    nng_server_destroy(&raw_server);
    nng_bus_destroy(&bus);
    waiting_stop();
    return 0;
}

static void start_both(void)
{
    assert_true(serve());
    client = rpc_client_create(bus, waiting_path("ipc://", "s"), 8);
}

/* --- calls --- */

static void a_call_brings_the_request_there_and_the_reply_back(void **state)
{
    (void)state;
    start_both();
    call_and_wait("wheel", RPC_OK, PROBLEM_NONE);
    assert_int_equal(answer.price, 42);
    assert_string_equal(answer.name, "wheel");
    assert_int_equal(handled_count, 1);
}

static void a_problem_of_the_service_is_a_refusal(void **state)
{
    (void)state;
    start_both();
    call_and_wait("none", RPC_REFUSED, PROBLEM_NOT_FOUND);
}

static void a_service_that_says_unavailable_is_unavailable(void **state)
{
    (void)state;
    start_both();
    call_and_wait("away", RPC_UNAVAILABLE, PROBLEM_UNAVAILABLE);
}

static void a_service_that_is_not_there_is_unavailable_at_the_deadline(void **state)
{
    (void)state;
    client = rpc_client_create(bus, waiting_path("ipc://", "s"), 8);
    call("wheel", 150);
    wait_until(is_answered);
    assert_int_equal(answer.outcome, RPC_UNAVAILABLE);
    assert_false(rpc_client_is_connected(client));
}

static void no_answer_in_time_is_uncertain_and_the_request_lives_until_the_answer(void **state)
{
    (void)state;
    start_both();
    call("hold", 200);
    wait_until(is_answered);
    assert_int_equal(answer.outcome, RPC_UNCERTAIN);
    assert_int_equal(rpc_server_in_progress(server), 1);
    assert_true(text_is(held_request->name, "hold"));
    assert_int_equal(held_request->sizes[0], 42);
    assert_non_null(arena_alloc(rpc_arena(held), 100));
    rpc_reply(held, &(struct shop_price_reply){.name = held_request->name});
    assert_int_equal(rpc_server_in_progress(server), 0);
    call_and_wait("wheel", RPC_OK, PROBLEM_NONE);
}

static void a_server_that_goes_frees_what_was_not_answered(void **state)
{
    (void)state;
    start_both();
    call("hold", 200);
    wait_ms(50);
    assert_non_null(held);
    rpc_server_destroy(&server);
    wait_until(is_answered);
    assert_int_equal(answer.outcome, RPC_UNCERTAIN);
}

/* --- peers that misbehave --- */

static enum nng_outcome raw_outcome;
static char raw_reply[8];
static size_t raw_reply_length;
static bool raw_answered;

static void on_raw_reply(void *context, enum nng_outcome outcome, struct text reply)
{
    (void)context;
    raw_outcome = outcome;
    raw_reply_length = reply.length;
    if (reply.length > 0 && reply.length <= sizeof raw_reply)
        memcpy(raw_reply, reply.data, reply.length);
    raw_answered = true;
}

static bool is_raw_answered(void)
{
    return raw_answered;
}

static nng_msg *raw_message(const void *bytes, size_t length)
{
    nng_msg *msg;
    assert_int_equal(nng_msg_alloc(&msg, length), 0);
    if (length > 0)
        memcpy(nng_msg_body(msg), bytes, length);
    return msg;
}

static void malformed_requests_are_bad_requests_and_reach_no_handler(void **state)
{
    (void)state;
    static const struct text cases[] = {
        {"", 0},
        {"\x01", 1},
        {"\x02\x07\0\0", 4},  /* another version */
        {"\x01\x08\0\0", 4},  /* another method */
        {"\x01\x07", 2},      /* cut off */
        {"\x01\x07\0\0x", 5}, /* too long */
        {"\x01\x07\x0a"
         "123456789",
         12} /* a name over its bound */
    };
    start_both();
    raw_client = nng_client_create(bus, waiting_path("ipc://", "s"), 1, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        raw_answered = false;
        nng_request(raw_client, raw_message(cases[i].data, cases[i].length), DEADLINE_MS,
                    on_raw_reply, NULL);
        wait_until(is_raw_answered);
        assert_int_equal(raw_outcome, NNG_OUTCOME_OK);
        assert_int_equal(raw_reply_length, 2);
        assert_memory_equal(raw_reply, ((const char[]){RPC_VERSION, PROBLEM_BAD_REQUEST}), 2);
    }
    assert_int_equal(handled_count, 0);
    assert_int_equal(rpc_server_in_progress(server), 0);
    call_and_wait("wheel", RPC_OK, PROBLEM_NONE);
}

static struct text raw_answer;

static void on_raw_request(void *context, struct nng_exchange *exchange, struct text request)
{
    (void)context;
    (void)request;
    nng_reply(exchange, raw_message(raw_answer.data, raw_answer.length));
}

static void replies_that_are_not_understood_are_uncertain(void **state)
{
    (void)state;
    static const struct text cases[] = {{"", 0},         {"\x01", 1},   {"\x02\0\2\0", 4},
                                        {"\x01\xff", 2}, {"\x01\0", 2}, {"\x01\0\2\0x", 5}};
    raw_server = nng_server_create(bus, waiting_path("ipc://", "s"), 1, 4096, on_raw_request, NULL,
                                   message, sizeof message);
    client = rpc_client_create(bus, waiting_path("ipc://", "s"), 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        raw_answer = cases[i];
        call_and_wait("wheel", RPC_UNCERTAIN, PROBLEM_UNAVAILABLE);
    }
    raw_answer = (struct text){"\x01\0\x54\x02x", 5};
    call_and_wait("wheel", RPC_OK, PROBLEM_NONE);
    assert_int_equal(answer.price, 42);
}

static void both_sides_measure_each_method(void **state)
{
    (void)state;
    struct buffer metrics = BUFFER_EMPTY;
    start_both();
    call_and_wait("none", RPC_REFUSED, PROBLEM_NOT_FOUND);
    metrics_render(&metrics);
    buffer_append(&metrics, "", 1);
    assert_non_null(strstr(metrics.data, "parley_rpc_serve_seconds_count{method=\"shop.price\"}"));
    assert_non_null(strstr(metrics.data, "parley_rpc_serve_failed_total{method=\"shop.price\"}"));
    assert_non_null(strstr(metrics.data, "parley_rpc_call_seconds_count{method=\"shop.price\"}"));
    assert_non_null(strstr(metrics.data, "parley_rpc_call_failed_total{method=\"shop.price\"}"));
    buffer_deinit(&metrics);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(a_call_brings_the_request_there_and_the_reply_back),
        TEST(a_problem_of_the_service_is_a_refusal),
        TEST(a_service_that_says_unavailable_is_unavailable),
        TEST(a_service_that_is_not_there_is_unavailable_at_the_deadline),
        TEST(no_answer_in_time_is_uncertain_and_the_request_lives_until_the_answer),
        TEST(a_server_that_goes_frees_what_was_not_answered),
        TEST(malformed_requests_are_bad_requests_and_reach_no_handler),
        TEST(replies_that_are_not_understood_are_uncertain),
        TEST(both_sides_measure_each_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
