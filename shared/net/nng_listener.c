/* Listening in spite of nng 1.5.2's silent death of ipc listeners (upstream #1518): a listener whose peer vanishes during
 * the handshake takes that for its own end and never accepts again, while dials and sends still seem to work. Its cause is
 * taken away in nng_bus.c; this is for whatever else may end a listener.
 *
 * A lock file is held before the path is touched, so that no second process ever probes it. A socket of ours dials the
 * path about once a second, and the listening side must see it come (that the dial succeeds proves nothing: the handshake
 * of a dead listener still works). When it does not, the listener is closed and made anew on the same socket. That closes
 * its connections as well; peers dial again, and what they had asked is uncertain to them. The dialing side closes each
 * connection as soon as the handshake is over, so nothing is ever sent on it. */
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
#include "shared/net/nng_bus_internal.h"

/* nng waits a random part of it before it dials again, half of the time none. Each dial wakes eight threads: with a second,
 * four idle daemons took 2.8 % of a core, of which most was this. */
#define PROBE_MS       4000
#define CHECK_MS       250
#define MAX_UNSEEN     3  /* dials in a row that the listening side has not seen: it is dead */
#define SILENT_CHECKS  48 /* so many checks without any dial: whatever the reason, begin anew */
#define MAX_PATH_BYTES 120

struct nng_guarded_listener {
    nng_socket socket;
    nng_listener listener;
    bool listening;
    char *url;
    int lock_fd;
    nng_socket probe;
    nng_dialer probe_dialer;
    bool probing;      /* from the first check on: one that is closed while it dials leaks in nng */
    atomic_uint dials; /* handshakes of the probe that succeeded; moved on nng's threads */
    atomic_uint unseen; /* those since the listening side has last seen one */
    unsigned dials_before;
    int silent_checks;
    struct loop_timer *check;
};

static struct metric relistens_total = {.name = "parley_bus_relistens_total",
                                        .help =
                                            "Listeners that had died silently and were made anew.",
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
    guarded->listening = error == 0;
    return error;
}

static void listen_anew(struct nng_guarded_listener *guarded)
{
    if (guarded->listening)
        nng_listener_close(guarded->listener);
    guarded->listening = false;
    int error = listen_now(guarded);
    metric_add(&relistens_total, 1);
    log_warning("listener_made_anew", LOG_STRING("url", guarded->url),
                LOG_STRING("outcome", error == 0 ? "ok" : nng_strerror(error)));
}

/* --- the check --- */

/* On an nng thread, on the dialing side. */
static void on_probe_pipe(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct nng_guarded_listener *guarded = context;
    (void)event;
    NNG_TAKES(guarded);
    atomic_fetch_add(&guarded->dials, 1);
    atomic_fetch_add(&guarded->unseen, 1);
    nng_pipe_close(pipe);
    NNG_GIVES(guarded);
}

static int dial_probe(struct nng_guarded_listener *guarded)
{
    int error = nng_dialer_create(&guarded->probe_dialer, guarded->probe, guarded->url);
    if (error != 0)
        return error;
    nng_dialer_set_ms(guarded->probe_dialer, NNG_OPT_RECONNMINT, PROBE_MS);
    nng_dialer_set_ms(guarded->probe_dialer, NNG_OPT_RECONNMAXT, PROBE_MS);
    error = nng_dialer_start(guarded->probe_dialer, NNG_FLAG_NONBLOCK);
    if (error != 0)
        nng_dialer_close(guarded->probe_dialer);
    return error;
}

static int make_probe(struct nng_guarded_listener *guarded,
                      int (*open_probe)(nng_socket *probe_out))
{
    int error = open_probe(&guarded->probe);
    NNG_GIVES(guarded);
    if (error == 0)
        nng_pipe_notify(guarded->probe, NNG_PIPE_EV_ADD_PRE, on_probe_pipe, guarded);
    return error;
}

/* The probe's dialer is made anew as well: it can die in the same way as any other (see nng_dialer.c). */
static void begin_anew(struct nng_guarded_listener *guarded)
{
    if (guarded->probing)
        nng_dialer_close(guarded->probe_dialer);
    listen_anew(guarded);
    guarded->probing = dial_probe(guarded) == 0;
    guarded->silent_checks = 0;
    atomic_store(&guarded->unseen, 0);
}

