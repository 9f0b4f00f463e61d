/* The user daemon's feed of changes: devices that come and go, and sessions that end.
 *
 * The head of the feed is published after each change; every delivery.changes_poll_ms it is read anyway, so that a session
 * that has ended has no socket a second later (contract I13). Whoever must know all changes up to now asks to catch up. */
#ifndef PARLEY_DELIVERY_REVOCATION_H
#define PARLEY_DELIVERY_REVOCATION_H

#include "services/delivery/delivery_service.h"

struct delivery_revocation;

typedef void (*delivery_on_caught_up)(void *context, bool ok); /* never before the call returns */

struct delivery_revocation *delivery_revocation_create(struct delivery_service *service);
void delivery_revocation_destroy(struct delivery_revocation **revocation);
/* Reads all changes that are there when this is called, or says that it could not. */
void delivery_revocation_catch_up(struct delivery_revocation *revocation,
                                  delivery_on_caught_up callback, void *context);
bool delivery_revocation_is_ready(
    const struct delivery_revocation *revocation); /* knows where the feed is */
bool delivery_revocation_is_current(
    const struct delivery_revocation *revocation); /* the user daemon answers */
int64_t delivery_revocation_offset(const struct delivery_revocation *revocation);

/* A session that was valid when the feed's head was `valid_at`: has it ended in what has been read since? UNKNOWN: so much
 * has changed since that not all of it is remembered, and who is behind the token must be asked for again. */
enum delivery_session_state {
    DELIVERY_SESSION_VALID,
    DELIVERY_SESSION_ENDED,
    DELIVERY_SESSION_UNKNOWN
};
enum delivery_session_state
delivery_revocation_session(const struct delivery_revocation *revocation, int64_t session_id,
                            int64_t valid_at);

/* What a user hides, who hid this when the feed's head was `valid_at`, at which their session is not UNKNOWN: as the changes
 * that were read since have it. */
int64_t delivery_revocation_flags(const struct delivery_revocation *revocation, int64_t user_id,
                                  int64_t flags, int64_t valid_at);

#endif
