/* What the files websocket*.c share. */
#ifndef PARLEY_NET_WEBSOCKET_INTERNAL_H
#define PARLEY_NET_WEBSOCKET_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* UTF-8 (RFC 3629) in pieces. The state is 0 between two characters, which is where a text must end. False at the first
 * byte that no valid text has there. */
bool websocket_utf8_feed(uint32_t *state, const char *bytes, size_t length);

#define SHA1_BYTES 20
/* RFC 3174, for Sec-WebSocket-Accept only: it proves that we read the key, and nothing more. */
void websocket_sha1(const char *bytes, size_t length, unsigned char digest_out[SHA1_BYTES]);

#endif
