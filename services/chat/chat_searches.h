/* Searches on their way to Postgres: so many at once, each on a connection of its own that ends what takes too long; the
 * rest waits in a bounded queue, of which no user has more than a small part. Of a user one is asked at a time. A slow
 * search costs other searches time, and nobody else. */
#ifndef PARLEY_CHAT_SEARCHES_H
#define PARLEY_CHAT_SEARCHES_H

#include "services/chat/chat_partitions.h"
#include "services/chat/chat_render.h"
#include "shared/net/loop.h"
#include "shared/net/problem.h"

struct chat_searches;

/* Where a hit stands among all: by the time of sending, then chat and seq, newest first. */
struct chat_search_place {
    int64_t at_ms, chat_id, seq;
};

struct chat_search_hit {
    struct chat_log_event event;
    struct text excerpt; /* JSON: [{"text":"…","hit":true},…] */
};

enum chat_search_fault {
    CHAT_SEARCH_SOUND,
    CHAT_SEARCH_NO_WORDS,
    CHAT_SEARCH_TOO_MANY_WORDS,
    CHAT_SEARCH_TOO_SLOW
};

/* Borrowed until the callback returns. `problem` is PROBLEM_NONE, _NOT_FOUND or _NOT_MEMBER (of the chat), _BAD_REQUEST or
 * _UNAVAILABLE (see `fault`), or _INTERNAL (logged). */
struct chat_search_page {
    enum problem problem;
    enum chat_search_fault fault;
    bool is_complete; /* events that are not in the index yet were all looked at */
    bool has_more;
    const struct chat_search_hit *hits; /* newest first */
    size_t count;
};

/* A question. Owned by the caller until on_done, which comes exactly once and never before chat_searches_submit returns. */
struct chat_search {
    int64_t user_id;
    int64_t chat_id;   /* 0: all that the user is a member of */
    int64_t sender_id; /* 0: anybody */
    int64_t before_ms; /* sent before */
    bool has_last;     /* below `last` only */
    struct chat_search_place last;
    struct text text; /* UTF-8 */
    int64_t limit;
    void (*on_done)(void *context, const struct chat_search_page *page);
    void *context;
    int64_t since_ms;         /* the queue's */
    struct chat_search *next; /* the queue's */
};

struct chat_searches *chat_searches_create(struct loop *loop,
                                           const struct chat_partitions *partitions);
void chat_searches_destroy(struct chat_searches **searches);
bool chat_searches_is_connected(const struct chat_searches *searches); /* all connections */
const char *chat_searches_last_error(const struct chat_searches *searches);
/* False when there is no room or no connection: `unavailable`, and on_done is not called. */
bool chat_searches_submit(struct chat_searches *searches, struct chat_search *search);

#endif
