/* Chats: create, read, change, delete. Every handler takes (service, request) as shared/net/http_server.h says. */
#ifndef PARLEY_METADATA_CHATS_H
#define PARLEY_METADATA_CHATS_H

#include "services/metadata/metadata_store.h"
#include "shared/net/http_server.h"

void metadata_create_chat(void *service, struct http_request *request);
void metadata_get_chat(void *service, struct http_request *request);
void metadata_update_chat(void *service, struct http_request *request);
void metadata_delete_chat(void *service, struct http_request *request);

/* Answers the request with the chat as its caller sees it now. */
void metadata_answer_chat(struct http_request *request, int64_t chat_id, int status);

#endif
