/* What is told to the other daemons without being asked: the news of a commit, heads, receipts. Publishing is the fast
 * path only and may be lost; the feed in Postgres is what counts (chat_feed_reads.c). */
#ifndef PARLEY_CHAT_FEED_H
#define PARLEY_CHAT_FEED_H

#include "services/chat/chat_batch.h"
#include "shared/net/nng_bus.h"

struct chat_feed;

/* NULL with a line in message_out. */
struct chat_feed *chat_feed_create(struct loop *loop, struct nng_bus *bus,
                                   const struct chat_partitions *partitions, char *message_out,
                                   int message_size);
void chat_feed_destroy(struct chat_feed **feed);
/* Renders the news of an accepted batch, while its items still live; they go out with chat_feed_send. */
void chat_feed_prepare(struct chat_feed *feed, const struct chat_batch *batch);
void chat_feed_send(struct chat_feed *feed);
void chat_feed_publish_receipts(struct chat_feed *feed, const struct chat_receipt *moved,
                                size_t count);

#endif
