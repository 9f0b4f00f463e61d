#ifndef PARLEY_METADATA_HTTP_H
#define PARLEY_METADATA_HTTP_H

#include "services/metadata/metadata_service.h"

/* Listens on metadata.http. NULL with the reason in message_out. */
struct http_server *metadata_http_create(struct metadata_service *service, char *message_out,
                                         int message_size);

#endif
