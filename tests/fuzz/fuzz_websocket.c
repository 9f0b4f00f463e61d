/* The frame decoder on any bytes at all: in one piece and in pieces it tells the same, and what it tells keeps the rules. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/net/websocket.h"

#define MAX_MESSAGE 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_event(const struct websocket_decoder *decoder, enum websocket_event event,
                        struct text payload, int code)
{
    if (event == WEBSOCKET_MESSAGE)
        require(payload.length <= MAX_MESSAGE && (decoder->is_binary || text_is_utf8(payload)));
    if (event == WEBSOCKET_GOT_PING || event == WEBSOCKET_GOT_PONG)
        require(payload.length <= WEBSOCKET_CONTROL_MAX);
    if (event == WEBSOCKET_GOT_CLOSE)
        require((code >= 1000 && code <= 1011) || (code >= 3000 && code <= 4999));
    if (event == WEBSOCKET_FAILED)
        require(code == 1002 || code == 1003 || code == 1007 || code == 1009);
    require(decoder->message.length <= MAX_MESSAGE);
}

static void note(struct buffer *told, enum websocket_event event, struct text payload, int code)
{
    if (event == WEBSOCKET_NEED_MORE)
        return;
    buffer_append_format(told, "%d:%d:%zu:", (int)event, event >= WEBSOCKET_GOT_CLOSE ? code : 0,
                         payload.length);
    if (event < WEBSOCKET_GOT_CLOSE)
        buffer_append_text(told, payload);
}

/* True: over. */
static bool decode(struct websocket_decoder *decoder, struct buffer *waiting, struct buffer *told)
{
    for (;;) {
        size_t length = waiting->length, used;
        struct text payload;
        int code = 0;
        char *copy =
            mem_alloc(length > 0 ? length : 1); /* alone on the heap: reading past it is seen */
        memcpy(copy, waiting->data, length);
        enum websocket_event event =
            websocket_decode(decoder, copy, length, &used, &payload, &code);
        require(used <= length);
        check_event(decoder, event, payload, code);
        note(told, event, payload, code);
        mem_free(copy);
        memmove(waiting->data, waiting->data + used, length - used);
        waiting->length -= used;
        if (event == WEBSOCKET_NEED_MORE) {
            require(waiting->length <= 130 &&
                    (decoder->message_opcode != 0 || decoder->message.data == NULL));
            return false;
        }
        if (event == WEBSOCKET_GOT_CLOSE || event == WEBSOCKET_FAILED)
            return true;
    }
}

static void run(const uint8_t *data, size_t size, size_t piece, bool accepts_binary,
                struct buffer *told)
{
    struct websocket_decoder decoder;
    struct buffer waiting = BUFFER_EMPTY;
    websocket_decoder_init(&decoder, MAX_MESSAGE);
    decoder.accepts_binary = accepts_binary;
    buffer_reserve(&waiting, 1);
    for (size_t at = 0; at < size; at += piece) {
        buffer_append(&waiting, data + at, size - at < piece ? size - at : piece);
        if (decode(&decoder, &waiting, told))
            break;
    }
    buffer_deinit(&waiting);
    websocket_decoder_deinit(&decoder);
}

/* The first byte says how large the pieces are, and whether binary messages are wanted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer whole = BUFFER_EMPTY, pieces = BUFFER_EMPTY;
    if (size < 1)
        return 0;
    bool accepts_binary = (data[0] & 0x80) != 0;
    run(data + 1, size - 1, size, accepts_binary, &whole);
    run(data + 1, size - 1, 1U + (data[0] & 0x7F), accepts_binary, &pieces);
    require(text_equal(buffer_text(&whole), buffer_text(&pieces)));
    buffer_deinit(&whole);
    buffer_deinit(&pieces);
    return 0;
}
