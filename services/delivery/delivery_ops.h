/* What a client's frames say. */
#ifndef PARLEY_DELIVERY_OPS_H
#define PARLEY_DELIVERY_OPS_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

/* One text message of a connection that is NEW or OPEN; it may be closed by this. */
void delivery_ops_take(struct delivery_service *service, struct connection *connection,
                       struct text message);

#endif
