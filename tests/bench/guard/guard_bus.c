/* In place of the bus: the linker takes these and leaves shared/net/nng_pubsub.c and shared/proto/rpc_client.c out. */
#include <nng/nng.h>
#include <stdlib.h>

#include "shared/proto/rpc_internal.h"
#include "tests/bench/guard/guard.h"

static struct {
    nng_msg *asked; /* NULL: nothing */
    rpc_callback callback;
    void *context;
    size_t published_bytes;
} bus;

/* --- asking --- */

void rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *request,
              int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)deadline_ms;
    guard_require(bus.asked == NULL, "one request at a time");
    bus.asked = rpc_message_encode(method->number, method->request, request);
    bus.callback = callback;
    bus.context = context;
}

struct text guard_bus_asked(void)
{
    if (bus.asked == NULL)
        return TEXT_NONE;
    return (struct text){nng_msg_body(bus.asked), nng_msg_len(bus.asked)};
}

void guard_bus_answer(const void *reply)
{
    struct rpc_result result = {.outcome = RPC_OK, .reply = reply};
    guard_require(bus.asked != NULL, "nothing was asked");
    nng_msg_free(bus.asked);
    bus.asked = NULL;
    bus.callback(bus.context, &result);
}

/* --- publishing --- */

struct nng_publisher *nng_publisher_create(struct nng_bus *unused, const char *url,
                                           char *message_out, int message_size)
{
    (void)unused, (void)url, (void)message_out, (void)message_size;
    return (struct nng_publisher *)&bus;
}

void nng_publish(struct nng_publisher *publisher, struct nng_msg *msg)
{
    (void)publisher;
    bus.published_bytes += nng_msg_len(msg);
    nng_msg_free(msg);
}

void nng_publisher_destroy(struct nng_publisher **publisher)
{
    *publisher = NULL;
}

size_t guard_bus_published(void)
{
    size_t bytes = bus.published_bytes;
    bus.published_bytes = 0;
    return bytes;
}

/* --- subscribing: the parts that do are linked and not started --- */

struct nng_subscriber *nng_subscriber_create(struct nng_bus *unused, const char *url,
                                             size_t max_bytes, nng_on_published on_published,
                                             nng_on_subscribed on_subscribed, void *context)
{
    (void)unused, (void)url, (void)max_bytes, (void)on_published, (void)on_subscribed;
    (void)context;
    abort();
}

void nng_subscriber_destroy(struct nng_subscriber **subscriber)
{
    (void)subscriber;
    abort();
}
