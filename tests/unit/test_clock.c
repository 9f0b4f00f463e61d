/* Clocks and their text; the C library's calendar is the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shared/base/clock.h"

static void monotonic_time_does_not_go_back_and_its_units_agree(void **state)
{
    (void)state;
    int64_t last_us = clock_monotonic_us();
    for (int i = 0; i < 1000; i++) {
        int64_t now_us = clock_monotonic_us();
        assert_true(now_us >= last_us);
        last_us = now_us;
    }
    int64_t now_ms = clock_monotonic_ms();
    assert_in_range(now_ms, last_us / 1000, last_us / 1000 + 10000);
}

static void wall_time_is_in_milliseconds_since_1970(void **state)
{
    (void)state;
    int64_t seconds = (int64_t)time(NULL);
    assert_in_range(clock_wall_ms(), (seconds - 2) * 1000, (seconds + 10) * 1000);
}

static const struct {
    int64_t wall_ms;
    const char *want;
} known[] = {
    {0, "1970-01-01T00:00:00.000Z"},
    {-1, "1969-12-31T23:59:59.999Z"},
    {951782400000, "2000-02-29T00:00:00.000Z"},
    {1709251199999, "2024-02-29T23:59:59.999Z"},
    {4107542400000, "2100-03-01T00:00:00.000Z"},
    {253402300799999, "9999-12-31T23:59:59.999Z"},
    {253402300800000, "9999-12-31T23:59:59.999Z"}, /* four digits hold no more */
    {INT64_MAX, "9999-12-31T23:59:59.999Z"},
    {INT64_MIN, "0000-01-01T00:00:00.000Z"},
};

static void known_moments_are_written_as_rfc_3339(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char got[CLOCK_RFC3339_SIZE];
        clock_format_rfc3339(known[i].wall_ms, got);
        assert_string_equal(got, known[i].want);
    }
}

static void assert_as_strftime(int64_t seconds, int ms)
{
    char got[CLOCK_RFC3339_SIZE], date[64], want[96];
    time_t moment = (time_t)seconds;
    struct tm parts;
    assert_non_null(gmtime_r(&moment, &parts));
    strftime(date, sizeof date, "%m-%dT%H:%M:%S", &parts);
    snprintf(want, sizeof want, "%04d-%s.%03dZ", parts.tm_year + 1900, date, ms);
    clock_format_rfc3339(seconds * 1000 + ms, got);
    assert_string_equal(got, want);
}

static void every_day_from_year_0_to_9999_is_right(void **state)
{
    (void)state;
    for (int64_t day = -719528; day < 2932897; day++)
        assert_as_strftime(day * 86400 + (day + 719528) % 86400, (int)((day + 719528) % 1000));
}

static void what_was_written_is_read_as_the_same_moment(void **state)
{
    (void)state;
    for (int64_t day = -719528; day < 2932897; day++) {
        char text[CLOCK_RFC3339_SIZE];
        int64_t wall_ms = day * 86400000 + (day + 719528) * 61 % 86400000, got = -1;
        clock_format_rfc3339(wall_ms, text);
        assert_true(clock_parse_rfc3339(text_of(text), &got));
        assert_int_equal(got, wall_ms);
    }
    int64_t got;
    assert_true(clock_parse_rfc3339(TEXT_LITERAL("2024-02-29T23:59:59Z"), &got));
    assert_int_equal(got, 1709251199000);
}

static void what_is_no_moment_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "now",
                                        "2024",
                                        "2023-02-29T00:00:00Z",
                                        "2024-13-01T00:00:00Z",
                                        "2024-00-01T00:00:00Z",
                                        "2024-01-00T00:00:00Z",
                                        "2024-01-01T24:00:00Z",
                                        "2024-01-01T00:60:00Z",
                                        "2024-01-01T00:00:60Z",
                                        "2024-01-01T00:00:00",
                                        "2024-01-01T00:00:00z",
                                        "2024-01-01 00:00:00Z",
                                        "2024-01-01T00:00:00+01:00",
                                        "2024-01-01T00:00:00.5Z",
                                        "2024-01-01T00:00:00.+12Z",
                                        "2024-01-01T00:00:00.123456Z",
                                        "-024-01-01T00:00:00.000Z",
                                        "2024-01-01T00:00:00.000Z "};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t got = 7;
        assert_false(clock_parse_rfc3339(text_of(cases[i]), &got));
        assert_int_equal(got, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(monotonic_time_does_not_go_back_and_its_units_agree),
        cmocka_unit_test(wall_time_is_in_milliseconds_since_1970),
        cmocka_unit_test(known_moments_are_written_as_rfc_3339),
        cmocka_unit_test(every_day_from_year_0_to_9999_is_right),
        cmocka_unit_test(what_was_written_is_read_as_the_same_moment),
        cmocka_unit_test(what_is_no_moment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
