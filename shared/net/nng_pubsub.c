/* Publish and subscribe. What is published may be lost without a word, when a subscriber is slow or away: whoever listens
 * has a feed to read it again from. */
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/net/nng_bus_internal.h"

#define PUBLISH_QUEUE   128
#define SUBSCRIBE_QUEUE 2048

struct nng_publisher {
    nng_socket socket;
    struct nng_guarded_listener *listener;
};

struct nng_subscriber {
    nng_socket socket;
    nng_aio *aio;
    nng_on_published on_published;
    nng_on_subscribed on_subscribed;
    void *context;
    struct nng_completion received;
    struct nng_patient_dialer *dialer;
};

static struct metric published_total = {
    .name = "parley_bus_published_total", .help = "Messages published.", .kind = METRIC_COUNTER};

/* --- publishing --- */

struct nng_publisher *nng_publisher_create(struct nng_bus *bus, const char *url, char *message_out,
                                           int message_size)
{
    struct nng_publisher *publisher = mem_zalloc(sizeof *publisher);
    if (nng_pub0_open(&publisher->socket) != 0)
        abort();
    nng_socket_set_int(publisher->socket, NNG_OPT_SENDBUF, PUBLISH_QUEUE);
    publisher->listener =
        nng_guarded_listener_create(bus, publisher->socket, url, message_out, message_size);
    if (publisher->listener == NULL) {
        nng_close(publisher->socket);
        mem_free(publisher);
        return NULL;
    }
    metrics_register(&published_total);
    return publisher;
}

void nng_publish(struct nng_publisher *publisher, nng_msg *msg)
{
    metric_add(&published_total, 1);
    /* PUB never blocks: what a slow subscriber's queue cannot hold is dropped there. */
    if (nng_sendmsg(publisher->socket, msg, NNG_FLAG_NONBLOCK) != 0)
        nng_msg_free(msg);
}

void nng_publisher_destroy(struct nng_publisher **publisher)
{
    if (*publisher == NULL)
        return;
    nng_guarded_listener_destroy(&(*publisher)->listener);
    nng_close((*publisher)->socket);
    mem_free(*publisher);
    *publisher = NULL;
}

/* --- subscribing --- */

static void on_received(void *context)
{
    struct nng_subscriber *subscriber = context;
    int error = nng_aio_result(subscriber->aio);
    if (error == NNG_ECLOSED || error == NNG_ECANCELED)
        return;
    if (error == 0) {
        nng_msg *msg = nng_aio_get_msg(subscriber->aio);
        nng_aio_set_msg(subscriber->aio, NULL);
        subscriber->on_published(subscriber->context,
                                 (struct text){nng_msg_body(msg), nng_msg_len(msg)});
        nng_msg_free(msg);
    }
    NNG_GIVES(&subscriber->received);
    nng_recv_aio(subscriber->socket, subscriber->aio);
}

static void on_connected(void *context)
{
    struct nng_subscriber *subscriber = context;
    subscriber->on_subscribed(subscriber->context);
}

struct nng_subscriber *nng_subscriber_create(struct nng_bus *bus, const char *url, size_t max_bytes,
                                             nng_on_published on_published,
                                             nng_on_subscribed on_subscribed, void *context)
{
    struct nng_subscriber *subscriber = mem_zalloc(sizeof *subscriber);
    subscriber->on_published = on_published;
    subscriber->on_subscribed = on_subscribed;
    subscriber->context = context;
    subscriber->received =
        (struct nng_completion){.bus = bus, .on_done = on_received, .context = subscriber};
    if (nng_sub0_open(&subscriber->socket) != 0 ||
        nng_aio_alloc(&subscriber->aio, nng_completion_tell, &subscriber->received) != 0)
        abort();
    nng_socket_set(subscriber->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    nng_socket_set_int(subscriber->socket, NNG_OPT_RECVBUF, SUBSCRIBE_QUEUE);
    NNG_GIVES(&subscriber->received);
    nng_recv_aio(subscriber->socket, subscriber->aio);
    subscriber->dialer = nng_patient_dialer_create(bus, subscriber->socket, url, max_bytes,
                                                   on_connected, subscriber);
    return subscriber;
}

void nng_subscriber_destroy(struct nng_subscriber **subscriber)
{
    if (*subscriber == NULL)
        return;
    nng_aio_stop((*subscriber)->aio);
    nng_completion_cancel(&(*subscriber)->received);
    if (nng_aio_result((*subscriber)->aio) == 0 && nng_aio_get_msg((*subscriber)->aio) != NULL)
        nng_msg_free(nng_aio_get_msg((*subscriber)->aio)); /* arrived, and never looked at */
    nng_close((*subscriber)->socket);
    nng_patient_dialer_destroy(&(*subscriber)->dialer);
    nng_aio_free((*subscriber)->aio);
    mem_free(*subscriber);
    *subscriber = NULL;
}
