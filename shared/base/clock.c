/* Clocks, and the calendar without the C library's locale and time zone machinery. */
#include "shared/base/clock.h"

#include <time.h>

#include "shared/base/failpoint.h"

#define MS_PER_DAY INT64_C(86400000)
/* The first and last millisecond that RFC 3339's four-digit years can hold: 0000-01-01 and the end
 * of 9999-12-31. */
#define FIRST_MS   (-INT64_C(719528) * MS_PER_DAY)
#define LAST_MS    (INT64_C(2932897) * MS_PER_DAY - 1)

static struct timespec clock_now(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now); /* cannot fail for these clocks */
    return now;
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

int64_t clock_monotonic_us(void)
{
    struct timespec now = clock_now(CLOCK_MONOTONIC);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    struct timespec now = clock_now(CLOCK_REALTIME);
    int64_t wall_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
#ifdef PARLEY_CHAOS
    wall_ms += failpoint_clock_offset_ms();
#endif
    return wall_ms;
}

struct date {
    uint32_t year, month, day;
};

/* Counts in years that begin in March, so that the leap day is the last of its year, within eras of
 * 400 years (146,097 days). `day` counts from 0000-03-01 plus one era, so that it is never
 * negative. */
static struct date date_of_day(uint32_t day)
{
    uint32_t era = day / 146097, in_era = day % 146097;
    uint32_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    uint32_t in_year = in_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * in_year + 2) / 153; /* 0 is March */
    struct date date = {.day = in_year - (153 * month + 2) / 5 + 1,
                        .month = month < 10 ? month + 3 : month - 9,
                        .year = era * 400 + year - 400};
    date.year += date.month <= 2 ? 1 : 0;
    return date;
}

static char *put_digits(char *out, uint32_t value, int width, char after)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    out[width] = after;
    return out + width + 1;
}

void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_SIZE])
{
    int64_t clamped = wall_ms < FIRST_MS ? FIRST_MS : wall_ms > LAST_MS ? LAST_MS : wall_ms;
    uint64_t since_first = (uint64_t)(clamped - FIRST_MS);
    uint32_t in_day = (uint32_t)(since_first % (uint64_t)MS_PER_DAY);
    /* 0000-01-01 is 60 days before 0000-03-01; one era of 146,097 days is added. */
    struct date date = date_of_day((uint32_t)(since_first / (uint64_t)MS_PER_DAY) + 146097 - 60);
    out = put_digits(out, date.year, 4, '-');
    out = put_digits(out, date.month, 2, '-');
    out = put_digits(out, date.day, 2, 'T');
    out = put_digits(out, in_day / 3600000, 2, ':');
    out = put_digits(out, in_day / 60000 % 60, 2, ':');
    out = put_digits(out, in_day / 1000 % 60, 2, '.');
    out = put_digits(out, in_day % 1000, 3, 'Z');
    *out = '\0';
}
