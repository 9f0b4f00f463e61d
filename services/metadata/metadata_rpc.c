/* Internal requests to handlers; no business. */
#include "services/metadata/metadata_rpc.h"

#include "services/metadata/metadata_changes.h"
#include "services/metadata/metadata_settings.h"
#include "shared/proto/metadata_protocol.h"

struct catch_up_exchange {
    struct rpc_exchange *exchange;
    int64_t offset;
};

static void on_caught_up(void *context, bool caught_up)
{
    struct catch_up_exchange *waiting = context;
    struct metadata_catch_up_reply reply = {.offset = waiting->offset};
    if (caught_up)
        rpc_reply(waiting->exchange, &reply);
    else
        rpc_fail(waiting->exchange, PROBLEM_UNAVAILABLE);
}

static void catch_up(void *context, struct rpc_exchange *exchange, const void *request)
{
    struct metadata_service *service = context;
    const struct metadata_catch_up_request *ask = request;
    struct catch_up_exchange *waiting = arena_alloc(rpc_arena(exchange), sizeof *waiting);
    *waiting = (struct catch_up_exchange){exchange, ask->offset};
    metadata_changes_catch_up(service->changes, ask->offset, on_caught_up, waiting);
}

struct rpc_server *metadata_rpc_create(struct metadata_service *service, struct nng_bus *bus,
                                       char *message_out, int message_size)
{
    static const struct rpc_method methods[] = {RPC_SERVE(metadata, catch_up, 1, catch_up)};
    return rpc_server_create(
        bus, daemon_socket_url("metadata", "rpc"), (int)metadata_settings.rpc_concurrency, methods,
        sizeof methods / sizeof methods[0], service, message_out, message_size);
}
