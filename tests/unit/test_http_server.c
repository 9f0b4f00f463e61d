/* REST: what the server does around a handler. A real socket, a real loop, raw bytes from the client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/net/http_server.h"

#define MAX_BODY     1000
#define MAX_HEADER   2000
#define DEADLINE_MS  150
#define MAX_REQUESTS 3
#define PATIENCE_MS  3000

static struct loop *loop;
static struct loop_timer *tick;
static struct http_server *server;
static char folder[64], path[100];
static struct http_request *held; /* by hold(), until release() */
static int authentications;
static http_authenticated held_callback; /* of the token "slow" */
static void *held_context;

/* --- the service under the server --- */

static void get_echo(void *service, struct http_request *request)
{
    struct buffer body = BUFFER_EMPTY;
    int64_t limit;
    assert_ptr_equal(service, &loop);
    assert_ptr_equal(http_service(request), &loop);
    if (!http_query_number(request, "limit", 1, 200, 50, &limit))
        return;
    buffer_append_string(&body, "{\"limit\":");
    buffer_append_number(&body, limit);
    buffer_append_string(&body, ",\"q\":");
    json_write_text_or_null(&body, http_query(request, "q"));
    buffer_append_string(&body, ",\"address\":");
    json_write_string(&body, text_of(http_client_address(request)));
    buffer_append_string(&body, ",\"user\":");
    json_write_id(&body, http_identity(request)->user_id);
    buffer_append_string(&body, "}");
    http_add_header(request, "X-More", "yes");
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
}

static void get_item(void *service, struct http_request *request)
{
    struct buffer body = BUFFER_EMPTY;
    (void)service;
    buffer_append_string(&body, "{\"item\":");
    json_write_id(&body, http_path_id(request, "item"));
    buffer_append_string(&body, "}");
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
}

static void get_word(void *service, struct http_request *request)
{
    struct buffer body = BUFFER_EMPTY;
    (void)service;
    buffer_append_string(&body, "{\"word\":");
    json_write_string(&body, http_path_text(request, "word"));
    buffer_append_string(&body, "}");
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
}

static void post_name(void *service, struct http_request *request)
{
    struct json_reader reader = http_body(request);
    struct text name = json_take_text(&reader, "name", JSON_OPTIONAL, 1, 8);
    (void)service;
    if (!http_body_finish(request, &reader))
        return;
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"name\":");
    json_write_text_or_null(&body, name);
    buffer_append_string(&body, "}");
    http_reply_json(request, 201, &body);
    buffer_deinit(&body);
}

static void delete_item(void *service, struct http_request *request)
{
    (void)service;
    http_reply_empty(request);
}

static void hold(void *service, struct http_request *request)
{
    (void)service;
    assert_null(held);
    held = request;
}

static void post_hold(void *service, struct http_request *request)
{
    struct json_reader reader = http_body(request);
    char *copy = arena_alloc(http_arena(request), 8);
    strcpy(copy, "arena");
    json_take_raw(&reader, "name", JSON_REQUIRED, 100);
    hold(service, request);
}

static void get_limited(void *service, struct http_request *request)
{
    (void)service;
    http_fail_retry(request, PROBLEM_RATE_LIMITED, "Slowly.", 7);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/echo", "limit,q", HTTP_PUBLIC, get_echo},
    {HTTP_GET, "/v1/private", "limit,q", 0, get_echo},
    {HTTP_GET, "/v1/items/first", NULL, HTTP_PUBLIC, delete_item},
    {HTTP_GET, "/v1/items/{item}", NULL, HTTP_PUBLIC, get_item},
    {HTTP_DELETE, "/v1/items/{item}", NULL, HTTP_PUBLIC, delete_item},
    {HTTP_GET, "/v1/secrets/{item}", NULL, 0, get_item},
    {HTTP_GET, "/v1/words/{word:text}", NULL, HTTP_PUBLIC, get_word},
    {HTTP_POST, "/v1/names", NULL, HTTP_PUBLIC | HTTP_BODY, post_name},
    {HTTP_PUT, "/v1/names", NULL, HTTP_PUBLIC | HTTP_BODY | HTTP_OPTIONAL_BODY, post_name},
    {HTTP_GET, "/v1/hold", NULL, HTTP_PUBLIC, hold},
    {HTTP_POST, "/v1/hold", NULL, HTTP_PUBLIC | HTTP_BODY, post_hold},
    {HTTP_GET, "/v1/limited", NULL, HTTP_PUBLIC, get_limited},
};

