/* The state between two pieces: how many bytes the character still needs, and between which bounds the next one must lie:
 * needed | low << 8 | high << 16. */
#include <string.h>

#include "shared/net/websocket_internal.h"

static uint32_t expect(uint32_t needed, uint32_t low, uint32_t high)
{
    return needed | low << 8 | high << 16;
}

/* RFC 3629, section 4: the bounds of the second byte rule out overlong forms, surrogates, and what is above U+10FFFF.
 * 0: no character begins with this byte. */
static uint32_t after_first(unsigned char byte)
{
    if (byte >= 0xC2 && byte <= 0xDF)
        return expect(1, 0x80, 0xBF);
    if (byte >= 0xE0 && byte <= 0xEF)
        return expect(2, byte == 0xE0 ? 0xA0 : 0x80, byte == 0xED ? 0x9F : 0xBF);
    if (byte >= 0xF0 && byte <= 0xF4)
        return expect(3, byte == 0xF0 ? 0x90 : 0x80, byte == 0xF4 ? 0x8F : 0xBF);
    return 0;
}

static size_t ascii_length(const char *bytes, size_t length)
{
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (at < length && (unsigned char)bytes[at] < 0x80)
        at++;
    return at;
}

bool websocket_utf8_feed(uint32_t *state, const char *bytes, size_t length)
{
    uint32_t now = *state;
    for (size_t at = 0; at < length; at++) {
        unsigned char byte = (unsigned char)bytes[at];
        if (now == 0) {
            at += ascii_length(bytes + at, length - at);
            if (at == length)
                break;
            now = after_first((unsigned char)bytes[at]);
            if (now == 0)
                return false;
            continue;
        }
        if (byte < (now >> 8 & 0xFF) || byte > (now >> 16 & 0xFF))
            return false;
        now = (now & 0xFF) == 1 ? 0 : expect((now & 0xFF) - 1, 0x80, 0xBF);
    }
    *state = now;
    return true;
}
