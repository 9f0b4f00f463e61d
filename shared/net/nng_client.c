/* The asking side. While there is no connection, requests wait here and not in nng: cancelling a REQ send is where 1.5.2
 * leaks and sometimes crashes (upstream #1702, #1713), and so we know which were never sent. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/net/nng_bus_internal.h"

#define SWEEP_MS 20

enum request_state { REQUEST_WAITING, REQUEST_SENDING, REQUEST_RECEIVING, REQUEST_ENDED };

struct request {
    struct nng_client *client;
    enum request_state state;
    enum nng_outcome outcome;      /* once ended without a reply */
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *msg;
    int64_t deadline_ms;
    nng_on_reply on_reply;
    void *context;
    struct nng_completion completion;
    struct request *next;          /* on one of the client's lists */
    struct request *all;           /* every one that was ever made: they are reused */
};

struct nng_client {
    struct nng_bus *bus;
    nng_socket socket;
    int max_outstanding, outstanding;
    atomic_int pipes;              /* moved on nng's threads */
    struct nng_completion pipe_news;
    struct request *idle;
    struct request *all;
    struct request *waiting, **waiting_last; /* for a connection, in order */
    struct request *ended;         /* to be told at the end of the turn */
    struct loop_deferred *tell_ended;
    struct loop_timer *sweep;
};

bool nng_client_is_connected(const struct nng_client *client)
{
    return atomic_load(&((struct nng_client *)client)->pipes) > 0;
}

/* Gives the request back before it calls, so that the callback may ask again. */
static void finish(struct request *request, enum nng_outcome outcome, nng_msg *reply)
{
    struct nng_client *client = request->client;
    nng_on_reply on_reply = request->on_reply;
    void *context = request->context;
    struct text bytes = TEXT_NONE;
    if (reply != NULL)
        bytes = (struct text){nng_msg_body(reply), nng_msg_len(reply)};
    request->state = REQUEST_ENDED;
    request->next = client->idle;
    client->idle = request;
    client->outstanding--;
    on_reply(context, outcome, bytes);
    if (reply != NULL)
        nng_msg_free(reply);
}

static void on_tell_ended(void *context)
{
    struct nng_client *client = context;
    while (client->ended != NULL) {
        struct request *request = client->ended;
        client->ended = request->next;
        finish(request, request->outcome, NULL);
    }
}

static void end_later(struct request *request, enum nng_outcome outcome)
{
    struct nng_client *client = request->client;
    request->state = REQUEST_ENDED;
    request->outcome = outcome;
    if (request->msg != NULL)
        nng_msg_free(request->msg);
    request->msg = NULL;
    request->next = client->ended;
    client->ended = request;
    loop_deferred_request(client->tell_ended);
}

static nng_duration time_left(const struct request *request)
{
    int64_t left_ms = request->deadline_ms - clock_monotonic_ms();
    return left_ms < 1 ? 1 : (nng_duration)left_ms;
}

static void send_now(struct request *request)
{
    request->state = REQUEST_SENDING;
    nng_aio_set_timeout(request->aio, time_left(request));
    nng_aio_set_msg(request->aio, request->msg);
    request->msg = NULL;
    nng_ctx_send(request->ctx, request->aio);
}

static void on_done(void *context)
{
    struct request *request = context;
    int error = nng_aio_result(request->aio);
    if (request->state == REQUEST_SENDING && error == 0) {
        request->state = REQUEST_RECEIVING;
        nng_aio_set_timeout(request->aio, time_left(request));
        nng_ctx_recv(request->ctx, request->aio);
        return;
    }
    if (request->state == REQUEST_SENDING) /* a failed send leaves the message with the aio */
        nng_msg_free(nng_aio_get_msg(request->aio));
    nng_msg *reply = request->state == REQUEST_RECEIVING && error == 0 ? nng_aio_get_msg(request->aio) : NULL;
    finish(request, reply != NULL ? NNG_OUTCOME_OK : NNG_OUTCOME_UNCERTAIN, reply);
}

