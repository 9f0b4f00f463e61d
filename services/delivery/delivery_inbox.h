/* The inboxes in Redis: per device a list of references to events (16 bytes each: chat and seq) and a record.
 *
 *     p:{<device>}:l       the list; Redis lets it go limits.max_inbox_days after its first entry or the last trim
 *     p:{<device>}:r       e: the epoch of Redis it belongs to; n: length of the list; x: the device must resync;
 *                          u: it was told so, and has not shown yet that it heard: its next connection is told again;
 *                          <partition>: the offset up to which that partition's events have been parked
 *     p:epoch:<shard>      a random name of this data set: when it is gone or another one, Redis has been wiped
 *     p:owner:<shard>      the number of the delivery process that may write; a lower one is refused
 *     p:parked:<shard>     partition → offset, written before the cursor in Postgres: when it is behind, Redis was rolled back
 *
 * A record stays as long as its device: it is small, and without it nobody would know that something had been there.
 * Bodies are not here: what was deleted cannot come out of an inbox again (contract I19). Every access is a script that
 * checks epoch, owner and record. An answer that shows that Redis is not what we think it is, and every failure, goes to
 * on_failed; the device is not told then, for the owner of on_failed tells all devices that Redis is lost. */
#ifndef PARLEY_DELIVERY_INBOX_H
#define PARLEY_DELIVERY_INBOX_H

#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_service.h"

struct delivery_inbox;

struct delivery_inbox_hello {
    bool refused;          /* a newer process owns the inboxes */
    int64_t epoch;         /* 0: none */
    const int64_t *parked; /* by partition; 0 where there is nothing */
};

struct delivery_inbox_callbacks {
    void *context;
    void (*on_connected)(void *context);                  /* the scripts are loaded */
    void (*on_failed)(void *context, const char *reason); /* may come more than once */
};

struct delivery_inbox *delivery_inbox_create(struct delivery_service *service,
                                             const struct delivery_inbox_callbacks *callbacks);
void delivery_inbox_destroy(struct delivery_inbox **inbox);
bool delivery_inbox_is_connected(const struct delivery_inbox *inbox); /* with scripts */
void delivery_inbox_retry(
    struct delivery_inbox *inbox); /* loads the scripts again, should that have been refused */
/* To be called now and then while it is not: a Redis that has just started may have refused the scripts. */
void delivery_inbox_connect_again(struct delivery_inbox *inbox);
const char *delivery_inbox_last_error(const struct delivery_inbox *inbox);
bool delivery_inbox_has_room(const struct delivery_inbox *inbox);
bool delivery_inbox_is_quiet(const struct delivery_inbox *inbox); /* nothing is in flight */

/* What all scripts check. A device whose created_change is below started_change is older than this Redis. */
void delivery_inbox_set_epoch(struct delivery_inbox *inbox, int64_t epoch, int64_t owner,
                              int64_t started_change);
/* Takes the inboxes over and tells what is there; hello is NULL when it failed (after on_failed). */
typedef void (*delivery_on_hello)(void *context, const struct delivery_inbox_hello *hello);
void delivery_inbox_hello(struct delivery_inbox *inbox, delivery_on_hello on_hello, void *context);
/* Begins a new epoch, with parked offsets by partition. */
typedef void (*delivery_on_written)(void *context, bool ok);
void delivery_inbox_found(struct delivery_inbox *inbox, const int64_t *parked,
                          delivery_on_written on_written, void *context);
void delivery_inbox_save_parked(struct delivery_inbox *inbox, const int64_t *partitions,
                                const int64_t *offsets, size_t count,
                                delivery_on_written on_written, void *context);

/* For the port of the devices; each is answered to the device. */
void delivery_inbox_push(struct delivery_inbox *inbox, struct device *device, uint32_t generation,
                         const struct delivery_ref *refs, size_t count);
void delivery_inbox_open(struct delivery_inbox *inbox, struct device *device, uint32_t generation);
void delivery_inbox_read(struct delivery_inbox *inbox, struct device *device, uint32_t generation,
                         int64_t from, int64_t count);
/* These are not answered. */
void delivery_inbox_trim(struct delivery_inbox *inbox, struct device *device, int64_t count);
void delivery_inbox_clear(struct delivery_inbox *inbox, struct device *device);
void delivery_inbox_mark(struct delivery_inbox *inbox, struct device *device);
void delivery_inbox_confirm(struct delivery_inbox *inbox, struct device *device);
void delivery_inbox_drop(struct delivery_inbox *inbox,
                         int64_t device_id); /* the device is gone for ever */

/* Whose inbox is looked into: `device` is NULL when this process does not know it. */
struct delivery_inbox_of {
    int64_t device_id;
    int64_t created_change;
    const struct device *device;
};
/* Looks whether this event lies in the inbox, and changes nothing. `look` is NULL when Redis did not tell; borrowed. */
typedef void (*delivery_on_look)(void *context, const struct device_look *look);
void delivery_inbox_look(struct delivery_inbox *inbox, const struct delivery_inbox_of *of,
                         const struct delivery_ref *ref, delivery_on_look on_look, void *context);

#endif
