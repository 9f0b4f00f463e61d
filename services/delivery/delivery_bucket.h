/* A token bucket as one number: when the bucket will be full again, monotonic (the generic cell rate algorithm). */
#ifndef PARLEY_DELIVERY_BUCKET_H
#define PARLEY_DELIVERY_BUCKET_H

#include <stdint.h>

/* Takes one and returns 0; or takes none and returns the seconds after which there is one. */
static inline int64_t delivery_bucket_wait_s(int64_t *full_us, int64_t now_us, int64_t per_second,
                                             int64_t burst)
{
    const int64_t second_us = INT64_C(1000000);
    int64_t each_us = second_us / per_second;
    int64_t from_us = *full_us > now_us ? *full_us : now_us;
    int64_t over_us = from_us + each_us - now_us - burst * each_us;
    if (over_us > 0)
        return (over_us + second_us - 1) / second_us;
    *full_us = from_us + each_us;
    return 0;
}

#endif
