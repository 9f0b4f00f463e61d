/* Time. Deadlines and durations use the monotonic clock; the wall clock is only for what people read. */
#ifndef PARLEY_BASE_CLOCK_H
#define PARLEY_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/text.h"

#define CLOCK_RFC3339_SIZE 25 /* "2026-01-02T03:04:05.678Z" and the terminator */

int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void); /* since 1970, UTC */
/* RFC 3339, UTC, milliseconds. Does not call strftime: it is on the path of every message. */
void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE]);
/* RFC 3339 in UTC ("Z"), in seconds or milliseconds, of a day that exists. False leaves *wall_ms_out alone. */
bool clock_parse_rfc3339(struct text text, int64_t *wall_ms_out);

#endif
