/* What search knows: follows the feed of each partition that this process holds, slice by slice, some moments behind the
 * log. The work and its cursor are one transaction in Postgres (chat.index_slice); here is only when, and how much at
 * once.
 *
 * The log comes first: of the time at most some per cent is spent on the index, very little while the log is busy. What is
 * behind is still found (chat.search_tail), within a bound. Content that Postgres refuses is halved until it is alone,
 * noted, and passed by. */
#ifndef PARLEY_CHAT_INDEX_H
#define PARLEY_CHAT_INDEX_H

#include "services/chat/chat_partitions.h"
#include "shared/net/loop.h"

struct chat_index;

struct chat_index *chat_index_create(struct loop *loop, const struct chat_partitions *partitions);
void chat_index_destroy(struct chat_index **index);
bool chat_index_is_connected(const struct chat_index *index);
const char *chat_index_last_error(const struct chat_index *index);

#endif