static void authenticate(void *context, struct text token, http_authenticated callback,
                         void *callback_context)
{
    struct identity identity = {.user_id = 42};
    assert_ptr_equal(context, &authentications);
    authentications++;
    if (text_is(token, "good"))
        callback(callback_context, PROBLEM_NONE, &identity);
    else if (text_is(token, "away"))
        callback(callback_context, PROBLEM_UNAVAILABLE, NULL);
    else if (text_is(token, "slow")) {
        held_callback = callback;
        held_context = callback_context;
    } else
        callback(callback_context, PROBLEM_UNAUTHORIZED, NULL);
}

/* --- turning the loop --- */

static void on_tick(void *context)
{
    (void)context;
    loop_stop(loop);
}

static void turn(int64_t ms)
{
    loop_timer_start(tick, ms);
    loop_run(loop);
}

static int start(void **state)
{
    char message[200];
    (void)state;
    strcpy(folder, "/tmp/parley-http-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/http", folder);
    loop = loop_create();
    tick = loop_timer_create(loop, on_tick, NULL);
    held = NULL;
    held_callback = NULL;
    authentications = 0;
    struct http_server_options options = {.path = path,
                                          .routes = routes,
                                          .route_count = sizeof routes / sizeof routes[0],
                                          .service = &loop,
                                          .authenticate = authenticate,
                                          .authenticator_context = &authentications,
                                          .max_body_bytes = MAX_BODY,
                                          .max_header_bytes = MAX_HEADER,
                                          .deadline_ms = DEADLINE_MS,
                                          .idle_timeout_ms = 400,
                                          .max_requests = MAX_REQUESTS,
                                          .metrics_service = "test"};
    server = http_server_create(loop, &options, message, sizeof message);
    assert_non_null(server);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_server_destroy(&server);
    loop_timer_destroy(&tick);
    loop_destroy(&loop);
    char lock[120];
    snprintf(lock, sizeof lock, "%s.lock", path);
    assert_int_equal(access(path, F_OK), -1);
    unlink(lock);
    rmdir(folder);
    return 0;
}

/* --- the client --- */

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void put(int fd, const char *bytes)
{
    assert_int_equal(send(fd, bytes, strlen(bytes), MSG_NOSIGNAL), strlen(bytes));
}

static char answer[200000];
static size_t answer_length;
static bool answer_closed;

static bool is_whole(void)
{
    const char *end = strstr(answer, "\r\n\r\n");
    const char *length = strstr(answer, "Content-Length: ");
    if (end == NULL)
        return false;
    if (strncmp(answer, "HTTP/1.1 204", 12) == 0)
        return true;
    return length != NULL &&
           answer_length >= (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
}

/* Turns the loop until there is a whole answer, the server has closed, or PATIENCE_MS are over. */
static const char *take(int fd)
{
    int64_t give_up_ms = clock_monotonic_ms() + PATIENCE_MS;
    answer_length = 0;
    answer[0] = '\0';
    answer_closed = false;
    while (!answer_closed && !is_whole() && clock_monotonic_ms() < give_up_ms) {
        turn(1);
        ssize_t size = recv(fd, answer + answer_length, sizeof answer - answer_length - 1, 0);
        answer_closed = size == 0 || (size < 0 && errno != EAGAIN);
        answer_length += size > 0 ? (size_t)size : 0;
        answer[answer_length] = '\0';
    }
    return answer;
}

static bool is_closed_soon(int fd)
{
    char byte;
    for (int i = 0; i < 100; i++) {
        ssize_t size = recv(fd, &byte, 1, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN))
            return true;
        turn(1);
    }
    return false;
}

static const char *exchange(const char *request)
{
    int fd = dial();
    put(fd, request);
    take(fd);
    close(fd);
    turn(1);
    return answer;
}

static const char *get(const char *target)
{
    char request[4000];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    return exchange(request);
}

static const char *post_typed(const char *method, const char *headers, const char *body)
{
    char request[4000];
    snprintf(request, sizeof request,
             "%s /v1/names HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method, headers,
             strlen(body), body);
    return exchange(request);
}

static const char *post(const char *body)
{
    return post_typed("POST", "Content-Type: application/json\r\n", body);
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no «%s» in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        fail_msg("«%s» in:\n%s", part, text);
}

