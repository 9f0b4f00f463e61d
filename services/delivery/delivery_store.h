/* What delivery keeps in Postgres: the owner of its shard, the epoch of Redis, the cursors. The only file that knows pg. */
#ifndef PARLEY_DELIVERY_STORE_H
#define PARLEY_DELIVERY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct delivery_store;
struct loop;

struct delivery_ref;

struct delivery_shard {
    int64_t epoch;       /* ours */
    int64_t redis_epoch; /* 0: there was none yet */
    int64_t started_change;
    const int64_t *partitions, *offsets; /* the cursors; borrowed until the callback returns */
    size_t cursor_count;
};

enum delivery_stored {
    DELIVERY_STORED,
    DELIVERY_NOT_STORED,
    DELIVERY_SUPERSEDED /* another process owns the shard */
};

/* Callbacks are never called before the call returns. */
typedef void (*delivery_on_shard)(void *context,
                                  const struct delivery_shard *shard); /* NULL: try again */
typedef void (*delivery_on_stored)(void *context, enum delivery_stored outcome);

struct delivery_store *delivery_store_create(struct loop *loop);
void delivery_store_destroy(struct delivery_store **store);
bool delivery_store_is_connected(const struct delivery_store *store);
const char *delivery_store_last_error(const struct delivery_store *store);

/* Makes this process the owner of its shard. */
void delivery_store_take_shard(struct delivery_store *store, delivery_on_shard callback,
                               void *context);
void delivery_store_save_redis_epoch(struct delivery_store *store, int64_t epoch,
                                     int64_t redis_epoch, int64_t started_change,
                                     delivery_on_stored callback, void *context);
void delivery_store_save_cursors(struct delivery_store *store, int64_t epoch,
                                 const int64_t *partitions, const int64_t *offsets, size_t count,
                                 delivery_on_stored callback, void *context);

/* Events that were passed over. count: noted ones, -1 when they could not be read; released: the oldest, NULL for none,
 * borrowed until the callback returns. */
typedef void (*delivery_on_poison)(void *context, int64_t count,
                                   const struct delivery_ref *released);
void delivery_store_note_poison(struct delivery_store *store, const struct delivery_ref *ref,
                                int64_t deaths, delivery_on_stored callback, void *context);
void delivery_store_read_poison(struct delivery_store *store, delivery_on_poison callback,
                                void *context);
/* Only while it is released: when it was passed over once more meanwhile, it stays. */
void delivery_store_drop_poison(struct delivery_store *store, const struct delivery_ref *ref,
                                delivery_on_stored callback, void *context);

#endif
