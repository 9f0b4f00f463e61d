/* What a chat's next event is decided by: its head, its flags and its members. A bounded cache of it.
 *
 * Everything in a READY state is true of the log as this process will leave it: committed events and those of the batch
 * that is on its way. It may be trusted as long as the chat's partition is held, because nobody else writes then. */
#ifndef PARLEY_CHAT_STATE_H
#define PARLEY_CHAT_STATE_H

#include "services/chat/chat_item.h"
#include "services/chat/chat_members.h"

enum chat_state_phase {
    CHAT_STATE_UNKNOWN, /* to be read from Postgres before it is used */
    CHAT_STATE_LOADING,
    CHAT_STATE_READY,
};

struct chat_state {
    int64_t chat_id;
    enum chat_state_phase phase;
    bool exists; /* there is such a chat; otherwise nothing below means anything */
    bool deleted;
    bool dirty; /* more than the head was changed by the batch on its way */
    int64_t kind, history, blocked, version;
    int64_t head_seq; /* with the batch on its way */
    int64_t committed_seq;
    struct chat_members members;

    /* The batch's. */
    bool touched;      /* by the batch on its way */
    size_t first_span; /* of this chat in the batch */

    /* The lane's and the cache's. */
    struct chat_queue waiting; /* items that need this state to be READY */
    bool load_listed;          /* in the list of those to be read at the end of the turn */
    size_t pins;               /* items that refer to it */
    size_t counted_members;    /* in the cache's sum */
    struct chat_state *bucket_next, *recent_previous, *recent_next;
};

struct chat_states;

struct chat_states *chat_states_create(size_t max_chats, size_t max_members);
void chat_states_destroy(struct chat_states **states);
struct chat_state *chat_states_find(struct chat_states *states,
                                    int64_t chat_id); /* NULL when not cached */
/* Finds or makes (UNKNOWN) and pins it: it stays until as many unpins. The least recently used unpinned ones go. */
struct chat_state *chat_states_pin(struct chat_states *states, int64_t chat_id);
void chat_states_unpin(struct chat_states *states, struct chat_state *state);
/* Makes it UNKNOWN and forgets what it held; pins and waiting items stay. */
void chat_states_forget(struct chat_states *states, struct chat_state *state);
void chat_states_forget_all(struct chat_states *states);
/* To be called when members were added, so that the bound holds. */
void chat_states_count(struct chat_states *states, struct chat_state *state);
size_t chat_states_size(const struct chat_states *states);
/* In turn, in no order; NULL at first and at the end. */
struct chat_state *chat_states_next(struct chat_states *states, struct chat_state *previous);

#endif
