/* Routes to handlers; no business. */
#include "services/metadata/metadata_http.h"

#include "services/metadata/metadata_chats.h"
#include "services/metadata/metadata_list.h"
#include "services/metadata/metadata_members.h"
#include "shared/daemon/daemon_rest.h"

static void get_limits(void *service, struct http_request *request)
{
    (void)service;
    struct buffer body = BUFFER_EMPTY;
    limits_render(&body);
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/limits", NULL, HTTP_PUBLIC, get_limits},
    {HTTP_POST, "/v1/chats", NULL, HTTP_BODY, metadata_create_chat},
    {HTTP_GET, "/v1/chats", "limit,cursor", 0, metadata_list_chats},
    {HTTP_GET, "/v1/chats/{chat}", NULL, 0, metadata_get_chat},
    {HTTP_PATCH, "/v1/chats/{chat}", NULL, HTTP_BODY, metadata_update_chat},
    {HTTP_DELETE, "/v1/chats/{chat}", NULL, 0, metadata_delete_chat},
    {HTTP_PATCH, "/v1/chats/{chat}/me", NULL, HTTP_BODY, metadata_update_own},
    {HTTP_GET, "/v1/chats/{chat}/members", "limit,cursor", 0, metadata_list_members},
    {HTTP_PUT, "/v1/chats/{chat}/members/{user}", NULL, HTTP_BODY | HTTP_OPTIONAL_BODY,
     metadata_put_member},
    {HTTP_DELETE, "/v1/chats/{chat}/members/{user}", NULL, 0, metadata_remove_member},
};

struct http_server *metadata_http_create(struct metadata_service *service, char *message_out,
                                         int message_size)
{
    struct http_server_options options = daemon_rest_options("metadata");
    options.routes = routes;
    options.route_count = sizeof routes / sizeof routes[0];
    options.service = service;
    options.authenticate = authenticator_check;
    options.authenticator_context = service->authenticator;
    return http_server_create(service->loop, &options, message_out, message_size);
}
