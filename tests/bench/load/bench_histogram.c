/* Slot of a value: its six highest bits, and how far they were shifted. */
#include "tests/bench/load/bench.h"

#define STEP_BITS 6
#define STEPS     (1 << STEP_BITS)

static size_t slot_of(int64_t us)
{
    uint64_t value = us < 0 ? 0 : (uint64_t)us;
    if (value < STEPS)
        return (size_t)value;
    int shift = 63 - __builtin_clzll(value) - STEP_BITS;
    size_t slot = (size_t)(shift + 1) * STEPS + (size_t)((value >> shift) - STEPS);
    return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

/* The largest value of the slot. */
static int64_t value_of(size_t slot)
{
    if (slot < STEPS)
        return (int64_t)slot;
    size_t shift = slot / STEPS - 1;
    return (int64_t)(((slot % STEPS + STEPS + 1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, int64_t us)
{
    histogram->counts[slot_of(us)]++;
    histogram->total++;
    if (us > histogram->max_us)
        histogram->max_us = us;
}

int64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t wanted = (uint64_t)(quantile * (double)histogram->total), seen = 0;
    for (size_t slot = 0; slot < HISTOGRAM_SLOTS; slot++) {
        seen += histogram->counts[slot];
        if (seen > wanted)
            return value_of(slot) < histogram->max_us ? value_of(slot) : histogram->max_us;
    }
    return histogram->max_us;
}
