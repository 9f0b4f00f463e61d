/* The asking side. While there is no connection, requests wait here and not in nng: cancelling a REQ send is where 1.5.2
 * leaks and sometimes crashes (upstream #1702, #1713), and so we know which were never sent. For the same reason a request
 * is received for only after it has been sent.
 *
 * A request goes waiting → sending → receiving → idle. Contexts are made when first needed and used again. */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/net/nng_bus_internal.h"

#define SWEEP_MS 20

enum request_state {
    REQUEST_IDLE,
    REQUEST_WAITING,
    REQUEST_SENDING,
    REQUEST_RECEIVING,
    REQUEST_ENDED
};

struct request {
    struct nng_client *client;
    enum request_state state;
    enum nng_outcome outcome; /* ended: what its caller is told */
    nng_msg *msg;             /* waiting */
    int64_t deadline_ms;      /* monotonic */
    nng_on_reply on_reply;
    void *context;
    struct request *next; /* on one of the client's lists */
    /* with a context of nng only: */
    bool has_ctx;
    nng_ctx ctx;
    nng_aio *aio;
    struct nng_completion completion;
    struct request *next_made;
};

struct request_list {
    struct request *first, **last;
};

struct nng_client {
    nng_socket socket;
    struct nng_bus *bus;
    struct nng_patient_dialer *dialer;
    int max_outstanding, outstanding;
    bool closing;
    struct request *idle;        /* those with a context */
    struct request *made;        /* all with a context, whatever they do */
    struct request_list waiting; /* for a connection */
    struct request_list ended;   /* to be told at the end of the turn */
    struct loop_deferred *tell_ended;
    struct loop_timer *sweep;
};

/* --- lists, first in first out --- */

static void append(struct request_list *list, struct request *request)
{
    request->next = NULL;
    *list->last = request;
    list->last = &request->next;
}

static struct request *take_first(struct request_list *list)
{
    struct request *request = list->first;
    if (request == NULL)
        return NULL;
    list->first = request->next;
    if (list->first == NULL)
        list->last = &list->first;
    return request;
}

/* --- the end of a request --- */

/* Gives the request back before it calls, so that the callback may ask again. */
static void finish(struct request *request, enum nng_outcome outcome, nng_msg *reply)
{
    struct nng_client *client = request->client;
    nng_on_reply on_reply = request->on_reply;
    void *context = request->context;
    struct text bytes = TEXT_NONE;
    if (reply != NULL)
        bytes = (struct text){nng_msg_body(reply), nng_msg_len(reply)};
    request->state = REQUEST_IDLE;
    if (request->has_ctx) {
        request->next = client->idle;
        client->idle = request;
    } else
        mem_free(request);
    client->outstanding--;
    on_reply(context, outcome, bytes);
    if (reply != NULL)
        nng_msg_free(reply);
}

/* Only those that have ended by now: a callback may ask again, and be refused again. */
static void on_tell_ended(void *context)
{
    struct nng_client *client = context;
    struct request *request = client->ended.first;
    client->ended = (struct request_list){NULL, &client->ended.first};
    while (request != NULL) {
        struct request *next = request->next;
        finish(request, request->outcome, NULL);
        request = next;
    }
}

/* Of a request that nng does not have. */
static void end_later(struct request *request, enum nng_outcome outcome)
{
    request->state = REQUEST_ENDED;
    request->outcome = outcome;
    nng_msg_free(request->msg);
    request->msg = NULL;
    append(&request->client->ended, request);
    loop_deferred_request(request->client->tell_ended);
}

/* --- through nng --- */

static nng_duration time_left(const struct request *request)
{
    int64_t left_ms = request->deadline_ms - clock_monotonic_ms();
    return left_ms < 1 ? 1 : (nng_duration)left_ms;
}

static void end_sending(struct request *request, int error)
{
    if (error == 0 && !request->client->closing) {
        request->state = REQUEST_RECEIVING;
        nng_aio_set_timeout(request->aio, time_left(request));
        NNG_GIVES(&request->completion);
        nng_ctx_recv(request->ctx, request->aio);
        return;
    }
    if (error != 0) /* a failed send leaves the message with the aio */
        nng_msg_free(nng_aio_get_msg(request->aio));
    nng_aio_set_msg(request->aio, NULL);
    finish(request, NNG_OUTCOME_UNCERTAIN, NULL);
}

static void on_done(void *context)
{
    struct request *request = context;
    int error = nng_aio_result(request->aio);
    if (request->state == REQUEST_SENDING) {
        end_sending(request, error);
        return;
    }
    nng_msg *reply = error == 0 ? nng_aio_get_msg(request->aio) : NULL;
    nng_aio_set_msg(request->aio, NULL);
    finish(request, reply != NULL ? NNG_OUTCOME_OK : NNG_OUTCOME_UNCERTAIN, reply);
}

