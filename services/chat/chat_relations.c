/* What users are to chats and to each other, asked by delivery for what it tells and does not store. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"

static void on_roles(void *context, enum problem problem, const struct chat_role_answer *answers,
                     size_t count)
{
    struct rpc_exchange *exchange = context;
    if (problem != PROBLEM_NONE) {
        rpc_fail(exchange, problem);
        return;
    }
    struct chat_roles_reply reply = {
        .answers = arena_alloc(rpc_arena(exchange), (count + 1) * sizeof *answers),
        .answers_count = count};
    for (size_t i = 0; i < count; i++)
        reply.answers[i] = answers[i];
    rpc_reply(exchange, &reply);
}

void chat_roles_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                    const struct chat_roles_request *request)
{
    chat_read_roles(service->read, request->asks, request->asks_count, on_roles, exchange);
}

static void on_companions(void *context, enum problem problem, const int64_t *shared, size_t count)
{
    struct rpc_exchange *exchange = context;
    if (problem != PROBLEM_NONE) {
        rpc_fail(exchange, problem);
        return;
    }
    struct chat_companions_reply reply = {
        .shared = arena_alloc(rpc_arena(exchange), (count + 1) * sizeof *shared),
        .shared_count = count};
    for (size_t i = 0; i < count; i++)
        reply.shared[i] = shared[i];
    rpc_reply(exchange, &reply);
}

void chat_companions_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                         const struct chat_companions_request *request)
{
    chat_read_companions(service->read, request->pairs, request->pairs_count, on_companions,
                         exchange);
}
