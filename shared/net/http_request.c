/* What a request says, read and checked once, before its handler runs. Nothing of evhttp's request is pointed to
 * afterwards: an answer at the deadline gives that back while the handler still works. */
#include <assert.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/base/id.h"
#include "shared/base/json_scan.h"
#include "shared/net/http_internal.h"

/* --- head --- */

const char *http_request_header(const struct http_request *request, const char *name,
                                bool *is_repeated_out)
{
    const char *value = NULL;
    const struct evkeyval *header;
    *is_repeated_out = false;
    TAILQ_FOREACH (header, evhttp_request_get_input_headers(request->wire), next) {
        if (strcasecmp(header->key, name) != 0)
            continue;
        *is_repeated_out = value != NULL;
        value = value == NULL ? header->value : value;
    }
    return value;
}

static bool is_word(const char *text, const char *more, size_t min_bytes, size_t max_bytes)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    size_t length = 0;
    while (length <= max_bytes && text[length] != '\0' &&
           (strchr(letters, text[length]) != NULL || strchr(more, text[length]) != NULL))
        length++;
    return text[length] == '\0' && length >= min_bytes && length <= max_bytes;
}

void http_request_read_head(struct http_request *request)
{
    bool is_repeated;
    const char *id = http_request_header(request, "X-Request-Id", &is_repeated);
    if (id != NULL && !is_repeated && is_word(id, "_-", 8, HTTP_REQUEST_ID_MAX))
        snprintf(request->request_id, sizeof request->request_id, "%s", id);
    else
        snprintf(request->request_id, sizeof request->request_id, "%016" PRIx64,
                 (uint64_t)id_random());
    const char *address = http_request_header(request, "X-Real-IP", &is_repeated);
    if (address != NULL && !is_repeated && is_word(address, ".:%", 2, HTTP_ADDRESS_MAX))
        snprintf(request->address, sizeof request->address, "%s", address);
}

/* --- path --- */

static bool read_path_ids(struct http_request *request)
{
    for (size_t i = 0; i < request->pattern->count; i++) {
        if (request->pattern->segments[i].kind != HTTP_ID ||
            id_parse(request->segments[i], &request->ids[i]))
            continue;
        http_fail(request, PROBLEM_NOT_FOUND, NULL);
        return false;
    }
    return true;
}

static size_t find_segment(const struct http_request *request, enum http_segment_kind kind,
                           const char *name)
{
    for (size_t i = 0; i < request->pattern->count; i++) {
        if (request->pattern->segments[i].kind == kind &&
            text_is(request->pattern->segments[i].name, name))
            return i;
    }
    assert(!"the route's pattern has no such part");
    return 0;
}

int64_t http_path_id(const struct http_request *request, const char *name)
{
    return request->ids[find_segment(request, HTTP_ID, name)];
}

struct text http_path_text(const struct http_request *request, const char *name)
{
    return request->segments[find_segment(request, HTTP_TEXT, name)];
}

/* --- query --- */

static bool fail_parameter(struct http_request *request, struct text name, const char *reason)
{
    char pointer[JSON_POINTER_SIZE] = "/query";
    json_pointer_add(pointer, name);
    http_fail_field(request, pointer, reason);
    return false;
}

/* Takes the part up to the separator off the front. */
static struct text cut_at(struct text *rest, char separator)
{
    const char *end = rest->length == 0 ? NULL : memchr(rest->data, separator, rest->length);
    struct text part = {rest->data, end == NULL ? rest->length : (size_t)(end - rest->data)};
    size_t used = part.length + (end == NULL ? 0 : 1);
    *rest = (struct text){rest->data + used, rest->length - used};
    return part;
}

static bool is_allowed(const struct http_route *route, struct text name)
{
    struct text rest = text_of(route->query);
    while (rest.length > 0) {
        if (text_equal(cut_at(&rest, ','), name))
            return true;
    }
    return false;
}

struct text http_query(const struct http_request *request, const char *name)
{
    assert(is_allowed(request->route, text_of(name)));
    for (size_t i = 0; i < request->query_count; i++) {
        if (text_is(request->query[i].name, name))
            return request->query[i].value;
    }
    return TEXT_NONE;
}

static bool read_parameter(struct http_request *request, struct text part)
{
    struct http_parameter parameter;
    struct text value = part, name = cut_at(&value, '=');
    if (!http_percent_decode(name, true, &request->arena, &parameter.name) ||
        !http_percent_decode(value, true, &request->arena, &parameter.value)) {
        http_fail_field(request, "/query", "must be percent-encoded UTF-8");
        return false;
    }
    if (!is_allowed(request->route, parameter.name))
        return fail_parameter(request, parameter.name, "is not known here");
    for (size_t i = 0; i < request->query_count; i++) {
        if (text_equal(request->query[i].name, parameter.name))
            return fail_parameter(request, parameter.name, "is there twice");
    }
    assert(request->query_count < HTTP_MAX_PARAMETERS); /* each is allowed, and there once */
    request->query[request->query_count++] = parameter;
    return true;
}

static bool read_query(struct http_request *request)
{
    struct text rest = text_of(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request->wire)));
    while (rest.length > 0) {
        struct text part = cut_at(&rest, '&');
        if (part.length > 0 && !read_parameter(request, part))
            return false;
    }
    return true;
}

