/* The opening handshake (RFC 6455, section 4.2). The head is parsed anew each time that bytes come: it comes at once, or
 * in few pieces, and so a connection that waits holds nothing but its bytes. */
#include <http_parser.h>
#include <sha1.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/net/problem.h"
#include "shared/net/websocket.h"

#define GUID      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES 16
#define PROTOCOL  "parley.v1"

enum { ACCEPT_SIZE = sizeof((struct websocket_handshake *)NULL)->accept };

/* Of the headers that matter, the value of each; those that may be there once only. */
enum single { HOST, KEY, VERSION, ORIGIN, ADDRESS, LENGTH, SINGLES };
static const char *const single_names[SINGLES] = {
    "Host", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Origin", "X-Real-IP", "Content-Length"};

struct parse {
    struct text target, field, value;
    struct text singles[SINGLES];
    bool is_repeated;     /* a header of which there may be one */
    bool is_folded;       /* a header over several lines */
    bool wants_websocket; /* Upgrade */
    bool wants_upgrade;   /* Connection */
    bool has_body;        /* Transfer-Encoding */
    bool offers_protocol; /* Sec-WebSocket-Protocol */
    bool is_complete;
};

/* --- headers --- */

static bool is_name(struct text text, const char *name)
{
    return text.length == strlen(name) && strncasecmp(text.data, name, text.length) == 0;
}

/* True when the comma separated list has the word. */
static bool has_word(struct text list, const char *word, bool ignores_case)
{
    size_t length = strlen(word);
    for (size_t at = 0; at <= list.length; at++) {
        size_t begin = at;
        while (at < list.length && list.data[at] != ',')
            at++;
        size_t end = at;
        while (begin < end && (list.data[begin] == ' ' || list.data[begin] == '\t'))
            begin++;
        while (end > begin && (list.data[end - 1] == ' ' || list.data[end - 1] == '\t'))
            end--;
        if (end - begin == length && (ignores_case ? strncasecmp(list.data + begin, word, length)
                                                   : strncmp(list.data + begin, word, length)) == 0)
            return true;
    }
    return false;
}

static void take_header(struct parse *parse)
{
    for (int i = 0; i < SINGLES; i++) {
        if (!is_name(parse->field, single_names[i]))
            continue;
        parse->is_repeated |= parse->singles[i].data != NULL;
        parse->singles[i] = parse->value.data != NULL ? parse->value : TEXT_LITERAL("");
    }
    parse->wants_websocket |=
        is_name(parse->field, "Upgrade") && has_word(parse->value, "websocket", true);
    parse->wants_upgrade |=
        is_name(parse->field, "Connection") && has_word(parse->value, "upgrade", true);
    parse->offers_protocol |=
        is_name(parse->field, "Sec-WebSocket-Protocol") && has_word(parse->value, PROTOCOL, false);
    parse->has_body |= is_name(parse->field, "Transfer-Encoding");
    parse->field = parse->value = TEXT_NONE;
}

/* --- http_parser's callbacks: a run of bytes may come in several calls, each where the last one ended --- */

static void extend(struct parse *parse, struct text *run, const char *at, size_t length)
{
    if (run->data == NULL)
        run->data = at;
    parse->is_folded |= run->data + run->length != at;
    run->length += length;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    extend(parse, &parse->target, at, length);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    if (parse->value.data != NULL)
        take_header(parse);
    extend(parse, &parse->field, at, length);
    return 0;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct parse *parse = parser->data;
    extend(parse, &parse->value, at, length);
    return 0;
}

/* 2: whatever the headers say, another protocol follows; so parsing ends right behind them. */
static int on_headers_complete(http_parser *parser)
{
    struct parse *parse = parser->data;
    if (parse->field.data != NULL)
        take_header(parse);
    parse->is_complete = true;
    return 2;
}

/* --- checks --- */

/* libsodium's decoder takes some bytes above ASCII for digits. */
static bool is_ascii(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    }
    return true;
}

static bool is_good_key(struct text key)
{
    unsigned char bytes[KEY_BYTES];
    size_t length;
    const char *end;
    return key.length == 24 && is_ascii(key) &&
           sodium_base642bin(bytes, sizeof bytes, key.data, key.length, NULL, &length, &end,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           length == sizeof bytes && end == key.data + key.length;
}

/* 0, or the status that refuses. Whoever does not ask for a WebSocket at all is told to upgrade. */
static int check(const struct parse *parse, const http_parser *parser)
{
    const struct text *singles = parse->singles;
    if (parser->method != HTTP_GET)
        return 405;
    if (parser->http_major != 1 || parser->http_minor != 1 || parse->is_repeated ||
        parse->is_folded || parse->has_body || singles[HOST].length == 0)
        return 400;
    if (singles[LENGTH].data != NULL && !text_is(singles[LENGTH], "0"))
        return 400;
    if (!parse->wants_websocket || !parse->wants_upgrade || !text_is(singles[VERSION], "13"))
        return 426;
    return is_good_key(singles[KEY]) ? 0 : 400;
}

static bool copy_text(struct text text, char *out, size_t size)
{
    if (text.length >= size || memchr(text.data, '\0', text.length) != NULL)
        return false;
    memcpy(out, text.data, text.length);
    out[text.length] = '\0';
    return true;
}

static bool is_address(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (strchr("0123456789abcdefABCDEF.:%", text.data[i]) == NULL)
            return false;
    }
    return true;
}

