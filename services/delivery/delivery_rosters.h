/* Who was a member of a chat when: the spans of membership as the chat daemon has them in its log, remembered per chat and
 * kept current by the membership events that pass. Recipients of event n are decided by the members at n (contract I11,
 * I12), never by today's. Bounded in spans; the chat longest unused goes first. */
#ifndef PARLEY_DELIVERY_ROSTERS_H
#define PARLEY_DELIVERY_ROSTERS_H

#include "services/delivery/delivery_roster.h"
#include "services/delivery/delivery_service.h"

struct delivery_rosters;
struct delivery_event;

typedef void (*delivery_rosters_loaded)(void *context); /* some that were missing are there now */

struct delivery_rosters *delivery_rosters_create(struct delivery_service *service,
                                                 delivery_rosters_loaded on_loaded, void *context);
void delivery_rosters_destroy(struct delivery_rosters **rosters);

/* NULL when it is not there, or not from that seq on: then it is being asked for. Valid until the next call. */
struct delivery_roster *delivery_rosters_find(struct delivery_rosters *rosters, int64_t chat_id,
                                              int64_t seq);
/* What is there already, or NULL. */
struct delivery_roster *delivery_rosters_peek(struct delivery_rosters *rosters, int64_t chat_id);
/* What a membership event says, before it is delivered. */
void delivery_rosters_apply(struct delivery_rosters *rosters, const struct delivery_event *event);

#endif