static struct request *make_request(struct nng_client *client)
{
    struct request *request = mem_zalloc(sizeof *request);
    request->client = client;
    request->completion = (struct nng_completion){.bus = client->bus, .on_done = on_done, .context = request};
    if (nng_ctx_open(&request->ctx, client->socket) != 0 ||
        nng_aio_alloc(&request->aio, nng_completion_tell, &request->completion) != 0)
        abort();
    nng_ctx_set_ms(request->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    request->all = client->all;
    client->all = request;
    return request;
}

static struct request *take_idle(struct nng_client *client)
{
    struct request *request = client->idle;
    if (request == NULL)
        return make_request(client);
    client->idle = request->next;
    return request;
}

static void wait_for_connection(struct nng_client *client, struct request *request)
{
    request->state = REQUEST_WAITING;
    request->next = NULL;
    *client->waiting_last = request;
    client->waiting_last = &request->next;
    if (!loop_timer_is_running(client->sweep))
        loop_timer_repeat(client->sweep, SWEEP_MS);
}

void nng_request(struct nng_client *client, nng_msg *msg, int64_t deadline_ms, nng_on_reply on_reply, void *context)
{
    struct request *request = take_idle(client);
    request->msg = msg;
    request->deadline_ms = clock_monotonic_ms() + deadline_ms;
    request->on_reply = on_reply;
    request->context = context;
    if (++client->outstanding > client->max_outstanding)
        end_later(request, NNG_OUTCOME_BUSY);
    else if (client->waiting == NULL && nng_client_is_connected(client))
        send_now(request);
    else
        wait_for_connection(client, request);
}

static struct request *take_waiting(struct nng_client *client)
{
    struct request *request = client->waiting;
    client->waiting = request->next;
    if (client->waiting == NULL) {
        client->waiting_last = &client->waiting;
        loop_timer_stop(client->sweep);
    }
    return request;
}

static void on_pipe_news(void *context)
{
    struct nng_client *client = context;
    while (client->waiting != NULL && nng_client_is_connected(client))
        send_now(take_waiting(client));
}

/* Requests of different deadlines wait in one list, so each is looked at: the list is short and seldom. */
static void on_sweep(void *context)
{
    struct nng_client *client = context;
    int64_t now_ms = clock_monotonic_ms();
    struct request **link = &client->waiting;
    while (*link != NULL) {
        struct request *request = *link;
        if (request->deadline_ms > now_ms) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        end_later(request, NNG_OUTCOME_BUSY);
    }
    client->waiting_last = link;
    if (client->waiting == NULL)
        loop_timer_stop(client->sweep);
}

static void on_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    (void)pipe;
    struct nng_client *client = context;
    atomic_fetch_add(&client->pipes, event == NNG_PIPE_EV_ADD_POST ? 1 : -1);
    nng_completion_tell(&client->pipe_news);
}

struct nng_client *nng_client_create(struct nng_bus *bus, const char *url, int max_outstanding, size_t max_bytes)
{
    struct nng_client *client = mem_zalloc(sizeof *client);
    client->bus = bus;
    client->max_outstanding = max_outstanding;
    client->waiting_last = &client->waiting;
    client->pipe_news = (struct nng_completion){.bus = bus, .on_done = on_pipe_news, .context = client};
    client->tell_ended = loop_deferred_create(nng_bus_loop(bus), on_tell_ended, client);
    client->sweep = loop_timer_create(nng_bus_loop(bus), on_sweep, client);
    if (nng_req0_open(&client->socket) != 0)
        abort();
    nng_pipe_notify(client->socket, NNG_PIPE_EV_ADD_POST, on_pipe, client);
    nng_pipe_notify(client->socket, NNG_PIPE_EV_REM_POST, on_pipe, client);
    if (nng_dial_patiently(client->socket, url, max_bytes) != 0)
        abort(); /* only a malformed URL: our bug */
    return client;
}

static void end_stopped(struct request *request)
{
    bool succeeded = nng_aio_result(request->aio) == 0;
    /* A message is still with the aio after a failed send and after a reply that nobody has looked at. */
    if (succeeded == (request->state == REQUEST_RECEIVING))
        nng_msg_free(nng_aio_get_msg(request->aio));
    finish(request, NNG_OUTCOME_UNCERTAIN, NULL);
}

static void end_all(struct nng_client *client)
{
    for (struct request *request = client->all; request != NULL; request = request->all) {
        nng_aio_stop(request->aio);
        nng_completion_cancel(&request->completion);
        if (request->state == REQUEST_SENDING || request->state == REQUEST_RECEIVING)
            end_stopped(request);
    }
    while (client->waiting != NULL)
        end_later(take_waiting(client), NNG_OUTCOME_BUSY);
    on_tell_ended(client);
}

void nng_client_destroy(struct nng_client **client_in)
{
    struct nng_client *client = *client_in;
    if (client == NULL)
        return;
    end_all(client);
    while (client->all != NULL) {
        struct request *request = client->all;
        client->all = request->all;
        nng_ctx_close(request->ctx);
        nng_aio_free(request->aio);
        mem_free(request);
    }
    nng_close(client->socket); /* after it no pipe callback runs */
    nng_completion_cancel(&client->pipe_news);
    loop_deferred_destroy(&client->tell_ended);
    loop_timer_destroy(&client->sweep);
    mem_free(client);
    *client_in = NULL;
}
