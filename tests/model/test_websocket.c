/* Random frames in random pieces: our decoder must tell what wslay tells, an implementation by somebody else. One frame in
 * a few is broken in one way, so that both must notice it at the same frame and close with the same code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "shared/base/mem.h"
#include "shared/net/websocket.h"

#define MAX_MESSAGE 400
#define STREAMS     20000

/* --- chance, the same in each run with the same seed --- */

static uint64_t chance_state;

static uint64_t chance(uint64_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state % below;
}

/* --- streams --- */

struct writer {
    struct buffer stream;
    bool is_unfinished; /* a message */
    bool is_closed;
};

/* How a frame is broken; most are not. */
enum fault {
    NO_FAULT,
    BAD_RESERVED,
    BAD_OPCODE,
    BAD_CONTINUATION,
    NO_MASK,
    LONG_CONTROL,
    FRAGMENTED_CONTROL,
    FAULTS
};

static void add_head(struct writer *writer, uint8_t first, uint64_t length, enum fault fault)
{
    char head[10] = {(char)first};
    size_t size = 2;
    /* Never longer than it must be: wslay refuses that, we do not. */
    head[1] = (char)(length > 0xFFFF ? 127 : length > 125 ? 126 : length);
    size_t extra = head[1] == 127 ? 8 : head[1] == 126 ? 2 : 0;
    for (size_t i = 0; i < extra; i++)
        head[size++] = (char)(length >> (8 * (extra - 1 - i)));
    if (fault != NO_MASK)
        head[1] = (char)(head[1] | 0x80);
    buffer_append(&writer->stream, head, size);
}

static void add_payload(struct writer *writer, const char *payload, size_t length, bool is_masked)
{
    char mask[4] = {0};
    for (int i = 0; is_masked && i < 4; i++)
        mask[i] = (char)chance(256);
    if (is_masked)
        buffer_append(&writer->stream, mask, sizeof mask);
    for (size_t i = 0; i < length; i++)
        buffer_append(&writer->stream, &(char){(char)(payload[i] ^ mask[i % 4])}, 1);
}

