/* Which chats are open on which connections: of each connection a small set, and of each chat the connections that
 * watch it, so that telling them costs as much as there are of them. In memory only.
 *
 * Membership is not looked at here: whoever puts a chat into a set has asked (delivery_watch_op.h), and the watch of a
 * member who is removed is dropped when that event is fanned out (delivery_live.h). Bounded in watches of all
 * connections together. */
#ifndef PARLEY_DELIVERY_WATCH_H
#define PARLEY_DELIVERY_WATCH_H

#include "services/delivery/delivery_connection.h"

struct delivery_watch;
struct watched_chat;

/* One connection watches one chat. */
struct delivery_watching {
    struct connection *connection;
    struct delivery_watching *next; /* who else watches the chat */
    struct delivery_watching **link;
    struct watched_chat *chat; /* NULL: it was dropped; its place in the set stays empty */
};

struct delivery_watch *delivery_watch_create(size_t max_watches);
void delivery_watch_destroy(
    struct delivery_watch **watch); /* the connections' sets must be dropped */

/* These and no others from now on; each once. False: there is no room, and the former set stays. */
bool delivery_watch_replace(struct delivery_watch *watch, struct connection *connection,
                            const int64_t *chats, size_t count);
void delivery_watch_drop_chat(struct delivery_watch *watch, struct connection *connection,
                              int64_t chat_id); /* if it is watched */
void delivery_watch_drop(struct delivery_watch *watch, struct connection *connection); /* all */

bool delivery_watch_has(const struct connection *connection, int64_t chat_id);
size_t delivery_watch_count(const struct delivery_watch *watch, int64_t chat_id);
/* Who watches the chat, by `next`; NULL: nobody. Valid until a watch of that chat is added or dropped. */
const struct delivery_watching *delivery_watch_first(const struct delivery_watch *watch,
                                                     int64_t chat_id);

/* A walk over those who watch a chat, which may take many turns of the loop: one at a time for each chat. Who comes
 * meanwhile is left out, who goes is passed over. */
void delivery_watch_start_walk(struct delivery_watch *watch, int64_t chat_id);
struct connection *delivery_watch_walk(struct delivery_watch *watch,
                                       int64_t chat_id); /* NULL: the end */

#endif
