/* SHA-1 (RFC 3174), section 6.1. libsodium has none, and a library for twenty bytes of handshake would be too much. */
#include <endian.h>
#include <string.h>

#include "shared/net/websocket_internal.h"

#define BLOCK_BYTES 64

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* f(t; B, C, D) + K(t) */
static uint32_t round_value(int t, uint32_t b, uint32_t c, uint32_t d)
{
    if (t < 20)
        return ((b & c) | (~b & d)) + 0x5A827999;
    if (t < 40)
        return (b ^ c ^ d) + 0x6ED9EBA1;
    if (t < 60)
        return ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC;
    return (b ^ c ^ d) + 0xCA62C1D6;
}

static void add_block(uint32_t h[5], const unsigned char block[BLOCK_BYTES])
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    memcpy(w, block, BLOCK_BYTES);
    for (int t = 0; t < 16; t++)
        w[t] = be32toh(w[t]);
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t next = rotate(a, 5) + round_value(t, b, c, d) + e + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void websocket_sha1(const char *bytes, size_t length, unsigned char digest_out[SHA1_BYTES])
{
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    unsigned char last[2 * BLOCK_BYTES] = {0};
    uint64_t bits = htobe64((uint64_t)length * 8);
    size_t at = 0;
    for (; length - at >= BLOCK_BYTES; at += BLOCK_BYTES)
        add_block(h, (const unsigned char *)bytes + at);
    size_t rest = length - at;
    memcpy(last, bytes + at, rest);
    last[rest] = 0x80;
    size_t last_bytes = rest + 1 + sizeof bits <= BLOCK_BYTES ? BLOCK_BYTES : 2 * BLOCK_BYTES;
    memcpy(last + last_bytes - sizeof bits, &bits, sizeof bits);
    for (at = 0; at < last_bytes; at += BLOCK_BYTES)
        add_block(h, last + at);
    for (int i = 0; i < 5; i++)
        h[i] = htobe32(h[i]);
    memcpy(digest_out, h, SHA1_BYTES);
}
