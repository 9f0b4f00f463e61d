/* Who owns a path is decided by flock(2) on "<path>.lock", never by a connection for trial: the kernel drops the lock
 * with the process, however it ends, and nothing that listens there is disturbed. */
#include "shared/net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define BACKLOG       4096 /* a storm of connections waits in the kernel */
#define PAUSE_MS      100  /* without descriptors */
#define MAX_GROUPS    256  /* of a peer; one with more is not trusted */
#define SOCKET_MODE   0660
#define LOCK_MODE     0600
#define LOCK_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path + sizeof ".lock")

struct listener {
    char *path;
    int lock;
    struct evconnlistener *acceptor;
    bool is_handed_over; /* evhttp frees the acceptor */
    struct loop_timer *pause;
    listener_accept on_accept;
    void *context;
    struct listener *next; /* of all */
};

/* evhttp_bind_listener takes the acceptor's context for itself: the error callback finds the listener here. */
static struct listener *all_listeners;

static struct metric exhausted_metric = {.name = "parley_listener_pauses_total",
                                         .labels = "",
                                         .help =
                                             "Times that accepting paused for want of descriptors.",
                                         .kind = METRIC_COUNTER};
static struct metric untrusted_metric = {.name = "parley_listener_untrusted_total",
                                         .labels = "",
                                         .help = "Connections of users that may not connect.",
                                         .kind = METRIC_COUNTER};

/* --- peers --- */

static bool is_in_our_group(int fd)
{
    gid_t groups[MAX_GROUPS];
    socklen_t size = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
        return false;
    for (size_t i = 0; i < size / sizeof groups[0]; i++) {
        if (groups[i] == getegid())
            return true;
    }
    return false;
}

bool listener_is_trusted_peer(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == getegid() || is_in_our_group(fd))
        return true;
    metric_add(&untrusted_metric, 1);
    log_warning("peer_not_trusted", LOG_NUMBER("uid", peer.uid));
    return false;
}

/* --- making the socket --- */

static bool fail(char *message_out, int message_size, const char *path, const char *what)
{
    snprintf(message_out, (size_t)message_size, "%s: %s", path, what);
    return false;
}

static bool take_lock(struct listener *listener, char *message_out, int message_size)
{
    char lock_path[LOCK_PATH_MAX], what[160];
    snprintf(lock_path, sizeof lock_path, "%s.lock", listener->path);
    listener->lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, LOCK_MODE);
    if (listener->lock < 0) {
        snprintf(what, sizeof what,
                 "cannot be made (%s): does the folder exist, and may this user write to it?",
                 strerror(errno));
        return fail(message_out, message_size, lock_path, what);
    }
    if (flock(listener->lock, LOCK_EX | LOCK_NB) != 0)
        return fail(
            message_out, message_size, listener->path,
            "another process listens here: stop it first, or set PARLEY_RUN_DIR to another folder");
    return true;
}

/* The mode of the socket before bind(2) is that of the file: it is at no time wider than SOCKET_MODE. */
static int bind_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    if (fchmod(fd, SOCKET_MODE) == 0 &&
        bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(path, SOCKET_MODE) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool check_path(const char *path, char *message_out, int message_size)
{
    if (strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path)
        return true;
    return fail(message_out, message_size, path,
                "is longer than the 107 bytes that a socket may have: set PARLEY_RUN_DIR to a "
                "shorter folder");
}

/* --- accepting --- */

static void on_connection(struct evconnlistener *acceptor, evutil_socket_t fd,
                          struct sockaddr *address, int length, void *context)
{
    struct listener *listener = context;
    (void)acceptor;
    (void)address;
    (void)length;
    if (listener_is_trusted_peer(fd))
        listener->on_accept(listener->context, fd);
    else
        close(fd);
}

static struct listener *listener_of(const struct evconnlistener *acceptor)
{
    struct listener *listener = all_listeners;
    while (listener->acceptor != acceptor)
        listener = listener->next;
    return listener;
}

static void on_accept_error(struct evconnlistener *acceptor, void *context)
{
    int error = EVUTIL_SOCKET_ERROR();
    struct listener *listener = listener_of(acceptor);
    (void)context;
    log_warning("accept_failed", LOG_STRING("path", listener->path),
                LOG_STRING("error", strerror(error)));
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM)
        return;
    metric_add(&exhausted_metric, 1);
    evconnlistener_disable(acceptor);
    loop_timer_start(listener->pause, PAUSE_MS);
}

static void on_pause_end(void *context)
{
    struct listener *listener = context;
    evconnlistener_enable(listener->acceptor);
}

static bool start(struct listener *listener, struct loop *loop, char *message_out, int message_size)
{
    char what[160];
    int fd = bind_socket(listener->path);
    if (fd >= 0)
        listener->acceptor = evconnlistener_new(
            loop_base(loop), listener->on_accept == NULL ? NULL : on_connection, listener,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (listener->acceptor == NULL) {
        snprintf(what, sizeof what,
                 "cannot listen here (%s): does the folder exist, and may this user write to it?",
                 strerror(errno));
        if (fd >= 0)
            close(fd);
        return fail(message_out, message_size, listener->path, what);
    }
    evconnlistener_set_error_cb(listener->acceptor, on_accept_error);
    return true;
}

struct listener *listener_create(struct loop *loop, const char *path, listener_accept on_accept,
                                 void *context, char *message_out, int message_size)
{
    if (!check_path(path, message_out, message_size))
        return NULL;
    struct listener *listener = mem_zalloc(sizeof *listener);
    listener->path = mem_string(path);
    listener->lock = -1;
    listener->next = all_listeners;
    all_listeners = listener;
    listener->on_accept = on_accept;
    listener->context = context;
    listener->pause = loop_timer_create(loop, on_pause_end, listener);
    metrics_register(&exhausted_metric);
    metrics_register(&untrusted_metric);
    if (!take_lock(listener, message_out, message_size) ||
        !start(listener, loop, message_out, message_size))
        listener_destroy(&listener);
    return listener;
}

void listener_stop(struct listener *listener)
{
    loop_timer_stop(listener->pause);
    evconnlistener_disable(listener->acceptor);
}

static void forget(const struct listener *listener)
{
    struct listener **link = &all_listeners;
    while (*link != listener)
        link = &(*link)->next;
    *link = listener->next;
}

/* The socket is ours to remove as long as the lock is held. */
void listener_destroy(struct listener **listener_)
{
    struct listener *listener = *listener_;
    if (listener == NULL)
        return;
    *listener_ = NULL;
    forget(listener);
    loop_timer_destroy(&listener->pause);
    if (listener->acceptor != NULL) {
        unlink(listener->path);
        evconnlistener_disable(listener->acceptor);
        evconnlistener_set_error_cb(listener->acceptor, NULL);
        if (!listener->is_handed_over)
            evconnlistener_free(listener->acceptor);
    }
    if (listener->lock >= 0)
        close(listener->lock);
    mem_free(listener->path);
    mem_free(listener);
}

struct evconnlistener *listener_evconnlistener(struct listener *listener)
{
    listener->is_handed_over = true;
    return listener->acceptor;
}
