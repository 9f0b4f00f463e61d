/* Internal requests to handlers; no business. */
#ifndef PARLEY_DELIVERY_RPC_H
#define PARLEY_DELIVERY_RPC_H

#include "services/delivery/delivery_service.h"

/* Serves delivery.rpc. NULL with the reason in message_out. */
struct rpc_server *delivery_rpc_create(struct delivery_service *service, char *message_out,
                                       int message_size);

#endif
