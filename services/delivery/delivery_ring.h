/* A ring of a device's entries: first in, first out, with a look at each place. Holds no memory while it is empty. */
#ifndef PARLEY_DELIVERY_RING_H
#define PARLEY_DELIVERY_RING_H

#include "services/delivery/delivery_event.h"

struct delivery_entry {
    struct delivery_ref ref;
    union {
        struct delivery_event
            *event;         /* waiting entries of a connected device: what to send; else NULL */
        int64_t sent_at_ms; /* entries of a window */
    } u;
};

struct delivery_ring {
    struct delivery_entry *entries;
    uint32_t capacity; /* a power of two */
    uint32_t start;
    uint32_t count;
};

void delivery_ring_push(struct delivery_ring *ring, const struct delivery_entry *entry);
struct delivery_entry *delivery_ring_at(const struct delivery_ring *ring,
                                        uint32_t place); /* 0: the oldest */
void delivery_ring_pop(
    struct delivery_ring *ring); /* the oldest; the memory goes with the last one */
void delivery_ring_clear(struct delivery_ring *ring);

#endif
