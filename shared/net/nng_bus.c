/* The bridge: a locked list of completions and an eventfd that is written when the list was empty. And the cure of what
 * ails nng 1.5.2's ipc at the root. */
#include "shared/net/nng_bus_internal.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shared/base/mem.h"

struct nng_bus {
    struct loop *loop;
    pthread_mutex_t lock;
    struct nng_completion *first, **last; /* told, and not yet looked at */
    struct nng_completion
        *taken; /* being looked at, in this turn; only the loop moves it, under the lock */
    int wake_fd;
    struct event *wake;
};

void nng_completion_tell(void *context)
{
    struct nng_completion *completion = context;
    static const uint64_t one = 1;
    NNG_TAKES(completion);
    struct nng_bus *bus = completion->bus;
    pthread_mutex_lock(&bus->lock);
    bool was_empty = bus->first == NULL;
    if (!completion->queued) {
        completion->queued = true;
        completion->next = NULL;
        *bus->last = completion;
        bus->last = &completion->next;
    }
    pthread_mutex_unlock(&bus->lock);
    /* An eventfd takes 2^64-2 writes before one would block: this cannot fail but for our own bugs. */
    if (was_empty && write(bus->wake_fd, &one, sizeof one) != sizeof one)
        abort();
    NNG_GIVES(bus);
}

static void take_all(struct nng_bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    bus->taken = bus->first;
    bus->first = NULL;
    bus->last = &bus->first;
    pthread_mutex_unlock(&bus->lock);
}

static struct nng_completion *take_one(struct nng_bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    struct nng_completion *completion = bus->taken;
    if (completion != NULL) {
        bus->taken = completion->next;
        completion->queued = false;
    }
    pthread_mutex_unlock(&bus->lock);
    return completion;
}

/* What was told before this turn, and no more: else a busy peer would keep the turn from ever ending, and with it
 * everything that is gathered until its end. One at a time, so that a callback may cancel any other completion. */
static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct nng_bus *bus = context;
    struct nng_completion *completion;
    uint64_t told;
    (void)what;
    if (read(fd, &told, sizeof told) != sizeof told)
        return;
    take_all(bus);
    while ((completion = take_one(bus)) != NULL)
        completion->on_done(completion->context);
}

static bool unlink_from(struct nng_completion **link, const struct nng_completion *completion)
{
    while (*link != NULL && *link != completion)
        link = &(*link)->next;
    if (*link == NULL)
        return false;
    *link = completion->next;
    return true;
}

void nng_completion_cancel(struct nng_completion *completion)
{
    struct nng_bus *bus = completion->bus;
    pthread_mutex_lock(&bus->lock);
    if (completion->queued && !unlink_from(&bus->taken, completion)) {
        unlink_from(&bus->first, completion);
        for (bus->last = &bus->first; *bus->last != NULL;)
            bus->last = &(*bus->last)->next;
    }
    completion->queued = false;
    pthread_mutex_unlock(&bus->lock);
}

struct loop *nng_bus_loop(struct nng_bus *bus)
{
    return bus->loop;
}

struct nng_bus *nng_bus_create(struct loop *loop)
{
    struct nng_bus *bus = mem_zalloc(sizeof *bus);
    bus->loop = loop;
    bus->last = &bus->first;
    pthread_mutex_init(&bus->lock, NULL);
    bus->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (bus->wake_fd < 0)
        abort();
    bus->wake = event_new(loop_base(loop), bus->wake_fd, EV_READ | EV_PERSIST, on_wake, bus);
    event_add(bus->wake, NULL);
    return bus;
}

void nng_bus_destroy(struct nng_bus **bus)
{
    if (*bus == NULL)
        return;
    NNG_TAKES(*bus);
    event_free((*bus)->wake);
    close((*bus)->wake_fd);
    pthread_mutex_destroy(&(*bus)->lock);
    mem_free(*bus);
    *bus = NULL;
}

/* Runs on nng's threads: only looks and closes. */
bool nng_turn_strangers_away(nng_pipe pipe, nng_pipe_ev event)
{
    uint64_t uid;
    (void)event;
    bool is_stranger =
        nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) == 0 && uid != geteuid();
    if (is_stranger)
        nng_pipe_close(pipe);
    return is_stranger;
}

/* nng 1.5.2 takes a peer that is gone when it writes its handshake for its own end (upstream #1518): the listener never
 * accepts again, the dialer never dials again. It cannot tell the two because it gives EPIPE and "closed" one number;
 * ECONNRESET has its own, and is dealt with as it should be. nng writes with sendmsg, found through the program's symbols
 * before the C library's, and nothing else here does. Weak, so that a test can do without it. */
__attribute__((weak)) ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = syscall(SYS_sendmsg, fd, message, flags);
    if (sent < 0 && errno == EPIPE)
        errno = ECONNRESET;
    return sent;
}
