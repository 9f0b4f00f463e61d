/* An item is one thing that somebody wants in the log: a message, what is done to one, or a change of a chat by metadata.
 *
 * Whoever submits an item owns it and everything that it points to, and keeps all of it until on_done was called: nothing
 * is copied on the way into Postgres. on_done is called exactly once and may free the item. */
#ifndef PARLEY_CHAT_ITEM_H
#define PARLEY_CHAT_ITEM_H

#include "shared/proto/chat_protocol.h"

struct chat_state;
struct chat_item;

enum chat_item_kind { CHAT_ITEM_MESSAGE = 1, CHAT_ITEM_CHANGE };

/* What the log has under a message's key (chat, sender, client_id). */
enum chat_lookup {
    CHAT_LOOKUP_NONE,   /* not asked */
    CHAT_LOOKUP_WANTED, /* to be asked before the item is decided on */
    CHAT_LOOKUP_FRESH,  /* nothing */
    CHAT_LOOKUP_SAME,   /* this message: known_seq, known_at_ms */
    CHAT_LOOKUP_OTHER,  /* another message */
};

struct chat_outcome {
    enum problem problem;
    int64_t
        seq; /* of the event; after a change, or a reaction that changed nothing: the head of the chat */
    int64_t at_ms;
    bool duplicate; /* it was there before, or changed nothing */
};

/* What the log says of the message that something is done to, to the user who does it. */
struct chat_target {
    bool is_there; /* a message that this user may see; otherwise nothing below means anything */
    bool is_deleted;
    int64_t sender_id;
    int64_t detail_bytes;
    int64_t reactions, emojis; /* how many; emojis is not counted (0) when this one is among them */
    int64_t head_at_ms;        /* of the chat */
    int64_t edit_seq;          /* of the latest edit; 0: none */
    int64_t edits;             /* how many */
    int64_t same_edit_at_ms;   /* of the latest edit, when it wrote the same body; else 0 */
    bool has_emoji;            /* somebody reacts with the same emoji */
    bool is_on;                /* this user does */
};

/* What is done to a message, beside the struct chat_message that says to which. */
struct chat_action {
    struct text emoji;         /* of a reaction */
    bool is_on;                /* of a reaction: otherwise it is taken back */
    struct chat_target target; /* the lane's: zero at first */
};

struct chat_item {
    enum chat_item_kind kind;
    const struct chat_message *message;      /* CHAT_ITEM_MESSAGE */
    struct chat_action *action;              /* not NULL: something is done to a message */
    const struct chat_apply_request *change; /* CHAT_ITEM_CHANGE */
    void (*on_done)(struct chat_item *item);
    void *context;
    struct chat_outcome outcome;

    /* The lane's and the batch's from here on: zero at first. */
    struct chat_state *state;
    struct chat_item *next;
    enum chat_lookup lookup;
    int64_t known_seq, known_at_ms;
    bool is_poison; /* it alone made a commit fail: refused */
};

static inline int64_t chat_item_chat(const struct chat_item *item)
{
    return item->kind == CHAT_ITEM_MESSAGE ? item->message->chat_id : item->change->chat_id;
}

/* How many events it may give. */
static inline size_t chat_item_events(const struct chat_item *item)
{
    return item->kind == CHAT_ITEM_MESSAGE || item->change->members_count == 0
               ? 1
               : item->change->members_count;
}

static inline size_t chat_item_bytes(const struct chat_item *item)
{
    if (item->kind == CHAT_ITEM_CHANGE)
        return item->change->detail.length + 64 * chat_item_events(item);
    return 64 + item->message->client_id.length + item->message->body.length +
           item->message->detail.length;
}

/* A queue of items; an item is in at most one. */
struct chat_queue {
    struct chat_item *first, *last;
    size_t count;
};

static inline void chat_queue_push(struct chat_queue *queue, struct chat_item *item)
{
    item->next = NULL;
    if (queue->last == NULL)
        queue->first = item;
    else
        queue->last->next = item;
    queue->last = item;
    queue->count++;
}

static inline struct chat_item *chat_queue_pop(struct chat_queue *queue)
{
    struct chat_item *item = queue->first;
    if (item == NULL)
        return NULL;
    queue->first = item->next;
    if (queue->first == NULL)
        queue->last = NULL;
    queue->count--;
    item->next = NULL;
    return item;
}

/* Moves all of `source` behind what is in `target`. */
static inline void chat_queue_append(struct chat_queue *target, struct chat_queue *source)
{
    if (source->first == NULL)
        return;
    if (target->last == NULL)
        target->first = source->first;
    else
        target->last->next = source->first;
    target->last = source->last;
    target->count += source->count;
    *source = (struct chat_queue){NULL, NULL, 0};
}

#endif
