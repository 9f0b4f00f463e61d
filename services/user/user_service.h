/* The parts of the user daemon, as its handlers see them. */
#ifndef PARLEY_USER_SERVICE_H
#define PARLEY_USER_SERVICE_H

#include "services/user/user_changes.h"
#include "services/user/user_passwords.h"
#include "services/user/user_store.h"
#include "services/user/user_tokens.h"
#include "services/user/user_trim.h"
#include "services/user/user_usage.h"
#include "shared/base/rate_limit.h"
#include "shared/daemon/daemon.h"
#include "shared/net/http_server.h"
#include "shared/proto/rpc.h"

struct user_service {
    struct user_store *store;
    struct user_passwords *passwords;
    struct rate_limit *login_limit;
    struct user_usage *usage;
    struct user_tokens *tokens;
    struct user_changes *changes;
    struct user_trim *trim;
    struct loop_timer *sweep;
    bool sweeping;
    struct rpc_client
        *metadata; /* blocks and erased accounts must be in the chats' logs before REST answers */
    struct rpc_server *rpc;
    struct http_server *http;
};

/* For struct daemon_service. */
bool user_service_start(struct daemon *daemon, void **service_out, char *message_out,
                        int message_size);
void user_service_report(void *service, daemon_report report, void *report_context);
void user_service_drain(void *service);
bool user_service_drained(void *service);
void user_service_stop(void *service);

/* user_http.c and user_rpc.c: NULL with message_out filled when the socket cannot be had. */
struct http_server *user_http_create(struct loop *loop, struct user_service *service,
                                     char *message_out, int message_size);
struct rpc_server *user_rpc_create(struct nng_bus *bus, struct user_service *service,
                                   char *message_out, int message_size);

#endif
