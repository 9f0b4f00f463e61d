/* From evhttp's request to the handler: route, authentication, checks; and the deadlines. */
#include "shared/net/http_server.h"

#include <assert.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <string.h>
#include <strings.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/net/http_internal.h"
#include "shared/net/listener.h"

#define ALL_METHODS 0xFFFF /* also those that evhttp does not know: 405 is ours to say */

/* --- deadlines --- */

/* All requests have the same time, so they fall due in the order of their arrival. */
static int64_t remaining_ms(const struct http_request *request)
{
    int64_t age_ms = (clock_monotonic_us() - request->started_us) / 1000;
    return request->server->options.deadline_ms - age_ms;
}

static void arm_deadline(struct http_server *server)
{
    const struct http_request *first = TAILQ_FIRST(&server->waiting);
    if (first != NULL && !loop_timer_is_running(server->deadline))
        loop_timer_start(server->deadline, remaining_ms(first));
}

static void on_deadline(void *context)
{
    struct http_server *server = context;
    struct http_request *request;
    while ((request = TAILQ_FIRST(&server->waiting)) != NULL && remaining_ms(request) <= 0) {
        TAILQ_REMOVE(&server->waiting, request, link);
        TAILQ_INSERT_TAIL(&server->overdue, request, link);
        request->is_overdue = true;
        http_reply_overdue(request);
    }
    arm_deadline(server);
}

/* --- routes --- */

static const char *const method_names[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

/* False: none of ours. */
static bool method_of(struct evhttp_request *wire, enum http_method *method_out)
{
    static const enum evhttp_cmd_type commands[] = {EVHTTP_REQ_GET, EVHTTP_REQ_POST, EVHTTP_REQ_PUT,
                                                    EVHTTP_REQ_PATCH, EVHTTP_REQ_DELETE};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (evhttp_request_get_command(wire) == commands[i]) {
            *method_out = (enum http_method)i;
            return true;
        }
    }
    return false;
}

/* Sets the first route that fits. Else `methods_out` has a bit for each method that the path knows: none means that
 * there is no such path. */
static void find_route(struct http_request *request, size_t segment_count, unsigned *methods_out)
{
    const struct http_server_options *options = &request->server->options;
    enum http_method method = HTTP_GET;
    bool is_ours = method_of(request->wire, &method);
    *methods_out = 0;
    for (size_t i = 0; i < options->route_count; i++) {
        const struct http_pattern *pattern = &request->server->patterns[i];
        if (!http_pattern_matches(pattern, request->segments, segment_count))
            continue;
        *methods_out |= 1U << options->routes[i].method;
        if (is_ours && options->routes[i].method == method) {
            request->route = &options->routes[i];
            request->pattern = pattern;
            return;
        }
    }
}

static void fail_method(struct http_request *request, unsigned methods)
{
    struct buffer allow = BUFFER_EMPTY;
    for (size_t i = 0; i < sizeof method_names / sizeof method_names[0]; i++) {
        if ((methods & (1U << i)) != 0)
            buffer_append_format(&allow, "%s%s", allow.length == 0 ? "" : ", ", method_names[i]);
    }
    buffer_append(&allow, "", 1);
    http_add_header(request, "Allow", allow.data);
    http_fail(request, PROBLEM_METHOD_NOT_ALLOWED, NULL);
    buffer_deinit(&allow);
}

static bool take_route(struct http_request *request)
{
    size_t count = 0;
    unsigned methods;
    enum http_method method;
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request->wire));
    if (!method_of(request->wire, &method))
        http_add_header(request, "Connection",
                        "close"); /* evhttp reads no body of these: it would be the next request */
    if (!http_path_cut(text_of(path), &request->arena, request->segments, &count)) {
        http_fail_field(request, "/path", "must be percent-encoded UTF-8");
        return false;
    }
    find_route(request, count, &methods);
    if (request->route != NULL)
        return true;
    if (methods == 0)
        http_fail(request, PROBLEM_NOT_FOUND, NULL);
    else
        fail_method(request, methods);
    return false;
}

/* --- authentication --- */

static void handle(struct http_request *request)
{
    if (http_request_read(request))
        request->route->handler(request->service, request);
}

/* Without a peer, or after the deadline, nobody would learn of what the handler does: it is not begun. */
static void on_authenticated(void *context, enum problem problem, const struct identity *identity)
{
    struct http_request *request = context;
    if (request->wire == NULL) {
        http_request_end(request);
        return;
    }
    if (problem != PROBLEM_NONE) {
        http_fail(request, problem, NULL);
        return;
    }
    request->identity = *identity;
    handle(request);
}

/* "Bearer TOKEN" (RFC 6750, 2.1). */
static bool read_token(const char *value, struct text *token_out)
{
    if (value == NULL || strncasecmp(value, "Bearer ", 7) != 0)
        return false;
    value += 7;
    value += strspn(value, " ");
    *token_out = text_of(value);
    return token_out->length > 0;
}

static void authenticate(struct http_request *request)
{
    const struct http_server_options *options = &request->server->options;
    struct text token;
    bool is_repeated;
    const char *value = http_request_header(request, "Authorization", &is_repeated);
    if (is_repeated)
        http_fail(request, PROBLEM_BAD_REQUEST, "There is more than one Authorization header.");
    else if (!read_token(value, &token))
        http_fail(request, PROBLEM_UNAUTHORIZED, NULL);
    else
        options->authenticate(options->authenticator_context, token, on_authenticated, request);
}

