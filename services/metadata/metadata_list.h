/* GET /v1/chats: the caller's chats, the one with the latest event first. */
#ifndef PARLEY_METADATA_LIST_H
#define PARLEY_METADATA_LIST_H

#include "shared/net/http_server.h"

void metadata_list_chats(void *service, struct http_request *request);

#endif
