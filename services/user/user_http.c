/* Routes to handlers. The first match wins: the words `me` and `current` stand before the ids. */
#include "services/user/user_handlers.h"
#include "services/user/user_service.h"
#include "shared/daemon/daemon_rest.h"

static const struct http_route routes[] = {
    {HTTP_POST, "/v1/users", NULL, HTTP_PUBLIC | HTTP_BODY, user_accounts_register},
    {HTTP_GET, "/v1/users", "q,limit,cursor", 0, user_profile_search},
    {HTTP_GET, "/v1/users/me", NULL, 0, user_profile_own},
    {HTTP_PATCH, "/v1/users/me", NULL, HTTP_BODY, user_profile_update},
    {HTTP_DELETE, "/v1/users/me", NULL, 0, user_accounts_erase},
    {HTTP_PUT, "/v1/users/me/password", NULL, HTTP_BODY, user_accounts_change_password},
    {HTTP_GET, "/v1/users/me/blocks", "limit,cursor", 0, user_blocks_list},
    {HTTP_PUT, "/v1/users/me/blocks/{user}", NULL, 0, user_blocks_put},
    {HTTP_DELETE, "/v1/users/me/blocks/{user}", NULL, 0, user_blocks_delete},
    {HTTP_GET, "/v1/users/me/devices", "limit,cursor", 0, user_devices_list},
    {HTTP_PATCH, "/v1/users/me/devices/{id}", NULL, HTTP_BODY, user_devices_rename},
    {HTTP_DELETE, "/v1/users/me/devices/{id}", NULL, 0, user_devices_remove},
    {HTTP_GET, "/v1/users/{id}", NULL, 0, user_profile_get},
    {HTTP_POST, "/v1/sessions", NULL, HTTP_PUBLIC | HTTP_BODY, user_login_open},
    {HTTP_GET, "/v1/sessions", "limit,cursor", 0, user_sessions_list},
    {HTTP_DELETE, "/v1/sessions/current", NULL, 0, user_sessions_end_current},
    {HTTP_DELETE, "/v1/sessions/{id}", NULL, 0, user_sessions_end},
};

struct http_server *user_http_create(struct loop *loop, struct user_service *service,
                                     char *message_out, int message_size)
{
    struct http_server_options options = daemon_rest_options("user");
    options.routes = routes;
    options.route_count = sizeof routes / sizeof routes[0];
    options.service = service;
    options.authenticate = user_tokens_authenticate;
    options.authenticator_context = service->tokens;
    return http_server_create(loop, &options, message_out, message_size);
}
