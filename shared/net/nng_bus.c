/* The bridge: a locked list of completions and an eventfd that is written when the list was empty. */
#include "shared/net/nng_bus_internal.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "shared/base/mem.h"

#define RECONNECT_MIN_MS 20
#define RECONNECT_MAX_MS 200

struct nng_bus {
    struct loop *loop;
    pthread_mutex_t lock;
    struct nng_completion *first, **last;
    int wake_fd;
    struct event *wake;
};

void nng_completion_tell(void *context)
{
    struct nng_completion *completion = context;
    struct nng_bus *bus = completion->bus;
    static const uint64_t one = 1;
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
}

static struct nng_completion *take_first(struct nng_bus *bus)
{
    pthread_mutex_lock(&bus->lock);
    struct nng_completion *completion = bus->first;
    if (completion != NULL) {
        bus->first = completion->next;
        if (bus->first == NULL)
            bus->last = &bus->first;
        completion->queued = false;
    }
    pthread_mutex_unlock(&bus->lock);
    return completion;
}

/* One at a time, so that a callback may cancel any other completion. */
static void on_wake(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct nng_bus *bus = context;
    struct nng_completion *completion;
    uint64_t told;
    if (read(fd, &told, sizeof told) != sizeof told)
        return;
    while ((completion = take_first(bus)) != NULL)
        completion->on_done(completion->context);
}

void nng_completion_cancel(struct nng_completion *completion)
{
    struct nng_bus *bus = completion->bus;
    pthread_mutex_lock(&bus->lock);
    struct nng_completion **link = &bus->first;
    while (*link != NULL && *link != completion)
        link = &(*link)->next;
    if (*link != NULL) {
        *link = completion->next;
        if (bus->last == &completion->next)
            bus->last = link;
        completion->queued = false;
    }
    pthread_mutex_unlock(&bus->lock);
}

struct loop *nng_bus_loop(struct nng_bus *bus) { return bus->loop; }

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
    event_free((*bus)->wake);
    close((*bus)->wake_fd);
    pthread_mutex_destroy(&(*bus)->lock);
    mem_free(*bus);
    *bus = NULL;
}

/* Runs on nng's threads: only looks and closes. */
void nng_turn_strangers_away(nng_pipe pipe, nng_pipe_ev event, void *unused)
{
    uint64_t uid;
    (void)event;
    (void)unused;
    if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) == 0 && uid != geteuid())
        nng_pipe_close(pipe);
}

int nng_dial_patiently(nng_socket socket, const char *url, size_t max_bytes)
{
    nng_dialer dialer;
    nng_pipe_notify(socket, NNG_PIPE_EV_ADD_PRE, nng_turn_strangers_away, NULL);
    int error = nng_dialer_create(&dialer, socket, url);
    if (error != 0)
        return error;
    nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, max_bytes);
    return nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
}
