/* What the connected members of pulled chats are told: "chat c is now at seq n", gathered, at most once in
 * delivery.heads_interval_ms per chat. Watchers that were sent the events are not told. Told are the members of the moment, so
 * that who was removed hears of nothing above their removal. Who connects is told nothing of before: they read. */
#ifndef PARLEY_DELIVERY_HEADS_H
#define PARLEY_DELIVERY_HEADS_H

#include "services/delivery/delivery_service.h"

struct delivery_heads;

struct delivery_heads *delivery_heads_create(struct delivery_service *service);
void delivery_heads_destroy(struct delivery_heads **heads);
/* A pulled chat is at this seq now. To be called before its event is offered to watchers. */
void delivery_heads_note(struct delivery_heads *heads, int64_t chat_id, int64_t seq);

#endif
