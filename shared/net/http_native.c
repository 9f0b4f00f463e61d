/* evhttp 2.1 answers what it cannot read (a broken head, a body that is too large, an unknown Expect) by itself, with a
 * page of HTML, and has no hook for it. So each connection's output is watched: what is added to an empty output while we
 * are not sending is evhttp's own. An interim "100 Continue" passes; the status line of an error is taken out again, our
 * answer is put in its place, and the buffer's end is frozen, so that the rest of the page goes nowhere. evhttp closes
 * the connection when that has been written. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdio.h>

#include "shared/net/http_internal.h"

#define STATUS_LINE_BYTES 24 /* "HTTP/1.1 413 ", with a version of up to ten digits */

/* The status of the answer that begins here, 0 when it is none. */
static int status_of(struct evbuffer *output)
{
    char line[STATUS_LINE_BYTES + 1] = "";
    int status = 0;
    evbuffer_copyout(output, line, STATUS_LINE_BYTES);
    return sscanf(line, "HTTP/%*d.%*d %d", &status) == 1 ? status : 0;
}

static void write_problem(struct evbuffer *output, enum problem problem)
{
    struct buffer body = BUFFER_EMPTY;
    struct problem_report report = {.problem = problem};
    if (problem == PROBLEM_BAD_REQUEST)
        report.detail = "The head of the request cannot be read, or is too large.";
    problem_write(&report, &body);
    evbuffer_add_printf(output,
                        "HTTP/1.1 %d %s\r\nContent-Type: " PROBLEM_CONTENT_TYPE
                        "\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                        problem_info(problem)->status, problem_info(problem)->title, body.length);
    evbuffer_add(output, body.data, body.length);
    buffer_deinit(&body);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *context)
{
    struct http_server *server = context;
    if (server->is_sending || info->orig_size != 0 || info->n_added == 0)
        return;
    evbuffer_unfreeze(output, 1); /* a bufferevent keeps the front of its output frozen */
    int status = status_of(output);
    if (status >= 400) {
        enum problem problem = status == 413 ? PROBLEM_TOO_LARGE : PROBLEM_BAD_REQUEST;
        server->is_sending = true;
        evbuffer_drain(output, evbuffer_get_length(output));
        write_problem(output, problem);
        server->is_sending = false;
        evbuffer_freeze(output, 0);
        http_metrics_answer(server->metrics, problem_info(problem)->status, 0);
    }
    evbuffer_freeze(output, 1);
}

static struct bufferevent *make_connection(struct event_base *base, void *context)
{
    struct bufferevent *connection = bufferevent_socket_new(base, -1, 0);
    if (connection != NULL)
        evbuffer_add_cb(bufferevent_get_output(connection), on_output, context);
    return connection;
}

void http_native_watch(struct http_server *server)
{
    evhttp_set_bevcb(server->evhttp, make_connection, server);
}
