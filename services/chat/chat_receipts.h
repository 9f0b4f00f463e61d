/* Watermarks: how far each member was delivered to and has read. They are no events: only the latest of each counts.
 *
 * What comes in while a write is on its way is gathered into the next: one statement for any number. The queue is
 * bounded; above the bound receipts are answered `unavailable`, and come again with the next one. */
#ifndef PARLEY_CHAT_RECEIPTS_H
#define PARLEY_CHAT_RECEIPTS_H

#include "shared/net/loop.h"
#include "shared/net/problem.h"
#include "shared/proto/chat_protocol.h"

struct chat_partitions;
struct chat_receipts;

struct chat_receipt_outcome {
    enum problem problem;
    bool
        is_read_at_fault; /* PROBLEM_BAD_REQUEST: it was `read` that is above the head, not `delivered` */
    int64_t delivered, read; /* as they stand now */
};

/* A request of one or more receipts. Owned by the caller until on_done, which comes exactly once and never before
 * chat_receipts_submit returns; `outcomes` has room for all. */
struct chat_receipts_item {
    const struct chat_receipt *receipts;
    size_t count;
    struct chat_receipt_outcome *outcomes;
    void (*on_done)(struct chat_receipts_item *item);
    void *context;
    struct chat_receipts_item *next; /* the queue's */
};

/* Those that moved, borrowed: for the news. */
typedef void (*chat_on_moved)(void *context, const struct chat_receipt *moved, size_t count);

struct chat_receipts *chat_receipts_create(struct loop *loop,
                                           const struct chat_partitions *partitions,
                                           chat_on_moved on_moved, void *context);
void chat_receipts_destroy(struct chat_receipts **receipts);
bool chat_receipts_is_connected(const struct chat_receipts *receipts);
const char *chat_receipts_last_error(const struct chat_receipts *receipts);
/* False when there is no room or no connection: `unavailable`, and on_done is not called. */
bool chat_receipts_submit(struct chat_receipts *receipts, struct chat_receipts_item *item);
bool chat_receipts_is_empty(const struct chat_receipts *receipts);

#endif
