/* The writing side of Postgres for the lane: commits, and what is known of messages. One connection, so that a question
 * comes after the commit before it. */
#ifndef PARLEY_CHAT_STORE_H
#define PARLEY_CHAT_STORE_H

#include "services/chat/chat_lane.h"

struct chat_store;

struct chat_store *chat_store_create(struct loop *loop);
void chat_store_destroy(struct chat_store **store);
bool chat_store_is_connected(const struct chat_store *store);
const char *chat_store_last_error(const struct chat_store *store);
/* See the ports in chat_lane.h. */
void chat_store_commit(struct chat_store *store, const struct chat_batch *batch,
                       chat_on_commit on_commit, void *context);
void chat_store_look_up(struct chat_store *store, const struct chat_keys *keys,
                        chat_on_known on_known, void *context);

#endif
