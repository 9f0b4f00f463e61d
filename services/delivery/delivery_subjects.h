/* Who follows whose presence: of each connection a set of users, its subscriptions, and of each such user, a subject,
 * those who follow. With what is to be seen of a subject, and what its followers were told of that last.
 *
 * A subject is there as long as somebody follows it. Whether one may follow is not looked at here. Bounded in
 * subscriptions of all connections together. No input or output, and no clock of its own. */
#ifndef PARLEY_DELIVERY_SUBJECTS_H
#define PARLEY_DELIVERY_SUBJECTS_H

#include <uthash.h>

#include "services/delivery/delivery_connection.h"

enum presence {
    PRESENCE_UNKNOWN, /* it is being found out */
    PRESENCE_HIDDEN,  /* the user does not want to be seen */
    PRESENCE_ONLINE,
    PRESENCE_OFFLINE
};

struct presence_subject;
struct delivery_subjects;

struct subscription {
    struct connection *connection;
    struct subscription *next, **link; /* who else follows the subject */
    struct presence_subject *subject;  /* NULL: it was dropped; its place in the set stays empty */
    bool is_behind; /* what is to be seen was not told, for the connection took no more */
};

/* What a connection follows. */
struct presence_set {
    struct connection *connection;
    struct presence_set *next, **link; /* in the order in which they were last checked */
    int64_t checked_ms;
    bool is_behind; /* one of the places is, or was */
    size_t size, left;
    struct subscription places[];
};

struct presence_subject {
    int64_t user_id;
    enum presence now, told;
    int64_t last_seen_ms; /* OFFLINE; 0: not known */
    bool is_asked;        /* UNKNOWN: it is being found out */
    bool must_tell;       /* not all followers believe in `told` … */
    bool was_shown;       /* … and one of them has seen something */
    bool is_changed;      /* is in the queue of those to be told of */
    bool is_suspect;      /* is in the queue of those whose followers are to be checked */
    struct subscription *followers;
    struct subscription *tell_walk, *check_walk; /* the next of each walk */
    struct presence_subject *next_changed, *next_suspect;
    UT_hash_handle hh;
};

struct delivery_subjects *delivery_subjects_create(size_t max_subscriptions);
void delivery_subjects_destroy(
    struct delivery_subjects **subjects); /* the connections' sets must be dropped */

struct presence_subject *delivery_subjects_find(struct delivery_subjects *subjects,
                                                int64_t user_id); /* NULL: nobody follows */
/* These and no others from now on; each once. New subjects are UNKNOWN. False: no room, the former set stays. */
bool delivery_subjects_replace(struct delivery_subjects *subjects, struct connection *connection,
                               const int64_t *users, size_t count, int64_t now_ms);
void delivery_subjects_drop_user(struct delivery_subjects *subjects, struct connection *connection,
                                 int64_t user_id);
void delivery_subjects_drop(struct delivery_subjects *subjects, struct connection *connection);

/* --- what is to be told --- */
/* Of a subject whose only follower is told it at once. */
void delivery_subjects_begin(struct presence_subject *subject, enum presence now);
/* Queues it if that is another than its followers know. */
void delivery_subjects_set(struct delivery_subjects *subjects, struct presence_subject *subject,
                           enum presence now, int64_t last_seen_ms);
bool delivery_subjects_have_changes(const struct delivery_subjects *subjects);
/* The next whose followers must be told, NULL: none. Valid until the walk over them has ended. */
struct presence_subject *delivery_subjects_start_telling(struct delivery_subjects *subjects);
struct subscription *
delivery_subjects_tell_next(struct delivery_subjects *subjects,
                            struct presence_subject *subject); /* NULL: the end */

/* --- what is to be checked --- */
void delivery_subjects_suspect(struct delivery_subjects *subjects, int64_t user_id);
/* The next follower of a suspected subject; false: there is none. */
bool delivery_subjects_next_suspect(struct delivery_subjects *subjects, int64_t *follower_out,
                                    int64_t *user_out);
/* The connection's set is the next to be checked. */
void delivery_subjects_suspect_set(struct delivery_subjects *subjects,
                                   struct connection *connection);
/* The set that was checked longest ago, if that is before `before_ms`; it counts as checked now. NULL: none. */
struct presence_set *delivery_subjects_next_set(struct delivery_subjects *subjects,
                                                int64_t before_ms, int64_t now_ms);
size_t delivery_subjects_count(const struct delivery_subjects *subjects); /* subscriptions */

#endif
