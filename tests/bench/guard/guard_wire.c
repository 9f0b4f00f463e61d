/* What comes in as bytes: a frame from a client, a request from a daemon. */
#include <nng/nng.h>
#include <string.h>

#include "shared/net/websocket.h"
#include "shared/proto/rpc_internal.h"
#include "tests/bench/guard/guard.h"

/* A frame from a client is masked (RFC 6455, 5.3). */
static size_t mask_frame(struct text payload, char *out)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = websocket_frame_header(WEBSOCKET_TEXT, payload.length, out);
    out[1] = (char)(out[1] | 0x80);
    memcpy(out + at, mask, sizeof mask);
    at += sizeof mask;
    for (size_t i = 0; i < payload.length; i++)
        out[at + i] = (char)(payload.data[i] ^ mask[i % 4]);
    return at + payload.length;
}

void guard_frame(size_t iterations)
{
    char frame[512], bytes[512];
    struct websocket_decoder decoder;
    struct text want = guard_send_frame(0), payload;
    size_t length = mask_frame(want, frame), used;
    int code;
    websocket_decoder_init(&decoder, 65536);
    for (size_t i = 0; i < iterations; i++) {
        memcpy(bytes, frame, length); /* it is unmasked in place */
        enum websocket_event event =
            websocket_decode(&decoder, bytes, length, &used, &payload, &code);
        guard_require(event == WEBSOCKET_MESSAGE && used == length, "the frame was not read");
        guard_require(payload.length == want.length, "the payload is not whole");
        websocket_decode(&decoder, bytes + used, 0, &used, &payload, &code);
    }
    websocket_decoder_deinit(&decoder);
}

void guard_request(size_t iterations)
{
    const struct chat_append_request *request = guard_append_request();
    for (size_t i = 0; i < iterations; i++) {
        struct chat_append_request got;
        struct codec_error error;
        struct arena arena = ARENA_EMPTY;
        struct text payload;
        uint8_t number;
        nng_msg *msg = rpc_message_encode(1, &chat_append_request_codec, request);
        struct text bytes = {nng_msg_body(msg), nng_msg_len(msg)};
        bool is_read = rpc_message_open(bytes, &number, &payload) &&
                       codec_decode(&chat_append_request_codec, payload, &arena, &got, &error);
        guard_require(is_read && got.messages_count == GUARD_BATCH, "the request was not read");
        arena_deinit(&arena);
        nng_msg_free(msg);
    }
}
