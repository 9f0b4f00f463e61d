/* What the parts of the metadata daemon share. */
#ifndef PARLEY_METADATA_SERVICE_H
#define PARLEY_METADATA_SERVICE_H

#include "shared/daemon/authenticator.h"
#include "shared/daemon/daemon.h"
#include "shared/net/http_server.h"
#include "shared/proto/chat_protocol.h"
#include "shared/proto/rpc.h"

struct metadata_store;
struct metadata_outbox;
struct metadata_changes;

struct metadata_service {
    struct loop *loop;
    struct rpc_client *user;
    struct rpc_client *chat;
    struct authenticator *authenticator;
    struct metadata_store *store;
    struct metadata_outbox *outbox;
    struct metadata_changes *changes;
    struct http_server *http;
    struct rpc_server *rpc;
};

#endif
