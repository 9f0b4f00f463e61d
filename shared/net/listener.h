/* A listening Unix socket that survives the exhaustion of descriptors: on EMFILE and ENFILE it stops accepting for a
 * while instead of spinning (libevent's own acceptor would be called again at once, for ever). Sockets are made 0660; a
 * stale socket file of a dead process is replaced; the peer's uid is checked at accept (SO_PEERCRED, unix(7)) when asked. */
#ifndef PARLEY_NET_LISTENER_H
#define PARLEY_NET_LISTENER_H

#include "shared/net/loop.h"

struct listener;
struct evconnlistener;
typedef void (*listener_accept)(void *context, int fd); /* the callee owns fd (non-blocking, close-on-exec) */

/* NULL with one line in message_out (the path, what is wrong, the mend). */
struct listener *listener_create(struct loop *loop, const char *path, listener_accept on_accept, void *context,
                                 char *message_out, int message_size);
void listener_stop(struct listener *listener);  /* accept no more; connections live on */
void listener_destroy(struct listener **listener);
/* For evhttp_bind_listener: the same listener with the same care, accepting on its own. */
struct evconnlistener *listener_evconnlistener(struct listener *listener);

#endif
