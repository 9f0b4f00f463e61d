/* Members of a chat, and a member's own settings. */
#ifndef PARLEY_METADATA_MEMBERS_H
#define PARLEY_METADATA_MEMBERS_H

#include "shared/net/http_server.h"

void metadata_list_members(void *service, struct http_request *request);
void metadata_put_member(void *service, struct http_request *request);
void metadata_remove_member(void *service, struct http_request *request);
void metadata_update_own(void *service, struct http_request *request);

#endif
