/* Who is behind a token, for the REST of every daemon but user: asks the user daemon, gathers the questions of one turn
 * of the loop into one request, and remembers answers for at most AUTHENTICATOR_FRESH_MS, so that an ended session is
 * refused within a second although nothing was published (contract I13). The cache is bounded; the oldest goes first. */
#ifndef PARLEY_DAEMON_AUTHENTICATOR_H
#define PARLEY_DAEMON_AUTHENTICATOR_H

#include "shared/net/http_server.h"
#include "shared/proto/user_protocol.h"

#define AUTHENTICATOR_FRESH_MS 500
#define TOKEN_HASH_BYTES       32

struct authenticator;

struct authenticator *authenticator_create(struct loop *loop, struct rpc_client *user,
                                           size_t max_entries, int64_t deadline_ms);
/* Who waits is told PROBLEM_UNAVAILABLE. Before or after the client of the user daemon, whose answers it waits for. */
void authenticator_destroy(struct authenticator **authenticator);
/* An http_authenticator; authenticator_in is the struct authenticator. */
void authenticator_check(void *authenticator_in, struct text token, http_authenticated callback,
                         void *context);

/* The form in which tokens are stored and travel: BLAKE2b-256 (libsodium crypto_generichash). False when the token does
 * not have the shape of one of ours (43 characters, URL-safe base64 of 256 bits). */
bool token_hash(struct text token, unsigned char hash_out[TOKEN_HASH_BYTES]);

#endif
