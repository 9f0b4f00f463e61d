/* The lane into the log: a bounded queue of items and one commit at a time. While a batch is on its way the next gathers.
 *
 *     RECOVERING  no trust in any head: waiting for the partitions to be taken (again)
 *     IDLE        a batch starts at the end of the turn in which items came
 *     CHECKING    asking the log which messages of the next batch it has already, and what it has of those that something
 *                 is done to
 *     COMMITTING  the batch is on its way; afterwards answers, then the news
 *
 * The order of a chat's items is kept through all of it. When Postgres says no for a reason that is not the items' own,
 * everything that waits is answered `unavailable`, so that nothing overtakes what its sender will send again (I8).
 * The lane knows neither Postgres nor the bus: what it needs stands in its ports. */
#ifndef PARLEY_CHAT_LANE_H
#define PARLEY_CHAT_LANE_H

#include "services/chat/chat_batch.h"
#include "shared/net/loop.h"

enum chat_lane_state {
    CHAT_LANE_RECOVERING,
    CHAT_LANE_IDLE,
    CHAT_LANE_CHECKING,
    CHAT_LANE_COMMITTING
};

enum chat_commit {
    CHAT_COMMITTED,
    CHAT_COMMIT_KNOWN_KEY, /* a message is in the log already; nothing was written */
    CHAT_COMMIT_FENCED,    /* another owner, or heads that are not ours: nothing was written */
    CHAT_COMMIT_POISONED,  /* something in the batch cannot be stored: nothing was written */
    CHAT_COMMIT_FAILED,    /* not sent, or refused for want of something: nothing was written */
    CHAT_COMMIT_UNCERTAIN, /* it may have been written */
};

/* Messages, and what is done to messages, to be looked up, as columns; `items` beside them. */
struct chat_keys {
    struct chat_table rows;
    struct chat_item **items;
};
/* The target is 0 for a message; emoji and body are absent where they have nothing to do with the question. */
enum { KEY_PARTITION, KEY_CHAT, KEY_SENDER, KEY_TARGET, KEY_NUMBERS };
enum { KEY_CLIENT_ID, KEY_EMOJI, KEY_BODY, KEY_TEXTS };

/* What the log has under a key, and of its target. */
struct chat_known {
    size_t index;       /* in the keys */
    int64_t seq, at_ms; /* of the event with this key; 0: there is none */
    int64_t type, subject_id;
    struct text body, detail; /* the body is absent also when the message was deleted */
    struct chat_target target;
};

/* A chat that is not listed does not exist. */
struct chat_loaded_chat {
    int64_t chat_id, kind, history, version, blocked, deleted, head_seq;
};
struct chat_loaded_member {
    int64_t chat_id, user_id, from_seq,
        role; /* each user once; role CHAT_ROLE_FORMER when the last span has ended */
};
struct chat_loaded {
    bool ok;
    const struct chat_loaded_chat *chats;
    size_t chat_count;
    const struct chat_loaded_member *members;
    size_t member_count;
};

typedef void (*chat_on_loaded)(void *context, const struct chat_loaded *loaded);
/* Keys of which nothing is known are not listed. */
typedef void (*chat_on_known)(void *context, bool ok, const struct chat_known *known, size_t count);
typedef void (*chat_on_commit)(void *context, enum chat_commit commit);

/* Callbacks come later, never before the port returns, and exactly once, with borrowed arguments. */
struct chat_lane_ports {
    void *context;
    bool (*is_connected)(void *context); /* could something be committed now? */
    void (*load)(void *context, const int64_t *chats, size_t count, chat_on_loaded on_loaded,
                 void *loaded_context);
    void (*look_up)(void *context, const struct chat_keys *keys, chat_on_known on_known,
                    void *known_context);
    void (*commit)(void *context, const struct chat_batch *batch, chat_on_commit on_commit,
                   void *commit_context);
    void (*renew)(
        void *context); /* take the partitions again: chat_lane_lease_taken follows some time */
    void (*prepare_news)(void *context,
                         const struct chat_batch *batch); /* while the items still live */
    void (*send_news)(void *context);                     /* after they were answered */
};

struct chat_lane_options {
    struct chat_batch_limits batch;
    size_t max_queue_events, max_queue_bytes;
    size_t max_cached_chats, max_cached_members;
    int64_t patience_ms, careful_ms;
};

struct chat_lane;

struct chat_lane *chat_lane_create(struct loop *loop, struct chat_partitions *partitions,
                                   const struct chat_lane_options *options,
                                   const struct chat_lane_ports *ports);
/* Everything must have been answered: chat_lane_fail_all first. */
void chat_lane_destroy(struct chat_lane **lane);
/* All or none are taken in; false: `unavailable`, and on_done is not called. Otherwise on_done comes for each, for some
 * maybe before this returns. */
bool chat_lane_submit(struct chat_lane *lane, struct chat_item *items, size_t count);
/* Heads and epochs of the held partitions are fresh. */
void chat_lane_lease_taken(struct chat_lane *lane);
/* No partition is held any more. */
void chat_lane_lease_lost(struct chat_lane *lane);
void chat_lane_drain(struct chat_lane *lane); /* from now on nothing is taken in */
bool chat_lane_is_empty(const struct chat_lane *lane);
enum chat_lane_state chat_lane_state(const struct chat_lane *lane);

#endif
