/* What the files http_*.c share. */
#ifndef PARLEY_NET_HTTP_INTERNAL_H
#define PARLEY_NET_HTTP_INTERNAL_H

#include <sys/queue.h>

#include "shared/net/http_server.h"

#define HTTP_MAX_SEGMENTS   10
#define HTTP_MAX_PARAMETERS 16 /* of a query */
#define HTTP_REQUEST_ID_MAX 64
#define HTTP_ADDRESS_MAX    45 /* INET6_ADDRSTRLEN without the terminator */

struct evbuffer;
struct evhttp;
struct evhttp_request;
struct http_metrics;
struct listener;

/* --- routes: a pattern cut at its slashes --- */

enum http_segment_kind { HTTP_LITERAL, HTTP_ID, HTTP_TEXT };

struct http_segment {
    enum http_segment_kind kind;
    struct text name; /* of a parameter; or the literal */
};

struct http_pattern {
    struct http_segment segments[HTTP_MAX_SEGMENTS];
    size_t count;
};

/* Cuts the path of a request, percent-decoded, into segments. False when it is not decodable. More than
 * HTTP_MAX_SEGMENTS give HTTP_MAX_SEGMENTS + 1, which no pattern has. */
bool http_path_cut(struct text path, struct arena *arena,
                   struct text segments_out[HTTP_MAX_SEGMENTS], size_t *count_out);
void http_pattern_compile(const char *pattern,
                          struct http_pattern *pattern_out); /* asserts that it is well-formed */
bool http_pattern_matches(const struct http_pattern *pattern, const struct text *segments,
                          size_t count);
/* Percent-decoding (RFC 3986, 2.1) into the arena; plus signs are spaces in a query only. False on a broken escape, on
 * U+0000 and on what is not UTF-8. */
bool http_percent_decode(struct text source, bool is_query, struct arena *arena,
                         struct text *text_out);

/* --- server and request --- */

struct http_parameter {
    struct text name;
    struct text value;
};

TAILQ_HEAD(http_requests, http_request);

struct http_server {
    struct loop *loop;
    struct http_server_options options;
    struct http_pattern *patterns; /* one for each route */
    struct evhttp *evhttp;
    struct listener *listener;
    struct loop_timer *deadline;  /* of the first one that waits */
    struct http_requests waiting; /* oldest first */
    struct http_requests
        overdue;        /* answered at their deadline; the handler has not come back yet */
    size_t in_progress; /* both */
    bool is_sending;    /* what goes out now is ours and not evhttp's */
    bool is_draining;
    struct http_metrics *metrics;
};

struct http_request {
    TAILQ_ENTRY(http_request) link;
    struct http_server *server;  /* NULL: it has been destroyed */
    struct evhttp_request *wire; /* NULL: answered, or the peer has gone */
    struct evhttp_request
        *orphan; /* of a peer that has gone: ours to free, but not before evhttp is done with it */
    const struct http_route *route; /* NULL: none found yet */
    void *service;
    struct arena arena;
    struct text segments[HTTP_MAX_SEGMENTS];
    struct http_parameter query[HTTP_MAX_PARAMETERS];
    size_t query_count;
    const struct http_pattern *pattern;
    int64_t ids[HTTP_MAX_SEGMENTS]; /* of the segments that are ids */
    struct identity identity;
    struct evbuffer *body;
    struct json_document *document;
    int64_t started_us;
    bool is_overdue;
    char request_id[HTTP_REQUEST_ID_MAX + 1];
    char address[HTTP_ADDRESS_MAX + 1];
};

/* http_request.c. Each answers the request itself and returns false on a mistake of the peer. */
bool http_request_read(
    struct http_request *request); /* path ids, query, body: everything before the handler */
void http_request_read_head(struct http_request *request); /* request id, address; never fails */
const char *http_request_header(const struct http_request *request, const char *name,
                                bool *is_repeated_out);

/* http_reply.c */
void http_reply_overdue(
    struct http_request *request); /* at its deadline: answers, but leaves it to the handler */
void http_request_end(struct http_request *request); /* frees it */

/* http_native.c: turns evhttp's own error pages into problem+json. */
void http_native_watch(struct http_server *server);

/* http_metrics.c */
struct http_metrics *http_metrics_of(const char *service); /* lives as long as the process */
void http_metrics_start(struct http_metrics *metrics);
void http_metrics_answer(struct http_metrics *metrics, int status, int64_t microseconds);
void http_metrics_end(struct http_metrics *metrics);
void http_metrics_overdue(struct http_metrics *metrics);
void http_metrics_gone(struct http_metrics *metrics); /* the peer left before the answer */

#endif
