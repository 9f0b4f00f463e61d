/* Who is there to deliver to: users and their devices.
 *
 * A user is known from the first event or connection on. Their devices are exact once they have been loaded from the
 * user daemon, and stay so by its feed of changes; until then an event for them is remembered as a pair (user, event),
 * and so it is until the round in which it came is over (delivery_park.h): a device that turns up meanwhile is given all
 * of them, so it misses nothing that was committed after its login returned. Users without connections are forgotten,
 * the longest untouched first, when there are too many. */
#ifndef PARLEY_DELIVERY_PEOPLE_H
#define PARLEY_DELIVERY_PEOPLE_H

#include "services/delivery/delivery_device.h"

struct delivery_people;

struct delivery_pair {
    struct delivery_user *user;
    struct delivery_event *event;
    struct delivery_pair *next_of_user;
    struct delivery_pair *next_of_round;
};

struct delivery_user {
    int64_t user_id;
    struct device *devices;
    struct delivery_pair *first_pair, *last_pair;
    struct delivery_user *newer, *older; /* in the order of last use */
    uint32_t connected;                  /* devices */
    size_t connected_at;                 /* its place among the connected users */
    uint8_t flags;                       /* enum user_flag; of a connected user they are current */
    bool loaded;                         /* all devices are known */
    bool is_chosen;                      /* while a request for devices is put together */
    UT_hash_handle hh;
};

struct delivery_people *delivery_people_create(struct device_hub *hub, size_t max_idle_users);
void delivery_people_destroy(struct delivery_people **people); /* every device must be offline */

struct delivery_user *delivery_people_find(struct delivery_people *people,
                                           int64_t user_id); /* NULL: unknown */
struct delivery_user *delivery_people_user(struct delivery_people *people,
                                           int64_t user_id); /* makes one */
struct device *delivery_people_device(struct delivery_people *people,
                                      int64_t device_id); /* NULL: unknown */
/* Finds or makes the device; a new one is given the user's pairs. */
struct device *delivery_people_add(struct delivery_people *people, int64_t user_id,
                                   int64_t device_id, int64_t created_change);
void delivery_people_remove(struct delivery_people *people, struct device *device); /* offline */
/* After something that kept a removed device alive has ended. */
void delivery_people_let_go(struct delivery_people *people, struct device *device);

void delivery_people_add_pair(struct delivery_people *people, struct delivery_pair *pair);
void delivery_people_drop_pair(struct delivery_pair *pair); /* the user's oldest; frees it */

void delivery_people_connected(struct delivery_people *people, struct device *device);
void delivery_people_disconnected(struct delivery_people *people, struct device *device);

typedef void (*delivery_people_visit)(void *context, struct device *device);
/* The visitor must not add or remove devices. */
void delivery_people_each(struct delivery_people *people, delivery_people_visit visit,
                          void *context);
size_t delivery_people_device_count(const struct delivery_people *people);

/* The users with a connection, in no order: when one goes, the last takes their place. */
size_t delivery_people_connected_count(const struct delivery_people *people);
struct delivery_user *delivery_people_connected_user(const struct delivery_people *people,
                                                     size_t place);

#endif
