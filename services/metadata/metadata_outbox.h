/* The way of committed changes into the chats' logs: per chat one at a time, in version order, again and again until it
 * is there. The row in Postgres is the queue; this holds only who waits for it and which chats are being worked on. */
#ifndef PARLEY_METADATA_OUTBOX_H
#define PARLEY_METADATA_OUTBOX_H

#include "services/metadata/metadata_service.h"

/* `in_log`: the change, and all before it, are in the chat's log. False: not by the deadline; it will be, later. */
typedef void (*metadata_on_applied)(void *context, bool in_log);

struct metadata_outbox *metadata_outbox_create(struct metadata_service *service);
/* Calls back once the chat's changes up to `version` are in its log, or with false at the deadline. When too many
 * chats are worked on already that is at once; the change is taken to the log all the same, later. */
void metadata_outbox_wait(struct metadata_outbox *outbox, int64_t chat_id, int64_t version,
                          metadata_on_applied on_applied, void *context);
size_t metadata_outbox_waiters(const struct metadata_outbox *outbox);
void metadata_outbox_destroy(struct metadata_outbox **outbox);

#endif