/* Digits with an optional minus; INT64_MIN is not needed. */
static bool parse_number(struct text text, int64_t *number_out)
{
    bool is_negative = text.length > 1 && text.data[0] == '-';
    size_t first = is_negative ? 1 : 0;
    int64_t number = 0;
    if (text.length == 0 || text.length > 19)
        return false;
    if (text.data[first] == '0' && text.length > 1) /* 007, -0 */
        return false;
    for (size_t i = first; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, text.data[i] - '0', &number))
            return false;
    }
    *number_out = is_negative ? -number : number;
    return true;
}

bool http_query_number(struct http_request *request, const char *name, int64_t minimum,
                       int64_t maximum, int64_t fallback, int64_t *number_out)
{
    struct text value = http_query(request, name);
    char reason[96];
    *number_out = fallback;
    if (value.data == NULL)
        return true;
    if (parse_number(value, number_out) && *number_out >= minimum && *number_out <= maximum)
        return true;
    snprintf(reason, sizeof reason, "must be a whole number from %" PRId64 " to %" PRId64, minimum,
             maximum);
    return fail_parameter(request, text_of(name), reason);
}

bool http_query_id(struct http_request *request, const char *name, int64_t *id_out)
{
    struct text value = http_query(request, name);
    *id_out = 0;
    return value.data == NULL || id_parse(value, id_out) ||
           fail_parameter(request, text_of(name), "is not an id");
}

/* --- body --- */

/* "application/json", with parameters of which only charset=utf-8 means anything (RFC 8259, section 8.1). */
static bool is_json_type(const char *value)
{
    struct text rest = text_of(value);
    struct text type = cut_at(&rest, ';');
    while (type.length > 0 && type.data[type.length - 1] == ' ')
        type.length--;
    if (type.length != strlen("application/json") ||
        strncasecmp(type.data, "application/json", type.length) != 0)
        return false;
    while (rest.length > 0) {
        struct text parameter = cut_at(&rest, ';');
        while (parameter.length > 0 && parameter.data[0] == ' ')
            parameter = (struct text){parameter.data + 1, parameter.length - 1};
        if (parameter.length < 8 || strncasecmp(parameter.data, "charset=", 8) != 0)
            continue;
        struct text charset = {parameter.data + 8, parameter.length - 8};
        if ((charset.length != 5 || strncasecmp(charset.data, "utf-8", 5) != 0) &&
            (charset.length != 7 || strncasecmp(charset.data, "\"utf-8\"", 7) != 0))
            return false;
    }
    return true;
}

static bool check_media_type(struct http_request *request)
{
    bool is_repeated;
    const char *encoding = http_request_header(request, "Content-Encoding", &is_repeated);
    const char *type = http_request_header(request, "Content-Type", &is_repeated);
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0)
        http_fail(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                  "The body must be sent without a Content-Encoding.");
    else if (type == NULL || is_repeated || !is_json_type(type))
        http_fail(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                  "The Content-Type must be application/json, in UTF-8.");
    else
        return true;
    return false;
}

static void fail_document(struct http_request *request, const struct json_fault *fault)
{
    char pointer[JSON_POINTER_SIZE + 8], detail[JSON_POINTER_SIZE + 160];
    enum problem problem = problem_of_code(fault->code);
    snprintf(pointer, sizeof pointer, "/body%s", fault->pointer);
    if (problem == PROBLEM_BAD_REQUEST) {
        http_fail_field(request, pointer, fault->reason);
        return;
    }
    snprintf(detail, sizeof detail, "%s %s.", pointer, fault->reason);
    http_fail(request, problem, detail);
}

static bool parse_document(struct http_request *request, struct text bytes)
{
    struct json_fault fault;
    request->document = json_parse(bytes, &fault);
    if (request->document != NULL)
        return true;
    fail_document(request, &fault); /* which ends the request */
    return false;
}

/* The bytes are moved out of evhttp's request and stay with ours: the document points into them. */
static bool read_body(struct http_request *request)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request->wire);
    size_t length = evbuffer_get_length(input);
    int flags = request->route->flags;
    if ((flags & HTTP_BODY) == 0) {
        if (length > 0)
            http_fail_field(request, "/body", "must be empty: this takes no body");
        return length == 0;
    }
    if ((flags & HTTP_OPTIONAL_BODY) != 0 && length == 0)
        return parse_document(request, TEXT_LITERAL("{}"));
    if (!check_media_type(request))
        return false;
    request->body = evbuffer_new();
    evbuffer_add_buffer(request->body, input);
    const char *bytes = (const char *)evbuffer_pullup(request->body, -1);
    return parse_document(request, (struct text){bytes, length});
}

struct json_reader http_body(struct http_request *request)
{
    assert(request->document != NULL);
    return json_reader_start(request->document, "/body");
}

bool http_body_finish(struct http_request *request, struct json_reader *reader)
{
    struct json_fault fault;
    if (json_reader_finish(reader, &fault))
        return true;
    http_fail_field(request, fault.pointer, fault.reason);
    return false;
}

bool http_request_read(struct http_request *request)
{
    return read_path_ids(request) && read_query(request) && read_body(request);
}

/* --- accessors --- */

const struct identity *http_identity(const struct http_request *request)
{
    return &request->identity;
}

struct arena *http_arena(struct http_request *request)
{
    return &request->arena;
}

const char *http_request_id(const struct http_request *request)
{
    return request->request_id;
}

const char *http_client_address(const struct http_request *request)
{
    return request->address;
}

void *http_service(const struct http_request *request)
{
    return request->service;
}