static void assert_problem(const char *text, int status, const char *code)
{
    char line[40], member[80];
    snprintf(line, sizeof line, "HTTP/1.1 %d ", status);
    if (strncmp(text, line, strlen(line)) != 0)
        fail_msg("not %d:\n%s", status, text);
    assert_contains(text, "Content-Type: application/problem+json\r\n");
    snprintf(member, sizeof member, "\"code\":\"%s\"", code);
    assert_contains(text, member);
    const char *body = strstr(text, "\r\n\r\n");
    struct json_fault fault;
    struct json_document *document = json_parse(text_of(body + 4), &fault);
    assert_non_null(document);
    json_destroy(&document);
}

static void release(void)
{
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"late\":true}");
    http_reply_json(held, 200, &body);
    buffer_deinit(&body);
    held = NULL;
}

/* --- answers --- */

static void a_handler_answers_with_json_its_headers_and_a_request_id(void **state)
{
    (void)state;
    const char *text = get("/v1/echo");
    assert_contains(text, "HTTP/1.1 200 OK\r\n");
    assert_contains(text, "Content-Type: application/json\r\n");
    assert_contains(text, "X-More: yes\r\n");
    assert_contains(text, "X-Request-Id: ");
    assert_contains(text, "\r\n\r\n{\"limit\":50,\"q\":null,\"address\":\"\",\"user\":\"0\"}");
    assert_int_equal(http_server_in_progress(server), 0);
}

static void a_well_formed_request_id_is_taken_over_and_any_other_replaced(void **state)
{
    static const char *const good[] = {"abcDEF_-123", "12345678"};
    static const char *const bad[] = {"1234567", "has space", "in\"jection", ""};
    char request[300], wanted[100];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        snprintf(request, sizeof request, "GET /none HTTP/1.1\r\nX-Request-Id: %s\r\n\r\n",
                 good[i]);
        const char *text = exchange(request);
        snprintf(wanted, sizeof wanted, "X-Request-Id: %s\r\n", good[i]);
        assert_contains(text, wanted);
        snprintf(wanted, sizeof wanted, "\"request_id\":\"%s\"", good[i]);
        assert_contains(text, wanted);
    }
    for (size_t i = 0; i < 4; i++) {
        snprintf(request, sizeof request, "GET /none HTTP/1.1\r\nX-Request-Id: %s\r\n\r\n", bad[i]);
        snprintf(wanted, sizeof wanted, "X-Request-Id: %s\r\n", bad[i]);
        assert_lacks(exchange(request), wanted);
    }
}

static void several_requests_use_one_connection(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 3; i++) {
        put(fd, "GET /v1/items/7 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_contains(take(fd), "{\"item\":\"7\"}");
    }
    close(fd);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "GET /v1/items/1 HTTP/1.1\r\n\r\nDELETE /v1/items/1 HTTP/1.1\r\n\r\nGET /v1/items/3 "
            "HTTP/1.1\r\nConnection: close\r\n\r\n");
    turn(30);
    char all[4000];
    ssize_t size = recv(fd, all, sizeof all - 1, 0);
    assert_true(size > 0);
    all[size] = '\0';
    const char *first = strstr(all, "{\"item\":\"1\"}"), *second = strstr(all, "HTTP/1.1 204"),
               *third = strstr(all, "{\"item\":\"3\"}");
    assert_true(first != NULL && second > first && third > second);
    close(fd);
}

static void an_idle_connection_is_closed(void **state)
{
    (void)state;
    int fd = dial();
    turn(500);
    assert_true(is_closed_soon(fd));
    close(fd);
}

/* --- routes --- */

static void an_unknown_path_answers_404_whatever_the_method(void **state)
{
    static const char *const requests[] = {
        "GET /v1/none HTTP/1.1\r\n\r\n",    "GET /v1/echo/ HTTP/1.1\r\n\r\n",
        "GET //v1/echo HTTP/1.1\r\n\r\n",   "GET /v1/items/ HTTP/1.1\r\n\r\n",
        "GET /v1/words/ HTTP/1.1\r\n\r\n",  "OPTIONS /v1/none HTTP/1.1\r\n\r\n",
        "BREW /v1/none HTTP/1.1\r\n\r\n",   "GET /a/b/c/d/e/f/g/h/i/j/k/l HTTP/1.1\r\n\r\n",
        "GET /v1/e%2Fcho HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET /v1%2Fecho HTTP/1.1\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        assert_problem(exchange(requests[i]), 404, "not_found");
}

static void a_wrong_method_answers_405_and_tells_the_right_ones(void **state)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW"};
    char request[100];
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        snprintf(request, sizeof request, "%s /v1/items/5 HTTP/1.1\r\n\r\n", methods[i]);
        const char *text = exchange(request);
        assert_problem(text, 405, "method_not_allowed");
        assert_contains(text, "Allow: GET, DELETE\r\n");
    }
}

