/* The errors that clients see: one table of stable codes, the same in REST (RFC 9457) and on the WebSocket. */
#ifndef PARLEY_NET_PROBLEM_H
#define PARLEY_NET_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"

/* code, HTTP status, temporary, title */
#define PROBLEM_TABLE(X)                                                                       \
    X(BAD_REQUEST, "bad_request", 400, false, "The request is not valid")                      \
    X(INVALID_JSON, "invalid_json", 400, false, "The body is not valid JSON")                  \
    X(INVALID_UTF8, "invalid_utf8", 400, false, "The body is not valid UTF-8")                 \
    X(UNAUTHORIZED, "unauthorized", 401, false, "A valid token is needed")                     \
    X(FORBIDDEN, "forbidden", 403, false, "You may not do this")                               \
    X(NOT_MEMBER, "not_member", 403, false, "You are no longer a member of this chat")         \
    X(BLOCKED, "blocked", 403, false, "One of the two people has blocked the other")           \
    X(NOT_FOUND, "not_found", 404, false, "There is nothing here")                             \
    X(METHOD_NOT_ALLOWED, "method_not_allowed", 405, false, "This method is not allowed here") \
    X(CONFLICT, "conflict", 409, false, "The request conflicts with what is there")            \
    X(USERNAME_TAKEN, "username_taken", 409, false, "The username is taken")                   \
    X(TOO_LARGE, "too_large", 413, false, "The request is too large")                          \
    X(UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415, false,                            \
      "The media type is not supported")                                                       \
    X(RATE_LIMITED, "rate_limited", 429, true, "Too many requests")                            \
    X(INTERNAL, "internal", 500, true, "Something went wrong on our side")                     \
    X(UNAVAILABLE, "unavailable", 503, true, "A part of the service is not available")

enum problem {
    PROBLEM_NONE, /* no error */
#define X(name, code, status, temporary, title) PROBLEM_##name,
    PROBLEM_TABLE(X)
#undef X
        PROBLEM_COUNT
};

struct problem_info {
    const char *code;
    int status;
    bool temporary;
    const char *title;
};

const struct problem_info *problem_info(enum problem problem); /* not for PROBLEM_NONE */
enum problem problem_of_code(const char *code);                /* PROBLEM_NONE when unknown */

#define PROBLEM_CONTENT_TYPE "application/problem+json"

/* One error as a client sees it. */
struct problem_report {
    enum problem problem;
    int status;             /* 0: that of the table */
    const char *detail;     /* NULL: the title */
    const char *request_id; /* NULL: left out */
    int64_t retry_after_s;  /* 0: left out */
    const char *pointer;    /* of the one faulty field (RFC 6901); NULL: left out */
    const char *reason;     /* with pointer */
};

void problem_write(const struct problem_report *report,
                   struct buffer *out); /* the JSON object of RFC 9457 */

#endif
