/* A batch is what one commit writes: it decides on items in their order, gives the next seq of their chat and the next
 * offset of their partition to each event, and can take all of it back. It knows no Postgres: items, states and heads
 * in, rows and outcomes out.
 *
 * Life: begin, add (until FULL), then seal; then either accept (it is committed) or roll_back (it is not). States and
 * partitions show the batch's effect from add on. */
#ifndef PARLEY_CHAT_BATCH_H
#define PARLEY_CHAT_BATCH_H

#include "services/chat/chat_item.h"
#include "services/chat/chat_partitions.h"
#include "services/chat/chat_state.h"
#include "services/chat/chat_table.h"
#include "shared/base/arena.h"

enum {
    EVENT_PARTITION,
    EVENT_CHAT,
    EVENT_SEQ,
    EVENT_OFFSET,
    EVENT_TYPE,
    EVENT_SENDER,
    EVENT_SUBJECT,
    EVENT_AT,
    EVENT_NUMBERS
};
enum { EVENT_CLIENT_ID, EVENT_BODY, EVENT_DETAIL, EVENT_TEXTS };
enum { SPAN_PARTITION, SPAN_CHAT, SPAN_USER, SPAN_FROM, SPAN_TO, SPAN_ROLE, SPAN_NUMBERS };
enum {
    CHAT_PARTITION,
    CHAT_ID,
    CHAT_KIND,
    CHAT_HISTORY,
    CHAT_VERSION,
    CHAT_BLOCKED,
    CHAT_DELETED,
    CHAT_NUMBERS
};
/* What is done to messages: edits, deletes and reactions begin with the same columns. */
enum { ACTION_PARTITION, ACTION_CHAT, ACTION_TARGET, ACTION_SEQ, ACTION_NUMBERS };
enum { EDIT_PREVIOUS = ACTION_NUMBERS, EDIT_NUMBERS }; /* seq of the edit before, or 0 */
enum { REACTION_USER = ACTION_NUMBERS, REACTION_ON, REACTION_NUMBERS };
enum { FENCE_PARTITION, FENCE_EPOCH, FENCE_BEFORE, FENCE_HEAD, FENCE_NUMBERS };

struct chat_batch_limits {
    size_t max_events, max_bytes;                 /* a single item may exceed them */
    int64_t max_edits, max_reactions, max_emojis; /* of one message */
};

struct chat_batch {
    struct chat_partitions *partitions;
    struct chat_batch_limits limits;
    int64_t at_ms;
    size_t bytes;
    struct arena arena;       /* of the texts made here */
    struct chat_item **items; /* decided on, in order */
    size_t item_count, item_capacity;
    size_t lookups_wanted; /* items that must be looked up before the batch may be committed */
    struct chat_state **touched;
    size_t touched_count, touched_capacity;
    uint32_t *keys; /* hash table over the messages with a row: index in items + 1 */
    size_t key_capacity;
    struct chat_table events, spans, chats, fence;
    struct chat_table edits, deletes, reactions; /* the emoji is the only text */
};

enum chat_batch_add { CHAT_BATCH_TAKEN, CHAT_BATCH_FULL };

struct chat_batch *chat_batch_create(struct chat_partitions *partitions,
                                     const struct chat_batch_limits *limits);
void chat_batch_destroy(struct chat_batch **batch);
void chat_batch_begin(struct chat_batch *batch, int64_t at_ms);
/* The item's state must be READY and its partition held. An outcome is true only once the batch is accepted, unless
 * the batch has nothing to write. */
enum chat_batch_add chat_batch_add(struct chat_batch *batch, struct chat_item *item);
/* Completes the rows of fence and chats. */
void chat_batch_seal(struct chat_batch *batch);
bool chat_batch_writes(
    const struct chat_batch *batch); /* after seal: is there anything to commit? */
void chat_batch_accept(struct chat_batch *batch);
/* States that more than messages were added to become UNKNOWN. The items stay listed until begin. */
void chat_batch_roll_back(struct chat_batch *batch, struct chat_states *states);

/* For chat_change.c and chat_action.c. */
size_t chat_batch_add_event(struct chat_batch *batch, struct chat_state *state,
                            enum chat_event_type type, int64_t sender_id, int64_t subject_id);
void chat_batch_touch(struct chat_batch *batch, struct chat_state *state);
/* Decides on a change of metadata's. */
void chat_change_add(struct chat_batch *batch, struct chat_item *item);
/* Whether the batch must be committed before something can be done to this message. Never when it is empty. */
bool chat_action_must_wait(const struct chat_batch *batch, const struct chat_item *item);
/* Decides on something that is done to a message. It must have been looked up. */
void chat_action_add(struct chat_batch *batch, struct chat_item *item);

#endif
