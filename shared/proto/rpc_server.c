/* Serving. An exchange lives from the request's arrival to its one answer; all that are open are on a list, so that none
 * is left when the server goes. */
#include <assert.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/proto/rpc_internal.h"

struct rpc_exchange {
    struct rpc_server *server;
    struct nng_exchange *nng;
    size_t row; /* of the method in the server's table */
    struct arena arena;
    int64_t arrived_at_us;
    struct rpc_exchange *next, **link;
};

struct rpc_server {
    struct nng_server *nng;
    const struct rpc_method *methods;
    struct rpc_meter **meters; /* one a method */
    size_t method_count;
    void *service;
    struct rpc_exchange *open;
};

static void close_exchange(struct rpc_exchange *exchange)
{
    *exchange->link = exchange->next;
    if (exchange->next != NULL)
        exchange->next->link = exchange->link;
    arena_deinit(&exchange->arena);
    mem_free(exchange);
}

static void answer(struct rpc_exchange *exchange, nng_msg *msg, bool failed)
{
    struct rpc_meter *meter = exchange->server->meters[exchange->row];
    nng_reply(exchange->nng, msg);
    metric_observe_us(&meter->seconds, clock_monotonic_us() - exchange->arrived_at_us);
    metric_add(&meter->failed, failed);
    close_exchange(exchange);
}

void rpc_reply(struct rpc_exchange *exchange, const void *reply)
{
    const struct rpc_method *method = &exchange->server->methods[exchange->row];
    nng_msg *msg = rpc_message_encode(PROBLEM_NONE, method->reply, reply);
    if (msg == NULL) {
        log_error("reply_too_large", LOG_STRING("method", method->name),
                  LOG_NUMBER("max_bytes", RPC_MAX_BYTES));
        rpc_fail(exchange, PROBLEM_TOO_LARGE);
        return;
    }
    answer(exchange, msg, false);
}

void rpc_fail(struct rpc_exchange *exchange, enum problem problem)
{
    assert(problem != PROBLEM_NONE);
    answer(exchange, rpc_message_encode((uint8_t)problem, NULL, NULL), true);
}

struct arena *rpc_arena(struct rpc_exchange *exchange)
{
    return &exchange->arena;
}

/* --- requests --- */

static bool find_method(const struct rpc_server *server, uint8_t number, size_t *row_out)
{
    for (size_t i = 0; i < server->method_count; i++)
        if (server->methods[i].number == number) {
            *row_out = i;
            return true;
        }
    return false;
}

static struct rpc_exchange *open_exchange(struct rpc_server *server, struct nng_exchange *nng,
                                          size_t row)
{
    struct rpc_exchange *exchange = mem_zalloc(sizeof *exchange);
    exchange->server = server;
    exchange->nng = nng;
    exchange->row = row;
    exchange->arrived_at_us = clock_monotonic_us();
    exchange->link = &server->open;
    exchange->next = server->open;
    if (exchange->next != NULL)
        exchange->next->link = &exchange->next;
    server->open = exchange;
    return exchange;
}

static void on_request(void *context, struct nng_exchange *nng, struct text bytes)
{
    struct rpc_server *server = context;
    struct codec_error error = {"request", NULL, "has another version or no known method"};
    struct text payload;
    uint8_t number;
    size_t row;
    if (!rpc_message_open(bytes, &number, &payload) || !find_method(server, number, &row)) {
        rpc_log_malformed(LOG_LEVEL_WARNING, "malformed_request", "unknown", &error);
        nng_reply(nng, rpc_message_encode(PROBLEM_BAD_REQUEST, NULL, NULL));
        return;
    }
    const struct rpc_method *method = &server->methods[row];
    struct rpc_exchange *exchange = open_exchange(server, nng, row);
    void *request = arena_alloc(&exchange->arena, method->request->size);
    if (!codec_decode(method->request, payload, &exchange->arena, request, &error)) {
        rpc_log_malformed(LOG_LEVEL_WARNING, "malformed_request", method->name, &error);
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    method->handler(server->service, exchange, request);
}

/* --- life --- */

struct rpc_server *rpc_server_create(struct nng_bus *bus, const char *url, int concurrency,
                                     const struct rpc_method *methods, size_t method_count,
                                     void *service, char *message_out, int message_size)
{
    struct rpc_server *server = mem_zalloc(sizeof *server);
    *server =
        (struct rpc_server){.methods = methods, .method_count = method_count, .service = service};
    server->meters = mem_array(method_count, sizeof(struct rpc_meter *));
    for (size_t i = 0; i < method_count; i++)
        server->meters[i] = rpc_meter_of_serving(methods[i].name);
    server->nng = nng_server_create(bus, url, concurrency, RPC_MAX_BYTES, on_request, server,
                                    message_out, message_size);
    if (server->nng == NULL) {
        mem_free(server->meters);
        mem_free(server);
        return NULL;
    }
    return server;
}

size_t rpc_server_in_progress(const struct rpc_server *server)
{
    return nng_server_in_progress(server->nng);
}

void rpc_server_destroy(struct rpc_server **server)
{
    if (*server == NULL)
        return;
    nng_server_destroy(&(*server)->nng);
    while ((*server)->open != NULL)
        close_exchange((*server)->open);
    mem_free((*server)->meters);
    mem_free(*server);
    *server = NULL;
}