static size_t random_text(char *out, size_t size)
{
    static const char *const characters[] = {
        "a", "z", " ", "\x7F", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    size_t length = 0, wanted = chance(3) == 0 ? chance(size) : chance(20);
    while (length < wanted) {
        const char *character = characters[chance(7)];
        if (length + strlen(character) > size)
            break;
        memcpy(out + length, character, strlen(character));
        length += strlen(character);
    }
    if (chance(30) == 0 && length > 0)
        out[chance(length)] = (char)chance(256); /* most likely no UTF-8 any more */
    return length;
}

/* Text may be cut inside a character: the next fragment then most likely does not go on with it. */
static size_t random_cut(size_t length)
{
    return chance(8) == 0 && length > 0 ? chance(length) : length;
}

static void add_data_frame(struct writer *writer, enum fault fault)
{
    char payload[MAX_MESSAGE + 50];
    bool is_final = chance(3) > 0;
    uint8_t opcode = writer->is_unfinished ? 0 : (uint8_t)(chance(4) == 0 ? 2 : 1);
    if (fault == BAD_CONTINUATION)
        opcode = opcode == 0 ? 1 : 0;
    size_t length = random_cut(random_text(payload, sizeof payload));
    add_head(writer, (uint8_t)(opcode | (is_final ? 0x80 : 0)), length, fault);
    add_payload(writer, payload, length, fault != NO_MASK);
    writer->is_unfinished = !is_final;
}

/* A random code, or a random reason: which of two faults is told first is nobody's business. */
static size_t random_close(char out[125])
{
    bool has_random_code = chance(2) == 0;
    uint64_t code = !has_random_code ? 1000 : chance(2) == 0 ? 1000 + chance(20) : chance(6000);
    out[0] = (char)(code >> 8);
    out[1] = (char)code;
    if (chance(4) == 0)
        return 0; /* one byte alone wslay takes for nothing; we refuse it */
    return has_random_code ? 2 : 2 + random_text(out + 2, 123);
}

static void add_control_frame(struct writer *writer, enum fault fault)
{
    char payload[200];
    uint8_t opcode = (uint8_t)(9 + chance(2));
    size_t length = random_text(payload, fault == LONG_CONTROL ? sizeof payload : 125);
    if (fault == LONG_CONTROL)
        length = 126 + chance(40);
    if (fault == NO_FAULT && chance(6) == 0) {
        opcode = 8;
        length = random_close(payload);
        writer->is_closed = true;
    }
    add_head(writer, (uint8_t)(opcode | (fault == FRAGMENTED_CONTROL ? 0 : 0x80)), length, fault);
    add_payload(writer, payload, length, fault != NO_MASK);
}

static void add_frame(struct writer *writer)
{
    enum fault fault = chance(20) == 0 ? (enum fault)chance(FAULTS) : NO_FAULT;
    size_t at = writer->stream.length;
    if (fault == LONG_CONTROL || fault == FRAGMENTED_CONTROL ||
        (fault != BAD_CONTINUATION && chance(4) == 0))
        add_control_frame(writer, fault);
    else
        add_data_frame(writer, fault);
    if (fault == BAD_RESERVED)
        writer->stream.data[at] = (char)(writer->stream.data[at] | 0x10 << chance(3));
    if (fault == BAD_OPCODE)
        writer->stream.data[at] = (char)((writer->stream.data[at] & 0xF8) | 3 | (char)chance(5));
}

/* --- what is told, as text --- */

static void tell(struct buffer *words, const char *name, const void *payload, size_t length)
{
    buffer_append_format(words, "%s:%zu:", name, length);
    buffer_append(words, length > 0 ? payload : "", length);
    buffer_append_string(words, "\n");
}

static bool tell_event(struct buffer *words, bool is_binary, enum websocket_event event,
                       struct text payload, int code)
{
    static const char *const names[] = {"", "text", "ping", "pong"};
    if (event == WEBSOCKET_GOT_CLOSE || event == WEBSOCKET_FAILED) {
        buffer_append_format(words, "%s %d\n", event == WEBSOCKET_FAILED ? "failed" : "close",
                             code);
        return true;
    }
    if (event != WEBSOCKET_NEED_MORE)
        tell(words, event == WEBSOCKET_MESSAGE && is_binary ? "binary" : names[event], payload.data,
             payload.length);
    return false;
}

/* --- ours --- */

/* True: over. What was not consumed stays at the front of `waiting`. */
static bool decode(struct websocket_decoder *decoder, struct buffer *waiting, struct buffer *words)
{
    for (;;) {
        struct text payload;
        size_t used;
        int code = 0;
        char *copy = mem_alloc(waiting->length + 1); /* alone on the heap */
        memcpy(copy, waiting->data, waiting->length);
        copy = mem_resize(copy, waiting->length > 0 ? waiting->length : 1);
        enum websocket_event event =
            websocket_decode(decoder, copy, waiting->length, &used, &payload, &code);
        bool is_over = tell_event(words, decoder->is_binary, event, payload, code);
        mem_free(copy);
        memmove(waiting->data, waiting->data + used, waiting->length - used);
        waiting->length -= used;
        if (is_over || event == WEBSOCKET_NEED_MORE)
            return is_over;
    }
}

static void run_ours(struct text stream, struct buffer *words)
{
    struct websocket_decoder decoder;
    struct buffer waiting = BUFFER_EMPTY;
    uint64_t largest = 1 + chance(chance(2) == 0 ? 10 : 1000);
    websocket_decoder_init(&decoder, MAX_MESSAGE);
    decoder.accepts_binary = true;
    buffer_reserve(&waiting, 1);
    for (bool is_over = false; !is_over && stream.length > 0;) {
        size_t size = 1 + chance(largest);
        size = size < stream.length ? size : stream.length;
        buffer_append(&waiting, stream.data, size);
        stream = (struct text){stream.data + size, stream.length - size};
        is_over = decode(&decoder, &waiting, words);
    }
    buffer_deinit(&waiting);
    websocket_decoder_deinit(&decoder);
}

/* --- wslay --- */

struct oracle {
    struct text stream;
    struct buffer *words;
};

static ssize_t on_receive(wslay_event_context_ptr context, uint8_t *out, size_t size, int flags,
                          void *user)
{
    struct oracle *oracle = user;
    (void)flags;
    if (oracle->stream.length == 0) {
        wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size = size < oracle->stream.length ? size : oracle->stream.length;
    memcpy(out, oracle->stream.data, size);
    oracle->stream = (struct text){oracle->stream.data + size, oracle->stream.length - size};
    return (ssize_t)size;
}

static ssize_t on_send(wslay_event_context_ptr context, const uint8_t *bytes, size_t size,
                       int flags, void *user)
{
    (void)context;
    (void)bytes;
    (void)flags;
    (void)user;
    return (ssize_t)size;
}

static void on_message(wslay_event_context_ptr context,
                       const struct wslay_event_on_msg_recv_arg *message, void *user)
{
    static const char *const names[] = {[WSLAY_TEXT_FRAME] = "text",
                                        [WSLAY_BINARY_FRAME] = "binary",
                                        [WSLAY_PING] = "ping",
                                        [WSLAY_PONG] = "pong"};
    struct oracle *oracle = user;
    (void)context;
    if (message->opcode != WSLAY_CONNECTION_CLOSE)
        tell(oracle->words, names[message->opcode], message->msg, message->msg_length);
}

static void run_oracle(struct text stream, struct buffer *words)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_receive, .send_callback = on_send, .on_msg_recv_callback = on_message};
    struct oracle oracle = {stream, words};
    wslay_event_context_ptr context;
    assert_int_equal(wslay_event_context_server_init(&context, &callbacks, &oracle), 0);
    wslay_event_config_set_max_recv_msg_length(context, MAX_MESSAGE);
    /* It gives up on a frame that breaks the protocol by itself (RFC 6455, 5.2) without a close code. */
    int outcome = wslay_event_recv(context);
    assert_true(outcome == 0 || outcome == WSLAY_ERR_CALLBACK_FAILURE);
    bool was_received = wslay_event_get_close_received(context) != 0;
    assert_int_equal(wslay_event_send(context), 0);
    if (outcome != 0)
        buffer_append_format(words, "failed %d\n", WSLAY_CODE_PROTOCOL_ERROR);
    else if (was_received)
        buffer_append_format(words, "close %d\n", wslay_event_get_status_code_received(context));
    else if (wslay_event_get_close_sent(context))
        buffer_append_format(words, "failed %d\n", wslay_event_get_status_code_sent(context));
    wslay_event_context_free(context);
}

