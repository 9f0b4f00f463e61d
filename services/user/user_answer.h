/* What the REST handlers share: pages of lists, the shape of a user, and answers to problems. */
#ifndef PARLEY_USER_ANSWER_H
#define PARLEY_USER_ANSWER_H

#include "services/user/user_cursor.h"
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

/* What the items of a list are: how one is written, and the cursor behind it. */
struct user_list {
    size_t item_bytes;
    void (*write_item)(struct buffer *out, const struct identity *caller, const void *item);
    void (*write_cursor)(const void *item, char out[USER_CURSOR_SIZE]);
};
/* Answers with a page. One item more than the limit was asked for: when it came, there is a next page. */
void user_page_answer(const struct user_page *page, enum problem problem,
                      const struct user_list *list, const void *items, size_t count);

#endif
