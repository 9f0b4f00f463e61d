/* The reading side of Postgres: typed questions in, typed answers out.
 *
 * Every function calls back exactly once, never before it returns. Answers and all that they point to are borrowed until
 * the callback returns. `problem` is PROBLEM_NONE, PROBLEM_UNAVAILABLE, PROBLEM_INTERNAL (logged here), or a refusal that
 * a client may be told. */
#ifndef PARLEY_CHAT_READ_STORE_H
#define PARLEY_CHAT_READ_STORE_H

#include "services/chat/chat_lane.h"
#include "services/chat/chat_partitions.h"
#include "services/chat/chat_render.h"

struct chat_read_store;

/* `partitions` tells their number; nothing is asked before it is known. */
struct chat_read_store *chat_read_store_create(struct loop *loop,
                                               const struct chat_partitions *partitions);
void chat_read_store_destroy(struct chat_read_store **store);
bool chat_read_store_is_connected(const struct chat_read_store *store); /* all of its connections */
const char *chat_read_store_last_error(const struct chat_read_store *store);

/* Heads, flags and members: see the port in chat_lane.h. */
void chat_read_load(struct chat_read_store *store, const int64_t *chats, size_t count,
                    chat_on_loaded on_loaded, void *context);

/* --- for a user --- */

/* What a user is to a chat, and the ends of what they may see of it: first_seq and last_seq are events that exist. */
struct chat_standing {
    int64_t chat_id;
    bool is_member; /* otherwise a former one */
    int64_t first_seq, last_seq;
};

struct chat_events_page {
    enum problem problem; /* PROBLEM_NOT_FOUND for strangers and chats that are not there */
    struct chat_standing standing;
    const struct chat_log_event *events; /* oldest first */
    size_t count;
};
typedef void (*chat_on_page)(void *context, const struct chat_events_page *page);

struct chat_range {
    bool is_before; /* the last `limit` below seq; otherwise the first above it */
    int64_t seq, limit;
};
void chat_read_history(struct chat_read_store *store, int64_t user_id, int64_t chat_id,
                       const struct chat_range *range, chat_on_page on_page, void *context);

typedef void (*chat_on_standings)(void *context, enum problem problem,
                                  const struct chat_standing *standings, size_t count);
/* All chats that the user is a member of, and those of the named that they were a member of. In no order. */
void chat_read_standings(struct chat_read_store *store, int64_t user_id, const int64_t *named,
                         size_t count, chat_on_standings on_standings, void *context);

typedef void (*chat_on_events)(void *context, enum problem problem,
                               const struct chat_log_event *events, size_t count);
/* For each of the chats at most `most` events above `after`, in the order of the chats. Cut off at a number of bytes. */
struct chat_wanted {
    int64_t chat_id, after, most;
};
void chat_read_several(struct chat_read_store *store, int64_t user_id,
                       const struct chat_wanted *wanted, size_t count, chat_on_events on_events,
                       void *context);

struct chat_summary_row {
    int64_t last_seq, last_at_ms, read_seq, unread, mentions;
    bool has_event;
    struct chat_log_event last_event;
};
typedef void (*chat_on_summaries)(void *context, enum problem problem,
                                  const struct chat_summary_row *rows, size_t count);
/* In the order asked; last_seq 0 for chats that the log does not know the user to be a member of. */
void chat_read_summaries(struct chat_read_store *store, int64_t user_id, const int64_t *chats,
                         size_t count, bool with_events, chat_on_summaries on_summaries,
                         void *context);

struct chat_receipts_page {
    enum problem problem; /* PROBLEM_NOT_FOUND, PROBLEM_NOT_MEMBER */
    const struct chat_receipt
        *receipts; /* of current members, by user id, as this one may see them */
    size_t count;
};
typedef void (*chat_on_receipts)(void *context, const struct chat_receipts_page *page);
void chat_read_receipts(struct chat_read_store *store, int64_t user_id, int64_t chat_id,
                        int64_t after_user, int64_t limit, chat_on_receipts on_receipts,
                        void *context);

/* Where a message of the user's own is, as far as the log and the watermarks know. */
struct chat_trace_member {
    int64_t user_id;
    int64_t delivered, delivered_at_ms; /* the watermark, and when it moved last; 0: not known */
    int64_t read, read_at_ms;           /* as far as others may see it */
};
struct chat_trace_page {
    /* PROBLEM_NOT_FOUND: no such chat or message, as far as the user may see; PROBLEM_NOT_MEMBER; PROBLEM_FORBIDDEN: it is
     * somebody else's. */
    enum problem problem;
    int64_t seq, at_ms, partition, offset, sender_id;
    bool is_pulled; /* more members at that seq than limits.pushed_members */
    const struct chat_trace_member *members; /* at that seq, but for the sender, by user id */
    size_t count;
};
typedef void (*chat_on_trace)(void *context, const struct chat_trace_page *page);
void chat_read_trace(struct chat_read_store *store, int64_t user_id,
                     const struct chat_event_ref *message, int64_t after_user, int64_t limit,
                     chat_on_trace on_trace, void *context);

/* --- for the other daemons --- */

struct chat_feed_page {
    enum problem problem; /* PROBLEM_NOT_FOUND: no such partition */
    int64_t epoch, first_offset,
        head_offset; /* first_offset: of the first event, 0 when there is none */
    const struct chat_log_event *events; /* of consecutive offsets */
    size_t count;
};
typedef void (*chat_on_feed)(void *context, const struct chat_feed_page *page);
/* Fewer than `limit` when they are large. */
void chat_read_feed(struct chat_read_store *store, int64_t partition, int64_t after_offset,
                    int64_t limit, chat_on_feed on_feed, void *context);

typedef void (*chat_on_heads)(void *context, enum problem problem, const struct chat_head *heads,
                              size_t count);
void chat_read_heads(struct chat_read_store *store, chat_on_heads on_heads, void *context);

/* In the order asked; those that are not there have seq 0. */
void chat_read_events(struct chat_read_store *store, const struct chat_event_ref *refs,
                      size_t count, chat_on_events on_events, void *context);

struct chat_roster_row {
    size_t
        index; /* of the chat in the question; rows of a chat stand together, in the order asked */
    int64_t as_of_seq;
    struct chat_span span; /* user_id 0: the chat has none */
};
typedef void (*chat_on_rosters)(void *context, enum problem problem,
                                const struct chat_roster_row *rows, size_t count);
/* No more than max_rows rows: the last chat of a full answer may lack some. */
void chat_read_rosters(struct chat_read_store *store, const struct chat_roster_ask *asks,
                       size_t count, int64_t max_rows, chat_on_rosters on_rosters, void *context);

typedef void (*chat_on_roles)(void *context, enum problem problem,
                              const struct chat_role_answer *answers, size_t count);
/* In the order asked. */
void chat_read_roles(struct chat_read_store *store, const struct chat_role_ask *asks, size_t count,
                     chat_on_roles on_roles, void *context);

typedef void (*chat_on_companions)(void *context, enum problem problem, const int64_t *shared,
                                   size_t count);
/* In the order asked: 1 where the two share a chat. Each pair costs at most a look at every chat of its first. */
void chat_read_companions(struct chat_read_store *store, const struct chat_pair *pairs,
                          size_t count, chat_on_companions on_companions, void *context);

#endif
