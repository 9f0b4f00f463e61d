#ifndef PARLEY_METADATA_RPC_H
#define PARLEY_METADATA_RPC_H

#include "services/metadata/metadata_service.h"

/* Serves metadata.rpc. NULL with the reason in message_out. */
struct rpc_server *metadata_rpc_create(struct metadata_service *service, struct nng_bus *bus,
                                       char *message_out, int message_size);

#endif
