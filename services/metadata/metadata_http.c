/* Routes to handlers; no business. */
#include "services/metadata/metadata_http.h"

#include "services/metadata/metadata_chats.h"
#include "services/metadata/metadata_list.h"
#include "services/metadata/metadata_members.h"

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
    struct http_server_options options = {
        .path = daemon_socket_path("metadata", "http"),
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .service = service,
        .authenticate = authenticator_check,
        .authenticator_context = service->authenticator,
        .max_body_bytes = (size_t)limits.max_body_bytes,
        .max_header_bytes = (size_t)daemon_settings.max_header_bytes,
        .deadline_ms = daemon_settings.request_deadline_ms,
        .idle_timeout_ms = daemon_settings.idle_timeout_ms,
        .max_requests = (size_t)daemon_settings.max_requests,
        .metrics_service = "metadata",
    };
    return http_server_create(service->loop, &options, message_out, message_size);
}