/* --- the comparison --- */

static void print_bytes(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        fprintf(stderr, "%02x", (unsigned char)text.data[i]);
    fprintf(stderr, "\n");
}

static void compare(uint64_t seed, struct text stream)
{
    struct buffer ours = BUFFER_EMPTY, theirs = BUFFER_EMPTY;
    run_ours(stream, &ours);
    run_oracle(stream, &theirs);
    if (!text_equal(buffer_text(&ours), buffer_text(&theirs))) {
        print_bytes(stream);
        fail_msg("seed %llu\nours:\n%.*s\nwslay:\n%.*s", (unsigned long long)seed,
                 TEXT_PRINT(buffer_text(&ours)), TEXT_PRINT(buffer_text(&theirs)));
    }
    buffer_deinit(&ours);
    buffer_deinit(&theirs);
}

static void our_decoder_tells_what_wslay_tells(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= STREAMS; seed++) {
        struct writer writer = {.stream = BUFFER_EMPTY};
        chance_state = seed * UINT64_C(0x9E3779B97F4A7C15);
        for (uint64_t frames = 1 + chance(12); frames > 0 && !writer.is_closed; frames--)
            add_frame(&writer);
        compare(seed, buffer_text(&writer.stream));
        buffer_deinit(&writer.stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(our_decoder_tells_what_wslay_tells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
