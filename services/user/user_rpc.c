/* Internal requests to the store, and its answers back. */
#include "services/user/user_service.h"
#include "services/user/user_settings.h"
#include "shared/base/mem.h"

#define MAX_CHANGES 1024 /* of one reply: user_protocol.h */

/* --- authenticate --- */

struct authentication {
    struct rpc_exchange *exchange;
    size_t count;
};

static void on_identities(void *context, enum problem problem,
                          const struct user_identity *identities, int64_t head)
{
    struct authentication *authentication = context;
    struct rpc_exchange *exchange = authentication->exchange;
    if (problem != PROBLEM_NONE) {
        rpc_fail(exchange, problem);
        return;
    }
    struct user_authenticate_reply reply = {
        .identities = (struct user_identity *)(uintptr_t)identities, /* only read from */
        .identities_count = authentication->count,
        .changes_head = head,
    };
    rpc_reply(exchange, &reply);
}

static void on_authenticate(void *service_, struct rpc_exchange *exchange, const void *request_)
{
    struct user_service *service = service_;
    const struct user_authenticate_request *request = request_;
    if (request->tokens_count == 0) {
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    struct arena *arena = rpc_arena(exchange);
    struct authentication *authentication = arena_alloc(arena, sizeof *authentication);
    struct text *hashes = arena_alloc(arena, request->tokens_count * sizeof *hashes);
    for (size_t i = 0; i < request->tokens_count; i++) {
        struct text hash = request->tokens[i].hash;
        hashes[i] = hash.data != NULL ? hash : TEXT_LITERAL("");
    }
    authentication->exchange = exchange;
    authentication->count = request->tokens_count;
    user_tokens_look_up(service->tokens, hashes, request->tokens_count, on_identities,
                        authentication);
}

/* --- the others: one statement each --- */

static void answer(struct rpc_exchange *exchange, enum problem problem, const void *reply)
{
    if (problem == PROBLEM_NONE)
        rpc_reply(exchange, reply);
    else
        rpc_fail(exchange, problem);
}

static void on_existing_answer(void *exchange, enum problem problem,
                               const struct user_existing_reply *reply)
{
    answer(exchange, problem, reply);
}

static void on_existing(void *service_, struct rpc_exchange *exchange, const void *request_)
{
    struct user_service *service = service_;
    const struct user_existing_request *request = request_;
    user_store_existing(service->store, request->users, request->users_count, on_existing_answer,
                        exchange);
}

static void on_pair_answer(void *exchange, enum problem problem,
                           const struct user_blocks_reply *reply)
{
    answer(exchange, problem, reply);
}

static void on_blocks(void *service_, struct rpc_exchange *exchange, const void *request_)
{
    struct user_service *service = service_;
    const struct user_blocks_request *request = request_;
    user_store_pair(service->store, request->user_id, request->other_id, on_pair_answer, exchange);
}

static void on_devices_answer(void *exchange, enum problem problem,
                              const struct user_devices_reply *reply)
{
    answer(exchange, problem, reply);
}

static void on_devices(void *service_, struct rpc_exchange *exchange, const void *request_)
{
    struct user_service *service = service_;
    const struct user_devices_request *request = request_;
    user_store_devices(service->store, request->users, request->users_count, request->named_id,
                       on_devices_answer, exchange);
}

static void on_changes_answer(void *exchange, enum problem problem,
                              const struct user_changes_reply *reply)
{
    answer(exchange, problem, reply);
}

static void on_changes(void *service_, struct rpc_exchange *exchange, const void *request_)
{
    struct user_service *service = service_;
    const struct user_changes_request *request = request_;
    int64_t limit = request->limit < MAX_CHANGES ? request->limit : MAX_CHANGES;
    if (request->after < 0 || limit < 0)
        limit = 0; /* the head only */
    user_trim_allow(service->trim, request->taken);
    user_store_changes(service->store, request->after, limit, on_changes_answer, exchange);
}

static const struct rpc_method methods[] = {
    RPC_SERVE(user, authenticate, 1, on_authenticate),
    RPC_SERVE(user, existing, 2, on_existing),
    RPC_SERVE(user, blocks, 3, on_blocks),
    RPC_SERVE(user, devices, 4, on_devices),
    RPC_SERVE(user, changes, 5, on_changes),
};

struct rpc_server *user_rpc_create(struct nng_bus *bus, struct user_service *service,
                                   char *message_out, int message_size)
{
    return rpc_server_create(
        bus, daemon_socket_url("user", "rpc"), (int)user_settings.rpc_concurrency, methods,
        sizeof methods / sizeof methods[0], service, message_out, message_size);
}
