#ifndef PARLEY_DAEMON_DAEMON_REST_H
#define PARLEY_DAEMON_DAEMON_REST_H

#include "shared/net/http_server.h"

/* The options of a daemon's REST server: its socket, and the bounds from the settings. What is left to the caller are the
 * routes, the service that their handlers get, and the authenticator. */
struct http_server_options daemon_rest_options(const char *service);

#endif
