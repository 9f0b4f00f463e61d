/* The bridge from nng's threads into the loop, for the files of the bus only. */
#ifndef PARLEY_NET_NNG_BUS_INTERNAL_H
#define PARLEY_NET_NNG_BUS_INTERNAL_H

#include <nng/nng.h>

#include "shared/net/nng_bus.h"

/* Something that nng's threads tell the loop of: an aio that has completed, a pipe that came or went. Told again before
 * the loop has looked, it is looked at once. Embedded in its owner, which must call nng_completion_cancel before it is
 * freed, and after nng can no longer tell (nng_aio_stop). */
struct nng_completion {
    struct nng_bus *bus;
    loop_callback on_done;         /* in the loop */
    void *context;
    bool queued;                   /* under the bus's lock */
    struct nng_completion *next;
};

/* Safe on any thread. Also the callback of an aio (nng_aio_alloc) whose argument is the completion. */
void nng_completion_tell(void *completion);
void nng_completion_cancel(struct nng_completion *completion);

struct loop *nng_bus_loop(struct nng_bus *bus);

/* A listener with the counter-measures of nng_listener.c. `probe` opens a socket of the peer's protocol. */
struct nng_guarded_listener;
struct nng_guarded_listener *nng_guarded_listener_create(struct nng_bus *bus, nng_socket socket, const char *url,
                                                         int (*open_probe)(nng_socket *probe_out), char *message_out,
                                                         int message_size);
void nng_guarded_listener_destroy(struct nng_guarded_listener **listener);

/* Dials in the background, for the life of the socket, and turns peers of another uid away. */
int nng_dial_patiently(nng_socket socket, const char *url, size_t max_bytes);
/* NNG_PIPE_EV_ADD_PRE callback: closes a pipe whose peer has another uid than ours. */
void nng_turn_strangers_away(nng_pipe pipe, nng_pipe_ev event, void *unused);

#endif
