/* What the files websocket*.c share. */
#ifndef PARLEY_NET_WEBSOCKET_INTERNAL_H
#define PARLEY_NET_WEBSOCKET_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8 (RFC 3629) in pieces. The state is 0 between two characters, which is where a text must end. False at the first
 * byte that no valid text has there. */
bool websocket_utf8_feed(uint32_t *state, const char *bytes, size_t length);

#endif