static void head_answers_405_without_a_body_and_closes(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "HEAD /v1/items/5 HTTP/1.1\r\nContent-Length: 38\r\n\r\nGET /v1/items/6 "
            "HTTP/1.1\r\nHost: x\r\n\r\n");
    const char *text = take(fd);
    assert_contains(text, "HTTP/1.1 405 ");
    assert_lacks(text, "method_not_allowed");
    assert_lacks(text, "item"); /* the body of a HEAD is no next request */
    assert_true(answer_closed);
    close(fd);
}

static void the_first_route_that_fits_wins(void **state)
{
    (void)state;
    assert_contains(get("/v1/items/first"), "HTTP/1.1 204 ");
}

static void an_id_that_is_none_answers_404_like_one_that_is_missing(void **state)
{
    static const char *const ids[] = {"0",   "-1",  "1.5",  "007", "9223372036854775808",
                                      "abc", "%00", "1%2F2"};
    char target[60];
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        snprintf(target, sizeof target, "/v1/items/%s", ids[i]);
        const char *text = get(target);
        assert_true(strncmp(text, "HTTP/1.1 40", 11) == 0);
        if (strcmp(ids[i], "%00") != 0)
            assert_problem(text, 404, "not_found");
    }
}

static void free_text_in_a_path_is_decoded(void **state)
{
    (void)state;
    assert_contains(get("/v1/words/%F0%9F%91%8D"), "{\"word\":\"\xF0\x9F\x91\x8D\"}");
    assert_contains(get("/v1/words/a+b%20c"), "{\"word\":\"a+b c\"}");
    assert_contains(get("/v1/words/a%2Fb"), "{\"word\":\"a/b\"}");
}

static void a_path_that_is_not_percent_encoded_utf8_is_refused(void **state)
{
    static const char *const words[] = {"%", "%4", "%zz", "%FF", "%00", "%ED%A0%80"};
    char target[60];
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        snprintf(target, sizeof target, "/v1/words/%s", words[i]);
        assert_problem(get(target), 400, "bad_request");
    }
}

/* --- query --- */

static void query_parameters_are_decoded(void **state)
{
    (void)state;
    assert_contains(get("/v1/echo?q=a+b%26%C3%A9&limit=200"),
                    "{\"limit\":200,\"q\":\"a b&\xC3\xA9\"");
    assert_contains(get("/v1/echo?q="), "\"q\":\"\"");
    assert_contains(get("/v1/echo?q"), "\"q\":\"\"");
    assert_contains(get("/v1/echo?"), "\"q\":null");
}

static void query_mistakes_are_named(void **state)
{
    static const struct {
        const char *query, *pointer;
    } rows[] = {
        {"limit=0", "/query/limit"},
        {"limit=201", "/query/limit"},
        {"limit=", "/query/limit"},
        {"limit=1.0", "/query/limit"},
        {"limit=-1", "/query/limit"},
        {"limit=%2B1", "/query/limit"},
        {"limit=1e1", "/query/limit"},
        {"limit=99999999999999999999", "/query/limit"},
        {"nothing=1", "/query/nothing"},
        {"q=1&q=2", "/query/q"},
        {"a%2Fb=1", "/query/a~1b"},
        {"q=%", "/query"},
        {"q=%FF", "/query"},
        {"Limit=1", "/query/Limit"},
    };
    char target[100], wanted[100];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        snprintf(target, sizeof target, "/v1/echo?%s", rows[i].query);
        snprintf(wanted, sizeof wanted, "\"errors\":[{\"pointer\":\"%s\",", rows[i].pointer);
        const char *text = get(target);
        assert_problem(text, 400, "bad_request");
        assert_contains(text, wanted);
    }
}

/* --- body --- */

static void a_body_is_read_as_json(void **state)
{
    (void)state;
    assert_contains(post("{\"name\":\"ann\"}"), "HTTP/1.1 201 Created\r\n");
    assert_contains(answer, "{\"name\":\"ann\"}");
}

