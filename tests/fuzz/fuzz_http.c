/* Whole requests, as bytes of a real connection: head, path, query, token and body. Whatever comes, each request ends in
 * one answer of ours or in a closed connection; a handler sees checked values only; and every error is a problem in JSON. */
#include <errno.h>
#include <event2/event.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/daemon/authenticator.h"
#include "shared/net/http_server.h"

#define MAX_BODY_BYTES   1000
#define MAX_HEADER_BYTES 2000
#define TOKEN_CHARACTERS 43
#define MAX_TURNS        10000 /* of the loop, until the connection has ended */
#define WORD_BYTES       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

static struct loop *loop;
static struct http_server *server;
static char folder[] = "/tmp/parley-fuzz-http-XXXXXX", path[64];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* --- the service under the server --- */

static void check_request(const struct http_request *request)
{
    require(http_service(request) == &loop);
    require(strlen(http_request_id(request)) >= 8);
    require(strspn(http_request_id(request), WORD_BYTES) == strlen(http_request_id(request)));
    require(strpbrk(http_client_address(request), " \r\n\"\\") == NULL);
}

static void get_list(void *service, struct http_request *request)
{
    int64_t limit = -1, after = -1;
    (void)service;
    check_request(request);
    require(text_is_utf8(http_query(request, "q")));
    if (!http_query_number(request, "limit", -5, 200, 50, &limit) ||
        !http_query_id(request, "after", &after))
        return;
    require(limit >= -5 && limit <= 200 && after >= 0);
    http_reply_empty(request);
}

static void get_item(void *service, struct http_request *request)
{
    (void)service;
    check_request(request);
    require(http_path_id(request, "item") > 0);
    require(text_is_utf8(http_path_text(request, "word")));
    require(http_identity(request)->user_id == 42);
    http_reply_empty(request);
}

static void post_item(void *service, struct http_request *request)
{
    struct json_reader reader = http_body(request);
    struct text name = json_take_text(&reader, "name", JSON_OPTIONAL, 1, 8);
    (void)service;
    check_request(request);
    if (!http_body_finish(request, &reader))
        return;
    require(text_is_utf8(name));
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"name\":");
    json_write_text_or_null(&body, name);
    buffer_append_string(&body, "}");
    http_reply_json(request, 201, &body);
    buffer_deinit(&body);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/v1/items", "limit,after,q", HTTP_PUBLIC, get_list},
    {HTTP_GET, "/v1/items/{item}/{word:text}", NULL, 0, get_item},
    {HTTP_POST, "/v1/items", NULL, HTTP_PUBLIC | HTTP_BODY, post_item},
    {HTTP_PUT, "/v1/items", NULL, HTTP_PUBLIC | HTTP_BODY | HTTP_OPTIONAL_BODY, post_item},
};

/* A token has one written form, which is 32 bytes in base64 (RFC 4648, section 5). */
static void authenticate(void *context, struct text token, http_authenticated callback,
                         void *callback_context)
{
    static const struct identity identity = {.user_id = 42};
    unsigned char hash[TOKEN_HASH_BYTES];
    (void)context;
    require(token.length > 0 && token.length <= MAX_HEADER_BYTES);
    if (!token_hash(token, hash)) {
        callback(callback_context, PROBLEM_UNAUTHORIZED, NULL);
        return;
    }
    require(token.length == TOKEN_CHARACTERS);
    require(strspn(token.data, WORD_BYTES) == TOKEN_CHARACTERS);
    callback(callback_context, PROBLEM_NONE, &identity);
}

/* --- life --- */

static void stop(void)
{
    http_server_destroy(&server);
    loop_destroy(&loop);
    strcat(path, ".lock");
    unlink(path);
    rmdir(folder);
}

static void start(void)
{
    static const struct http_server_options options = {.path = path,
                                                       .routes = routes,
                                                       .route_count =
                                                           sizeof routes / sizeof routes[0],
                                                       .service = &loop,
                                                       .authenticate = authenticate,
                                                       .max_body_bytes = MAX_BODY_BYTES,
                                                       .max_header_bytes = MAX_HEADER_BYTES,
                                                       .deadline_ms = 10000,
                                                       .idle_timeout_ms = 10000,
                                                       .max_requests = 3};
    char message[200];
    log_init("fuzz", LOG_LEVEL_ERROR);
    require(sodium_init() >= 0 && mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/http", folder);
    loop = loop_create();
    server = http_server_create(loop, &options, message, sizeof message);
    require(server != NULL);
    atexit(stop);
}

/* --- the client --- */

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, path, sizeof path);
    require(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* Everything that the server says until it closes. It may do so before it has read all. */
static void exchange(const uint8_t *data, size_t size, struct buffer *answers)
{
    char part[4096];
    int fd = dial();
    send(fd, data, size, MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    for (int turns = 0;; turns++) {
        require(turns < MAX_TURNS);
        event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
        ssize_t length = recv(fd, part, sizeof part, 0);
        if (length == 0 || (length < 0 && errno != EAGAIN))
            break;
        buffer_append(answers, part, length > 0 ? (size_t)length : 0);
    }
    close(fd);
    require(http_server_in_progress(server) == 0);
}

static void check_problem(struct text body)
{
    struct json_fault fault;
    struct json_document *document = json_parse(body, &fault);
    require(document != NULL);
    struct json_reader reader = json_reader_start(document, "");
    require(json_take_text(&reader, "code", JSON_REQUIRED, 1, 64).length > 0);
    json_destroy(&document);
}

/* Of the first answer. It is as long as it says, and what follows is another one; without a length, which an old client
 * does not know, it goes to the end (RFC 9112, section 6.3). */
static void check_answers(struct buffer *answers, bool has_bodies)
{
    static const char name[] = "Content-Length: ";
    int status;
    if (answers->length == 0)
        return;
    buffer_append(answers, "", 1);
    require(sscanf(answers->data, "HTTP/%*d.%*d %3d ", &status) == 1);
    require(status >= 100 && status != 500);
    const char *end = strstr(answers->data, "\r\n\r\n");
    const char *field = strstr(answers->data, name);
    require(end != NULL);
    if (!has_bodies || status < 200 || status == 204)
        return;
    size_t rest = answers->length - 1 - (size_t)(end + 4 - answers->data), length = rest;
    if (field != NULL && field < end)
        length = strtoul(field + strlen(name), NULL, 10);
    require(length == rest || (length < rest && memcmp(end + 4 + length, "HTTP/", 5) == 0));
    if (status >= 400)
        check_problem((struct text){end + 4, length});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer answers = BUFFER_EMPTY;
    if (server == NULL)
        start();
    exchange(data, size, &answers);
    check_answers(&answers, size == 0 || memmem(data, size, "HEAD", 4) == NULL);
    buffer_deinit(&answers);
    return 0;
}
