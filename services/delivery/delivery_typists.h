/* Who is typing where: what was said, what the watchers of a chat were told of it, and what they have yet to be told.
 *
 * A typist is one user in one chat. While they type they stand in one queue, by when that ends by itself; afterwards they
 * rest in another for some seconds, so that their right to write, which was asked of chat, is known when they go on. Of a
 * chat only so many are told at once. Bounded in typists: the one that has rested longest goes first.
 *
 * No input or output, and no clock of its own. Times are monotonic. */
#ifndef PARLEY_DELIVERY_TYPISTS_H
#define PARLEY_DELIVERY_TYPISTS_H

#include <uthash.h>

#include "services/delivery/delivery_connection.h"

#define TYPISTS_TOLD_MAX    20 /* of one chat, at once: who looks at it cannot follow more */
#define TYPISTS_CHANGES_MAX 64 /* taken at once */
#define TYPISTS_AGAIN_MS \
    3000 /* on while on is told again after so long, for those who came since */
#define TYPISTS_RIGHT_MS 10000 /* for which the right to write is believed */

struct delivery_typists;
struct typing_chat;

struct typist {
    struct {
        int64_t chat_id, user_id;
    } key;
    struct connection *connection; /* that said so; NULL while they rest */
    struct typing_chat *chat;      /* while there is something told or to tell of them */
    bool is_on;
    bool is_told;    /* those who watch the chat believe that they type */
    bool is_changed; /* stands among the chat's changes */
    bool has_right;
    uint32_t right_era;
    int64_t right_until_ms;
    int64_t due_ms; /* on: when it ends; off: when they are forgotten */
    int64_t told_ms;
    struct typist *next, **link; /* in the queue of those who type, or who rest */
    struct typist *next_of_connection, **connection_link;
    struct typist *next_changed;
    UT_hash_handle hh;
};

struct typing_change {
    int64_t user_id;
    bool on;
};

struct delivery_typists *delivery_typists_create(size_t max_typists, int64_t typing_ms);
void delivery_typists_destroy(struct delivery_typists **typists);

/* Says that they type, or go on; finds or makes the typist. NULL: there are too many. */
struct typist *delivery_typists_start(struct delivery_typists *typists,
                                      struct connection *connection, int64_t chat_id,
                                      int64_t now_ms);
struct typist *delivery_typists_find(struct delivery_typists *typists, int64_t chat_id,
                                     int64_t user_id); /* NULL: there is none */
/* They do not type any more. Frees it when nobody was told of it and no right is known of it. */
void delivery_typists_stop(struct delivery_typists *typists, struct typist *typist, int64_t now_ms);
void delivery_typists_gone(struct delivery_typists *typists, struct connection *connection,
                           int64_t now_ms);
void delivery_typists_sweep(struct delivery_typists *typists, int64_t now_ms); /* what is due */

/* --- the right to write --- */
bool delivery_typists_may(const struct delivery_typists *typists, const struct typist *typist,
                          int64_t now_ms);
void delivery_typists_allow(struct delivery_typists *typists, struct typist *typist,
                            int64_t now_ms);
void delivery_typists_deny(struct delivery_typists *typists, struct typist *typist,
                           int64_t now_ms);                            /* stops it, too */
void delivery_typists_forget_rights(struct delivery_typists *typists); /* of all */

/* --- what is to be told --- */
bool delivery_typists_have_changes(const struct delivery_typists *typists);
/* Of one chat, those that the watchers do not know of yet, which they then do. Returns how many: perhaps none. */
size_t delivery_typists_take(struct delivery_typists *typists, int64_t now_ms, int64_t *chat_id_out,
                             struct typing_change changes_out[TYPISTS_CHANGES_MAX]);
size_t delivery_typists_count(const struct delivery_typists *typists);

#endif
