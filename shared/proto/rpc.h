/* Requests between daemons: typed structs in, typed structs out, over the bus.
 *
 * On the wire a request is version (1 byte), method (1 byte), then the encoded request; a reply is version, status
 * (1 byte: an enum problem, 0 is success), then the encoded reply or nothing. A service's methods stand in one table
 * (proto/<service>_protocol.h); the dispatch rows and the client's typed functions come from it. */
#ifndef PARLEY_PROTO_RPC_H
#define PARLEY_PROTO_RPC_H

#include "shared/net/nng_bus.h"
#include "shared/net/problem.h"
#include "shared/proto/codec.h"

#define RPC_VERSION 1

/* --- serving --- */
struct rpc_server;
struct rpc_exchange; /* one request being served */

/* `request` lives until the exchange is answered: exactly one of rpc_reply and rpc_fail, now or later. */
typedef void (*rpc_handler)(void *service, struct rpc_exchange *exchange, const void *request);

struct rpc_method {
    uint8_t number;
    const char *name; /* for logs and metrics */
    const struct codec *request;
    const struct codec *reply;
    rpc_handler handler;
};

struct rpc_server *rpc_server_create(struct nng_bus *bus, const char *url, int concurrency,
                                     const struct rpc_method *methods, size_t method_count,
                                     void *service, char *message_out, int message_size);
void rpc_reply(struct rpc_exchange *exchange, const void *reply); /* encoded before it returns */
void rpc_fail(struct rpc_exchange *exchange, enum problem problem);
struct arena *rpc_arena(struct rpc_exchange *exchange); /* freed with the exchange */
size_t rpc_server_in_progress(const struct rpc_server *server);
/* Exchanges that are still open end without an answer and must not be touched afterwards: destroy what may answer them
 * (the store, the clients) first. */
void rpc_server_destroy(struct rpc_server **server);

/* --- calling --- */
struct rpc_client;

enum rpc_outcome {
    RPC_OK,
    RPC_REFUSED,     /* the service answered with a problem: definite, nothing happened */
    RPC_UNAVAILABLE, /* it could not be asked or said so: nothing happened, or ask again */
    RPC_UNCERTAIN,   /* no answer in time: it may have happened; retry with the same key */
};

struct rpc_result {
    enum rpc_outcome outcome;
    enum problem problem; /* with RPC_REFUSED; otherwise PROBLEM_UNAVAILABLE or PROBLEM_NONE */
    const void *reply;    /* with RPC_OK: the decoded struct, borrowed until the callback returns */
};

typedef void (*rpc_callback)(void *context, const struct rpc_result *result);

struct rpc_client *rpc_client_create(struct nng_bus *bus, const char *url, int max_outstanding);
/* The callback is never called before this returns, and exactly once. `request` is encoded before it returns. */
void rpc_call(struct rpc_client *client, const struct rpc_method *method, const void *request,
              int64_t deadline_ms, rpc_callback callback, void *context);
bool rpc_client_is_connected(const struct rpc_client *client);
void rpc_client_destroy(struct rpc_client **client);

/* From a service's table of methods X(name, number), with struct <service>_<name>_request and _reply declared:
 * RPC_DECLARE_METHOD in the header declares <service>_<name>_method (its handler is NULL: for callers) and a typed
 * caller <service>_client_<name>(); RPC_DEFINE_METHOD in the .c file defines them. */
/* clang-format off */
#define RPC_DECLARE_METHOD(service_, name_)                                                                            \
    extern const struct rpc_method service_##_##name_##_method;                                                        \
    void service_##_client_##name_(struct rpc_client *client, const struct service_##_##name_##_request *request,      \
                                   int64_t deadline_ms, rpc_callback callback, void *context);

#define RPC_DEFINE_METHOD(service_, name_, number_)                                                                    \
    const struct rpc_method service_##_##name_##_method = {                                                            \
        (number_), #service_ "." #name_, &service_##_##name_##_request_codec, &service_##_##name_##_reply_codec, NULL}; \
    void service_##_client_##name_(struct rpc_client *client, const struct service_##_##name_##_request *request,      \
                                   int64_t deadline_ms, rpc_callback callback, void *context)                          \
    {                                                                                                                  \
        rpc_call(client, &service_##_##name_##_method, request, deadline_ms, callback, context);                       \
    }

/* A row of a server's table: RPC_SERVE(user, authenticate, on_authenticate) */
#define RPC_SERVE(service_, name_, number_, handler_)                                                                  \
    {(number_), #service_ "." #name_, &service_##_##name_##_request_codec, &service_##_##name_##_reply_codec, (handler_)}
/* clang-format on */

#endif
