/* Frames (RFC 6455, section 5). A message that lies whole in one frame and in the caller's bytes is unmasked where it is
 * and handed out without a copy; anything else gathers in the decoder's buffer. */
#include "shared/net/websocket.h"

#include <assert.h>
#include <string.h>

#include "shared/net/websocket_internal.h"

enum {
    PROTOCOL_ERROR = 1002,
    UNSUPPORTED = 1003,
    NO_STATUS = 1005,
    BAD_TEXT = 1007,
    TOO_BIG = 1009
};

/* The head of a frame from a client. */
struct frame_head {
    bool is_final;
    uint8_t opcode;
    uint64_t payload_bytes;
    const char *mask;
    size_t size;
};

/* What is left of the caller's bytes. */
struct input {
    char *at;
    size_t left;
};

static void consume(struct input *input, size_t size)
{
    input->at += size;
    input->left -= size;
}

void websocket_decoder_init(struct websocket_decoder *decoder, size_t max_message_bytes)
{
    *decoder = (struct websocket_decoder){.max_message_bytes = max_message_bytes};
}

void websocket_decoder_deinit(struct websocket_decoder *decoder)
{
    buffer_deinit(&decoder->message);
}

/* --- heads --- */

static bool is_control(uint8_t opcode)
{
    return opcode >= WEBSOCKET_CLOSE;
}

/* 0, or the close code. */
static int check_opcode(const struct websocket_decoder *decoder, unsigned char first)
{
    uint8_t opcode = first & 0x0F;
    bool is_final = (first & 0x80) != 0, is_unfinished = decoder->message_opcode != 0;
    if ((first & 0x70) != 0 || (opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE) ||
        opcode > WEBSOCKET_PONG)
        return PROTOCOL_ERROR;
    if (is_control(opcode))
        return is_final ? 0 : PROTOCOL_ERROR;
    if ((opcode == WEBSOCKET_CONTINUATION) != is_unfinished)
        return PROTOCOL_ERROR;
    return opcode == WEBSOCKET_BINARY && !decoder->accepts_binary ? UNSUPPORTED : 0;
}

/* False: it has not come yet. The number of bytes that the length takes is in the head's size. */
static bool read_length(const unsigned char *bytes, size_t length, struct frame_head *head)
{
    uint8_t short_length = bytes[1] & 0x7F;
    size_t extra = short_length == 127 ? 8 : short_length == 126 ? 2 : 0;
    head->size = 2 + extra;
    head->payload_bytes = extra == 0 ? short_length : 0;
    if (length < head->size)
        return false;
    for (size_t i = 0; i < extra; i++)
        head->payload_bytes = head->payload_bytes << 8 | bytes[2 + i];
    return true;
}

static int check_length(const struct websocket_decoder *decoder, const struct frame_head *head)
{
    if (is_control(head->opcode))
        return 0; /* read_head has looked */
    if (head->payload_bytes >> 63 != 0)
        return PROTOCOL_ERROR;
    return head->payload_bytes > decoder->max_message_bytes - decoder->message.length ? TOO_BIG : 0;
}

/* Refuses as early as the bytes allow. 0 with head->size 0: it needs more. Else the close code. */
static int read_head(const struct websocket_decoder *decoder, const struct input *input,
                     struct frame_head *head)
{
    const unsigned char *bytes = (const unsigned char *)input->at;
    *head = (struct frame_head){0};
    if (input->left == 0)
        return 0;
    int code = check_opcode(decoder, bytes[0]);
    if (code != 0 || input->left == 1)
        return code;
    head->is_final = (bytes[0] & 0x80) != 0;
    head->opcode = bytes[0] & 0x0F;
    if ((bytes[1] & 0x80) == 0 ||
        (is_control(head->opcode) && (bytes[1] & 0x7F) > WEBSOCKET_CONTROL_MAX))
        return PROTOCOL_ERROR;
    bool has_length = read_length(bytes, input->left, head);
    code = has_length ? check_length(decoder, head) : 0;
    if (code == 0 && has_length && input->left >= head->size + 4) {
        head->mask = input->at + head->size;
        head->size += 4;
    } else {
        head->size = 0;
    }
    return code;
}

/* --- payloads --- */

static void unmask(char *bytes, size_t length, const uint8_t mask[4], size_t mask_at)
{
    uint8_t key[8];
    uint64_t key_word, word;
    size_t at = 0;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = mask[(mask_at + i) % 4];
    memcpy(&key_word, key, sizeof key_word);
    for (; at + sizeof word <= length; at += sizeof word) {
        memcpy(&word, bytes + at, sizeof word);
        word ^= key_word;
        memcpy(bytes + at, &word, sizeof word);
    }
    for (; at < length; at++)
        bytes[at] = (char)(bytes[at] ^ key[at % 4]);
}

static enum websocket_event fail(int code, int *close_code_out)
{
    *close_code_out = code;
    return WEBSOCKET_FAILED;
}

/* RFC 6455, 7.4: what may stand in a frame. */
static bool is_close_code(int code)
{
    return (code >= 1000 && code <= 1011 && (code < 1004 || code > 1006)) ||
           (code >= 3000 && code <= 4999);
}

