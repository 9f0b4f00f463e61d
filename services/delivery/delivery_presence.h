/* Who is there: the op `presence`, and telling those who follow somebody that they came or went.
 *
 * One may follow whoever one shares a chat with: asked of chat at the op, again when a membership of either ends, and of
 * all in turn. A user is online from their first connection until some seconds after their last one, so that who
 * reconnects does not flicker. Who hides is told to nobody. Changes are gathered for delivery.live_interval_ms, and told in
 * slices, so that messages do not wait for them (delivery_live.h). */
#ifndef PARLEY_DELIVERY_PRESENCE_H
#define PARLEY_DELIVERY_PRESENCE_H

#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_service.h"

struct delivery_presence;

struct delivery_presence *delivery_presence_create(struct delivery_service *service);
void delivery_presence_destroy(struct delivery_presence **presence);
/* `users` without repeats. Answered with `error`, or with `ok` when id.data is not NULL; then what is known of each. */
void delivery_presence_follow(struct delivery_presence *presence, struct connection *connection,
                              struct text id, const int64_t *users, size_t count);
/* It has had its `ready`: what came before that is told now. */
void delivery_presence_ready(struct delivery_presence *presence, struct connection *connection);
void delivery_presence_gone(struct delivery_presence *presence, struct connection *connection);

/* The user has their first connection, or none any more. */
void delivery_presence_came(struct delivery_presence *presence, const struct delivery_user *user);
void delivery_presence_went(struct delivery_presence *presence, const struct delivery_user *user);
/* What the user hides has changed: enum user_flag. */
void delivery_presence_privacy(struct delivery_presence *presence, int64_t user_id, int64_t flags);
void delivery_presence_erased(struct delivery_presence *presence, int64_t user_id);
/* The user is no member of some chat any more: whom they follow and who follows them is checked. */
void delivery_presence_suspect(struct delivery_presence *presence, int64_t user_id);
/* Before the end: what is to be remembered of those who went is written. */
void delivery_presence_flush(struct delivery_presence *presence);
bool delivery_presence_is_written(const struct delivery_presence *presence);

#endif
