/* Listening in spite of nng 1.5.2's silent death of ipc listeners (upstream #1518): a listener whose peer vanishes during
 * the handshake takes that for its own end and never accepts again, while dials and sends still seem to work. Its cause is
 * taken away in nng_bus.c; this is for whatever else may end a listener.
 *
 * A lock file is held before the path is touched, so that no second process ever probes it. Once a second we connect to
 * the path ourselves and do the handshake, and the listening side must see it come (an answer to the handshake alone proves
 * nothing: a dead listener still gives it). When it does not, the listener is closed and made anew on the same socket. That
 * closes its connections as well; peers dial again, and what they had asked is uncertain to them.
 *
 * The handshake is done here, not by a dialer of nng: a dial of nng's wakes eight threads, and after its pause nng's timer
 * spins for the rest of a millisecond, which was most of what an idle daemon did. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/net/nng_bus_internal.h"

#define PROBE_MS        1000
#define MAX_UNSEEN      3 /* answered probes in a row that the listening side has not seen: it is dead */
#define MAX_SILENT      12 /* probes in a row without an answer: whatever the reason, begin anew */
#define MAX_PATH_BYTES  120
#define HANDSHAKE_BYTES 8

struct nng_guarded_listener {
    nng_socket socket;
    nng_listener listener;
    bool listening;
    char *url;
    int lock_fd;
    struct loop *loop;
    struct loop_timer *probe;
    int probe_fd; /* -1: none */
    struct event *answer;
    size_t answered_bytes;
    bool answered;    /* the last probe was, in full */
    atomic_bool seen; /* by the listening side, since the last probe began; set on nng's threads */
    int unseen, silent;
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

/* --- the probe --- */

static void end_probe(struct nng_guarded_listener *guarded)
{
    if (guarded->probe_fd < 0)
        return;
    event_free(guarded->answer);
    close(guarded->probe_fd);
    guarded->probe_fd = -1;
}

/* Closed only when the listening side has written its part: a peer that is gone before is what kills a listener. */
static void on_answer(evutil_socket_t fd, short what, void *context)
{
    struct nng_guarded_listener *guarded = context;
    char bytes[HANDSHAKE_BYTES];
    (void)what;
    ssize_t length = recv(fd, bytes, sizeof bytes - guarded->answered_bytes, MSG_DONTWAIT);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length > 0)
        guarded->answered_bytes += (size_t)length;
    guarded->answered = guarded->answered_bytes == sizeof bytes;
    if (length <= 0 || guarded->answered)
        end_probe(guarded);
}

/* The handshake of the Scalability Protocols over a stream: "\0SP\0", the protocol in two bytes, two zeros. */
static bool send_handshake(const struct nng_guarded_listener *guarded)
{
    unsigned char bytes[HANDSHAKE_BYTES] = {0, 'S', 'P', 0};
    int protocol;
    if (nng_socket_get_int(guarded->socket, NNG_OPT_PEER, &protocol) != 0)
        return false;
    bytes[4] = (unsigned char)(protocol >> 8);
    bytes[5] = (unsigned char)protocol;
    return send(guarded->probe_fd, bytes, sizeof bytes, MSG_NOSIGNAL) == sizeof bytes;
}

static bool connect_probe(const struct nng_guarded_listener *guarded)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", guarded->url + strlen("ipc://"));
    return connect(guarded->probe_fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

static void begin_probe(struct nng_guarded_listener *guarded)
{
    guarded->probe_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (guarded->probe_fd < 0)
        return;
    guarded->answer = event_new(loop_base(guarded->loop), guarded->probe_fd, EV_READ | EV_PERSIST,
                                on_answer, guarded);
    guarded->answered_bytes = 0;
    if (connect_probe(guarded) && send_handshake(guarded))
        event_add(guarded->answer, NULL);
    else
        end_probe(guarded);
}

static void begin_anew(struct nng_guarded_listener *guarded)
{
    end_probe(guarded);
    listen_anew(guarded);
    guarded->unseen = guarded->silent = 0;
}

/* Judges the last probe, which had a second, and begins the next. One that is not answered yet is waited for. A false alarm
 * costs every connection: it takes more than one miss. */
static void on_probe(void *context)
{
    struct nng_guarded_listener *guarded = context;
    bool seen = atomic_load(&guarded->seen);
    guarded->silent = guarded->answered || seen ? 0 : guarded->silent + 1;
    guarded->unseen = seen ? 0 : guarded->unseen + (guarded->answered ? 1 : 0);
    if (guarded->unseen >= MAX_UNSEEN || guarded->silent >= MAX_SILENT)
        begin_anew(guarded);
    if (guarded->probe_fd >= 0)
        return;
    guarded->answered = false;
    atomic_store(&guarded->seen, false);
    begin_probe(guarded);
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
        atomic_store(&guarded->seen, true);
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

static bool lock_and_listen(struct nng_guarded_listener *guarded, char *message_out,
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
        return true;
    snprintf(message_out, (size_t)message_size, "cannot listen on %s: %s", guarded->url,
             nng_strerror(error));
    close(guarded->lock_fd);
    return false;
}

struct nng_guarded_listener *nng_guarded_listener_create(struct nng_bus *bus, nng_socket socket,
                                                         const char *url, char *message_out,
                                                         int message_size)
{
    struct nng_guarded_listener *guarded = mem_zalloc(sizeof *guarded);
    guarded->socket = socket;
    guarded->url = mem_string(url);
    guarded->loop = nng_bus_loop(bus);
    guarded->probe_fd = -1;
    guarded->answered = true; /* nothing to judge at first */
    atomic_init(&guarded->seen, true);
    metrics_register(&relistens_total);
    if (!lock_and_listen(guarded, message_out, message_size)) {
        mem_free(guarded->url);
        mem_free(guarded);
        return NULL;
    }
    guarded->probe = loop_timer_create(guarded->loop, on_probe, guarded);
    loop_timer_repeat(guarded->probe, PROBE_MS);
    return guarded;
}

void nng_guarded_listener_destroy(struct nng_guarded_listener **listener)
{
    struct nng_guarded_listener *guarded = *listener;
    if (guarded == NULL)
        return;
    loop_timer_destroy(&guarded->probe);
    end_probe(guarded);
    if (guarded->listening)
        nng_listener_close(guarded->listener);
    close(guarded->lock_fd);
    NNG_TAKES(guarded);
    mem_free(guarded->url);
    mem_free(guarded);
    *listener = NULL;
}
