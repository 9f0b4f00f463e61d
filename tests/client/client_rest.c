#include "tests/client/client_rest.h"

#include <cjson/cJSON.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"

#define DEADLINE_MS      120000
#define RETRY_MS         200
#define ANSWER_TIMEOUT_S 10

struct rest {
    struct event_base *base;
    char *host;
    int connection_count, next;
    struct evhttp_connection *connections[];
};

struct call {
    struct rest *rest;
    enum evhttp_cmd_type method;
    char *path, *token, *body;
    int64_t deadline_ms;
    rest_callback callback;
    void *context;
    struct event *retry;
};

static void send_call(struct call *call);

static void end_call(struct call *call, int status, const cJSON *answer)
{
    call->callback(call->context, status, answer);
    event_free(call->retry);
    mem_free(call->path);
    mem_free(call->token);
    mem_free(call->body);
    mem_free(call);
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    send_call(context);
}

static void on_answer(struct evhttp_request *request, void *context)
{
    struct call *call = context;
    int status = request == NULL ? 0 : evhttp_request_get_response_code(request);
    if (status == 0 || status == 429 || status >= 500) {
        if (clock_monotonic_ms() < call->deadline_ms) {
            struct timeval delay = {0, RETRY_MS * 1000};
            evtimer_add(call->retry, &delay);
            return;
        }
    }
    cJSON *answer = NULL;
    if (status != 0) {
        struct evbuffer *input = evhttp_request_get_input_buffer(request);
        size_t length = evbuffer_get_length(input);
        if (length > 0)
            answer = cJSON_ParseWithLength((const char *)evbuffer_pullup(input, -1), length);
    }
    end_call(call, status, answer);
    cJSON_Delete(answer);
}

static void send_call(struct call *call)
{
    struct rest *rest = call->rest;
    struct evhttp_connection *connection = rest->connections[rest->next++ % rest->connection_count];
    struct evhttp_request *request = evhttp_request_new(on_answer, call);
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char bearer[128], length[24];
    evhttp_add_header(headers, "Host", rest->host);
    if (call->token != NULL) {
        snprintf(bearer, sizeof bearer, "Bearer %s", call->token);
        evhttp_add_header(headers, "Authorization", bearer);
    }
    if (call->body != NULL) {
        snprintf(length, sizeof length, "%zu", strlen(call->body));
        evhttp_add_header(headers, "Content-Type", "application/json");
        evhttp_add_header(headers, "Content-Length", length); /* evhttp forgets it for PATCH */
        evbuffer_add(evhttp_request_get_output_buffer(request), call->body, strlen(call->body));
    }
    if (evhttp_make_request(connection, request, call->method, call->path) == 0)
        return;
    if (call->deadline_ms == 0) {
        end_call(call, 0, NULL);
        return;
    }
    struct timeval delay = {0, RETRY_MS * 1000};
    evtimer_add(call->retry, &delay);
}

static enum evhttp_cmd_type method_of(const char *name)
{
    static const struct {
        const char *name;
        enum evhttp_cmd_type type;
    } methods[] = {{"GET", EVHTTP_REQ_GET},
                   {"POST", EVHTTP_REQ_POST},
                   {"PUT", EVHTTP_REQ_PUT},
                   {"PATCH", EVHTTP_REQ_PATCH},
                   {"DELETE", EVHTTP_REQ_DELETE}};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].type;
    abort();
}

static void start(struct rest *rest, const char *method, const char *path, const char *token,
                  const char *body, int64_t deadline_ms, rest_callback callback, void *context)
{
    struct call *call = mem_zalloc(sizeof *call);
    *call = (struct call){.rest = rest,
                          .method = method_of(method),
                          .path = mem_string(path),
                          .token = token == NULL ? NULL : mem_string(token),
                          .body = body == NULL ? NULL : mem_string(body),
                          .deadline_ms = deadline_ms,
                          .callback = callback,
                          .context = context};
    call->retry = evtimer_new(rest->base, on_retry, call);
    send_call(call);
}

void rest_call(struct rest *rest, const char *method, const char *path, const char *token,
               const char *body, rest_callback callback, void *context)
{
    start(rest, method, path, token, body, clock_monotonic_ms() + DEADLINE_MS, callback, context);
}

void rest_try(struct rest *rest, const char *method, const char *path, const char *token,
              const char *body, rest_callback callback, void *context)
{
    start(rest, method, path, token, body, 0, callback, context);
}

struct rest *rest_create(struct event_base *base, const char *host, uint16_t port, int connections)
{
    struct rest *rest =
        mem_zalloc(sizeof *rest + (size_t)connections * sizeof rest->connections[0]);
    rest->base = base;
    rest->host = mem_string(host);
    rest->connection_count = connections;
    for (int i = 0; i < connections; i++) {
        rest->connections[i] = evhttp_connection_base_new(base, NULL, host, port);
        evhttp_connection_set_timeout(rest->connections[i], ANSWER_TIMEOUT_S);
    }
    return rest;
}

void rest_destroy(struct rest **rest)
{
    if (*rest == NULL)
        return;
    for (int i = 0; i < (*rest)->connection_count; i++)
        evhttp_connection_free((*rest)->connections[i]);
    mem_free((*rest)->host);
    mem_free(*rest);
    *rest = NULL;
}