static void a_chunked_body_is_read_too(void **state)
{
    (void)state;
    const char *text =
        exchange("POST /v1/names HTTP/1.1\r\nContent-Type: application/json\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"name\"\r\n7\r\n:\"ann\"}\r\n0\r\n\r\n");
    assert_contains(text, "{\"name\":\"ann\"}");
}

static void body_mistakes_are_named(void **state)
{
    static const struct {
        const char *body, *code, *part;
    } rows[] = {
        {"{\"name\":\"\"}", "bad_request", "\"pointer\":\"/body/name\""},
        {"{\"name\":\"123456789\"}", "bad_request", "\"pointer\":\"/body/name\""},
        {"{\"name\":1}", "bad_request", "\"pointer\":\"/body/name\""},
        {"{\"nome\":\"a\"}", "bad_request", "\"pointer\":\"/body/nome\""},
        {"[]", "bad_request", "\"pointer\":\"/body\""},
        {"{\"name\":", "invalid_json", "/body"},
        {"", "invalid_json", "/body"},
        {"{} x", "invalid_json", "/body"},
        {"{\"name\":\"\xFF\"}", "invalid_utf8", "/body/name"},
        {"{\"name\":\"\\u0000\"}", "invalid_json", "/body/name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = post(rows[i].body);
        assert_problem(text, 400, rows[i].code);
        assert_contains(text, rows[i].part);
    }
}

static void media_types_other_than_json_in_utf8_are_refused(void **state)
{
    static const struct {
        const char *headers;
        bool is_good;
    } rows[] = {
        {"Content-Type: application/json\r\n", true},
        {"Content-Type: Application/JSON ; charset=UTF-8\r\n", true},
        {"Content-Type: application/json; charset=\"utf-8\"\r\n", true},
        {"Content-Type: application/json;v=1\r\n", true},
        {"Content-Type: application/json\r\nContent-Encoding: identity\r\n", true},
        {"", false},
        {"Content-Type: text/plain\r\n", false},
        {"Content-Type: application/json-patch+json\r\n", false},
        {"Content-Type: application/jso\r\n", false},
        {"Content-Type: application/json; charset=latin1\r\n", false},
        {"Content-Type: application/json\r\nContent-Type: text/plain\r\n", false},
        {"Content-Type: application/json\r\nContent-Encoding: gzip\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *text = post_typed("POST", rows[i].headers, "{}");
        if (rows[i].is_good)
            assert_contains(text, "HTTP/1.1 201 ");
        else
            assert_problem(text, 415, "unsupported_media_type");
    }
}

static void an_optional_body_may_be_left_out(void **state)
{
    (void)state;
    assert_contains(post_typed("PUT", "", ""), "{\"name\":null}");
    assert_contains(post_typed("PUT", "Content-Type: application/json\r\n", "{\"name\":\"a\"}"),
                    "{\"name\":\"a\"}");
    assert_problem(post_typed("PUT", "", "{}"), 415, "unsupported_media_type");
}

static void a_body_where_none_belongs_is_refused(void **state)
{
    (void)state;
    const char *text = exchange("DELETE /v1/items/5 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    assert_problem(text, 400, "bad_request");
    assert_contains(text, "\"pointer\":\"/body\"");
}

static void a_body_over_the_limit_answers_413_as_a_problem(void **state)
{
    char body[MAX_BODY + 2];
    (void)state;
    memset(body, ' ', sizeof body - 1);
    body[0] = '{';
    body[MAX_BODY - 1] = '}';
    body[MAX_BODY] = '\0';
    assert_contains(post(body), "HTTP/1.1 201 ");
    body[MAX_BODY - 1] = ' ';
    body[MAX_BODY] = '}';
    body[MAX_BODY + 1] = '\0';
    assert_problem(post(body), 413, "too_large");
    const char *text =
        exchange("POST /v1/names HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: "
                 "chunked\r\n\r\nFFFFFF\r\n{}");
    assert_problem(text, 413, "too_large");
}

/* --- what evhttp answers by itself --- */

static void what_is_no_http_answers_a_problem_and_closes(void **state)
{
    static const char *const requests[] = {
        "GARBAGE\r\n\r\n",
        "GET /v1/echo HTTP/9.9\r\n\r\n",
        "GET /v1/echo HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /v1/echo HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /v1/names HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST /v1/names HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /v1/names HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "POST /v1/names HTTP/1.1\r\nContent-Length: 2\r\nExpect: miracles\r\n\r\n{}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = dial();
        put(fd, requests[i]);
        assert_problem(take(fd), 400, "bad_request");
        assert_lacks(answer, "<");
        assert_true(is_closed_soon(fd));
        close(fd);
    }
}

static void a_head_over_the_limit_answers_a_problem_and_closes(void **state)
{
    char request[MAX_HEADER + 200];
    (void)state;
    strcpy(request, "GET /v1/echo HTTP/1.1\r\nX-Long: ");
    size_t length = strlen(request);
    memset(request + length, 'a', MAX_HEADER);
    strcpy(request + length + MAX_HEADER, "\r\n\r\n");
    assert_problem(exchange(request), 400, "bad_request");
}

/* evhttp answers in the version that it was asked in, however many digits that has. */
static void a_broken_head_in_a_long_version_answers_a_problem_all_the_same(void **state)
{
    (void)state;
    const char *text = exchange("GET /v1/echo HTTP/1.111\r\nno colon\r\n\r\n");
    assert_contains(text, "Content-Type: application/problem+json\r\n");
    assert_contains(text, "\"status\":400");
}

static void expect_100_continue_is_answered_and_the_body_is_read(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "POST /v1/names HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            "Expect: 100-continue\r\n\r\n");
    for (int i = 0; i < 5; i++)
        turn(1);
    char interim[100] = "";
    assert_true(recv(fd, interim, sizeof interim - 1, 0) > 0);
    assert_string_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    put(fd, "{}");
    assert_contains(take(fd), "HTTP/1.1 201 ");
    close(fd);
}

/* --- authentication --- */

static const char *get_private(const char *headers)
{
    char request[300];
    snprintf(request, sizeof request, "GET /v1/private HTTP/1.1\r\n%s\r\n", headers);
    return exchange(request);
}

static void a_good_token_gives_the_handler_an_identity(void **state)
{
    (void)state;
    assert_contains(get_private("Authorization: Bearer good\r\n"), "\"user\":\"42\"");
    assert_contains(get_private("authorization: bearer   good\r\n"), "\"user\":\"42\"");
}

static void without_a_good_token_the_answer_is_401(void **state)
{
    static const char *const headers[] = {
        "",
        "Authorization: Bearer bad\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Basic good\r\n",
        "Authorization: good\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        const char *text = get_private(headers[i]);
        assert_problem(text, 401, "unauthorized");
        assert_contains(text, "WWW-Authenticate: Bearer\r\n");
    }
    assert_problem(get("/v1/secrets/no-id"), 401, "unauthorized");
}

static void two_tokens_are_refused(void **state)
{
    (void)state;
    assert_problem(get_private("Authorization: Bearer bad\r\nAuthorization: Bearer good\r\n"), 400,
                   "bad_request");
    assert_int_equal(authentications, 0);
}

static void when_nobody_can_tell_the_answer_is_503_with_retry_after(void **state)
{
    (void)state;
    const char *text = get_private("Authorization: Bearer away\r\n");
    assert_problem(text, 503, "unavailable");
    assert_contains(text, "Retry-After: 1\r\n");
    assert_contains(text, "\"retry_after\":1");
    assert_contains(text, "\"temporary\":true");
}

static void public_routes_ask_for_no_token(void **state)
{
    (void)state;
    exchange("GET /v1/echo HTTP/1.1\r\nAuthorization: Bearer bad\r\n\r\n");
    assert_contains(answer, "HTTP/1.1 200 ");
    assert_int_equal(authentications, 0);
}

static void a_limit_tells_when_to_try_again(void **state)
{
    (void)state;
    const char *text = get("/v1/limited");
    assert_problem(text, 429, "rate_limited");
    assert_contains(text, "Retry-After: 7\r\n");
}

static void the_front_door_tells_the_address(void **state)
{
    (void)state;
    assert_contains(exchange("GET /v1/echo HTTP/1.1\r\nX-Real-IP: 2001:db8::1\r\n\r\n"),
                    "\"address\":\"2001:db8::1\"");
    assert_contains(exchange("GET /v1/echo HTTP/1.1\r\nX-Real-IP: <script>\r\n\r\n"),
                    "\"address\":\"\"");
}

/* --- late and lost --- */

static void an_answer_may_come_later(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "GET /v1/hold HTTP/1.1\r\n\r\n");
    turn(20);
    assert_non_null(held);
    assert_int_equal(http_server_in_progress(server), 1);
    release();
    assert_contains(take(fd), "{\"late\":true}");
    assert_int_equal(http_server_in_progress(server), 0);
    close(fd);
}

static void at_the_deadline_the_answer_is_unavailable_and_the_late_one_is_dropped(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "POST /v1/hold HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "
            "12\r\n\r\n{\"name\":\"x\"}");
    assert_problem(take(fd), 503, "unavailable");
    put(fd, "GET /v1/items/9 HTTP/1.1\r\n\r\n");
    assert_contains(take(fd), "{\"item\":\"9\"}");
    assert_int_equal(http_server_in_progress(server),
                     1); /* the handler still has it, and its arena and body */
    struct json_reader reader = http_body(held);
    assert_true(text_is(json_take_raw(&reader, "name", JSON_REQUIRED, 100), "\"x\""));
    release();
    assert_int_equal(http_server_in_progress(server), 0);
    turn(20);
    assert_true(recv(fd, answer, sizeof answer, 0) < 0 && errno == EAGAIN);
    close(fd);
}

static void a_peer_that_leaves_before_the_answer_harms_nobody(void **state)
{
    (void)state;
    for (int how = 0; how < 2; how++) {
        int fd = dial();
        put(fd, "POST /v1/hold HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "
                "12\r\n\r\n{\"name\":\"x\"}");
        turn(20);
        if (how == 0)
            shutdown(fd, SHUT_WR);
        else
            close(fd);
        turn(20);
        release();
        turn(20);
        if (how == 0)
            close(fd);
        assert_int_equal(http_server_in_progress(server), 0);
    }
    assert_contains(get("/v1/items/2"), "{\"item\":\"2\"}");
}

static void a_peer_that_leaves_before_the_deadline_harms_nobody(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "GET /v1/hold HTTP/1.1\r\n\r\n");
    turn(20);
    close(fd);
    turn(DEADLINE_MS + 50);
    release();
    turn(20);
    assert_int_equal(http_server_in_progress(server), 0);
}

