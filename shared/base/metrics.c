/* The registry is a list in which the metrics of one name stand together, as the text format wants
 * them. */
#include "shared/base/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/metrics_process.h"

#define SMALLEST_BUCKET_US 64

static struct metric *first_metric;

/* A new name goes to the end; a name that is there already, behind the last of that name. No labels (NULL) are the same
 * as none (""). */
void metrics_register(struct metric *metric)
{
    struct metric **end = &first_metric, **after_name = NULL;
    for (; *end != NULL; end = &(*end)->next) {
        if (*end == metric)
            return;
        if (strcmp((*end)->name, metric->name) == 0)
            after_name = &(*end)->next;
    }
    if (metric->labels == NULL)
        metric->labels = "";
    struct metric **link = after_name != NULL ? after_name : end;
    metric->next = *link;
    *link = metric;
}

/* Bucket i counts what is above the bound of i - 1 and at most 64 us << i; the sums are made when
 * rendering. */
void metric_observe_us(struct metric *metric, int64_t microseconds)
{
    uint64_t value = microseconds < 0 ? 0 : (uint64_t)microseconds;
    metric->value += (int64_t)value;
    metric->count++;
    int bucket = 0;
    if (value > SMALLEST_BUCKET_US)
        bucket = 64 - __builtin_clzll((value - 1) / SMALLEST_BUCKET_US);
    if (bucket < METRIC_BUCKETS)
        metric->buckets[bucket]++; /* else only +Inf, which is the count */
}

static void render_seconds(struct buffer *out, uint64_t microseconds)
{
    buffer_append_format(out, "%" PRIu64 ".%06" PRIu64, microseconds / 1000000,
                         microseconds % 1000000);
}

static void render_buckets(const struct metric *metric, struct buffer *out)
{
    const char *comma = *metric->labels == '\0' ? "" : ",";
    uint64_t sum = 0;
    for (int i = 0; i < METRIC_BUCKETS; i++) {
        sum += metric->buckets[i];
        buffer_append_format(out, "%s_bucket{%s%sle=\"", metric->name, metric->labels, comma);
        render_seconds(out, (uint64_t)SMALLEST_BUCKET_US << i);
        buffer_append_format(out, "\"} %" PRIu64 "\n", sum);
    }
    buffer_append_format(out, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", metric->name,
                         metric->labels, comma, metric->count);
}

static void render_name(const struct metric *metric, const char *suffix, struct buffer *out)
{
    buffer_append_format(out, "%s%s", metric->name, suffix);
    if (*metric->labels != '\0')
        buffer_append_format(out, "{%s}", metric->labels);
    buffer_append_string(out, " ");
}

static void render_histogram(const struct metric *metric, struct buffer *out)
{
    render_buckets(metric, out);
    render_name(metric, "_sum", out);
    render_seconds(out, (uint64_t)metric->value);
    buffer_append_string(out, "\n");
    render_name(metric, "_count", out);
    buffer_append_format(out, "%" PRIu64 "\n", metric->count);
}

static void render_value(const struct metric *metric, struct buffer *out)
{
    render_name(metric, "", out);
    buffer_append_number(out, metric->value);
    buffer_append_string(out, "\n");
}

static void render_head(const struct metric *metric, struct buffer *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                         metric->name, kinds[metric->kind]);
}

void metrics_render(struct buffer *out)
{
    const char *last_name = "";
    for (const struct metric *metric = first_metric; metric != NULL; metric = metric->next) {
        if (strcmp(metric->name, last_name) != 0)
            render_head(metric, out);
        last_name = metric->name;
        if (metric->kind == METRIC_HISTOGRAM)
            render_histogram(metric, out);
        else
            render_value(metric, out);
    }
    metrics_process_render(out);
}
