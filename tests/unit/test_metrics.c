/* Metrics in Prometheus' text format 0.0.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/mem.h"
#include "shared/base/metrics.h"

static char *render(void)
{
    struct buffer out = BUFFER_EMPTY;
    metrics_render(&out);
    char *text = text_to_string(buffer_text(&out));
    buffer_deinit(&out);
    return text;
}

/* The number after a sample's name and labels; fails when there is no such line. */
static double sample(const char *name)
{
    char *text = render(), line[256];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(text, line);
    if (found == NULL)
        fail_msg("no sample %s in:\n%s", name, text);
    double value = found == NULL ? 0 : strtod(found + strlen(line), NULL);
    mem_free(text);
    return value;
}

static void a_counter_and_a_gauge_are_written_with_help_and_type(void **state)
{
    (void)state;
    static struct metric sent = {
        .name = "t_sent_total", .labels = "", .help = "Sent.", .kind = METRIC_COUNTER};
    static struct metric queued = {
        .name = "t_queued", .labels = "", .help = "Queued.", .kind = METRIC_GAUGE};
    metrics_register(&sent);
    metrics_register(&queued);
    metric_add(&sent, 2);
    metric_add(&sent, 3);
    metric_set(&queued, 7);
    metric_add(&queued, -9);
    char *text = render();
    assert_non_null(strstr(text, "# HELP t_sent_total Sent.\n# TYPE t_sent_total counter\n"
                                 "t_sent_total 5\n"));
    assert_non_null(strstr(text, "# TYPE t_queued gauge\nt_queued -2\n"));
    mem_free(text);
}

static void registering_again_is_harmless(void **state)
{
    (void)state;
    static struct metric once = {
        .name = "t_once", .labels = "", .help = "Once.", .kind = METRIC_GAUGE};
    metrics_register(&once);
    metrics_register(&once);
    char *text = render();
    const char *found = strstr(text, "\nt_once 0\n");
    assert_non_null(found);
    assert_null(strstr(found + 2, "t_once"));
    mem_free(text);
}

static void samples_of_one_name_stand_together_under_one_head(void **state)
{
    (void)state;
    static struct metric ok = {.name = "t_answers_total",
                               .labels = "code=\"200\"",
                               .help = "Answers.",
                               .kind = METRIC_COUNTER,
                               .value = 1};
    static struct metric between = {
        .name = "t_between", .labels = "", .help = "Other.", .kind = METRIC_GAUGE};
    static struct metric bad = {.name = "t_answers_total",
                                .labels = "code=\"400\"",
                                .help = "Answers.",
                                .kind = METRIC_COUNTER,
                                .value = 2};
    metrics_register(&ok);
    metrics_register(&between);
    metrics_register(&bad);
    char *text = render();
    assert_non_null(strstr(text, "# TYPE t_answers_total counter\n"
                                 "t_answers_total{code=\"200\"} 1\n"
                                 "t_answers_total{code=\"400\"} 2\n# HELP t_between"));
    mem_free(text);
}

static void a_histogram_counts_what_is_at_most_each_bound(void **state)
{
    (void)state;
    static struct metric took = {.name = "t_took_seconds",
                                 .labels = "route=\"a\"",
                                 .help = "Took.",
                                 .kind = METRIC_HISTOGRAM};
    metrics_register(&took);
    static const int64_t observed_us[] = {
        -5, 0, 64, 65, 128, 129, 33554432, 33554433, INT64_C(1) << 40};
    for (size_t i = 0; i < sizeof observed_us / sizeof observed_us[0]; i++)
        metric_observe_us(&took, observed_us[i]);
    assert_int_equal(sample("t_took_seconds_bucket{route=\"a\",le=\"0.000064\"}"), 3);
    assert_int_equal(sample("t_took_seconds_bucket{route=\"a\",le=\"0.000128\"}"), 5);
    assert_int_equal(sample("t_took_seconds_bucket{route=\"a\",le=\"0.000256\"}"), 6);
    assert_int_equal(sample("t_took_seconds_bucket{route=\"a\",le=\"16.777216\"}"), 6);
    assert_int_equal(sample("t_took_seconds_bucket{route=\"a\",le=\"33.554432\"}"), 7);
    assert_int_equal(sample("t_took_seconds_bucket{route=\"a\",le=\"+Inf\"}"), 9);
    assert_int_equal(sample("t_took_seconds_count{route=\"a\"}"), 9);
    double sum = sample("t_took_seconds_sum{route=\"a\"}");
    assert_true(sum > 1099578.0 && sum < 1099580.0); /* 2^40 + 67,109,251 microseconds */
}

static void the_process_tells_its_memory_descriptors_and_time(void **state)
{
    (void)state;
    double before = sample("process_open_fds");
    int opened[40];
    for (int i = 0; i < 40; i++)
        opened[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(sample("process_open_fds") - before, 40);
    int high = fcntl(opened[0], F_DUPFD_CLOEXEC, 900); /* a hole below it does not hide it */
    assert_true(high >= 900);
    assert_int_equal(sample("process_open_fds") - before, 41);
    close(high);
    for (int i = 0; i < 40; i++)
        close(opened[i]);
    assert_int_equal(sample("process_open_fds") - before, 0);
    assert_true(sample("process_max_fds") >= 64);
    assert_true(sample("process_resident_memory_bytes") > 500000);
    assert_true(sample("process_cpu_seconds_total") > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_and_a_gauge_are_written_with_help_and_type),
        cmocka_unit_test(registering_again_is_harmless),
        cmocka_unit_test(samples_of_one_name_stand_together_under_one_head),
        cmocka_unit_test(a_histogram_counts_what_is_at_most_each_bound),
        cmocka_unit_test(the_process_tells_its_memory_descriptors_and_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
