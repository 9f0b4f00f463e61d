/* Messages of clients, and what they do to messages, on their way into the log, in one order.
 *
 * One append request is in flight; what comes meanwhile is the next. A batch that was not answered is sent again as it was,
 * so that messages keep their order and the same keys, until a message has waited for its deadline: it is answered
 * `unavailable` then, which says that it may have happened. A batch that is refused as a whole is halved until what is to
 * blame is alone. The queue is bounded; above it: `unavailable` at once. */
#ifndef PARLEY_DELIVERY_SEND_H
#define PARLEY_DELIVERY_SEND_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

struct delivery_sends;

struct delivery_submission {
    enum chat_event_type type; /* CHAT_EVENT_MESSAGE, _EDIT, _DELETE or _REACTION */
    int64_t chat_id;
    int64_t target;        /* as chat_message.target */
    struct text id;        /* data NULL: no `ok` is wanted */
    struct text client_id; /* of a message; what is done to one gets a random one */
    struct text body, detail;
};

struct delivery_sends *delivery_sends_create(struct delivery_service *service);
void delivery_sends_destroy(struct delivery_sends **sends);
/* Copies what it needs. Answered with `ok` or `error` under that id. */
void delivery_send(struct delivery_sends *sends, struct connection *connection,
                   const struct delivery_submission *submission);
bool delivery_sends_are_empty(const struct delivery_sends *sends);

#endif
