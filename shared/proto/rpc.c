#include "shared/proto/rpc.h"

#include <nng/nng.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define HEADER_BYTES 2
#define MAX_BYTES ((size_t)64 << 20) /* of a request or a reply; each field has a bound of its own */

static struct metric served_total = {.name = "parley_rpc_served_total",
                                     .help = "Internal requests answered.",
                                     .kind = METRIC_COUNTER};
static struct metric malformed_total = {.name = "parley_rpc_malformed_total",
                                        .help = "Internal requests and replies that could not be decoded.",
                                        .kind = METRIC_COUNTER};
static struct metric called_total = {.name = "parley_rpc_called_total",
                                     .help = "Internal requests made.",
                                     .kind = METRIC_COUNTER};
static struct metric failed_total = {.name = "parley_rpc_failed_total",
                                     .help = "Internal requests made that had no answer in time.",
                                     .kind = METRIC_COUNTER};
static struct metric latency = {.name = "parley_rpc_call_seconds",
                                .help = "From an internal request to its answer.",
                                .kind = METRIC_HISTOGRAM};

static void register_metrics(void)
{
    metrics_register(&served_total);
    metrics_register(&malformed_total);
    metrics_register(&called_total);
    metrics_register(&failed_total);
    metrics_register(&latency);
}

static nng_msg *message_of(uint8_t second_byte, const struct codec *codec, const void *message)
{
    /* One scratch for the process: encoding is never nested. */
    static struct buffer scratch;
    nng_msg *msg;
    buffer_clear(&scratch);
    buffer_append(&scratch, (const char[HEADER_BYTES]){RPC_VERSION, (char)second_byte}, HEADER_BYTES);
    if (message != NULL)
        codec_encode(codec, message, &scratch);
    if (nng_msg_alloc(&msg, scratch.length) != 0)
        abort();
    memcpy(nng_msg_body(msg), scratch.data, scratch.length);
    return msg;
}

static void log_malformed(const char *what, const struct codec_error *error)
{
    metric_add(&malformed_total, 1);
    log_warning("malformed_message", LOG_STRING("what", what), LOG_STRING("message", error->message),
                LOG_STRING("field", error->field == NULL ? "" : error->field), LOG_STRING("reason", error->reason));
}

/* --- serving --- */

struct rpc_exchange {
    struct nng_exchange *exchange;
    const struct rpc_method *method;
    struct arena arena;
};

struct rpc_server {
    struct nng_server *server;
    const struct rpc_method *methods;
    size_t method_count;
    void *service;
};

static const struct rpc_method *find_method(const struct rpc_server *server, uint8_t number)
{
    for (size_t i = 0; i < server->method_count; i++)
        if (server->methods[i].number == number)
            return &server->methods[i];
    return NULL;
}

static void answer(struct rpc_exchange *exchange, nng_msg *msg)
{
    nng_reply(exchange->exchange, msg);
    arena_deinit(&exchange->arena);
    mem_free(exchange);
    metric_add(&served_total, 1);
}

void rpc_reply(struct rpc_exchange *exchange, const void *reply)
{
    answer(exchange, message_of(PROBLEM_NONE, exchange->method->reply, reply));
}

void rpc_fail(struct rpc_exchange *exchange, enum problem problem)
{
    answer(exchange, message_of((uint8_t)problem, NULL, NULL));
}

struct arena *rpc_arena(struct rpc_exchange *exchange) { return &exchange->arena; }

