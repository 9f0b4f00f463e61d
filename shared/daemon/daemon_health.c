/* Health: the operations listener, and the watch over what the service depends on. A dependency is logged when its state
 * changes, never again while it stays. */
#include <assert.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/daemon_internal.h"
#include "shared/net/http_server.h"

#define WATCH_PERIOD_MS    250
#define MAX_DEPENDENCIES   16
#define OPS_BODY_BYTES     1024
#define OPS_HEADER_BYTES   8192
#define OPS_DEADLINE_MS    5000
#define OPS_IDLE_MS        60000
#define OPS_MAX_REQUESTS   64
#define METRICS_MEDIA_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct dependency {
    const char *name; /* the service's constant */
    bool ok;
};

struct daemon_health {
    const struct daemon_service *service;
    void *instance;
    struct http_server *ops;
    struct loop_timer *watch;
    struct dependency dependencies[MAX_DEPENDENCIES];
    int dependency_count;
    bool was_ready;
    bool is_draining;
};

static struct metric ready_metric = {.name = "parley_ready",
                                     .labels = "",
                                     .help = "1 when every dependency is there.",
                                     .kind = METRIC_GAUGE};

/* --- /readyz --- */

struct report {
    struct daemon_health *health;
    struct buffer *out; /* NULL: only watching */
    bool all_ok;
    int count;
};

static void write_dependency(struct report *report, const char *name, bool ok, const char *detail)
{
    if (report->out == NULL)
        return;
    buffer_append_string(report->out, report->count > 0 ? "," : "");
    json_write_string(report->out, text_of(name));
    buffer_append_string(report->out, ":");
    json_write_string(report->out, text_of(ok                                  ? "ok"
                                           : detail == NULL || *detail == '\0' ? "not ready"
                                                                               : detail));
}

static struct dependency *find_dependency(struct daemon_health *health, const char *name,
                                          bool *is_new_out)
{
    for (int i = 0; i < health->dependency_count; i++) {
        *is_new_out = false;
        if (strcmp(health->dependencies[i].name, name) == 0)
            return &health->dependencies[i];
    }
    assert(health->dependency_count < MAX_DEPENDENCIES);
    *is_new_out = true;
    health->dependencies[health->dependency_count].name = name;
    return &health->dependencies[health->dependency_count++];
}

/* What is there from the beginning needs no line. */
static void log_change(struct daemon_health *health, const char *name, bool ok, const char *detail)
{
    bool is_new;
    struct dependency *dependency = find_dependency(health, name, &is_new);
    if (is_new ? !ok : dependency->ok != ok) {
        if (ok)
            log_info("dependency_ok", LOG_STRING("dependency", name));
        else
            log_warning("dependency_lacks", LOG_STRING("dependency", name),
                        LOG_STRING("detail", detail));
    }
    dependency->ok = ok;
}

static void on_report(void *context, const char *name, bool ok, const char *detail)
{
    struct report *report = context;
    log_change(report->health, name, ok, detail);
    write_dependency(report, name, ok, detail);
    report->all_ok &= ok;
    report->count++;
}

/* Asks the service for all its dependencies; `out` may be NULL. */
static bool ask(struct daemon_health *health, struct buffer *out)
{
    struct report report = {.health = health, .out = out, .all_ok = true};
    if (health->service->report != NULL)
        health->service->report(health->instance, on_report, &report);
    metric_set(&ready_metric, report.all_ok && !health->is_draining);
    return report.all_ok && !health->is_draining;
}

static void on_watch(void *context)
{
    struct daemon_health *health = context;
    bool is_ready = ask(health, NULL);
    if (is_ready && !health->was_ready)
        log_info("ready");
    else if (!is_ready && health->was_ready && !health->is_draining)
        log_warning("not_ready");
    health->was_ready = is_ready;
}

/* --- the endpoints --- */

static void get_healthz(void *context, struct http_request *request)
{
    (void)context;
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"status\":\"ok\"}");
    http_reply_json(request, 200, &body);
    buffer_deinit(&body);
}

static void get_readyz(void *context, struct http_request *request)
{
    struct daemon_health *health = context;
    struct buffer dependencies = BUFFER_EMPTY, body = BUFFER_EMPTY;
    bool is_ready = ask(health, &dependencies);
    buffer_append_format(&body, "{\"ready\":%s,", is_ready ? "true" : "false");
    buffer_append_string(&body, health->is_draining ? "\"draining\":true," : "");
    buffer_append_string(&body, "\"dependencies\":{");
    buffer_append_text(&body, buffer_text(&dependencies));
    buffer_append_string(&body, "}}");
    http_reply_json(request, is_ready ? 200 : 503, &body);
    buffer_deinit(&dependencies);
    buffer_deinit(&body);
}

static void get_metrics(void *context, struct http_request *request)
{
    (void)context;
    struct buffer body = BUFFER_EMPTY;
    metrics_render(&body);
    http_reply_text(request, 200, METRICS_MEDIA_TYPE, buffer_text(&body));
    buffer_deinit(&body);
}

static const struct http_route routes[] = {
    {HTTP_GET, "/healthz", NULL, HTTP_PUBLIC, get_healthz},
    {HTTP_GET, "/readyz", NULL, HTTP_PUBLIC, get_readyz},
    {HTTP_GET, "/metrics", NULL, HTTP_PUBLIC, get_metrics},
};

/* --- making and ending --- */

struct daemon_health *daemon_health_create(struct loop *loop, const struct daemon_service *service,
                                           void *instance, char *message_out, int message_size)
{
    struct daemon_health *health = mem_zalloc(sizeof *health);
    struct http_server_options options = {
        .path = daemon_socket_path(service->name, "ops"),
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .service = health,
        .max_body_bytes = OPS_BODY_BYTES,
        .max_header_bytes = OPS_HEADER_BYTES,
        .deadline_ms = OPS_DEADLINE_MS,
        .idle_timeout_ms = OPS_IDLE_MS,
        .max_requests = OPS_MAX_REQUESTS,
    };
    health->service = service;
    health->instance = instance;
    metrics_register(&ready_metric);
    health->ops = http_server_create(loop, &options, message_out, message_size);
    if (health->ops == NULL) {
        mem_free(health);
        return NULL;
    }
    health->watch = loop_timer_create(loop, on_watch, health);
    loop_timer_repeat(health->watch, WATCH_PERIOD_MS);
    on_watch(health);
    return health;
}

void daemon_health_drain(struct daemon_health *health)
{
    health->is_draining = true;
    metric_set(&ready_metric, 0);
}

void daemon_health_destroy(struct daemon_health **health)
{
    if (*health == NULL)
        return;
    loop_timer_destroy(&(*health)->watch);
    http_server_destroy(&(*health)->ops);
    mem_free(*health);
    *health = NULL;
}
