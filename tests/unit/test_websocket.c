/* The WebSocket handshake and frames, case by case (RFC 6455). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "shared/net/websocket.h"
#include "shared/net/websocket_internal.h"

#define MAX_HEAD    2000
#define MAX_MESSAGE 1000

/* --- handshake --- */

#define LINE    "GET /v1/ws HTTP/1.1\r\n"
#define HOST    "Host: chat.example\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define GOOD    LINE HOST UPGRADE KEY VERSION

static struct websocket_handshake handshake;
static size_t consumed;
static int status;

/* The bytes lie alone on the heap: reading past them is seen. */
static enum websocket_handshake_outcome read_head(const char *bytes, size_t length)
{
    char *copy = mem_copy(bytes, length > 0 ? length : 1);
    copy = mem_resize(copy, length > 0 ? length : 1);
    consumed = 0;
    status = 0;
    enum websocket_handshake_outcome outcome = websocket_handshake_read(
        (struct text){copy, length}, MAX_HEAD, &handshake, &consumed, &status);
    mem_free(copy);
    return outcome;
}

static enum websocket_handshake_outcome read_string(const char *head)
{
    return read_head(head, strlen(head));
}

static void the_key_of_the_rfc_gives_the_answer_of_the_rfc(void **state)
{
    (void)state;
    assert_int_equal(read_string(GOOD "\r\n"), WEBSOCKET_HANDSHAKE_DONE);
    assert_string_equal(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_string_equal(handshake.path, "/v1/ws");
    assert_string_equal(handshake.origin, "");
    assert_string_equal(handshake.address, "");
    assert_false(handshake.parley_protocol);
}

static void what_follows_the_head_belongs_to_the_frames(void **state)
{
    (void)state;
    assert_int_equal(read_string(GOOD "\r\n\x81\x80"), WEBSOCKET_HANDSHAKE_DONE);
    assert_int_equal(consumed, strlen(GOOD "\r\n"));
}

static void a_head_in_pieces_needs_more_until_it_is_whole(void **state)
{
    static const char head[] = GOOD "X-Empty:\r\nOrigin: https://a.example\r\n\r\n";
    (void)state;
    for (size_t length = 0; length < sizeof head - 1; length++)
        assert_int_equal(read_head(head, length), WEBSOCKET_HANDSHAKE_MORE);
    assert_int_equal(read_string(head), WEBSOCKET_HANDSHAKE_DONE);
    assert_int_equal(consumed, sizeof head - 1);
}

static void the_facts_of_the_head_are_handed_on(void **state)
{
    (void)state;
    assert_int_equal(read_string("GET /v1/ws?x=1 HTTP/1.1\r\n" HOST UPGRADE KEY VERSION
                                 "Origin: https://a.example\r\n"
                                 "X-Real-IP: 2001:db8::7\r\n"
                                 "Sec-WebSocket-Protocol: other, parley.v1\r\n\r\n"),
                     WEBSOCKET_HANDSHAKE_DONE);
    assert_string_equal(handshake.origin, "https://a.example");
    assert_string_equal(handshake.address, "2001:db8::7");
    assert_string_equal(handshake.path, "/v1/ws");
    assert_true(handshake.parley_protocol);
}

static void heads_that_differ_in_form_only_are_accepted(void **state)
{
    static const char *const heads[] = {
        LINE HOST KEY VERSION "Upgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\r\n",
        LINE HOST KEY VERSION "upgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        LINE HOST KEY VERSION "Upgrade: h2c, websocket\r\nConnection: Upgrade,keep-alive\r\n\r\n",
        LINE HOST KEY VERSION
        "Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n\r\n",
        GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        GOOD "Content-Length: 0\r\n\r\n",
        GOOD "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        assert_int_equal(read_string(heads[i]), WEBSOCKET_HANDSHAKE_DONE);
}

static void other_heads_are_refused_with_a_status(void **state)
{
    static const struct {
        const char *head;
        int status;
    } rows[] = {
        {"POST /v1/ws HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", 405},
        {"CONNECT a.example:80 HTTP/1.1\r\n" HOST UPGRADE KEY VERSION "\r\n", 405},
        {"GET /v1/ws HTTP/1.0\r\n" HOST UPGRADE KEY VERSION "\r\n", 400},
        {"GARBAGE\r\n\r\n", 400},
        {"\x16\x03\x01", 400}, /* TLS */
        {LINE UPGRADE KEY VERSION "\r\n", 400},
        {LINE HOST "\r\n", 426},
        {LINE HOST KEY VERSION "Connection: Upgrade\r\n\r\n", 426},
        {LINE HOST KEY VERSION "Upgrade: websocket\r\n\r\n", 426},
        {LINE HOST KEY VERSION "Upgrade: websocket\r\nConnection: close\r\n\r\n", 426},
        {LINE HOST KEY VERSION "Upgrade: websockets\r\nConnection: Upgrade\r\n\r\n", 426},
        {LINE HOST UPGRADE KEY "\r\n", 426},
        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {LINE HOST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n", 426},
        {LINE HOST UPGRADE VERSION "\r\n", 400},
        {LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: \r\n\r\n", 400},
        {LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n", 400},
        {LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n\r\n", 400},
        {LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: !!!!IHNhbXBsZSBub25jZQ==\r\n\r\n", 400},
        {LINE HOST UPGRADE VERSION "Sec-WebSocket-Key: \xFFGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400},
        {GOOD KEY "\r\n", 400},
        {GOOD VERSION "\r\n", 400},
        {GOOD HOST "\r\n", 400},
        {GOOD "Origin: a\r\nOrigin: b\r\n\r\n", 400},
        {GOOD "Content-Length: 5\r\n\r\nhello", 400},
        {GOOD "Transfer-Encoding: chunked\r\n\r\n", 400},
        {GOOD "Origin: https://a\r\n .example\r\n\r\n", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (read_string(rows[i].head) != WEBSOCKET_HANDSHAKE_REFUSED || status != rows[i].status)
            fail_msg("status %d instead of %d for\n%s", status, rows[i].status, rows[i].head);
    }
}

static void what_is_too_long_is_refused(void **state)
{
    char head[MAX_HEAD + 100], tail[] = "\r\n\r\n";
    (void)state;
    strcpy(head, GOOD "X-Long: ");
    size_t length = strlen(head);
    memset(head + length, 'a', MAX_HEAD - length);
    assert_int_equal(read_head(head, MAX_HEAD - 1), WEBSOCKET_HANDSHAKE_MORE);
    assert_int_equal(read_head(head, MAX_HEAD), WEBSOCKET_HANDSHAKE_REFUSED);
    assert_int_equal(status, 431);
    memcpy(head + MAX_HEAD - 4, tail, 4);
    assert_int_equal(read_head(head, MAX_HEAD), WEBSOCKET_HANDSHAKE_DONE);
    strcpy(head, GOOD "Origin: ");
    length = strlen(head);
    memset(head + length, 'a', 256);
    strcpy(head + length + 255, tail);
    assert_int_equal(read_string(head), WEBSOCKET_HANDSHAKE_DONE);
    head[length + 255] = 'a';
    strcpy(head + length + 256, tail);
    assert_int_equal(read_string(head), WEBSOCKET_HANDSHAKE_REFUSED);
    assert_int_equal(status, 400);
}

static void an_address_that_is_none_is_left_out(void **state)
{
    (void)state;
    assert_int_equal(read_string(GOOD "X-Real-IP: <b>\r\n\r\n"), WEBSOCKET_HANDSHAKE_DONE);
    assert_string_equal(handshake.address, "");
}

static void the_answer_switches_protocols(void **state)
{
    struct buffer out = BUFFER_EMPTY;
    (void)state;
    assert_int_equal(read_string(GOOD "Sec-WebSocket-Protocol: parley.v1\r\n\r\n"),
                     WEBSOCKET_HANDSHAKE_DONE);
    websocket_handshake_answer(&handshake, &out);
    assert_true(text_is(buffer_text(&out),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                        "Sec-WebSocket-Protocol: parley.v1\r\n\r\n"));
    buffer_clear(&out);
    handshake.parley_protocol = false;
    websocket_handshake_answer(&handshake, &out);
    buffer_append(&out, "", 1);
    assert_null(strstr(out.data, "Protocol:"));
    buffer_deinit(&out);
}

static void a_refusal_is_a_problem_with_its_status(void **state)
{
    static const struct {
        int status;
        const char *part;
    } rows[] = {
        {400, "\"code\":\"bad_request\""},
        {403, "\"code\":\"forbidden\""},
        {404, "\"code\":\"not_found\""},
        {405, "Allow: GET\r\n"},
        {426, "Sec-WebSocket-Version: 13\r\n"},
        {431, "\"status\":431"},
        {503, "Retry-After: 1\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer out = BUFFER_EMPTY;
        struct json_fault fault;
        char line[40];
        websocket_handshake_refuse(rows[i].status, &out);
        buffer_append(&out, "", 1);
        snprintf(line, sizeof line, "HTTP/1.1 %d ", rows[i].status);
        assert_memory_equal(out.data, line, strlen(line));
        assert_non_null(strstr(out.data, rows[i].part));
        assert_non_null(strstr(out.data, "Content-Type: application/problem+json\r\n"));
        const char *body = strstr(out.data, "\r\n\r\n") + 4;
        struct json_document *document = json_parse(text_of(body), &fault);
        assert_non_null(document);
        json_destroy(&document);
        snprintf(line, sizeof line, "Content-Length: %zu\r\n", strlen(body));
        assert_non_null(strstr(out.data, line));
        buffer_deinit(&out);
    }
}

/* --- frames --- */

static const char mask[4] = {0x11, 0x22, (char)0x83, 0x44};

/* A client's frame; `first` is the first byte, with FIN. */
static void add_frame(struct buffer *out, int first, const char *payload, size_t length)
{
    char head[14] = {(char)first};
    size_t size = 2;
    if (length > 0xFFFF) {
        head[1] = (char)(0x80 | 127);
        for (size_t i = 0; i < 8; i++)
            head[size++] = (char)(length >> (56 - 8 * i));
    } else if (length > 125) {
        head[1] = (char)(0x80 | 126);
        head[size++] = (char)(length >> 8);
        head[size++] = (char)length;
    } else {
        head[1] = (char)(0x80 | length);
    }
    memcpy(head + size, mask, 4);
    buffer_append(out, head, size + 4);
    for (size_t i = 0; i < length; i++)
        buffer_append(out, &(char){(char)(payload[i] ^ mask[i % 4])}, 1);
}

/* Everything that the decoder tells, as text: "text(hello) ping() close(1000) failed(1002) more". Bytes are given in
 * pieces of `piece` bytes; what was not consumed is given again. */
struct telling {
    struct buffer words;
    size_t max_message_bytes;
    bool accepts_binary;
};

static bool tell(struct telling *telling, const struct websocket_decoder *decoder,
                 enum websocket_event event, struct text payload, int code)
{
    static const char *const names[] = {"more", "text", "ping", "pong", "close", "failed"};
    if (event == WEBSOCKET_NEED_MORE)
        return false;
    buffer_append_string(&telling->words, telling->words.length > 0 ? " " : "");
    buffer_append_string(&telling->words, event == WEBSOCKET_MESSAGE && decoder->is_binary
                                              ? "binary"
                                              : names[event]);
    buffer_append_string(&telling->words, "(");
    if (event == WEBSOCKET_GOT_CLOSE || event == WEBSOCKET_FAILED)
        buffer_append_number(&telling->words, code);
    else
        buffer_append_text(&telling->words, payload);
    buffer_append_string(&telling->words, ")");
    return event == WEBSOCKET_GOT_CLOSE || event == WEBSOCKET_FAILED;
}

/* True: it is over. Takes what it consumes off the front of `waiting`. */
static bool decode_waiting(struct telling *telling, struct websocket_decoder *decoder,
                           struct buffer *waiting)
{
    enum websocket_event event;
    do {
        char *copy = mem_alloc(waiting->length > 0 ? waiting->length : 1);
        size_t used;
        struct text payload;
        int code = 0;
        memcpy(copy, waiting->length > 0 ? waiting->data : "", waiting->length);
        event = websocket_decode(decoder, copy, waiting->length, &used, &payload, &code);
        bool is_over = tell(telling, decoder, event, payload, code);
        mem_free(copy);
        assert_true(used <= waiting->length);
        memmove(waiting->data, waiting->data + used, waiting->length - used);
        waiting->length -= used;
        assert_true(waiting->length <= 130 || event != WEBSOCKET_NEED_MORE);
        if (is_over)
            return true;
    } while (event != WEBSOCKET_NEED_MORE);
    return false;
}

static void decode_pieces(struct telling *telling, struct text stream, size_t piece)
{
    struct websocket_decoder decoder;
    struct buffer waiting = BUFFER_EMPTY;
    websocket_decoder_init(&decoder, telling->max_message_bytes);
    decoder.accepts_binary = telling->accepts_binary;
    buffer_reserve(&waiting, 1);
    for (size_t at = 0; at < stream.length; at += piece) {
        size_t size = stream.length - at < piece ? stream.length - at : piece;
        buffer_append(&waiting, stream.data + at, size);
        if (decode_waiting(telling, &decoder, &waiting))
            break;
    }
    buffer_deinit(&waiting);
    websocket_decoder_deinit(&decoder);
}

/* Whatever the pieces, the same is told. */
static void assert_told(const struct buffer *stream, const char *wanted)
{
    static const size_t pieces[] = {1, 2, 3, 7, 64, 1 << 20};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct telling telling = {.max_message_bytes = MAX_MESSAGE};
        decode_pieces(&telling, buffer_text(stream), pieces[i]);
        if (!text_is(buffer_text(&telling.words), wanted))
            fail_msg("in pieces of %zu: %.*s\ninstead of %s", pieces[i],
                     TEXT_PRINT(buffer_text(&telling.words)), wanted);
        buffer_deinit(&telling.words);
    }
}

struct frame {
    int first; /* 0: end */
    const char *payload;
    int length; /* -1: strlen */
};

static void assert_frames_told(const struct frame *frames, const char *wanted)
{
    struct buffer stream = BUFFER_EMPTY;
    for (; frames->payload != NULL; frames++)
        add_frame(&stream, frames->first, frames->payload,
                  frames->length < 0 ? strlen(frames->payload) : (size_t)frames->length);
    assert_told(&stream, wanted);
    buffer_deinit(&stream);
}

#define FRAMES(...)         \
    (const struct frame[])  \
    {                       \
        __VA_ARGS__,        \
        {                   \
            .payload = NULL \
        }                   \
    }

static void messages_and_control_frames_are_told_in_order(void **state)
{
    (void)state;
    assert_frames_told(
        FRAMES({0x81, "hello", -1}, {0x89, "p", -1}, {0x81, "", 0}, {0x8A, "", 0}, {0x81, "x", -1}),
        "text(hello) ping(p) text() pong() text(x)");
}

static void fragments_become_one_message_with_control_frames_in_between(void **state)
{
    (void)state;
    assert_frames_told(FRAMES({0x01, "he", -1}, {0x89, "p", -1}, {0x00, "", 0}, {0x00, "ll", -1},
                              {0x80, "o", -1}, {0x81, "next", -1}),
                       "ping(p) text(hello) text(next)");
    assert_frames_told(FRAMES({0x01, "", 0}, {0x00, "", 0}, {0x80, "", 0}), "text()");
}

static void broken_frames_fail_with_1002(void **state)
{
    static const struct frame rows[][3] = {
        {{0xC1, "rsv1", -1}},
        {{0xA1, "rsv2", -1}},
        {{0x91, "rsv3", -1}},
        {{0xF9, "ping with rsv", -1}},
        {{0x83, "", 0}},
        {{0x87, "", 0}},
        {{0x8B, "", 0}},
        {{0x8F, "", 0}},
        {{0x80, "a continuation of nothing", -1}},
        {{0x00, "", 0}},
        {{0x01, "unfinished", -1}, {0x81, "another", -1}},
        {{0x01, "unfinished", -1}, {0x01, "another", -1}},
        {{0x09, "a fragmented ping", -1}},
        {{0x08, "", 0}},
        {{0x88, "x", 1}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct frame frames[3] = {rows[i][0], rows[i][1], {.payload = NULL}};
        assert_frames_told(frames, "failed(1002)");
    }
}

static void an_unmasked_frame_fails_with_1002(void **state)
{
    struct buffer stream = BUFFER_EMPTY;
    (void)state;
    buffer_append(&stream, "\x81\x05hello", 7);
    assert_told(&stream, "failed(1002)");
    buffer_deinit(&stream);
}

static void a_control_frame_over_125_bytes_fails_with_1002(void **state)
{
    char payload[126];
    (void)state;
    memset(payload, 'p', sizeof payload);
    assert_frames_told(FRAMES({0x89, payload, 126}), "failed(1002)");
    assert_frames_told(FRAMES({0x88, payload, 126}), "failed(1002)");
}

static void a_refusal_needs_no_more_bytes_than_show_it(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *wanted;
    } rows[] = {
        {"\xC1", 1, "failed(1002)"},
        {"\x82", 1, "failed(1003)"},
        {"\x81\x05", 2, "failed(1002)"},
        {"\x89\xFE", 2, "failed(1002)"},
        {"\x81\xFE\x03\xE9", 4, "failed(1009)"},
        {"\x81\xFF\x00\x00\x00\x01\x00\x00\x00\x00", 10, "failed(1009)"},
        {"\x81\xFF\x80\x00\x00\x00\x00\x00\x00\x00", 10, "failed(1002)"},
        {"\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10, "failed(1002)"},
        {"\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10, "failed(1009)"},
        {"\x81\x85\x00\x00\x00\x00\xFF", 7, "failed(1007)"},
        {"\x81\x85\x00\x00\x00\x00\xED\xA0", 8, "failed(1007)"},
        {"\x81\xFE\x03\xE8", 4, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer stream = BUFFER_EMPTY;
        buffer_append(&stream, rows[i].bytes, rows[i].length);
        assert_told(&stream, rows[i].wanted);
        buffer_deinit(&stream);
    }
}

static void the_length_of_all_fragments_together_is_bounded(void **state)
{
    char payload[MAX_MESSAGE + 1];
    char wanted[MAX_MESSAGE + 20];
    (void)state;
    memset(payload, 'a', sizeof payload);
    snprintf(wanted, sizeof wanted, "text(%.*s)", MAX_MESSAGE, payload);
    assert_frames_told(FRAMES({0x81, payload, MAX_MESSAGE}), wanted);
    assert_frames_told(FRAMES({0x01, payload, MAX_MESSAGE - 1}, {0x80, payload, 1}), wanted);
    assert_frames_told(FRAMES({0x81, payload, MAX_MESSAGE + 1}), "failed(1009)");
    assert_frames_told(FRAMES({0x01, payload, MAX_MESSAGE - 1}, {0x80, payload, 2}),
                       "failed(1009)");
    assert_frames_told(FRAMES({0x01, payload, MAX_MESSAGE}, {0x89, "p", 1}, {0x00, payload, 1}),
                       "ping(p) failed(1009)");
}

static void a_length_may_be_written_longer_than_it_must(void **state)
{
    struct buffer stream = BUFFER_EMPTY;
    (void)state;
    buffer_append(&stream, "\x81\xFE\x00\x01\x00\x00\x00\x00x", 9);
    buffer_append(&stream, "\x81\xFF\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00y", 15);
    assert_told(&stream, "text(x) text(y)");
    buffer_deinit(&stream);
}

static void text_that_is_not_utf8_fails_with_1007_even_across_fragments(void **state)
{
    (void)state;
    assert_frames_told(FRAMES({0x81, "ok \xC3\xA9 \xF0\x9F\x98\x80", -1}),
                       "text(ok \xC3\xA9 \xF0\x9F\x98\x80)");
    assert_frames_told(
        FRAMES({0x01, "\xF0\x9F", -1}, {0x89, "p", 1}, {0x00, "\x98", -1}, {0x80, "\x80", -1}),
        "ping(p) text(\xF0\x9F\x98\x80)");
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xC3",
                                      "a\xC3z",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xE2\x82",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xFE",
                                      "12345678\xFF",
                                      "1234567\xC3\xA9\xA9"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_frames_told(FRAMES({0x81, bad[i], -1}), "failed(1007)");
        assert_frames_told(FRAMES({0x01, "ok", 2}, {0x80, bad[i], -1}), "failed(1007)");
    }
    assert_frames_told(FRAMES({0x01, "\xC3", -1}, {0x80, "", 0}), "failed(1007)");
    assert_frames_told(FRAMES({0x01, "\xC3", -1}, {0x80, "z", 1}), "failed(1007)");
}

static void a_close_tells_its_code(void **state)
{
    (void)state;
    assert_frames_told(FRAMES({0x88, "", 0}), "close(1005)");
    assert_frames_told(FRAMES({0x88, "\x03\xE8", 2}), "close(1000)");
    assert_frames_told(FRAMES({0x88, "\x03\xE8 bye \xC3\xA9", -1}), "close(1000)");
    assert_frames_told(FRAMES({0x01, "unfinished", -1}, {0x88, "\x03\xE9", 2}), "close(1001)");
}

static void only_close_codes_that_may_be_sent_are_accepted(void **state)
{
    (void)state;
    for (int code = 0; code < 65536; code++) {
        char payload[2] = {(char)(code >> 8), (char)code};
        struct buffer stream = BUFFER_EMPTY;
        struct telling telling = {.max_message_bytes = MAX_MESSAGE};
        char wanted[20];
        bool is_good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) ||
                       (code >= 3000 && code <= 4999);
        snprintf(wanted, sizeof wanted, is_good ? "close(%d)" : "failed(1002)", code);
        add_frame(&stream, 0x88, payload, 2);
        decode_pieces(&telling, buffer_text(&stream), 1 << 20);
        assert_true(text_is(buffer_text(&telling.words), wanted));
        buffer_deinit(&telling.words);
        buffer_deinit(&stream);
    }
}

static void a_reason_that_is_not_utf8_fails_with_1007(void **state)
{
    (void)state;
    assert_frames_told(FRAMES({0x88, "\x03\xE8\xFF", 3}), "failed(1007)");
    assert_frames_told(FRAMES({0x88, "\x03\xE8\xC3", 3}), "failed(1007)");
}

static void binary_messages_fail_with_1003_unless_wanted(void **state)
{
    struct buffer stream = BUFFER_EMPTY;
    struct telling telling = {.max_message_bytes = MAX_MESSAGE, .accepts_binary = true};
    (void)state;
    assert_frames_told(FRAMES({0x82, "x", 1}), "failed(1003)");
    assert_frames_told(FRAMES({0x02, "x", 1}), "failed(1003)");
    add_frame(&stream, 0x82, "\xFF", 1);
    add_frame(&stream, 0x81, "x", 1);
    decode_pieces(&telling, buffer_text(&stream), 1);
    assert_true(text_is(buffer_text(&telling.words), "binary(\xFF) text(x)"));
    buffer_deinit(&telling.words);
    buffer_deinit(&stream);
}

static void nothing_is_held_between_messages(void **state)
{
    struct websocket_decoder decoder;
    struct buffer stream = BUFFER_EMPTY;
    size_t used;
    struct text payload;
    int code;
    (void)state;
    websocket_decoder_init(&decoder, MAX_MESSAGE);
    add_frame(&stream, 0x01, "he", 2);
    add_frame(&stream, 0x80, "llo", 3);
    assert_int_equal(websocket_decode(&decoder, stream.data, stream.length, &used, &payload, &code),
                     WEBSOCKET_MESSAGE);
    assert_true(text_is(payload, "hello"));
    assert_int_equal(websocket_decode(&decoder, stream.data + used, stream.length - used, &used,
                                      &payload, &code),
                     WEBSOCKET_NEED_MORE);
    assert_null(decoder.message.data);
    assert_true(sizeof decoder <= 72);
    buffer_deinit(&stream);
}

static void a_whole_message_is_handed_out_where_it_lies(void **state)
{
    struct websocket_decoder decoder;
    struct buffer stream = BUFFER_EMPTY;
    size_t used;
    struct text payload;
    int code;
    (void)state;
    websocket_decoder_init(&decoder, MAX_MESSAGE);
    add_frame(&stream, 0x81, "hello", 5);
    assert_int_equal(websocket_decode(&decoder, stream.data, stream.length, &used, &payload, &code),
                     WEBSOCKET_MESSAGE);
    assert_ptr_equal(payload.data, stream.data + 6);
    assert_null(decoder.message.data);
    buffer_deinit(&stream);
}

static void headers_of_our_frames_are_as_short_as_they_can_be(void **state)
{
    static const struct {
        enum websocket_opcode opcode;
        size_t bytes;
        const char *head;
        size_t size;
    } rows[] = {
        {WEBSOCKET_TEXT, 0, "\x81\x00", 2},
        {WEBSOCKET_TEXT, 125, "\x81\x7D", 2},
        {WEBSOCKET_TEXT, 126, "\x81\x7E\x00\x7E", 4},
        {WEBSOCKET_TEXT, 65535, "\x81\x7E\xFF\xFF", 4},
        {WEBSOCKET_TEXT, 65536, "\x81\x7F\x00\x00\x00\x00\x00\x01\x00\x00", 10},
        {WEBSOCKET_PONG, 125, "\x8A\x7D", 2},
        {WEBSOCKET_CLOSE, 2, "\x88\x02", 2},
    };
    char head[WEBSOCKET_HEADER_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(websocket_frame_header(rows[i].opcode, rows[i].bytes, head), rows[i].size);
        assert_memory_equal(head, rows[i].head, rows[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_key_of_the_rfc_gives_the_answer_of_the_rfc),
        cmocka_unit_test(what_follows_the_head_belongs_to_the_frames),
        cmocka_unit_test(a_head_in_pieces_needs_more_until_it_is_whole),
        cmocka_unit_test(the_facts_of_the_head_are_handed_on),
        cmocka_unit_test(heads_that_differ_in_form_only_are_accepted),
        cmocka_unit_test(other_heads_are_refused_with_a_status),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test(an_address_that_is_none_is_left_out),
        cmocka_unit_test(the_answer_switches_protocols),
        cmocka_unit_test(a_refusal_is_a_problem_with_its_status),
        cmocka_unit_test(messages_and_control_frames_are_told_in_order),
        cmocka_unit_test(fragments_become_one_message_with_control_frames_in_between),
        cmocka_unit_test(broken_frames_fail_with_1002),
        cmocka_unit_test(an_unmasked_frame_fails_with_1002),
        cmocka_unit_test(a_control_frame_over_125_bytes_fails_with_1002),
        cmocka_unit_test(a_refusal_needs_no_more_bytes_than_show_it),
        cmocka_unit_test(the_length_of_all_fragments_together_is_bounded),
        cmocka_unit_test(a_length_may_be_written_longer_than_it_must),
        cmocka_unit_test(text_that_is_not_utf8_fails_with_1007_even_across_fragments),
        cmocka_unit_test(a_close_tells_its_code),
        cmocka_unit_test(only_close_codes_that_may_be_sent_are_accepted),
        cmocka_unit_test(a_reason_that_is_not_utf8_fails_with_1007),
        cmocka_unit_test(binary_messages_fail_with_1003_unless_wanted),
        cmocka_unit_test(nothing_is_held_between_messages),
        cmocka_unit_test(a_whole_message_is_handed_out_where_it_lies),
        cmocka_unit_test(headers_of_our_frames_are_as_short_as_they_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
