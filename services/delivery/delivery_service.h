/* What the parts of the delivery daemon share. */
#ifndef PARLEY_DELIVERY_SERVICE_H
#define PARLEY_DELIVERY_SERVICE_H

#include "services/delivery/delivery_device.h"
#include "services/delivery/delivery_settings.h"
#include "shared/daemon/daemon.h"
#include "shared/proto/chat_protocol.h"
#include "shared/proto/user_protocol.h"

struct delivery_service {
    struct loop *loop;
    struct device_hub hub;
    struct nng_bus *bus;
    struct rpc_client *user;
    struct rpc_client *chat;
    struct delivery_cursor *cursor; /* NULL until chat has told how many partitions there are */
    struct delivery_store *store;
    struct delivery_inbox *inbox;
    struct delivery_people *people;
    struct delivery_rosters *rosters;
    struct delivery_heads *heads;
    struct delivery_park *park;
    struct delivery_contents *contents;
    struct delivery_feed *feed;
    struct delivery_recovery *recovery;
    struct delivery_poison *poison;
    struct delivery_revocation *revocation;
    struct delivery_auth *auth;
    struct delivery_sends *sends;
    struct delivery_receipts *receipts;
    struct delivery_roles *roles;
    struct delivery_watch *watch;
    struct delivery_typing *typing;
    struct delivery_companions *companions;
    struct delivery_presence *presence;
    struct delivery_flush *flush;
    struct delivery_boot *boot;
    struct delivery_ws *ws;
    struct delivery_traces *traces;
    struct rpc_server *rpc;
    bool draining;
};

#endif
