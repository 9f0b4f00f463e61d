/* The op `watch`: are these the user's chats? Then they are what the connection watches from now on. */
#ifndef PARLEY_DELIVERY_WATCH_OP_H
#define PARLEY_DELIVERY_WATCH_OP_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

/* `chats` without repeats. Answered with `error`, or with `ok` when id.data is not NULL. */
void delivery_watch_ask(struct delivery_service *service, struct connection *connection,
                        struct text id, const int64_t *chats, size_t count);

#endif
