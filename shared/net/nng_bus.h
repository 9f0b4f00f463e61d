/* The bus: nng sockets brought into the libevent loop.
 *
 * nng's callbacks run on nng's threads. Each one only puts its aio on a locked list and, when the list was empty, writes
 * an eventfd; the loop empties the list and calls us. Nothing of ours runs on an nng thread.
 *
 * Listeners carry the counter-measures against the ipc listener that dies silently in nng 1.5.2 (upstream #1518): a lock
 * file before the path is touched, one's own dial every few seconds that must be answered, and a close and new listen
 * on the same socket when it was not; existing pipes are kept. Peers with another uid than ours are turned away
 * (NNG_OPT_IPC_PEER_UID). Sockets live as long as the process. */
#ifndef PARLEY_NET_NNG_BUS_H
#define PARLEY_NET_NNG_BUS_H

#include "shared/base/text.h"
#include "shared/net/loop.h"

struct nng_msg;
struct nng_bus; /* one a process */

struct nng_bus *nng_bus_create(struct loop *loop);
void nng_bus_destroy(struct nng_bus **bus);

/* --- replying side --- */
struct nng_server;
struct nng_exchange; /* one request that waits for its reply */

/* `request` is owned by the exchange and lives until nng_reply. */
typedef void (*nng_on_request)(void *context, struct nng_exchange *exchange, struct text request);

/* url "ipc:///run/…/chat.rpc". `concurrency` contexts: how many requests are taken in before replies; more wait in nng. */
struct nng_server *nng_server_create(struct nng_bus *bus, const char *url, int concurrency,
                                     size_t max_bytes, nng_on_request on_request, void *context,
                                     char *message_out, int message_size);
/* Sends the reply and ends the exchange. Takes ownership of msg. NULL: no answer, the caller's deadline ends it. */
void nng_reply(struct nng_exchange *exchange, struct nng_msg *msg);
size_t nng_server_in_progress(const struct nng_server *server);
void nng_server_destroy(struct nng_server **server);

/* --- asking side --- */
struct nng_client;

enum nng_outcome {
    NNG_OUTCOME_OK,
    NNG_OUTCOME_BUSY,      /* not sent: max_outstanding was reached */
    NNG_OUTCOME_UNCERTAIN, /* deadline or lost connection: it may have happened */
};

/* `reply` is borrowed until the callback returns; never called before nng_request returns. */
typedef void (*nng_on_reply)(void *context, enum nng_outcome outcome, struct text reply);

struct nng_client *nng_client_create(struct nng_bus *bus, const char *url, int max_outstanding,
                                     size_t max_bytes);
/* Takes ownership of msg. REQ's own resend is off. */
void nng_request(struct nng_client *client, struct nng_msg *msg, int64_t deadline_ms,
                 nng_on_reply on_reply, void *context);
bool nng_client_is_connected(const struct nng_client *client);
void nng_client_destroy(
    struct nng_client **client); /* outstanding requests end as UNCERTAIN before it returns */

/* --- publish and subscribe: the fast path only, always with a feed behind it --- */
struct nng_publisher;
struct nng_subscriber;
typedef void (*nng_on_published)(void *context, struct text message); /* borrowed */
typedef void (*nng_on_subscribed)(
    void *context); /* a (new) connection: what was published before it is lost */

struct nng_publisher *nng_publisher_create(struct nng_bus *bus, const char *url, char *message_out,
                                           int message_size);
void nng_publish(struct nng_publisher *publisher,
                 struct nng_msg *msg); /* takes ownership; never blocks */
void nng_publisher_destroy(struct nng_publisher **publisher);
struct nng_subscriber *nng_subscriber_create(struct nng_bus *bus, const char *url, size_t max_bytes,
                                             nng_on_published on_published,
                                             nng_on_subscribed on_subscribed, void *context);
void nng_subscriber_destroy(struct nng_subscriber **subscriber);

#endif
