/* The user daemon's changes that concern chats: who has blocked whom, whose account is erased. Read from its feed in
 * order; how far is kept in Postgres in the same transaction as what follows from them. */
#ifndef PARLEY_METADATA_CHANGES_H
#define PARLEY_METADATA_CHANGES_H

#include "services/metadata/metadata_service.h"

typedef void (*metadata_on_caught_up)(void *context, bool caught_up);

struct metadata_changes *metadata_changes_create(struct metadata_service *service);
/* Calls back once changes up to `offset` are taken over and in the chats' logs, or with false at the deadline. May call
 * back before it returns. */
void metadata_changes_catch_up(struct metadata_changes *changes, int64_t offset,
                               metadata_on_caught_up on_caught_up, void *context);
/* How many blocks and unblocks Postgres was asked to take over since the start. */
int64_t metadata_changes_blocks(const struct metadata_changes *changes);
void metadata_changes_destroy(struct metadata_changes **changes);

#endif
