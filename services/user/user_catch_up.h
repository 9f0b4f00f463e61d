/* The end of a call whose change must be in the chats' logs before it is answered: a block, an erased account. */
#ifndef PARLEY_USER_CATCH_UP_H
#define PARLEY_USER_CATCH_UP_H

#include "services/user/user_service.h"

/* Publishes the head and asks metadata to take the feed over up to it. Answers 204 when it has, otherwise unavailable:
 * the change is recorded and will take effect, metadata reads the feed by itself. */
void user_catch_up(struct user_service *service, struct http_request *request, int64_t head);

#endif
