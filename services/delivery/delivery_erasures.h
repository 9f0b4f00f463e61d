/* Which messages were deleted lately. Whoever holds the content of events looks here before sending it: a deleted message, and
 * its edits, must be read from the log again (contract I19). That way a delete costs the same however many hold something,
 * and finds also those who were members when they were meant to have it, and are no more.
 *
 * Only so many are remembered. Content that was read before those counts as deleted. */
#ifndef PARLEY_DELIVERY_ERASURES_H
#define PARLEY_DELIVERY_ERASURES_H

#include "services/delivery/delivery_event.h"

#define DELIVERY_ERASURES_MAX 1024

struct delivery_erasures {
    uint64_t count; /* ever */
    struct delivery_erasure {
        int64_t chat_id, seq;
    } recent[DELIVERY_ERASURES_MAX];
};

void delivery_erasures_add(struct delivery_erasures *erasures, int64_t chat_id, int64_t seq);
/* Has its message been deleted since it was fanned out? */
bool delivery_erasures_have_event(const struct delivery_erasures *erasures,
                                  const struct delivery_event *event);
/* Has one of these perhaps been deleted since `count` was `since`? Of a reference it is not known what it edits: whatever stands
 * behind the message may be its edit. */
bool delivery_erasures_may_have(const struct delivery_erasures *erasures, uint64_t since,
                                const struct delivery_ref *refs, size_t count);

#endif
