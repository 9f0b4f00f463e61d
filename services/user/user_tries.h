/* Tries at a password, as REST sees them: one is taken before the password is looked at, the headers tell what is left,
 * and it is given back when the password was right or was not looked at.
 *
 * They are counted per name, whatever addresses they come from. To push a name out of the table one must fail with as many
 * other names as it holds, each of which costs an Argon2id hash: by then the pushed out bucket is long full. */
#ifndef PARLEY_USER_TRIES_H
#define PARLEY_USER_TRIES_H

#include "services/user/user_service.h"

/* False: none was left, and the request is answered (rate_limited). */
bool user_tries_take(struct user_service *service, struct http_request *request, struct text name);
void user_tries_give_back(struct user_service *service, struct text name);

#endif
