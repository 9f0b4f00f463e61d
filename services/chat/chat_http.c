/* Routes to handlers; no business. */
#include "services/chat/chat_handlers.h"
#include "shared/daemon/daemon_rest.h"

/* Which partition a chat is in is known once Postgres was reached for the first time. */
static bool is_able(const struct chat_service *service, struct http_request *request)
{
    if (service->partitions.count > 0)
        return true;
    http_fail_retry(request, PROBLEM_UNAVAILABLE, "The log cannot be reached.", 1);
    return false;
}

#define HANDLER(name_)                                                  \
    static void on_##name_(void *service, struct http_request *request) \
    {                                                                   \
        if (is_able(service, request))                                  \
            chat_##name_(service, request);                             \
    }
HANDLER(append_post)
HANDLER(edit_patch)
HANDLER(message_delete)
HANDLER(reaction_put)
HANDLER(reaction_delete)
HANDLER(history_get)
HANDLER(receipts_put)
HANDLER(receipts_get)
HANDLER(sync_post)
HANDLER(trace_get)
HANDLER(search_get)

static const struct http_route routes[] = {
    {HTTP_POST, "/v1/chats/{chat}/messages", NULL, HTTP_BODY, on_append_post},
    {HTTP_PATCH, "/v1/chats/{chat}/messages/{seq}", NULL, HTTP_BODY, on_edit_patch},
    {HTTP_DELETE, "/v1/chats/{chat}/messages/{seq}", NULL, 0, on_message_delete},
    {HTTP_PUT, "/v1/chats/{chat}/messages/{seq}/reactions/{emoji:text}", NULL,
     HTTP_BODY | HTTP_OPTIONAL_BODY, on_reaction_put},
    {HTTP_DELETE, "/v1/chats/{chat}/messages/{seq}/reactions/{emoji:text}", NULL, 0,
     on_reaction_delete},
    {HTTP_GET, "/v1/chats/{chat}/events", "after,before,limit", 0, on_history_get},
    {HTTP_PUT, "/v1/chats/{chat}/receipts", NULL, HTTP_BODY, on_receipts_put},
    {HTTP_GET, "/v1/chats/{chat}/receipts", "limit,cursor", 0, on_receipts_get},
    {HTTP_POST, "/v1/sync", NULL, HTTP_BODY, on_sync_post},
    {HTTP_GET, "/v1/chats/{chat}/messages/{seq}/trace", "limit,cursor", 0, on_trace_get},
    {HTTP_GET, "/v1/search", "q,chat,sender,before,limit,cursor", 0, on_search_get},
};

struct http_server *chat_http_create(struct chat_service *service, char *message_out,
                                     int message_size)
{
    struct http_server_options options = daemon_rest_options("chat");
    options.routes = routes;
    options.route_count = sizeof routes / sizeof routes[0];
    options.service = service;
    options.authenticate = authenticator_check;
    options.authenticator_context = service->authenticator;
    return http_server_create(service->loop, &options, message_out, message_size);
}
