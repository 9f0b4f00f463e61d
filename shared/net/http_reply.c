/* Answers. The peer may have gone, the deadline may have answered already, the server itself may have been destroyed:
 * an answer is harmless in all three, and ends the request. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/net/http_internal.h"

#define RETRY_AFTER_S 1 /* when the handler knows no better */

void http_request_end(struct http_request *request)
{
    struct http_server *server = request->server;
    if (server != NULL) {
        struct http_requests *requests = request->is_overdue ? &server->overdue : &server->waiting;
        TAILQ_REMOVE(requests, request, link);
        server->in_progress--;
        http_metrics_end(server->metrics);
    }
    if (request->orphan != NULL)
        evhttp_request_free(request->orphan);
    json_destroy(&request->document);
    if (request->body != NULL)
        evbuffer_free(request->body);
    arena_deinit(&request->arena);
    mem_free(request);
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    if (request->wire != NULL)
        evhttp_add_header(evhttp_request_get_output_headers(request->wire), name,
                          value); /* refuses CR and LF */
}

void http_tell_rate_limit(struct http_request *request, const struct http_rate_limit *limit)
{
    char value[96];
    snprintf(value, sizeof value, "\"%s\";q=%lld;w=%lld", limit->name, (long long)limit->quota,
             (long long)limit->window_s);
    http_add_header(request, "RateLimit-Policy", value);
    snprintf(value, sizeof value, "\"%s\";r=%lld;t=%lld", limit->name, (long long)limit->left,
             (long long)limit->wait_s);
    http_add_header(request, "RateLimit", value);
}

static void log_answer(const struct http_request *request, int status, int64_t microseconds)
{
    log_debug("http_answered", LOG_STRING("request_id", request->request_id),
              LOG_STRING("route", request->route == NULL ? NULL : request->route->pattern),
              LOG_NUMBER("status", status), LOG_NUMBER("microseconds", microseconds),
              LOG_ID("user", request->identity.user_id));
}

/* Gives the request back to evhttp, which frees it. */
static void send_answer(struct http_request *request, int status, const char *content_type,
                        struct text body)
{
    struct evhttp_request *wire = request->wire;
    int64_t microseconds = clock_monotonic_us() - request->started_us;
    http_add_header(request, "X-Request-Id", request->request_id);
    if (content_type != NULL)
        http_add_header(request, "Content-Type", content_type);
    if (request->server->is_draining)
        http_add_header(request, "Connection", "close");
    /* evhttp writes no length in answer to HEAD, but would write a body. */
    if (body.length > 0 && evhttp_request_get_command(wire) != EVHTTP_REQ_HEAD)
        evbuffer_add(evhttp_request_get_output_buffer(wire), body.data, body.length);
    request->wire = NULL;
    evhttp_connection_set_closecb(evhttp_request_get_connection(wire), NULL, NULL);
    request->server->is_sending = true;
    evhttp_send_reply(wire, status, NULL, NULL);
    request->server->is_sending = false;
    http_metrics_answer(request->server->metrics, status, microseconds);
    log_answer(request, status, microseconds);
}

static void answer(struct http_request *request, int status, const char *content_type,
                   struct text body)
{
    if (request->wire != NULL)
        send_answer(request, status, content_type, body);
    http_request_end(request);
}

void http_reply_json(struct http_request *request, int status, const struct buffer *body)
{
    answer(request, status, "application/json", buffer_text(body));
}

void http_reply_empty(struct http_request *request)
{
    answer(request, 204, NULL, TEXT_NONE);
}

void http_reply_text(struct http_request *request, int status, const char *content_type,
                     struct text body)
{
    answer(request, status, content_type, body);
}

/* --- problems --- */

static void send_problem(struct http_request *request, struct problem_report *report)
{
    struct buffer body = BUFFER_EMPTY;
    char retry_after[TEXT_NUMBER_SIZE];
    int status = problem_info(report->problem)->status;
    report->request_id = request->request_id;
    if (report->retry_after_s == 0 && (status == 429 || status == 503))
        report->retry_after_s = RETRY_AFTER_S;
    if (report->retry_after_s > 0) {
        text_format_number(report->retry_after_s, retry_after);
        http_add_header(request, "Retry-After", retry_after);
    }
    if (status == 401)
        http_add_header(request, "WWW-Authenticate", "Bearer");
    problem_write(report, &body);
    send_answer(request, status, PROBLEM_CONTENT_TYPE, buffer_text(&body));
    buffer_deinit(&body);
}

static void fail(struct http_request *request, struct problem_report *report)
{
    if (request->wire != NULL)
        send_problem(request, report);
    http_request_end(request);
}

void http_fail(struct http_request *request, enum problem problem, const char *detail)
{
    fail(request, &(struct problem_report){.problem = problem, .detail = detail});
}

void http_fail_retry(struct http_request *request, enum problem problem, const char *detail,
                     int64_t retry_after_s)
{
    fail(request, &(struct problem_report){.problem = problem,
                                           .detail = detail,
                                           .retry_after_s = retry_after_s < 1 ? 1 : retry_after_s});
}

void http_fail_field(struct http_request *request, const char *pointer, const char *reason)
{
    char detail[JSON_POINTER_SIZE + 160];
    snprintf(detail, sizeof detail, "%s %s.", pointer, reason);
    struct text shown =
        text_cut(text_of(detail), sizeof detail - 4); /* not inside a UTF-8 sequence */
    detail[shown.length] = '\0';
    fail(request, &(struct problem_report){.problem = PROBLEM_BAD_REQUEST,
                                           .detail = detail,
                                           .pointer = pointer,
                                           .reason = reason});
}

void http_reply_overdue(struct http_request *request)
{
    if (request->wire == NULL)
        return;
    log_warning("http_deadline", LOG_STRING("request_id", request->request_id),
                LOG_STRING("route", request->route == NULL ? NULL : request->route->pattern));
    http_metrics_overdue(request->server->metrics);
    send_problem(request,
                 &(struct problem_report){.problem = PROBLEM_UNAVAILABLE,
                                          .detail = "This took too long. It may have happened."});
}
