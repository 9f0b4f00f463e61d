#include "services/user/user_catch_up.h"

#include "shared/proto/metadata_protocol.h"

static void on_caught_up(void *context, const struct rpc_result *result)
{
    struct http_request *request = context;
    if (result->outcome == RPC_OK)
        http_reply_empty(request);
    else
        http_fail(request, PROBLEM_UNAVAILABLE,
                  "It is recorded, and takes effect in the chats as soon as they can be reached.");
}

void user_catch_up(struct user_service *service, struct http_request *request, int64_t head)
{
    struct metadata_catch_up_request ask = {.offset = head};
    user_changes_note(service->changes, head);
    metadata_client_catch_up(service->metadata, &ask, daemon_settings.rpc_deadline_ms, on_caught_up,
                             request);
}