static void a_server_may_be_destroyed_while_handlers_work(void **state)
{
    (void)state;
    int fd = dial(), other = dial();
    put(fd, "POST /v1/hold HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: "
            "12\r\n\r\n{\"name\":\"x\"}");
    put(other, "GET /v1/private HTTP/1.1\r\nAuthorization: Bearer slow\r\n\r\n");
    turn(20);
    assert_non_null(held_callback);
    http_server_destroy(&server);
    http_add_header(held, "X-Late", "1");
    release();
    held_callback(held_context, PROBLEM_NONE, &(struct identity){.user_id = 1});
    assert_true(is_closed_soon(fd));
    close(fd);
    close(other);
}

static void a_handler_is_not_begun_when_its_token_was_found_after_the_deadline(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "GET /v1/private HTTP/1.1\r\nAuthorization: Bearer slow\r\n\r\n");
    assert_problem(take(fd), 503, "unavailable");
    held_callback(held_context, PROBLEM_NONE, &(struct identity){.user_id = 1});
    assert_int_equal(http_server_in_progress(server), 0);
    close(fd);
}

static void more_requests_than_allowed_are_answered_unavailable(void **state)
{
    int fds[MAX_REQUESTS];
    (void)state;
    http_authenticated callbacks[MAX_REQUESTS];
    void *contexts[MAX_REQUESTS];
    for (int i = 0; i < MAX_REQUESTS; i++) {
        fds[i] = dial();
        put(fds[i], "GET /v1/private HTTP/1.1\r\nAuthorization: Bearer slow\r\n\r\n");
        turn(10);
        callbacks[i] = held_callback;
        contexts[i] = held_context;
    }
    assert_problem(get("/v1/echo"), 503, "unavailable");
    for (int i = 0; i < MAX_REQUESTS; i++) {
        callbacks[i](contexts[i], PROBLEM_NONE, &(struct identity){.user_id = 1});
        assert_contains(take(fds[i]), "HTTP/1.1 200 ");
        close(fds[i]);
    }
    assert_contains(get("/v1/echo"), "HTTP/1.1 200 ");
}

