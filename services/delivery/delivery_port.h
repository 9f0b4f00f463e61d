/* What the devices ask for, done by the parts of the daemon. */
#ifndef PARLEY_DELIVERY_PORT_H
#define PARLEY_DELIVERY_PORT_H

#include "services/delivery/delivery_service.h"

/* Makes service->hub. There is one service in a process: a device's port has no room for more. */
void delivery_port_init(struct delivery_service *service);

#endif
