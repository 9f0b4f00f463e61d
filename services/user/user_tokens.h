/* Who is behind a token: the questions of one turn of the loop, from REST and from the other daemons, become one
 * statement; while enough statements are on their way, the next questions gather. So a storm of connections costs a few
 * large statements instead of many small ones. */
#ifndef PARLEY_USER_TOKENS_H
#define PARLEY_USER_TOKENS_H

#include "services/user/user_store.h"
#include "services/user/user_usage.h"
#include "shared/net/http_server.h"

struct user_tokens;

/* identities in the order of the hashes, borrowed until the callback returns; NULL unless PROBLEM_NONE. `head` is the
 * feed's when they were looked up. */
typedef void (*user_on_identities)(void *context, enum problem problem,
                                   const struct user_identity *identities, int64_t head);

struct user_tokens *user_tokens_create(struct loop *loop, struct user_store *store,
                                       struct user_usage *usage);
/* `hashes` (at least one) are borrowed until the callback, which is never called before this returns. */
void user_tokens_look_up(struct user_tokens *tokens, const struct text *hashes, size_t count,
                         user_on_identities on_identities, void *context);
/* An http_authenticator; its context is the struct user_tokens. */
void user_tokens_authenticate(void *tokens, struct text token, http_authenticated callback,
                              void *context);
/* Questions that wait end as PROBLEM_UNAVAILABLE; there must be no new ones. Call it before the store is destroyed. */
void user_tokens_stop(struct user_tokens *tokens);
void user_tokens_destroy(
    struct user_tokens **tokens); /* after the store, which ends those on their way */

#endif