/* --- arrival --- */

/* evhttp frees the request of a connection that ends, unless it is told that it is ours. */
static void on_connection_closed(struct evhttp_connection *connection, void *context)
{
    struct http_request *request = context;
    (void)connection;
    evhttp_request_own(request->wire);
    request->orphan = request->wire;
    request->wire = NULL;
    if (request->server != NULL)
        http_metrics_gone(request->server->metrics);
}

static struct http_request *begin_request(struct http_server *server, struct evhttp_request *wire)
{
    struct http_request *request = mem_zalloc(sizeof *request);
    request->server = server;
    request->service = server->options.service;
    request->wire = wire;
    request->started_us = clock_monotonic_us();
    evhttp_connection_set_closecb(evhttp_request_get_connection(wire), on_connection_closed,
                                  request);
    http_request_read_head(request);
    TAILQ_INSERT_TAIL(&server->waiting, request, link);
    server->in_progress++;
    http_metrics_start(server->metrics);
    arm_deadline(server);
    return request;
}

static bool is_trusted(struct evhttp_request *wire)
{
    struct bufferevent *connection =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(wire));
    return listener_is_trusted_peer(bufferevent_getfd(connection));
}

/* evhttp looks for a second Content-Length only beside a Transfer-Encoding: where this request ends, and whether what
 * follows is another one, would be a matter of opinion. */
static bool check_framing(struct http_request *request)
{
    bool is_repeated;
    http_request_header(request, "Content-Length", &is_repeated);
    if (!is_repeated)
        return true;
    http_add_header(request, "Connection", "close");
    http_fail(request, PROBLEM_BAD_REQUEST, "There is more than one Content-Length header.");
    return false;
}

static void on_request(struct evhttp_request *wire, void *context)
{
    struct http_server *server = context;
    struct http_request *request = begin_request(server, wire);
    if (!is_trusted(wire)) {
        http_add_header(request, "Connection", "close");
        http_fail(request, PROBLEM_FORBIDDEN,
                  "This user is not of the group that may connect here.");
    } else if (server->in_progress > server->options.max_requests) {
        http_fail(request, PROBLEM_UNAVAILABLE, "Too many requests are in progress.");
    } else if (check_framing(request) && take_route(request)) {
        if ((request->route->flags & HTTP_PUBLIC) != 0)
            handle(request);
        else
            authenticate(request);
    }
}

/* --- making and ending --- */

static void set_limits(struct evhttp *evhttp, const struct http_server_options *options)
{
    struct timeval idle = {options->idle_timeout_ms / 1000, options->idle_timeout_ms % 1000 * 1000};
    evhttp_set_max_headers_size(evhttp, (ev_ssize_t)options->max_header_bytes);
    evhttp_set_max_body_size(evhttp, (ev_ssize_t)options->max_body_bytes);
    evhttp_set_timeout_tv(evhttp, &idle);
    evhttp_set_allowed_methods(evhttp, ALL_METHODS);
    evhttp_set_default_content_type(evhttp, NULL);
    /* A body over the limit is read to its end and thrown away: who is still writing would miss the answer. */
    evhttp_set_flags(evhttp, EVHTTP_SERVER_LINGERING_CLOSE);
}

static void compile_routes(struct http_server *server)
{
    server->patterns = mem_array(server->options.route_count, sizeof *server->patterns);
    for (size_t i = 0; i < server->options.route_count; i++) {
        const struct http_route *route = &server->options.routes[i];
        assert((route->flags & HTTP_PUBLIC) != 0 || server->options.authenticate != NULL);
        http_pattern_compile(route->pattern, &server->patterns[i]);
    }
}

struct http_server *http_server_create(struct loop *loop, const struct http_server_options *options,
                                       char *message_out, int message_size)
{
    struct listener *listener =
        listener_create(loop, options->path, NULL, NULL, message_out, message_size);
    if (listener == NULL)
        return NULL;
    struct http_server *server = mem_zalloc(sizeof *server);
    server->loop = loop;
    server->options = *options;
    server->listener = listener;
    server->metrics = http_metrics_of(options->metrics_service);
    TAILQ_INIT(&server->waiting);
    TAILQ_INIT(&server->overdue);
    compile_routes(server);
    server->deadline = loop_timer_create(loop, on_deadline, server);
    server->evhttp = evhttp_new(loop_base(loop));
    set_limits(server->evhttp, options);
    http_native_watch(server);
    evhttp_set_gencb(server->evhttp, on_request, server);
    evhttp_bind_listener(server->evhttp, listener_evconnlistener(listener));
    return server;
}

void http_server_drain(struct http_server *server)
{
    server->is_draining = true;
    listener_stop(server->listener);
}

size_t http_server_in_progress(const struct http_server *server)
{
    return server->in_progress;
}

static void let_go(struct http_requests *requests)
{
    struct http_request *request;
    while ((request = TAILQ_FIRST(requests)) != NULL) {
        TAILQ_REMOVE(requests, request, link);
        http_metrics_end(request->server->metrics);
        request->server = NULL;
    }
}

void http_server_destroy(struct http_server **server_)
{
    struct http_server *server = *server_;
    if (server == NULL)
        return;
    *server_ = NULL;
    let_go(&server->waiting);
    let_go(&server->overdue);
    listener_destroy(&server->listener);
    evhttp_free(server->evhttp);
    loop_timer_destroy(&server->deadline);
    mem_free(server->patterns);
    mem_free(server);
}
