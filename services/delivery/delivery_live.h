/* What lives as long as a connection and is in no log: which chats it watches, who is typing, whose presence it follows.
 * Here is what these parts have in common: how often a client may say such a thing, and what ends it. */
#ifndef PARLEY_DELIVERY_LIVE_H
#define PARLEY_DELIVERY_LIVE_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_service.h"

/* Telling many is done in slices, and messages have the loop between two of them: told as fast as turns come, ten thousand
 * followers of one user made the messages of everybody wait (contract I22). */
#define LIVE_SLICE_FRAMES 64
#define LIVE_SLICE_MS     1 /* between two slices */

/* May the connection say such a thing now? 0, or the seconds after which it may; 0 counts. */
int64_t delivery_live_wait_s(struct connection *connection);
/* An event is fanned out; `roster` is its chat's, after it. */
void delivery_live_event(struct delivery_service *service, const struct delivery_event *event,
                         struct delivery_roster *roster);
/* The connection has no device any more. */
void delivery_live_gone(struct delivery_service *service, struct connection *connection);

#endif
