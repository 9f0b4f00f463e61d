/* What the REST handlers share: pages of lists, the shape of a user, and answers to problems. */
#ifndef PARLEY_USER_ANSWER_H
#define PARLEY_USER_ANSWER_H

#include "services/user/user_store.h"
#include "shared/net/http_server.h"

/* The user object of api.md as everybody may see it. */
void user_write_account(struct buffer *out, const struct user_account *account);
void user_answer_account(struct http_request *request, int status,
                         const struct user_account *account);
/* The same with what only its owner may see. */
void user_answer_own_account(struct http_request *request, const struct user_account *account);
/* For problems that need no words of their own: unavailable, unauthorized, not_found, internal. */
void user_answer_problem(struct http_request *request, enum problem problem);

/* limit and cursor of a list. On a mistake these answer bad_request and return false. */
struct user_page {
    struct http_request *request;
    int64_t limit;
    struct user_position before; /* lists by time: the latest possible one without a cursor */
    struct text after; /* lists by name: TEXT_NONE without a cursor; lives as long as the request */
};
bool user_page_by_time(struct http_request *request, struct user_page *page_out);
bool user_page_by_name(struct http_request *request, struct user_page *page_out);
/* Writes `],"next_cursor":…}`. The list asked for one item more than the limit: `more` is whether it came. */
void user_page_end_by_time(struct buffer *out, bool more, struct user_position last);
void user_page_end_by_name(struct buffer *out, bool more, struct text last);

#endif
