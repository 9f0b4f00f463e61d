/* The way of committed changes into the chats' logs: per chat one at a time, in version order, again and again until it
 * is there or was refused for good, when it is parked (deploy/parleyctl). The row in Postgres is the queue; this holds only who waits for it and which chats are being worked on. */
#ifndef PARLEY_METADATA_OUTBOX_H
#define PARLEY_METADATA_OUTBOX_H

#include "services/metadata/metadata_service.h"

enum metadata_applied {
    METADATA_LATE,   /* not by the deadline; it will be in the log, later */
    METADATA_IN_LOG, /* the change, and all before it */
    METADATA_PARKED, /* it, or one before it, was refused for good: it waits until it is released */
};
typedef void (*metadata_on_applied)(void *context, enum metadata_applied applied);

struct metadata_outbox *metadata_outbox_create(struct metadata_service *service);
/* Calls back once the chat's changes up to `version` are in its log, or METADATA_LATE at the deadline. When too many
 * chats are worked on already that is at once; the change is taken to the log all the same, later. */
void metadata_outbox_wait(struct metadata_outbox *outbox, int64_t chat_id, int64_t version,
                          metadata_on_applied on_applied, void *context);
size_t metadata_outbox_waiters(const struct metadata_outbox *outbox);
void metadata_outbox_destroy(struct metadata_outbox **outbox);

#endif
