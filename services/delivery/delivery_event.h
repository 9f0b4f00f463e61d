/* An event on its way to devices: one copy with counted references, shared by everybody who waits for it. */
#ifndef PARLEY_DELIVERY_EVENT_H
#define PARLEY_DELIVERY_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"

struct chat_event;

/* Where an event stands: in its chat's log and in the feed of its partition. */
struct delivery_ref {
    int64_t chat_id;
    int64_t seq;
    int64_t offset;
    uint32_t partition;
    uint32_t
        span; /* in a window: places of the inbox that it stands for; above 1 when events behind it were gone */
};

enum delivery_mode {
    DELIVERY_NORMAL,    /* to connected devices and to inboxes */
    DELIVERY_LIVE_ONLY, /* nothing can be parked now: the feed will be read again for the absent */
    DELIVERY_PARK_ONLY, /* read again: the connected had it, or were told to resync */
    DELIVERY_RESYNC, /* it was passed over, and is not delivered: whoever it was for must resync */
};

struct delivery_event {
    struct delivery_ref ref;
    int64_t sender_id;
    int64_t subject_id; /* as in chat_event: a user, or a seq */
    int64_t arrived_ms; /* monotonic */
    uint64_t erasures;  /* delivery_erasures.count when it was fanned out */
    uint32_t references;
    uint32_t json_length;
    uint8_t type; /* enum chat_event_type */
    uint8_t mode; /* enum delivery_mode */
    char json[];
};

/* With one reference, the caller's. */
struct delivery_event *delivery_event_create(uint32_t partition, int64_t offset,
                                             const struct chat_event *source,
                                             enum delivery_mode mode);
struct delivery_event *delivery_event_share(struct delivery_event *event); /* one more reference */
void delivery_event_drop(struct delivery_event **event);                   /* NULL inside is fine */
struct text delivery_event_json(const struct delivery_event *event);
int64_t delivery_event_member(
    const struct delivery_event *event); /* of a membership event its user, else 0 */
/* The seq of the message whose content it tells: its own, or that of the message that it edits. */
int64_t delivery_event_message(const struct delivery_event *event);

#endif
