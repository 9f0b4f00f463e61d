/* A listening Unix socket that survives the exhaustion of descriptors: on EMFILE and ENFILE it stops accepting for a
 * while instead of spinning (libevent's own acceptor would be called again at once, for ever). Sockets are made 0660; a
 * lock file beside the socket tells a living owner from a dead one, whose socket is replaced; the peer's user
 * is checked (SO_PEERCRED, unix(7)). */
#ifndef PARLEY_NET_LISTENER_H
#define PARLEY_NET_LISTENER_H

#include "shared/net/loop.h"

struct listener;
struct evconnlistener;
typedef void (*listener_accept)(void *context,
                                int fd); /* the callee owns fd (non-blocking, close-on-exec) */

/* NULL with one line in message_out (the path, what is wrong, the mend). */
struct listener *listener_create(struct loop *loop, const char *path, listener_accept on_accept,
                                 void *context, char *message_out, int message_size);
void listener_stop(struct listener *listener); /* accept no more; connections live on */
void listener_destroy(struct listener **listener);

/* For evhttp_bind_listener: made without on_accept, accepting on its own. evhttp owns and frees the evconnlistener from
 * then on: listener_destroy first, evhttp_free after it. Who accepts so asks listener_is_trusted_peer by itself. */
struct evconnlistener *listener_evconnlistener(struct listener *listener);

/* Trusted are root, this process's own user, and members of its group, such as the front door's user. */
bool listener_is_trusted_peer(int fd);

#endif