/* The two sides of one handshake are told in any order, so of a living listener one dial may be unseen at any time. A
 * false alarm costs every connection: it takes more than one. */
static void on_check(void *context)
{
    struct nng_guarded_listener *guarded = context;
    unsigned dials = atomic_load(&guarded->dials);
    guarded->silent_checks = dials == guarded->dials_before ? guarded->silent_checks + 1 : 0;
    guarded->dials_before = dials;
    if (!guarded->probing)
        guarded->probing = dial_probe(guarded) == 0;
    else if (atomic_load(&guarded->unseen) >= MAX_UNSEEN || guarded->silent_checks >= SILENT_CHECKS)
        begin_anew(guarded);
}

/* --- life --- */

/* On an nng thread, on the listening side. Whatever of this process comes, it comes through a living listener. */
static void on_pipe_coming(nng_pipe pipe, nng_pipe_ev event, void *context)
{
    struct nng_guarded_listener *guarded = context;
    uint64_t pid;
    NNG_TAKES(guarded);
    if (!nng_turn_strangers_away(pipe, event) &&
        nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0 && pid == (uint64_t)getpid())
        atomic_store(&guarded->unseen, 0);
    NNG_GIVES(guarded);
}

/* Held until the process ends; the file stays, which is harmless. On error -1 and the reason in errno. */
static int hold_lock(const char *url)
{
    char path[MAX_PATH_BYTES];
    snprintf(path, sizeof path, "%s.lock", url + strlen("ipc://"));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0660);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static bool lock_and_listen(struct nng_guarded_listener *guarded,
                            int (*open_probe)(nng_socket *probe_out), char *message_out,
                            int message_size)
{
    guarded->lock_fd = hold_lock(guarded->url);
    if (guarded->lock_fd < 0) {
        snprintf(message_out, (size_t)message_size, "cannot lock %s.lock: %s; %s",
                 guarded->url + strlen("ipc://"), strerror(errno),
                 errno == EWOULDBLOCK ? "stop the daemon of this name that runs already"
                                      : "make its folder, writable for this user");
        return false;
    }
    NNG_GIVES(guarded);
    nng_pipe_notify(guarded->socket, NNG_PIPE_EV_ADD_PRE, on_pipe_coming, guarded);
    int error = listen_now(guarded);
    if (error == 0)
        error = make_probe(guarded, open_probe);
    if (error == 0)
        return true;
    snprintf(message_out, (size_t)message_size, "cannot listen on %s: %s", guarded->url,
             nng_strerror(error));
    if (guarded->listening)
        nng_listener_close(guarded->listener);
    close(guarded->lock_fd);
    return false;
}

struct nng_guarded_listener *nng_guarded_listener_create(struct nng_bus *bus, nng_socket socket,
                                                         const char *url,
                                                         int (*open_probe)(nng_socket *probe_out),
                                                         char *message_out, int message_size)
{
    struct nng_guarded_listener *guarded = mem_zalloc(sizeof *guarded);
    guarded->socket = socket;
    guarded->url = mem_string(url);
    metrics_register(&relistens_total);
    if (!lock_and_listen(guarded, open_probe, message_out, message_size)) {
        mem_free(guarded->url);
        mem_free(guarded);
        return NULL;
    }
    guarded->check = loop_timer_create(nng_bus_loop(bus), on_check, guarded);
    loop_timer_repeat(guarded->check, CHECK_MS);
    return guarded;
}

void nng_guarded_listener_destroy(struct nng_guarded_listener **listener)
{
    struct nng_guarded_listener *guarded = *listener;
    if (guarded == NULL)
        return;
    loop_timer_destroy(&guarded->check);
    nng_close(guarded->probe); /* with its dialer; after it no callback of the probe runs */
    if (guarded->listening)
        nng_listener_close(guarded->listener);
    close(guarded->lock_fd);
    NNG_TAKES(guarded);
    mem_free(guarded->url);
    mem_free(guarded);
    *listener = NULL;
}
