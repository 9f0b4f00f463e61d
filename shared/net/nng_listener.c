/* Listening in spite of nng 1.5.2's silent death of ipc listeners (upstream #1518): a listener whose peer vanishes during
 * the handshake takes that for its own end and never accepts again, while dials and sends still seem to work.
 *
 * Three measures: a lock file is held before the path is touched, so that no second process ever probes it; every few
 * seconds we dial ourselves and require the connection; when it does not come, the listener is closed and made anew on the
 * same socket, whose living connections are not touched by that. */
#include "shared/net/nng_bus_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define PROBE_PERIOD_MS 2000
#define PROBE_DEADLINE_MS 500

struct nng_guarded_listener {
    nng_socket socket;
    nng_listener listener;
    bool listening;
    char *url;
    int lock_fd;
    nng_socket probe;              /* kept for the life of the process; its dialers come and go */
    nng_dialer probe_dialer;
    bool probing;
    atomic_bool probe_connected;   /* set on an nng thread */
    struct loop_timer *timer;
};

static struct metric relistens_total = {.name = "parley_bus_relistens_total",
                                        .help = "Listeners that had died silently and were made anew.",
                                        .kind = METRIC_COUNTER};

static int listen_now(struct nng_guarded_listener *guarded)
{
    int error = nng_listener_create(&guarded->listener, guarded->socket, guarded->url);
    if (error != 0)
        return error;
    nng_listener_set_int(guarded->listener, NNG_OPT_IPC_PERMISSIONS, 0660);
    error = nng_listener_start(guarded->listener, 0);
    if (error != 0)
        nng_listener_close(guarded->listener);
    return error;
}

static void listen_anew(struct nng_guarded_listener *guarded)
{
    if (guarded->listening)
        nng_listener_close(guarded->listener);
    int error = listen_now(guarded);
    guarded->listening = error == 0;
    metric_add(&relistens_total, 1);
    log_warning("listener_made_anew", LOG_STRING("url", guarded->url),
                LOG_STRING("outcome", error == 0 ? "ok" : nng_strerror(error)));
}

static void on_probe_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    (void)pipe;
    (void)event;
    struct nng_guarded_listener *guarded = context;
    atomic_store(&guarded->probe_connected, true);
}

static void start_probe(struct nng_guarded_listener *guarded)
{
    atomic_store(&guarded->probe_connected, false);
    if (nng_dialer_create(&guarded->probe_dialer, guarded->probe, guarded->url) != 0)
        return;
    guarded->probing = true;
    nng_dialer_start(guarded->probe_dialer, NNG_FLAG_NONBLOCK);
}

static void end_probe(struct nng_guarded_listener *guarded)
{
    bool connected = atomic_load(&guarded->probe_connected);
    nng_dialer_close(guarded->probe_dialer);
    guarded->probing = false;
    if (!connected)
        listen_anew(guarded);
}

static void on_timer(void *context)
{
    struct nng_guarded_listener *guarded = context;
    if (guarded->probing)
        end_probe(guarded);
    else
        start_probe(guarded);
    loop_timer_start(guarded->timer, guarded->probing ? PROBE_DEADLINE_MS : PROBE_PERIOD_MS);
}

/* Held until the process ends; the file stays, which is harmless. -1 when another process holds it. */
static int hold_lock(const char *url)
{
    char path[128];
    snprintf(path, sizeof path, "%s.lock", url + strlen("ipc://"));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

struct nng_guarded_listener *nng_guarded_listener_create(struct nng_bus *bus, nng_socket socket, const char *url,
                                                         int (*open_probe)(nng_socket *probe_out), char *message_out,
                                                         int message_size)
{
    struct nng_guarded_listener *guarded = mem_zalloc(sizeof *guarded);
    guarded->socket = socket;
    guarded->url = mem_string(url);
    guarded->lock_fd = hold_lock(url);
    if (guarded->lock_fd < 0) {
        snprintf(message_out, (size_t)message_size,
                 "cannot lock the file beside %s: %s; is another daemon of this name running, or the folder not writable?", url,
                 strerror(errno));
        goto fail;
    }
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, nng_turn_strangers_away, NULL);
    int error = listen_now(guarded);
    if (error == 0)
        error = open_probe(&guarded->probe);
    if (error != 0) {
        snprintf(message_out, (size_t)message_size, "cannot listen on %s: %s", url, nng_strerror(error));
        goto fail;
    }
    guarded->listening = true;
    nng_pipe_notify(guarded->probe, NNG_PIPE_EV_ADD_POST, on_probe_pipe, guarded);
    guarded->timer = loop_timer_create(nng_bus_loop(bus), on_timer, guarded);
    loop_timer_start(guarded->timer, PROBE_PERIOD_MS);
    metrics_register(&relistens_total);
    return guarded;
fail:
    if (guarded->lock_fd >= 0)
        close(guarded->lock_fd);
    mem_free(guarded->url);
    mem_free(guarded);
    return NULL;
}

void nng_guarded_listener_destroy(struct nng_guarded_listener **listener)
{
    struct nng_guarded_listener *guarded = *listener;
    if (guarded == NULL)
        return;
    loop_timer_destroy(&guarded->timer);
    nng_close(guarded->probe); /* with its dialer; after it no callback of the probe runs */
    if (guarded->listening)
        nng_listener_close(guarded->listener);
    close(guarded->lock_fd);
    mem_free(guarded->url);
    mem_free(guarded);
    *listener = NULL;
}
