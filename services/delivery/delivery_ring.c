/* A window of 64 entries is 2.6 kB: an idle connection must not carry it, so an empty ring is freed. */
#include "services/delivery/delivery_ring.h"

#include <assert.h>
#include <stddef.h>

#include "shared/base/mem.h"

#define RING_START 4

static void grow(struct delivery_ring *ring)
{
    uint32_t capacity = ring->capacity == 0 ? RING_START : ring->capacity * 2;
    struct delivery_entry *entries = mem_array(capacity, sizeof *entries);
    for (uint32_t i = 0; i < ring->count; i++)
        entries[i] = *delivery_ring_at(ring, i);
    mem_free(ring->entries);
    *ring = (struct delivery_ring){entries, capacity, 0, ring->count};
}

void delivery_ring_push(struct delivery_ring *ring, const struct delivery_entry *entry)
{
    if (ring->count == ring->capacity)
        grow(ring);
    ring->entries[(ring->start + ring->count++) & (ring->capacity - 1)] = *entry;
}

struct delivery_entry *delivery_ring_at(const struct delivery_ring *ring, uint32_t place)
{
    assert(place < ring->count);
    return &ring->entries[(ring->start + place) & (ring->capacity - 1)];
}

void delivery_ring_pop(struct delivery_ring *ring)
{
    assert(ring->count > 0);
    ring->start = (ring->start + 1) & (ring->capacity - 1);
    if (--ring->count == 0)
        delivery_ring_clear(ring);
}

void delivery_ring_clear(struct delivery_ring *ring)
{
    mem_free(ring->entries);
    *ring = (struct delivery_ring){NULL, 0, 0, 0};
}