/* RFC 6455, 4.2.2: SHA-1 only proves that we read the key; libsodium has none, libmd does. */
static void make_accept(struct text key, char out[ACCEPT_SIZE])
{
    SHA1_CTX context;
    unsigned char digest[SHA1_DIGEST_LENGTH];
    SHA1Init(&context);
    SHA1Update(&context, (const uint8_t *)key.data, key.length);
    SHA1Update(&context, (const uint8_t *)GUID, sizeof GUID - 1);
    SHA1Final(digest, &context);
    sodium_bin2base64(out, ACCEPT_SIZE, digest, sizeof digest, sodium_base64_VARIANT_ORIGINAL);
}

/* False: something is longer than any honest client sends it. */
static bool fill(const struct parse *parse, struct websocket_handshake *handshake)
{
    const struct text *singles = parse->singles;
    struct text path = parse->target;
    const char *query = memchr(path.data, '?', path.length);
    if (query != NULL)
        path.length = (size_t)(query - path.data);
    memset(handshake, 0, sizeof *handshake);
    handshake->parley_protocol = parse->offers_protocol;
    make_accept(singles[KEY], handshake->accept);
    if (singles[ADDRESS].data != NULL && is_address(singles[ADDRESS]) &&
        !copy_text(singles[ADDRESS], handshake->address, sizeof handshake->address))
        return false;
    if (singles[ORIGIN].data != NULL &&
        !copy_text(singles[ORIGIN], handshake->origin, sizeof handshake->origin))
        return false;
    if (singles[HOST].data != NULL &&
        !copy_text(singles[HOST], handshake->host, sizeof handshake->host))
        return false;
    return copy_text(path, handshake->path, sizeof handshake->path);
}

static enum websocket_handshake_outcome refuse(int status, int *status_out)
{
    *status_out = status;
    return WEBSOCKET_HANDSHAKE_REFUSED;
}

enum websocket_handshake_outcome websocket_handshake_read(struct text bytes, size_t max_bytes,
                                                          struct websocket_handshake *handshake_out,
                                                          size_t *consumed_out, int *status_out)
{
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_header_field,
                                                  .on_header_value = on_header_value,
                                                  .on_headers_complete = on_headers_complete};
    struct parse parse = {.is_complete = false};
    http_parser parser;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = &parse;
    size_t length = bytes.length < max_bytes ? bytes.length : max_bytes;
    *consumed_out = length == 0 ? 0 : http_parser_execute(&parser, &settings, bytes.data, length);
    if (!parse.is_complete) {
        if (HTTP_PARSER_ERRNO(&parser) != HPE_OK)
            return refuse(400, status_out);
        return bytes.length < max_bytes ? WEBSOCKET_HANDSHAKE_MORE : refuse(431, status_out);
    }
    int status = check(&parse, &parser);
    if (status != 0)
        return refuse(status, status_out);
    return fill(&parse, handshake_out) ? WEBSOCKET_HANDSHAKE_DONE : refuse(400, status_out);
}

/* --- answers --- */

void websocket_handshake_answer(const struct websocket_handshake *handshake, struct buffer *out)
{
    buffer_append_format(
        out,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        handshake->accept,
        handshake->parley_protocol ? "Sec-WebSocket-Protocol: " PROTOCOL "\r\n" : "");
}

struct refusal {
    int status;
    enum problem problem;
    const char *phrase, *headers, *detail;
};

static const struct refusal refusals[] = {
    {400, PROBLEM_BAD_REQUEST, "Bad Request", "", "The handshake is not one of RFC 6455."},
    {403, PROBLEM_FORBIDDEN, "Forbidden", "", "Pages of this origin may not connect."},
    {404, PROBLEM_NOT_FOUND, "Not Found", "", NULL},
    {405, PROBLEM_METHOD_NOT_ALLOWED, "Method Not Allowed", "Allow: GET\r\n", NULL},
    {426, PROBLEM_BAD_REQUEST, "Upgrade Required",
     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n", "Here is a WebSocket, version 13."},
    {431, PROBLEM_TOO_LARGE, "Request Header Fields Too Large", "",
     "The head of the request is too large."},
    {503, PROBLEM_UNAVAILABLE, "Service Unavailable", "Retry-After: 1\r\n",
     "There are too many connections."},
};

static const struct refusal *refusal_of(int status)
{
    for (size_t i = 1; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (refusals[i].status == status)
            return &refusals[i];
    }
    return &refusals[0];
}

void websocket_handshake_refuse(int status, struct buffer *out)
{
    const struct refusal *refusal = refusal_of(status);
    struct buffer body = BUFFER_EMPTY;
    problem_write(&(struct problem_report){.problem = refusal->problem,
                                           .status = refusal->status,
                                           .detail = refusal->detail,
                                           .retry_after_s = refusal->status == 503 ? 1 : 0},
                  &body);
    buffer_append_format(out,
                         "HTTP/1.1 %d %s\r\nContent-Type: " PROBLEM_CONTENT_TYPE
                         "\r\nContent-Length: %zu\r\n%s"
                         "Connection: %s\r\n\r\n",
                         refusal->status, refusal->phrase, body.length, refusal->headers,
                         refusal->status == 426 ? "Upgrade, close" : "close");
    buffer_append_text(out, buffer_text(&body));
    buffer_deinit(&body);
}
