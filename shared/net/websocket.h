/* WebSocket framing (RFC 6455) for a server: handshake check, an incremental frame decoder that holds nothing while a
 * connection is idle, and frame headers for output.
 *
 * The decoder is our own because a wslay context takes 8.8 kB per connection; wslay is the oracle that it is held
 * against (tests/model/test_websocket.c). No extensions are negotiated, so RSV bits are always an error. */
#ifndef PARLEY_NET_WEBSOCKET_H
#define PARLEY_NET_WEBSOCKET_H

#include "shared/base/buffer.h"

/* RFC 6455, 5.2 */
enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

#define WEBSOCKET_HEADER_MAX  10 /* of a frame from the server: never masked */
#define WEBSOCKET_CONTROL_MAX 125

/* The head of an upgrade request, parsed by http_parser. */
struct websocket_handshake {
    bool parley_protocol; /* parley.v1 was offered */
    char accept[29];      /* Sec-WebSocket-Accept, terminated */
    char origin[256];     /* "" when absent */
    char host[256];       /* "" when absent */
    char address[64];     /* X-Real-IP from the front door, "" when absent */
    char path[128];       /* without the query */
};

enum websocket_handshake_outcome {
    WEBSOCKET_HANDSHAKE_MORE,
    WEBSOCKET_HANDSHAKE_DONE,
    WEBSOCKET_HANDSHAKE_REFUSED
};

/* Reads the request head at the start of `bytes`. DONE: *consumed_out bytes were the head, what follows are frames.
 * REFUSED: *status_out is 400, 405, 426 or 431. Heads larger than max_bytes are refused. Accepts
 * "Connection: keep-alive, Upgrade" (RFC 6455, 4.2.1); requires version 13, a key of 16 bytes, GET, HTTP/1.1. */
enum websocket_handshake_outcome websocket_handshake_read(struct text bytes, size_t max_bytes,
                                                          struct websocket_handshake *handshake_out,
                                                          size_t *consumed_out, int *status_out);
/* The 101 answer (with Sec-WebSocket-Protocol when offered), or a refusal with a problem+json body. */
void websocket_handshake_answer(const struct websocket_handshake *handshake, struct buffer *out);
/* `status` is what websocket_handshake_read gave, or the caller's own 403, 404 or 503. */
void websocket_handshake_refuse(int status, struct buffer *out);

/* A decoder per connection: small, no allocation while no message is unfinished. */
struct websocket_decoder {
    struct buffer message; /* what has come of an unfinished message, unmasked */
    uint64_t frame_left;   /* bytes of the payload of an unfinished frame that have not come */
    size_t max_message_bytes;
    uint32_t utf8_state; /* see websocket_internal.h */
    uint8_t mask[4];
    uint8_t mask_at;        /* which byte of the mask the next byte takes */
    uint8_t message_opcode; /* of the unfinished message, 0 when there is none */
    bool is_in_frame;
    bool is_last_frame; /* of its message */
    bool
        accepts_binary; /* set after init; tests and other uses than Parley's: binary messages are not refused */
    bool is_binary; /* of the last WEBSOCKET_MESSAGE */
};

enum websocket_event {
    WEBSOCKET_NEED_MORE, /* give more bytes; *consumed_out of these are done with */
    WEBSOCKET_MESSAGE,   /* a whole text message in payload_out */
    WEBSOCKET_GOT_PING,  /* payload_out: answer with a pong of the same payload */
    WEBSOCKET_GOT_PONG,
    WEBSOCKET_GOT_CLOSE, /* *close_code_out: the peer's code, 1005 when it gave none */
    WEBSOCKET_FAILED,    /* *close_code_out: 1002, 1003 (binary), 1007 or 1009: close with it */
};

void websocket_decoder_init(struct websocket_decoder *decoder, size_t max_message_bytes);
void websocket_decoder_deinit(struct websocket_decoder *decoder);
/* Reads `bytes` (unmasking in place) up to the next event. Call with what is left of them until it needs more: that call
 * also frees the memory of the last message. payload_out lies in `bytes` or in the decoder, valid until the next call.
 * What belongs to an unfinished data frame is taken over; up to 130 bytes of an unfinished header or control frame are
 * not, and must be presented again. The claimed length, of all fragments together, is checked before anything is
 * allocated; UTF-8 is checked as it comes. After WEBSOCKET_GOT_CLOSE and WEBSOCKET_FAILED it must not be called again. */
enum websocket_event websocket_decode(struct websocket_decoder *decoder, char *bytes, size_t length,
                                      size_t *consumed_out, struct text *payload_out,
                                      int *close_code_out);

/* The header of an unfragmented frame from the server; returns its size. */
size_t websocket_frame_header(enum websocket_opcode opcode, size_t payload_bytes,
                              char out[WEBSOCKET_HEADER_MAX]);

#endif
