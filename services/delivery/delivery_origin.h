/* Which web pages may connect (contract.md: checked on every handshake). */
#ifndef PARLEY_DELIVERY_ORIGIN_H
#define PARLEY_DELIVERY_ORIGIN_H

#include "shared/net/websocket.h"

/* `allowed` is a comma separated list of origins; when it is empty, the page must come from the host that it connects
 * to. A client that sends no Origin is no browser, and is allowed. */
bool delivery_origin_is_allowed(const struct websocket_handshake *handshake, const char *allowed);

#endif
