/* The replying side: a fixed number of REP contexts, each going round receiving → working → sending. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/net/nng_bus_internal.h"

#define SEND_DEADLINE_MS 2000

enum exchange_state { EXCHANGE_RECEIVING, EXCHANGE_WORKING, EXCHANGE_SENDING };

struct nng_exchange {
    struct nng_server *server;
    enum exchange_state state;
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *request;
    struct nng_completion completion;
};

struct nng_server {
    nng_socket socket;
    struct nng_guarded_listener *listener;
    nng_on_request on_request;
    void *context;
    size_t in_progress;
    int exchange_count;
    struct nng_exchange exchanges[];
};

static void receive(struct nng_exchange *exchange)
{
    exchange->state = EXCHANGE_RECEIVING;
    nng_aio_set_timeout(exchange->aio, NNG_DURATION_INFINITE);
    NNG_GIVES(&exchange->completion);
    nng_ctx_recv(exchange->ctx, exchange->aio);
}

static void on_received(struct nng_exchange *exchange)
{
    if (nng_aio_result(exchange->aio) != 0) {
        if (nng_aio_result(exchange->aio) != NNG_ECLOSED)
            receive(exchange);
        return;
    }
    exchange->request = nng_aio_get_msg(exchange->aio);
    nng_aio_set_msg(exchange->aio, NULL);
    exchange->state = EXCHANGE_WORKING;
    exchange->server->in_progress++;
    struct text request = {nng_msg_body(exchange->request), nng_msg_len(exchange->request)};
    exchange->server->on_request(exchange->server->context, exchange, request);
}

static void on_done(void *context)
{
    struct nng_exchange *exchange = context;
    if (exchange->state == EXCHANGE_RECEIVING) {
        on_received(exchange);
        return;
    }
    if (nng_aio_result(exchange->aio) != 0) /* a failed send leaves the message with the aio */
        nng_msg_free(nng_aio_get_msg(exchange->aio));
    receive(exchange);
}

void nng_reply(struct nng_exchange *exchange, nng_msg *msg)
{
    nng_msg_free(exchange->request);
    exchange->request = NULL;
    exchange->server->in_progress--;
    if (msg == NULL) {
        receive(exchange); /* REP forgets the request when it is asked for the next */
        return;
    }
    exchange->state = EXCHANGE_SENDING;
    nng_aio_set_timeout(exchange->aio, SEND_DEADLINE_MS);
    nng_aio_set_msg(exchange->aio, msg);
    NNG_GIVES(&exchange->completion);
    nng_ctx_send(exchange->ctx, exchange->aio);
}

size_t nng_server_in_progress(const struct nng_server *server)
{
    return server->in_progress;
}

static void start_exchange(struct nng_bus *bus, struct nng_server *server,
                           struct nng_exchange *exchange)
{
    exchange->server = server;
    exchange->completion =
        (struct nng_completion){.bus = bus, .on_done = on_done, .context = exchange};
    if (nng_ctx_open(&exchange->ctx, server->socket) != 0 ||
        nng_aio_alloc(&exchange->aio, nng_completion_tell, &exchange->completion) != 0)
        abort();
    receive(exchange);
}

struct nng_server *nng_server_create(struct nng_bus *bus, const char *url, int concurrency,
                                     size_t max_bytes, nng_on_request on_request, void *context,
                                     char *message_out, int message_size)
{
    struct nng_server *server =
        mem_zalloc(sizeof *server + (size_t)concurrency * sizeof server->exchanges[0]);
    server->on_request = on_request;
    server->context = context;
    int error = nng_rep0_open(&server->socket);
    if (error != 0) {
        snprintf(message_out, (size_t)message_size, "cannot open a socket for %s: %s", url,
                 nng_strerror(error));
        mem_free(server);
        return NULL;
    }
    nng_socket_set_size(server->socket, NNG_OPT_RECVMAXSZ, max_bytes);
    server->listener =
        nng_guarded_listener_create(bus, server->socket, url, message_out, message_size);
    if (server->listener == NULL) {
        nng_close(server->socket);
        mem_free(server);
        return NULL;
    }
    server->exchange_count = concurrency;
    for (int i = 0; i < concurrency; i++)
        start_exchange(bus, server, &server->exchanges[i]);
    return server;
}

void nng_server_destroy(struct nng_server **server)
{
    if (*server == NULL)
        return;
    nng_guarded_listener_destroy(&(*server)->listener);
    for (int i = 0; i < (*server)->exchange_count; i++) {
        struct nng_exchange *exchange = &(*server)->exchanges[i];
        nng_aio_stop(exchange->aio);
        nng_completion_cancel(&exchange->completion);
        if (exchange->state == EXCHANGE_RECEIVING && nng_aio_result(exchange->aio) == 0 &&
            nng_aio_get_msg(exchange->aio) != NULL)
            nng_msg_free(nng_aio_get_msg(exchange->aio)); /* arrived, and never looked at */
        if (exchange->state == EXCHANGE_SENDING && nng_aio_result(exchange->aio) != 0)
            nng_msg_free(nng_aio_get_msg(exchange->aio));
        if (exchange->request != NULL)
            nng_msg_free(exchange->request);
        nng_ctx_close(exchange->ctx);
        nng_aio_free(exchange->aio);
    }
    nng_close((*server)->socket);
    mem_free(*server);
    *server = NULL;
}