static void a_draining_server_answers_and_closes_but_takes_no_new_connection(void **state)
{
    (void)state;
    int fd = dial(), idle = dial();
    put(fd, "GET /v1/hold HTTP/1.1\r\n\r\n");
    turn(20);
    http_server_drain(server);
    int late = dial(); /* waits in the kernel */
    put(late, "GET /v1/echo HTTP/1.1\r\n\r\n");
    turn(30);
    assert_true(recv(late, answer, sizeof answer, 0) < 0 && errno == EAGAIN);
    release();
    assert_contains(take(fd), "Connection: close\r\n");
    assert_true(is_closed_soon(fd));
    put(idle, "GET /v1/echo HTTP/1.1\r\n\r\n");
    assert_contains(take(idle), "Connection: close\r\n");
    close(fd);
    close(idle);
    close(late);
}

static void a_second_server_on_the_same_path_is_refused_with_a_mend(void **state)
{
    char message[200];
    (void)state;
    struct http_server_options options = {.path = path, .max_requests = 1};
    assert_null(http_server_create(loop, &options, message, sizeof message));
    assert_contains(message, path);
    assert_contains(message, "another process listens here");
    assert_contains(get("/v1/echo"), "HTTP/1.1 200 ");
}

static void answers_are_counted_by_class(void **state)
{
    struct buffer before = BUFFER_EMPTY;
    (void)state;
    get("/v1/echo");
    get("/v1/none");
    metrics_render(&before);
    buffer_append(&before, "", 1);
    assert_contains(before.data, "parley_http_requests_total{service=\"test\",status=\"2xx\"} ");
    assert_contains(before.data, "parley_http_requests_total{service=\"test\",status=\"4xx\"} ");
    assert_contains(before.data, "parley_http_requests_in_progress{service=\"test\"} 0\n");
    assert_contains(before.data, "parley_http_request_seconds_count{service=\"test\"} ");
    assert_lacks(before.data, "status=\"2xx\"} 0\n");
    buffer_deinit(&before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_handler_answers_with_json_its_headers_and_a_request_id),
        TEST(a_well_formed_request_id_is_taken_over_and_any_other_replaced),
        TEST(several_requests_use_one_connection),
        TEST(pipelined_requests_are_answered_in_order),
        TEST(an_idle_connection_is_closed),
        TEST(an_unknown_path_answers_404_whatever_the_method),
        TEST(a_wrong_method_answers_405_and_tells_the_right_ones),
        TEST(head_answers_405_without_a_body_and_closes),
        TEST(the_first_route_that_fits_wins),
        TEST(an_id_that_is_none_answers_404_like_one_that_is_missing),
        TEST(free_text_in_a_path_is_decoded),
        TEST(a_path_that_is_not_percent_encoded_utf8_is_refused),
        TEST(query_parameters_are_decoded),
        TEST(query_mistakes_are_named),
        TEST(a_body_is_read_as_json),
        TEST(a_chunked_body_is_read_too),
        TEST(body_mistakes_are_named),
        TEST(media_types_other_than_json_in_utf8_are_refused),
        TEST(an_optional_body_may_be_left_out),
        TEST(a_body_where_none_belongs_is_refused),
        TEST(a_body_over_the_limit_answers_413_as_a_problem),
        TEST(what_is_no_http_answers_a_problem_and_closes),
        TEST(a_head_over_the_limit_answers_a_problem_and_closes),
        TEST(a_broken_head_in_a_long_version_answers_a_problem_all_the_same),
        TEST(expect_100_continue_is_answered_and_the_body_is_read),
        TEST(a_good_token_gives_the_handler_an_identity),
        TEST(without_a_good_token_the_answer_is_401),
        TEST(two_tokens_are_refused),
        TEST(when_nobody_can_tell_the_answer_is_503_with_retry_after),
        TEST(public_routes_ask_for_no_token),
        TEST(a_limit_tells_when_to_try_again),
        TEST(the_front_door_tells_the_address),
        TEST(an_answer_may_come_later),
        TEST(at_the_deadline_the_answer_is_unavailable_and_the_late_one_is_dropped),
        TEST(a_peer_that_leaves_before_the_answer_harms_nobody),
        TEST(a_peer_that_leaves_before_the_deadline_harms_nobody),
        TEST(a_server_may_be_destroyed_while_handlers_work),
        TEST(a_handler_is_not_begun_when_its_token_was_found_after_the_deadline),
        TEST(more_requests_than_allowed_are_answered_unavailable),
        TEST(a_draining_server_answers_and_closes_but_takes_no_new_connection),
        TEST(a_second_server_on_the_same_path_is_refused_with_a_mend),
        TEST(answers_are_counted_by_class),
    };
    signal(SIGPIPE, SIG_IGN); /* as the daemons do: libevent does not */
    log_init("test", LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