static enum websocket_event read_close(struct text payload, int *close_code_out)
{
    uint32_t utf8_state = 0;
    *close_code_out = NO_STATUS;
    if (payload.length == 0)
        return WEBSOCKET_GOT_CLOSE;
    if (payload.length == 1)
        return fail(PROTOCOL_ERROR, close_code_out);
    *close_code_out = (unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1];
    if (!is_close_code(*close_code_out))
        return fail(PROTOCOL_ERROR, close_code_out);
    if (!websocket_utf8_feed(&utf8_state, payload.data + 2, payload.length - 2) || utf8_state != 0)
        return fail(BAD_TEXT, close_code_out);
    return WEBSOCKET_GOT_CLOSE;
}

static enum websocket_event take_control(struct input *input, const struct frame_head *head,
                                         struct text *payload_out, int *close_code_out)
{
    size_t length = (size_t)head->payload_bytes;
    if (input->left < head->size + length)
        return WEBSOCKET_NEED_MORE;
    consume(input, head->size);
    *payload_out = (struct text){input->at, length};
    unmask(input->at, length, (const uint8_t *)head->mask, 0);
    consume(input, length);
    if (head->opcode == WEBSOCKET_CLOSE)
        return read_close(*payload_out, close_code_out);
    return head->opcode == WEBSOCKET_PING ? WEBSOCKET_GOT_PING : WEBSOCKET_GOT_PONG;
}

static void begin_frame(struct websocket_decoder *decoder, struct input *input,
                        const struct frame_head *head)
{
    decoder->is_in_frame = true;
    decoder->is_last_frame = head->is_final;
    decoder->frame_left = head->payload_bytes;
    decoder->mask_at = 0;
    memcpy(decoder->mask, head->mask, sizeof decoder->mask);
    if (head->opcode != WEBSOCKET_CONTINUATION) {
        decoder->message_opcode = head->opcode;
        decoder->utf8_state = 0;
    }
    consume(input, head->size);
}

static enum websocket_event end_message(struct websocket_decoder *decoder, struct text payload,
                                        struct text *payload_out, int *close_code_out)
{
    decoder->is_binary = decoder->message_opcode == WEBSOCKET_BINARY;
    decoder->message_opcode = 0;
    *payload_out = payload;
    return decoder->utf8_state == 0 ? WEBSOCKET_MESSAGE : fail(BAD_TEXT, close_code_out);
}

/* What has come of the frame. NEED_MORE: the frame, or its message, goes on. */
static enum websocket_event take_payload(struct websocket_decoder *decoder, struct input *input,
                                         struct text *payload_out, int *close_code_out)
{
    struct text piece = {
        input->at, input->left < decoder->frame_left ? input->left : (size_t)decoder->frame_left};
    unmask(input->at, piece.length, decoder->mask, decoder->mask_at);
    consume(input, piece.length);
    decoder->mask_at = (uint8_t)((decoder->mask_at + piece.length) % 4);
    decoder->frame_left -= piece.length;
    decoder->is_in_frame = decoder->frame_left > 0;
    if (decoder->message_opcode == WEBSOCKET_TEXT &&
        !websocket_utf8_feed(&decoder->utf8_state, piece.data, piece.length))
        return fail(BAD_TEXT, close_code_out);
    bool is_end = !decoder->is_in_frame && decoder->is_last_frame;
    if (is_end && decoder->message.length == 0)
        return end_message(decoder, piece, payload_out, close_code_out);
    buffer_append_text(&decoder->message, piece);
    if (is_end)
        return end_message(decoder, buffer_text(&decoder->message), payload_out, close_code_out);
    return WEBSOCKET_NEED_MORE;
}

/* --- the decoder --- */

static enum websocket_event decode(struct websocket_decoder *decoder, struct input *input,
                                   struct text *payload_out, int *close_code_out)
{
    struct frame_head head;
    enum websocket_event event;
    do {
        if (!decoder->is_in_frame) {
            int code = read_head(decoder, input, &head);
            if (code != 0)
                return fail(code, close_code_out);
            if (head.size == 0)
                return WEBSOCKET_NEED_MORE;
            if (is_control(head.opcode))
                return take_control(input, &head, payload_out, close_code_out);
            begin_frame(decoder, input, &head);
        }
        event = take_payload(decoder, input, payload_out, close_code_out);
    } while (event == WEBSOCKET_NEED_MORE && !decoder->is_in_frame);
    return event;
}

enum websocket_event websocket_decode(struct websocket_decoder *decoder, char *bytes, size_t length,
                                      size_t *consumed_out, struct text *payload_out,
                                      int *close_code_out)
{
    struct input input = {bytes, length};
    if (decoder->message_opcode == 0)
        buffer_deinit(&decoder->message); /* of the last message */
    *payload_out = TEXT_NONE;
    enum websocket_event event = decode(decoder, &input, payload_out, close_code_out);
    *consumed_out = length - input.left;
    return event;
}

/* --- output --- */

size_t websocket_frame_header(enum websocket_opcode opcode, size_t payload_bytes,
                              char out[WEBSOCKET_HEADER_MAX])
{
    size_t extra = payload_bytes > 0xFFFF ? 8 : payload_bytes > 125 ? 2 : 0;
    assert(opcode < WEBSOCKET_CLOSE || payload_bytes <= WEBSOCKET_CONTROL_MAX);
    out[0] = (char)(0x80 | opcode);
    out[1] = (char)(extra == 8 ? 127 : extra == 2 ? 126 : payload_bytes);
    for (size_t i = 0; i < extra; i++)
        out[2 + i] = (char)(payload_bytes >> (8 * (extra - 1 - i)));
    return 2 + extra;
}
