/* What the parts of the chat daemon share. */
#ifndef PARLEY_CHAT_SERVICE_H
#define PARLEY_CHAT_SERVICE_H

#include "services/chat/chat_partitions.h"
#include "shared/daemon/authenticator.h"
#include "shared/daemon/daemon.h"
#include "shared/net/http_server.h"
#include "shared/proto/chat_protocol.h"
#include "shared/proto/rpc.h"

struct chat_lane;
struct chat_lease;
struct chat_store;
struct chat_read_store;
struct chat_receipts;
struct chat_feed;
struct chat_index;
struct chat_searches;
struct rate_limit;

struct chat_service {
    struct loop *loop;
    struct chat_partitions partitions;
    struct chat_lease *lease;
    struct chat_store *store;
    struct chat_read_store *read;
    struct chat_lane *lane;
    struct chat_receipts *receipts;
    struct chat_feed *feed;
    struct chat_index *index;
    struct chat_searches *searches;
    struct rate_limit *search_limit; /* by user */
    struct rpc_client *user;
    struct rpc_client *delivery;
    struct authenticator *authenticator;
    struct http_server *http;
    struct rpc_server *rpc;
};

/* The life of the parts; see struct daemon_service. */
bool chat_service_start(struct daemon *daemon, void **service_out, char *message_out,
                        int message_size);
void chat_service_report(void *context, daemon_report report, void *report_context);
void chat_service_drain(void *context);
bool chat_service_drained(void *context);
void chat_service_stop(void *context);

#endif
