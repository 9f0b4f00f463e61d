#include "services/delivery/delivery_rpc.h"

#include "services/delivery/delivery_trace.h"

static void on_trace(void *context, struct rpc_exchange *exchange, const void *request)
{
    struct delivery_service *service = context;
    delivery_traces_begin(service->traces, exchange, request);
}

static const struct rpc_method methods[] = {
    RPC_SERVE(delivery, trace, 1, on_trace),
};

struct rpc_server *delivery_rpc_create(struct delivery_service *service, char *message_out,
                                       int message_size)
{
    return rpc_server_create(
        service->bus, daemon_socket_url("delivery", "rpc"), (int)delivery_settings.rpc_concurrency,
        methods, sizeof methods / sizeof methods[0], service, message_out, message_size);
}
