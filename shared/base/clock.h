/* Time. Deadlines and durations use the monotonic clock; the wall clock is only for what people read. */
#ifndef PARLEY_BASE_CLOCK_H
#define PARLEY_BASE_CLOCK_H

#include <stdint.h>

#include "shared/base/buffer.h"

#define CLOCK_RFC3339_SIZE 25 /* "2026-01-02T03:04:05.678Z" and the terminator */

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void); /* since 1970, UTC */
/* RFC 3339, UTC, milliseconds. Does not call strftime: it is on the path of every message. */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);

#endif
