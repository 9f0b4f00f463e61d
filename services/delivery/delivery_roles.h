/* What users are to chats now, asked of chat: the questions of a turn in one request. An answer is never older than a
 * change of membership or role that this process has seen when it is given: then it is asked for again. */
#ifndef PARLEY_DELIVERY_ROLES_H
#define PARLEY_DELIVERY_ROLES_H

#include "services/delivery/delivery_service.h"

struct delivery_roles;

/* `answers` in the order asked, borrowed; NULL: chat does not answer. Never called before the question's call returns. */
typedef void (*delivery_on_roles)(void *context, const struct chat_role_answer *answers);

struct delivery_roles *delivery_roles_create(struct delivery_service *service);
void delivery_roles_destroy(struct delivery_roles **roles); /* answers what still waits with NULL */
/* False: too many questions wait already; the callback is not called. */
bool delivery_roles_ask(struct delivery_roles *roles, int64_t user_id, const int64_t *chats,
                        size_t count, delivery_on_roles callback, void *context);
/* An event of the log says that this has changed. */
void delivery_roles_changed(struct delivery_roles *roles, int64_t chat_id, int64_t user_id);

#endif
