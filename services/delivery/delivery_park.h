/* Rounds: what is to be parked is gathered for some milliseconds and then written for each device at once.
 *
 * A round also makes sure that the devices are the right ones: after its last event had arrived, the user daemon's changes
 * are read, and the devices of users that are not known are loaded. A login that had returned before an event was
 * committed is in those changes, so its device gets the event although it never connected. The events of a round are held
 * back from the cursor until that is done. */
#ifndef PARLEY_DELIVERY_PARK_H
#define PARLEY_DELIVERY_PARK_H

#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_service.h"

struct delivery_park;

struct delivery_park *delivery_park_create(struct delivery_service *service,
                                           struct device_hub *hub);
void delivery_park_destroy(struct delivery_park **park);

/* The event is in the gathering round: takes over the cursor's first reference on it. */
void delivery_park_event(struct delivery_park *park, struct delivery_event *event);
void delivery_park_pair(struct delivery_park *park, struct delivery_user *user,
                        struct delivery_event *event);
bool delivery_park_is_full(
    const struct delivery_park *park); /* more waits than is good: start over from the cursor */
bool delivery_park_is_empty(const struct delivery_park *park);
/* Redis was lost: the feed will be read again for what the rounds hold. */
void delivery_park_drop_rounds(struct delivery_park *park);

/* For the port of the devices. */
void delivery_park_soon(struct delivery_park *park, struct device *device, int64_t delay_ms);
void delivery_park_watch_window(struct delivery_park *park, struct device *device);

#endif
