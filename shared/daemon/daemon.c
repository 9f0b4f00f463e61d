/* The life of a daemon, from main() to exit. */
#include "shared/daemon/daemon.h"

#include <event2/event.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon_internal.h"
#include "shared/daemon/nng_threads.h"
#include "shared/net/nng_bus.h"
#include "shared/proto/chat_content.h"

#define DRAIN_PERIOD_MS 20 /* between two looks whether everything is finished */
#define TEARDOWN_S      5

enum { SIGNALS = 3 };

struct daemon {
    const struct daemon_service *service;
    void *instance;
    struct loop *loop;
    struct nng_bus *bus;
    struct daemon_health *health;
    struct event *signals[SIGNALS];
    struct loop_timer *drain;
    int64_t drain_started_ms; /* 0: not draining */
};

struct loop *daemon_loop(struct daemon *daemon)
{
    return daemon->loop;
}

struct nng_bus *daemon_bus(struct daemon *daemon)
{
    return daemon->bus;
}

/* --- sockets --- */

/* Few and asked for at start only: each one is made once and kept. */
struct socket_name {
    char *url; /* "ipc://" and the path */
    struct socket_name *next;
};

const char *daemon_socket_url(const char *service, const char *suffix)
{
    static struct socket_name *names;
    struct buffer url = BUFFER_EMPTY;
    buffer_append_format(&url, "ipc://%s/%s.%s", daemon_settings.run_dir, service, suffix);
    struct socket_name *name = names;
    while (name != NULL && !text_is(buffer_text(&url), name->url))
        name = name->next;
    if (name == NULL) {
        name = mem_zalloc(sizeof *name);
        name->url = text_to_string(buffer_text(&url));
        name->next = names;
        names = name;
    }
    buffer_deinit(&url);
    return name->url;
}

const char *daemon_socket_path(const char *service, const char *suffix)
{
    return daemon_socket_url(service, suffix) + strlen("ipc://");
}

/* --- the stop --- */

static bool is_drained(const struct daemon *daemon)
{
    return daemon->service->drained == NULL || daemon->service->drained(daemon->instance);
}

static void on_drain(void *context)
{
    struct daemon *daemon = context;
    int64_t age_ms = clock_monotonic_ms() - daemon->drain_started_ms;
    bool drained = is_drained(daemon);
    if (!drained && age_ms < daemon_settings.drain_deadline_ms)
        return;
    if (drained)
        log_info("drained", LOG_NUMBER("ms", age_ms));
    else
        log_warning("drain_deadline", LOG_NUMBER("ms", age_ms));
    loop_stop(daemon->loop);
}

/* A second signal ends at once what the first began. */
static void on_stop_signal(evutil_socket_t signal_number, short what, void *context)
{
    struct daemon *daemon = context;
    (void)what;
    if (daemon->drain_started_ms != 0) {
        log_warning("drain_cut_short", LOG_NUMBER("signal", signal_number));
        loop_stop(daemon->loop);
        return;
    }
    log_info("draining", LOG_NUMBER("signal", signal_number));
    daemon->drain_started_ms = clock_monotonic_ms();
    daemon_health_drain(daemon->health);
    if (daemon->service->drain != NULL)
        daemon->service->drain(daemon->instance);
    loop_timer_repeat(daemon->drain, DRAIN_PERIOD_MS);
}

/* --- logs --- */

static enum log_level configured_level(void)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    for (int i = 0; i < LOG_LEVEL_ERROR; i++) {
        if (strcmp(daemon_settings.log_level, levels[i]) == 0)
            return (enum log_level)i;
    }
    return LOG_LEVEL_ERROR;
}

static void on_debug_signal(evutil_socket_t signal_number, short what, void *context)
{
    static bool is_debug;
    (void)signal_number;
    (void)what;
    (void)context;
    is_debug = !is_debug;
    log_set_level(is_debug ? LOG_LEVEL_DEBUG : configured_level());
    log_warning("log_level", LOG_STRING("level", is_debug ? "debug" : daemon_settings.log_level));
}

/* libevent speaks rarely, and then of what an operator should know. */
static void on_libevent_log(int severity, const char *message)
{
    if (severity >= EVENT_LOG_WARN)
        log_warning("libevent", LOG_STRING("message", message));
}

