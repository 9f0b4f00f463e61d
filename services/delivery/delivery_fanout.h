/* From an event to the devices that it is for. */
#ifndef PARLEY_DELIVERY_FANOUT_H
#define PARLEY_DELIVERY_FANOUT_H

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_service.h"

/* False: the members of its chat are not known, and are being asked for. */
bool delivery_fanout_is_ready(struct delivery_service *service, const struct delivery_event *event);
/* Delivers a ready event to its recipients by its mode, and hands the cursor's first reference on it to the round. */
void delivery_fanout_event(struct delivery_service *service, struct delivery_event *event);

#endif