static void make_ctx(struct request *request)
{
    struct nng_client *client = request->client;
    request->completion =
        (struct nng_completion){.bus = client->bus, .on_done = on_done, .context = request};
    if (nng_ctx_open(&request->ctx, client->socket) != 0 ||
        nng_aio_alloc(&request->aio, nng_completion_tell, &request->completion) != 0)
        abort();
    nng_ctx_set_ms(request->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    request->has_ctx = true;
    request->next_made = client->made;
    client->made = request;
}

static void send_now(struct request *request)
{
    if (!request->has_ctx)
        make_ctx(request);
    request->state = REQUEST_SENDING;
    nng_aio_set_timeout(request->aio, time_left(request));
    nng_aio_set_msg(request->aio, request->msg);
    request->msg = NULL;
    NNG_GIVES(&request->completion);
    nng_ctx_send(request->ctx, request->aio);
}

/* --- waiting for a connection --- */

static void wait_for_connection(struct nng_client *client, struct request *request)
{
    request->state = REQUEST_WAITING;
    append(&client->waiting, request);
    if (!loop_timer_is_running(client->sweep))
        loop_timer_repeat(client->sweep, SWEEP_MS);
}

static void on_connected(void *context)
{
    struct nng_client *client = context;
    struct request *request;
    while (nng_client_is_connected(client) && (request = take_first(&client->waiting)) != NULL)
        send_now(request);
}

/* Requests of different deadlines wait in one list, so each is looked at: the list is bounded, and seldom there. */
static void on_sweep(void *context)
{
    struct nng_client *client = context;
    int64_t now_ms = clock_monotonic_ms();
    struct request *request = client->waiting.first;
    client->waiting = (struct request_list){NULL, &client->waiting.first};
    while (request != NULL) {
        struct request *next = request->next;
        if (request->deadline_ms > now_ms)
            append(&client->waiting, request);
        else
            end_later(request, NNG_OUTCOME_BUSY);
        request = next;
    }
    if (client->waiting.first == NULL)
        loop_timer_stop(client->sweep);
}

bool nng_client_is_connected(const struct nng_client *client)
{
    return nng_patient_dialer_is_connected(client->dialer);
}

/* --- asking --- */

static struct request *take_idle(struct nng_client *client)
{
    struct request *request = client->idle;
    if (request == NULL) {
        request = mem_zalloc(sizeof *request);
        request->client = client;
        return request;
    }
    client->idle = request->next;
    return request;
}

void nng_request(struct nng_client *client, nng_msg *msg, int64_t deadline_ms,
                 nng_on_reply on_reply, void *context)
{
    struct request *request = take_idle(client);
    request->msg = msg;
    request->deadline_ms = clock_monotonic_ms() + deadline_ms;
    request->on_reply = on_reply;
    request->context = context;
    if (++client->outstanding > client->max_outstanding || client->closing)
        end_later(request, NNG_OUTCOME_BUSY);
    else if (client->waiting.first == NULL && nng_client_is_connected(client))
        send_now(request);
    else
        wait_for_connection(client, request);
}

/* --- life --- */

struct nng_client *nng_client_create(struct nng_bus *bus, const char *url, int max_outstanding,
                                     size_t max_bytes)
{
    struct nng_client *client = mem_zalloc(sizeof *client);
    client->bus = bus;
    client->max_outstanding = max_outstanding;
    client->waiting.last = &client->waiting.first;
    client->ended.last = &client->ended.first;
    client->tell_ended = loop_deferred_create(nng_bus_loop(bus), on_tell_ended, client);
    client->sweep = loop_timer_create(nng_bus_loop(bus), on_sweep, client);
    if (nng_req0_open(&client->socket) != 0)
        abort();
    client->dialer =
        nng_patient_dialer_create(bus, client->socket, url, max_bytes, on_connected, client);
    return client;
}

/* What a callback asks for meanwhile is refused, and told so in the next round. */
static void end_all(struct nng_client *client)
{
    struct request *request;
    client->closing = true;
    for (request = client->made; request != NULL; request = request->next_made) {
        nng_aio_stop(request->aio);
        nng_completion_cancel(&request->completion);
        if (request->state == REQUEST_SENDING || request->state == REQUEST_RECEIVING)
            on_done(request);
    }
    while ((request = take_first(&client->waiting)) != NULL)
        end_later(request, NNG_OUTCOME_BUSY);
    while (client->ended.first != NULL)
        on_tell_ended(client);
}

void nng_client_destroy(struct nng_client **client_in)
{
    struct nng_client *client = *client_in;
    if (client == NULL)
        return;
    end_all(client);
    nng_close(client->socket);
    nng_patient_dialer_destroy(&client->dialer);
    while (client->made != NULL) {
        struct request *request = client->made;
        client->made = request->next_made;
        nng_aio_free(request->aio);
        mem_free(request);
    }
    loop_deferred_destroy(&client->tell_ended);
    loop_timer_destroy(&client->sweep);
    mem_free(client);
    *client_in = NULL;
}
