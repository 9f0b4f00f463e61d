/* Which pairs of users share a chat now, asked of chat: several questions in one request, few requests at once. */
#ifndef PARLEY_DELIVERY_COMPANIONS_H
#define PARLEY_DELIVERY_COMPANIONS_H

#include "services/delivery/delivery_service.h"

#define COMPANIONS_PAIRS_MAX 1024 /* of a question, as chat_companions_request allows */

struct delivery_companions;

/* `shared`: 1 for those who do, in the order asked, borrowed; NULL: chat does not answer. Never called before the
 * question's call returns. */
typedef void (*delivery_on_companions)(void *context, const int64_t *shared);

struct delivery_companions *delivery_companions_create(struct delivery_service *service);
/* Answers what still waits with NULL. */
void delivery_companions_destroy(struct delivery_companions **companions);
/* False: too many questions wait already; the callback is not called. */
bool delivery_companions_ask(struct delivery_companions *companions, const struct chat_pair *pairs,
                             size_t count, delivery_on_companions callback, void *context);

#endif
