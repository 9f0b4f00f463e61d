/* Clocks, and the calendar without the C library's locale and time zone machinery. */
#include "shared/base/clock.h"

#include <string.h>
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

/* Digits only; -1 when there is anything else. */
static int64_t read_digits(const char *from, int width)
{
    int64_t value = 0;
    for (int i = 0; i < width; i++) {
        if (from[i] < '0' || from[i] > '9')
            return -1;
        value = value * 10 + (from[i] - '0');
    }
    return value;
}

/* Days since 1970-01-01: the way back of date_of_day, in the same years that begin in March. */
static int64_t day_of_date(int64_t year, int64_t month, int64_t day)
{
    int64_t march_year = year - (month <= 2 ? 1 : 0) + 400;
    int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + in_year -
           146097 - 719468;
}

/* Whatever is out of its range (a 30th of February, a second 60) would be another moment, which is written otherwise. */
bool clock_parse_rfc3339(struct text text, int64_t *wall_ms_out)
{
    static const char layout[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    char whole[] = "0000-00-00T00:00:00.000Z", again[CLOCK_RFC3339_SIZE];
    if (text.length == sizeof layout - 1)
        memcpy(whole, text.data, text.length);
    else if (text.length == sizeof "dddd-dd-ddTdd:dd:ddZ" - 1 && text.data[19] == 'Z')
        memcpy(whole, text.data, 19);
    else
        return false;
    for (size_t i = 0; i < sizeof layout - 1; i++)
        if (layout[i] == 'd' ? read_digits(whole + i, 1) < 0 : whole[i] != layout[i])
            return false;
    int64_t wall_ms =
        day_of_date(read_digits(whole, 4), read_digits(whole + 5, 2), read_digits(whole + 8, 2)) *
        MS_PER_DAY;
    wall_ms += read_digits(whole + 11, 2) * 3600000 + read_digits(whole + 14, 2) * 60000;
    wall_ms += read_digits(whole + 17, 2) * 1000 + read_digits(whole + 20, 3);
    clock_format_rfc3339(wall_ms, again);
    if (memcmp(whole, again, sizeof layout - 1) != 0)
        return false;
    *wall_ms_out = wall_ms;
    return true;
}
