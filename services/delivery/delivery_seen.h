/* When users who are away were last there, in Redis: for each one key that expires.
 *
 *     p:{<user>}:s     milliseconds since 1970, or `h`: the user does not want to be seen
 *
 * It is a courtesy, and nothing waits for it: what is to be written is gathered for a second, one entry a user, and
 * waits here while Redis is away, within a bound; what cannot be read is not known. On a connection of its own, so that
 * a slow answer is no trouble to the inboxes. */
#ifndef PARLEY_DELIVERY_SEEN_H
#define PARLEY_DELIVERY_SEEN_H

#include "services/delivery/delivery_service.h"

struct delivery_seen;

#define SEEN_NEVER  0    /* nothing is known */
#define SEEN_HIDDEN (-1) /* the user does not want to be seen */

/* at_ms is wall time, or one of the two above. */
typedef void (*delivery_on_seen)(void *context, int64_t user_id, int64_t at_ms);

struct delivery_seen *delivery_seen_create(struct loop *loop, delivery_on_seen on_seen,
                                           void *context);
void delivery_seen_destroy(struct delivery_seen **seen);
/* Answered through on_seen, after this returns; at once when Redis is away. */
void delivery_seen_ask(struct delivery_seen *seen, int64_t user_id);
/* A time, SEEN_HIDDEN, or SEEN_NEVER to forget what is there. */
void delivery_seen_note(struct delivery_seen *seen, int64_t user_id, int64_t at_ms);
/* The user does not hide any more: forgets it, if that is what is there. */
void delivery_seen_show(struct delivery_seen *seen, int64_t user_id);
void delivery_seen_flush(struct delivery_seen *seen); /* writes now what may be written at once */
bool delivery_seen_is_written(const struct delivery_seen *seen); /* nothing waits */

#endif
