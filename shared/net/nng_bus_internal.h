/* The bridge from nng's threads into the loop, for the files of the bus only. */
#ifndef PARLEY_NET_NNG_BUS_INTERNAL_H
#define PARLEY_NET_NNG_BUS_INTERNAL_H

#include <nng/nng.h>

#include "shared/net/nng_bus.h"

/* Something that nng's threads tell the loop of: an aio that has completed, a pipe that came or went. Told again before
 * the loop has looked, it is looked at once. Embedded in its owner, which must call nng_completion_cancel before it is
 * freed, and after nng can no longer tell (nng_aio_stop). */
/* What is given to nng's threads, and what they give back, is ordered by locks within nng. ThreadSanitizer does not see into
 * libnng; these tell it, and are nothing in other builds (sanitizer/tsan_interface.h). */
#ifdef __SANITIZE_THREAD__
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define NNG_GIVES(address) __tsan_release(address)
#define NNG_TAKES(address) __tsan_acquire(address)
#else
#define NNG_GIVES(address) ((void)(address))
#define NNG_TAKES(address) ((void)(address))
#endif

struct nng_completion {
    struct nng_bus *bus;
    loop_callback on_done; /* in the loop */
    void *context;
    bool queued; /* under the bus's lock */
    struct nng_completion *next;
};

/* Safe on any thread. Also the callback of an aio (nng_aio_alloc) whose argument is the completion. */
void nng_completion_tell(void *completion);
void nng_completion_cancel(struct nng_completion *completion);

struct loop *nng_bus_loop(struct nng_bus *bus);

/* A listener with the counter-measures of nng_listener.c. */
struct nng_guarded_listener;
struct nng_guarded_listener *nng_guarded_listener_create(struct nng_bus *bus, nng_socket socket,
                                                         const char *url, char *message_out,
                                                         int message_size);
void nng_guarded_listener_destroy(struct nng_guarded_listener **listener);

/* Dials for the life of the socket, and tells in the loop of each connection (of two in quick succession maybe once).
 * Destroy it after nng_close(socket), for until then nng's threads use it. */
struct nng_patient_dialer;
struct nng_patient_dialer *nng_patient_dialer_create(struct nng_bus *bus, nng_socket socket,
                                                     const char *url, size_t max_bytes,
                                                     loop_callback on_connected, void *context);
bool nng_patient_dialer_is_connected(const struct nng_patient_dialer *dialer);
void nng_patient_dialer_destroy(struct nng_patient_dialer **dialer);

/* For NNG_PIPE_EV_ADD_PRE, on nng's threads: closes a pipe whose peer has another uid than ours; true when it did. */
bool nng_turn_strangers_away(nng_pipe pipe, nng_pipe_ev event);

#endif
