/* REST over evhttp: a table of routes, handlers with checked input, problem+json for every error.
 *
 * What the server does before a handler runs: bounds on headers and body (413), route and method (404, 405 with Allow),
 * authentication (401), media type (415), JSON (400), unknown query parameters (400). Every answer carries X-Request-Id:
 * the front door's when it is well-formed, a new one otherwise. A request lives until exactly one http_reply_* or
 * http_fail was called for it, however much later; the peer may have gone in the meantime, which nobody has to notice.
 * A deadline answers `unavailable` for a handler that takes too long, and its late answer is dropped. */
#ifndef PARLEY_NET_HTTP_SERVER_H
#define PARLEY_NET_HTTP_SERVER_H

#include "shared/base/arena.h"
#include "shared/base/json.h"
#include "shared/net/loop.h"
#include "shared/net/problem.h"

struct http_server;
struct http_request;

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE };

enum http_route_flags {
    HTTP_PUBLIC = 1,        /* no token needed */
    HTTP_BODY = 2,          /* a JSON object is required in the body (application/json) */
    HTTP_OPTIONAL_BODY = 4, /* with HTTP_BODY: no body at all is read as {} */
};

/* Who asks: filled by the authenticator before the handler of a route that is not HTTP_PUBLIC. */
struct identity {
    int64_t user_id;
    int64_t session_id;
    int64_t device_id;
    int64_t expires_at_ms;  /* wall clock */
    int64_t created_change; /* of the device: see proto/user_protocol.h */
    int64_t flags;          /* enum user_flag */
};

typedef void (*http_handler)(void *service, struct http_request *request);

struct http_route {
    enum http_method method;
    const char *
        pattern; /* "/v1/chats/{chat}/members/{user}": named parts are ids, "{name:text}" free text */
    const char
        *query; /* allowed query parameters, comma separated: "after,before,limit"; NULL none */
    int flags;
    http_handler handler;
};

/* Looks a token up and calls back (maybe before it returns) exactly once with PROBLEM_NONE and an identity, or
 * PROBLEM_UNAUTHORIZED or PROBLEM_UNAVAILABLE. `token` is borrowed until the call returns. */
typedef void (*http_authenticated)(void *context, enum problem problem,
                                   const struct identity *identity);
typedef void (*http_authenticator)(void *authenticator_context, struct text token,
                                   http_authenticated callback, void *context);

struct http_server_options {
    const char *path; /* of the Unix socket */
    const struct http_route *routes;
    size_t route_count;
    void *service;                   /* the handlers' first argument */
    http_authenticator authenticate; /* may be NULL when every route is public */
    void *authenticator_context;
    size_t max_body_bytes;
    size_t max_header_bytes;
    int64_t deadline_ms;         /* from the request's arrival to the answer */
    int64_t idle_timeout_ms;     /* of a keep-alive connection */
    size_t max_requests;         /* in progress; above it: unavailable */
    const char *metrics_service; /* label of the metrics; NULL: none */
};

struct http_server *http_server_create(struct loop *loop, const struct http_server_options *options,
                                       char *message_out, int message_size);
/* The strings and the routes that options point to must outlive the server; the options themselves need not. */
void http_server_drain(
    struct http_server *server); /* no new connections; answers carry Connection: close */
size_t http_server_in_progress(const struct http_server *server);
/* Closes every connection. Requests whose handler has not answered yet live until it does, answered or not. */
void http_server_destroy(struct http_server **server);

/* --- in a handler --- */
const struct identity *http_identity(const struct http_request *request);
struct arena *http_arena(struct http_request *request); /* freed with the request */
int64_t http_path_id(const struct http_request *request,
                     const char *name); /* checked before the handler ran (else 404) */
struct text http_path_text(const struct http_request *request,
                           const char *name); /* percent-decoded */
struct text http_query(const struct http_request *request,
                       const char *name); /* decoded; TEXT_NONE when absent */
/* Whole number in the query; on a mistake answers bad_request itself and returns false. Absent gives fallback. */
bool http_query_number(struct http_request *request, const char *name, int64_t minimum,
                       int64_t maximum, int64_t fallback, int64_t *number_out);
bool http_query_id(struct http_request *request, const char *name,
                   int64_t *id_out);                        /* absent: 0 and true */
struct json_reader http_body(struct http_request *request); /* routes with HTTP_BODY */
/* Ends reading the body: on a fault answers it (bad_request, pointer, reason) and returns false. */
bool http_body_finish(struct http_request *request, struct json_reader *reader);
const char *http_request_id(const struct http_request *request);
const char *http_client_address(
    const struct http_request *request); /* X-Real-IP set by the front door, or "" */
void *http_service(const struct http_request *request);

/* --- the answer: exactly one of these; the request must not be touched afterwards --- */
void http_reply_json(struct http_request *request, int status, const struct buffer *body);
void http_reply_empty(struct http_request *request); /* 204 */
void http_reply_text(struct http_request *request, int status, const char *content_type,
                     struct text body);
void http_fail(struct http_request *request, enum problem problem, const char *detail);
void http_fail_field(struct http_request *request, const char *pointer,
                     const char *reason); /* bad_request */
void http_fail_retry(struct http_request *request, enum problem problem, const char *detail,
                     int64_t retry_after_s);
void http_add_header(struct http_request *request, const char *name,
                     const char *value); /* before the answer */
/* RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), before the answer: so many calls in a window,
 * what is left of them, and seconds until there is one more. */
struct http_rate_limit {
    const char *name;
    int64_t quota, window_s, left, wait_s;
};
void http_tell_rate_limit(struct http_request *request, const struct http_rate_limit *limit);

#endif
