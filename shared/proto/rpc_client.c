/* Calling. */
#include <assert.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/proto/rpc_internal.h"

#define METHOD_NUMBERS 256

struct rpc_client {
    struct nng_client *nng;
    struct rpc_meter *meters[METHOD_NUMBERS]; /* of the methods that were called */
};

struct call {
    const struct rpc_method *method;
    struct rpc_meter *meter;
    rpc_callback callback;
    void *context;
    int64_t started_at_us;
};

static void tell(const struct call *call, enum rpc_outcome outcome, enum problem problem,
                 const void *reply)
{
    struct rpc_result result = {outcome, problem, reply};
    metric_add(&call->meter->failed, outcome == RPC_UNCERTAIN || outcome == RPC_UNAVAILABLE);
    metric_observe_us(&call->meter->seconds, clock_monotonic_us() - call->started_at_us);
    call->callback(call->context, &result);
}

/* Something was done there, and nobody can say what. */
static void tell_malformed(const struct call *call, const struct codec_error *error)
{
    rpc_log_malformed(LOG_LEVEL_ERROR, "malformed_reply", call->method->name, error);
    tell(call, RPC_UNCERTAIN, PROBLEM_UNAVAILABLE, NULL);
}

static void tell_success(const struct call *call, struct text payload)
{
    struct arena arena = ARENA_EMPTY;
    struct codec_error error;
    void *reply = arena_alloc(&arena, call->method->reply->size);
    if (codec_decode(call->method->reply, payload, &arena, reply, &error))
        tell(call, RPC_OK, PROBLEM_NONE, reply);
    else
        tell_malformed(call, &error);
    arena_deinit(&arena);
}

static void tell_reply(const struct call *call, struct text bytes)
{
    static const struct codec_error unknown = {"reply", NULL,
                                               "has another version or no known status"};
    struct text payload;
    uint8_t status;
    if (!rpc_message_open(bytes, &status, &payload) || status >= PROBLEM_COUNT)
        tell_malformed(call, &unknown);
    else if (status == PROBLEM_NONE)
        tell_success(call, payload);
    else
        tell(call, status == PROBLEM_UNAVAILABLE ? RPC_UNAVAILABLE : RPC_REFUSED,
             (enum problem)status, NULL);
}

static void on_reply(void *context, enum nng_outcome outcome, struct text bytes)
{
    struct call *call = context;
    if (outcome == NNG_OUTCOME_OK)
        tell_reply(call, bytes);
    else
        tell(call, outcome == NNG_OUTCOME_BUSY ? RPC_UNAVAILABLE : RPC_UNCERTAIN,
             PROBLEM_UNAVAILABLE, NULL);
    mem_free(call);
}

static struct rpc_meter *meter_of(struct rpc_client *client, const struct rpc_method *method)
{
    struct rpc_meter **meter = &client->meters[method->number];
    if (*meter == NULL)
        *meter = rpc_meter_of_calling(method->name);
    return *meter;
}

void rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *request,
              int64_t deadline_ms, rpc_callback callback, void *context)
{
    struct call *call = mem_alloc(sizeof *call);
    *call =
        (struct call){method, meter_of(client, method), callback, context, clock_monotonic_us()};
    nng_msg *msg = rpc_message_encode(method->number, method->request, request);
    assert(msg != NULL); /* a request over RPC_MAX_BYTES is our bug: callers page */
    nng_request(client->nng, msg, deadline_ms, on_reply, call);
}

/* --- life --- */

struct rpc_client *rpc_client_create(struct nng_bus *bus, const char *url, int max_outstanding)
{
    struct rpc_client *client = mem_zalloc(sizeof *client);
    client->nng = nng_client_create(bus, url, max_outstanding, RPC_MAX_BYTES);
    return client;
}

bool rpc_client_is_connected(const struct rpc_client *client)
{
    return nng_client_is_connected(client->nng);
}

void rpc_client_destroy(struct rpc_client **client)
{
    if (*client == NULL)
        return;
    nng_client_destroy(&(*client)->nng);
    mem_free(*client);
    *client = NULL;
}
