/* Messages of clients on their way into the log.
 *
 * One append request is in flight; what comes meanwhile is the next. A batch that was not answered is sent again as it was,
 * so that messages keep their order and the same keys, until a message has waited for its deadline: it is answered
 * `unavailable` then, which says that it may have happened. The queue is bounded; above it: `unavailable` at once. */
#ifndef PARLEY_DELIVERY_SEND_H
#define PARLEY_DELIVERY_SEND_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"
#include "shared/proto/chat_content.h"

struct delivery_sends;

struct delivery_sends *delivery_sends_create(struct delivery_service *service);
void delivery_sends_destroy(struct delivery_sends **sends);
/* Copies what it needs. Answered with `ok` or `error` under that id. */
void delivery_send_message(struct delivery_sends *sends, struct connection *connection,
                           struct text id, int64_t chat_id, const struct chat_content *content);
bool delivery_sends_are_empty(const struct delivery_sends *sends);

#endif
