/* An event whose fan-out ends this process each time must not end it for ever: after 3 deaths with the same event in hand
 * it is passed over, with an alarm, and noted in Postgres; what stands behind it goes on.
 *
 * The cursor stays before a passed-over event until the note is stored, so none is lost unnoted. When the operator
 * releases it (parleyctl poison release), the devices that it was for are told to resync, and the note is deleted. */
#ifndef PARLEY_DELIVERY_POISON_H
#define PARLEY_DELIVERY_POISON_H

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_service.h"

struct delivery_poison;

struct delivery_poison *delivery_poison_create(struct delivery_service *service);
void delivery_poison_destroy(struct delivery_poison **poison);
/* Fans a ready event out, or passes over it. Takes over the cursor's first reference on it. */
void delivery_poison_fan_out(struct delivery_poison *poison, struct delivery_event *event);

#endif