static void on_request(void *context, struct nng_exchange *nng_exchange, struct text bytes)
{
    struct rpc_server *server = context;
    struct rpc_exchange *exchange = mem_zalloc(sizeof *exchange);
    struct codec_error error = {"rpc", NULL, "has another version or no known method"};
    exchange->exchange = nng_exchange;
    if (bytes.length >= HEADER_BYTES && bytes.data[0] == RPC_VERSION)
        exchange->method = find_method(server, (uint8_t)bytes.data[1]);
    if (exchange->method == NULL) {
        log_malformed("request", &error);
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    struct text payload = {bytes.data + HEADER_BYTES, bytes.length - HEADER_BYTES};
    void *request = arena_alloc(&exchange->arena, exchange->method->request->size);
    if (!codec_decode(exchange->method->request, payload, &exchange->arena, request, &error)) {
        log_malformed(exchange->method->name, &error);
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    exchange->method->handler(server->service, exchange, request);
}

struct rpc_server *rpc_server_create(struct nng_bus *bus, const char *url, int concurrency,
                                     const struct rpc_method *methods, size_t method_count, void *service,
                                     char *message_out, int message_size)
{
    struct rpc_server *server = mem_zalloc(sizeof *server);
    *server = (struct rpc_server){.methods = methods, .method_count = method_count, .service = service};
    register_metrics();
    server->server =
        nng_server_create(bus, url, concurrency, MAX_BYTES, on_request, server, message_out, message_size);
    if (server->server == NULL) {
        mem_free(server);
        return NULL;
    }
    return server;
}

size_t rpc_server_in_progress(const struct rpc_server *server) { return nng_server_in_progress(server->server); }

void rpc_server_destroy(struct rpc_server **server)
{
    if (*server == NULL)
        return;
    nng_server_destroy(&(*server)->server);
    mem_free(*server);
    *server = NULL;
}

/* --- calling --- */

struct rpc_client {
    struct nng_client *client;
};

struct call {
    const struct rpc_method *method;
    rpc_callback callback;
    void *context;
    int64_t started_us;
};

static void tell(struct call *call, enum rpc_outcome outcome, enum problem problem, const void *reply)
{
    struct rpc_result result = {outcome, problem, reply};
    if (outcome == RPC_UNCERTAIN || outcome == RPC_UNAVAILABLE)
        metric_add(&failed_total, 1);
    metric_observe_us(&latency, clock_monotonic_us() - call->started_us);
    call->callback(call->context, &result);
}

static void tell_reply(struct call *call, struct text bytes)
{
    struct codec_error error = {call->method->name, NULL, "has another version or no known status"};
    struct arena arena = ARENA_EMPTY;
    bool known = bytes.length >= HEADER_BYTES && bytes.data[0] == RPC_VERSION &&
                 (unsigned char)bytes.data[1] < PROBLEM_COUNT;
    enum problem problem = known ? (enum problem)bytes.data[1] : PROBLEM_INTERNAL;
    struct text payload = {bytes.data + HEADER_BYTES, bytes.length - HEADER_BYTES};
    if (known && problem == PROBLEM_NONE) {
        void *reply = arena_alloc(&arena, call->method->reply->size);
        known = codec_decode(call->method->reply, payload, &arena, reply, &error);
        if (known)
            tell(call, RPC_OK, PROBLEM_NONE, reply);
    } else if (known)
        tell(call, problem == PROBLEM_UNAVAILABLE ? RPC_UNAVAILABLE : RPC_REFUSED, problem, NULL);
    if (!known) {
        log_malformed(call->method->name, &error);
        tell(call, RPC_UNCERTAIN, PROBLEM_UNAVAILABLE, NULL);
    }
    arena_deinit(&arena);
}

static void on_reply(void *context, enum nng_outcome outcome, struct text bytes)
{
    struct call *call = context;
    if (outcome == NNG_OUTCOME_OK)
        tell_reply(call, bytes);
    else
        tell(call, outcome == NNG_OUTCOME_BUSY ? RPC_UNAVAILABLE : RPC_UNCERTAIN, PROBLEM_UNAVAILABLE, NULL);
    mem_free(call);
}

void rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *request, int64_t deadline_ms,
              rpc_callback callback, void *context)
{
    struct call *call = mem_alloc(sizeof *call);
    *call = (struct call){method, callback, context, clock_monotonic_us()};
    metric_add(&called_total, 1);
    nng_request(client->client, message_of(method->number, method->request, request), deadline_ms, on_reply, call);
}

struct rpc_client *rpc_client_create(struct nng_bus *bus, const char *url, int max_outstanding)
{
    struct rpc_client *client = mem_zalloc(sizeof *client);
    register_metrics();
    client->client = nng_client_create(bus, url, max_outstanding, MAX_BYTES);
    return client;
}

bool rpc_client_is_connected(const struct rpc_client *client) { return nng_client_is_connected(client->client); }

void rpc_client_destroy(struct rpc_client **client)
{
    if (*client == NULL)
        return;
    nng_client_destroy(&(*client)->client);
    mem_free(*client);
    *client = NULL;
}
