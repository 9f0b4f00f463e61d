/* The metrics of one server. Registered metrics live for ever, so they do not belong to the server: one that is made
 * again goes on counting where the former one stopped. */
#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/net/http_internal.h"

#define CLASSES 5 /* 1xx is never sent; 2xx to 5xx */

struct http_metrics {
    const char *service;
    struct metric answers[CLASSES + 1];
    struct metric seconds;
    struct metric in_progress;
    struct metric overdue;
    struct metric gone;
    struct http_metrics *next;
};

static struct http_metrics *all_metrics;

static const char *make_labels(const char *service, int status_class)
{
    char labels[96];
    if (status_class == 0)
        snprintf(labels, sizeof labels, "service=\"%s\"", service);
    else
        snprintf(labels, sizeof labels, "service=\"%s\",status=\"%dxx\"", service, status_class);
    return mem_string(labels);
}

static void make_metric(struct metric *metric, enum metric_kind kind, const char *name,
                        const char *labels, const char *help)
{
    *metric = (struct metric){.name = name, .labels = labels, .help = help, .kind = kind};
    metrics_register(metric);
}

static struct http_metrics *make_metrics(const char *service)
{
    struct http_metrics *metrics = mem_zalloc(sizeof *metrics);
    const char *labels = make_labels(service, 0);
    metrics->service = mem_string(service);
    for (int i = 2; i <= CLASSES; i++)
        make_metric(&metrics->answers[i], METRIC_COUNTER, "parley_http_requests_total",
                    make_labels(service, i), "Requests that were answered, by class of status.");
    make_metric(&metrics->seconds, METRIC_HISTOGRAM, "parley_http_request_seconds", labels,
                "Time from a request's arrival to its answer.");
    make_metric(&metrics->in_progress, METRIC_GAUGE, "parley_http_requests_in_progress", labels,
                "Requests that a handler has and has not ended.");
    make_metric(&metrics->overdue, METRIC_COUNTER, "parley_http_requests_overdue_total", labels,
                "Requests that were answered unavailable at their deadline.");
    make_metric(&metrics->gone, METRIC_COUNTER, "parley_http_requests_abandoned_total", labels,
                "Requests whose peer had gone before the answer.");
    return metrics;
}

struct http_metrics *http_metrics_of(const char *service)
{
    struct http_metrics *metrics = all_metrics;
    if (service == NULL)
        return NULL;
    while (metrics != NULL && strcmp(metrics->service, service) != 0)
        metrics = metrics->next;
    if (metrics == NULL) {
        metrics = make_metrics(service);
        metrics->next = all_metrics;
        all_metrics = metrics;
    }
    return metrics;
}

void http_metrics_start(struct http_metrics *metrics)
{
    if (metrics != NULL)
        metric_add(&metrics->in_progress, 1);
}

void http_metrics_answer(struct http_metrics *metrics, int status, int64_t microseconds)
{
    if (metrics == NULL)
        return;
    metric_add(&metrics->answers[status / 100], 1);
    metric_observe_us(&metrics->seconds, microseconds);
}

void http_metrics_end(struct http_metrics *metrics)
{
    if (metrics != NULL)
        metric_add(&metrics->in_progress, -1);
}

void http_metrics_overdue(struct http_metrics *metrics)
{
    if (metrics != NULL)
        metric_add(&metrics->overdue, 1);
}

void http_metrics_gone(struct http_metrics *metrics)
{
    if (metrics != NULL)
        metric_add(&metrics->gone, 1);
}
