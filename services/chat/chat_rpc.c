/* Internal requests to handlers; no business. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_settings.h"

#define HANDLER(name_)                                                                        \
    static void on_##name_(void *context, struct rpc_exchange *exchange, const void *request) \
    {                                                                                         \
        struct chat_service *service = context;                                               \
        if (service->partitions.count > 0)                                                    \
            chat_##name_##_rpc(service, exchange, request);                                   \
        else                                                                                  \
            rpc_fail(exchange, PROBLEM_UNAVAILABLE);                                          \
    }
HANDLER(append)
HANDLER(apply)
HANDLER(receipts)
HANDLER(summaries)
HANDLER(members)
HANDLER(feed)
HANDLER(heads)
HANDLER(events)
HANDLER(roles)
HANDLER(companions)

#define SERVE(service_, name_, number_) RPC_SERVE(service_, name_, number_, on_##name_),
static const struct rpc_method methods[] = {CHAT_METHODS(SERVE)};

struct rpc_server *chat_rpc_create(struct chat_service *service, struct nng_bus *bus,
                                   char *message_out, int message_size)
{
    return rpc_server_create(
        bus, daemon_socket_url("chat", "rpc"), (int)chat_settings.rpc_concurrency, methods,
        sizeof methods / sizeof methods[0], service, message_out, message_size);
}
