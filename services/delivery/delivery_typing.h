/* The op `typing`, and telling those who watch a chat who is typing in it.
 *
 * Only who may write there is told, to everybody who watches it but themselves. It ends when they say so, when their
 * message comes, when their connection ends, and by itself. Changes are gathered for delivery.live_interval_ms, and told in
 * slices, so that messages do not wait for them (delivery_live.h). */
#ifndef PARLEY_DELIVERY_TYPING_H
#define PARLEY_DELIVERY_TYPING_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

struct delivery_typing;

struct delivery_typing *delivery_typing_create(struct delivery_service *service);
void delivery_typing_destroy(struct delivery_typing **typing);
/* Answered with `error`, or with `ok` when id.data is not NULL. */
void delivery_typing_say(struct delivery_typing *typing, struct connection *connection,
                         struct text id, int64_t chat_id, bool on);

void delivery_typing_end(struct delivery_typing *typing, int64_t chat_id, int64_t user_id);
void delivery_typing_gone(struct delivery_typing *typing, struct connection *connection);
/* Role or membership: ends it, and the right to write is asked for again. */
void delivery_typing_role_changed(struct delivery_typing *typing, int64_t chat_id, int64_t user_id);
void delivery_typing_blocks_changed(struct delivery_typing *typing);

#endif
