#include "shared/daemon/daemon_rest.h"

#include "shared/daemon/daemon.h"

struct http_server_options daemon_rest_options(const char *service)
{
    return (struct http_server_options){
        .path = daemon_socket_path(service, "http"),
        .max_body_bytes = (size_t)limits.max_body_bytes,
        .max_header_bytes = (size_t)daemon_settings.max_header_bytes,
        .deadline_ms = daemon_settings.request_deadline_ms,
        .idle_timeout_ms = daemon_settings.idle_timeout_ms,
        .max_requests = (size_t)daemon_settings.max_requests,
        .metrics_service = service,
    };
}
