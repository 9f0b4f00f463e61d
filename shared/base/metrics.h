/* Metrics: counters, gauges and histograms in Prometheus' text format (version 0.0.4).
 * Each stands as a static variable beside the code that moves it and registers itself on first use by metrics_register
 * from the module's create function. Single-threaded: only the loop touches them. */
#ifndef PARLEY_BASE_METRICS_H
#define PARLEY_BASE_METRICS_H

#include <stdint.h>

#include "shared/base/buffer.h"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

#define METRIC_BUCKETS 20 /* powers of two from 64 microseconds up: about 64 us to 33 s, and +Inf */

struct metric {
    const char *name;   /* "parley_chat_appended_total" */
    const char *labels; /* "" or "code=\"200\"": a constant */
    const char *help;
    enum metric_kind kind;
    int64_t value;  /* counter, gauge; histogram: sum in microseconds */
    uint64_t count; /* histogram */
    uint64_t buckets[METRIC_BUCKETS];
    struct metric *next; /* the registry's */
};

void metrics_register(struct metric *metric); /* again is harmless */
static inline void metric_add(struct metric *metric, int64_t amount)
{
    metric->value += amount;
}
static inline void metric_set(struct metric *metric, int64_t value)
{
    metric->value = value;
}
void metric_observe_us(struct metric *metric, int64_t microseconds);
void metrics_render(struct buffer *out); /* all registered ones, and process_* of this process */

#endif