/* --- making and ending --- */

static void prepare_process(const struct daemon_service *service)
{
    nng_threads_link();
    log_init(service->name, configured_level());
#ifdef PARLEY_CHAOS
    failpoint_init(daemon_settings.run_dir, service->name);
#endif
    event_set_log_callback(on_libevent_log);
    signal(SIGPIPE, SIG_IGN);
    chat_content_set_limits(
        &(struct chat_content_limits){.max_text_bytes = (size_t)limits.max_text_bytes,
                                      .max_client_id_bytes = (size_t)limits.max_client_id_bytes,
                                      .max_mentions = (size_t)limits.max_mentions,
                                      .max_attachments = (size_t)limits.max_attachments,
                                      .max_emoji_bytes = (size_t)limits.max_emoji_bytes});
}

static void watch_signals(struct daemon *daemon)
{
    struct event_base *base = loop_base(daemon->loop);
    daemon->signals[0] = evsignal_new(base, SIGTERM, on_stop_signal, daemon);
    daemon->signals[1] = evsignal_new(base, SIGINT, on_stop_signal, daemon);
    daemon->signals[2] = evsignal_new(base, SIGUSR1, on_debug_signal, daemon);
    for (int i = 0; i < SIGNALS; i++)
        event_add(daemon->signals[i], NULL);
}

static bool make_parts(struct daemon *daemon, char *message_out, int message_size)
{
    if (sodium_init() < 0) {
        snprintf(message_out, (size_t)message_size,
                 "libsodium does not start: is /dev/urandom there?");
        return false;
    }
    daemon->loop = loop_create();
    daemon->drain = loop_timer_create(daemon->loop, on_drain, daemon);
    watch_signals(daemon);
    daemon->bus = nng_bus_create(daemon->loop);
    if (!daemon->service->start(daemon, &daemon->instance, message_out, message_size)) {
        daemon->instance = NULL;
        return false;
    }
    daemon->health = daemon_health_create(daemon->loop, daemon->service, daemon->instance,
                                          message_out, message_size);
    return daemon->health != NULL;
}

static void on_teardown_hangs(int signal)
{
    static const char line[] =
        "{\"level\":\"warning\",\"event\":\"teardown_hangs\",\"message\":\"left to the kernel\"}\n";
    (void)signal;
    _exit(write(STDERR_FILENO, line, sizeof line - 1) < 0 ? EX_IOERR : EX_OK);
}

/* What has to be finished was finished while it drained. nng 1.5.2 sometimes waits for ever for a connection on which much
 * is published, when it closes its socket: that is no reason to be waited for. */
static void destroy_parts(struct daemon *daemon)
{
    signal(SIGALRM, on_teardown_hangs);
    alarm(TEARDOWN_S);
    daemon_health_destroy(&daemon->health);
    if (daemon->instance != NULL)
        daemon->service->stop(daemon->instance);
    nng_bus_destroy(&daemon->bus);
    for (int i = 0; i < SIGNALS && daemon->signals[i] != NULL; i++)
        event_free(daemon->signals[i]);
    loop_timer_destroy(&daemon->drain);
    loop_destroy(&daemon->loop);
}

static int run(struct daemon *daemon)
{
    char message[512] = "";
    log_info("starting", LOG_STRING("version", daemon_version()), LOG_NUMBER("pid", getpid()),
             LOG_STRING("environment", daemon_settings.environment),
             LOG_STRING("run_dir", daemon_settings.run_dir));
    bool ok = daemon_environment_check(message, sizeof message) &&
              make_parts(daemon, message, sizeof message);
    if (ok)
        loop_run(daemon->loop);
    else
        log_error("start_failed", LOG_STRING("message", message));
    destroy_parts(daemon);
    if (ok)
        log_info("stopped");
    return ok ? EX_OK : EX_UNAVAILABLE;
}

int daemon_main(const struct daemon_service *service, int argc, char **argv)
{
    struct daemon daemon = {.service = service};
    int status;
    if (!daemon_options_read(service, argc, argv, &status))
        return status;
    prepare_process(service);
    return run(&daemon);
}
