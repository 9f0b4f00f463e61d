/* Users and devices in two hash tables, and the users in the order of their last use. */
#include "services/delivery/delivery_people.h"

#include <assert.h>

#include "services/delivery/delivery_hash.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define EVICT_TRIES \
    8 /* users that are looked at for one that is added: eviction must not stall an event */

struct delivery_people {
    struct device_hub *hub;
    struct delivery_user *users;
    struct device *devices;
    struct delivery_user *newest, *oldest;
    struct delivery_user **connected;
    size_t connected_count, connected_capacity;
    size_t max_idle_users;
};

static struct metric users_gauge = {.name = "parley_delivery_users",
                                    .labels = "",
                                    .help = "Users whose devices are remembered.",
                                    .kind = METRIC_GAUGE};
static struct metric devices_gauge = {.name = "parley_delivery_devices",
                                      .labels = "",
                                      .help = "Devices that are remembered.",
                                      .kind = METRIC_GAUGE};

struct delivery_people *delivery_people_create(struct device_hub *hub, size_t max_idle_users)
{
    struct delivery_people *people = mem_zalloc(sizeof *people);
    people->hub = hub;
    people->max_idle_users = max_idle_users;
    metrics_register(&users_gauge);
    metrics_register(&devices_gauge);
    return people;
}

/* --- the order of use --- */

static void unlink_user(struct delivery_people *people, struct delivery_user *user)
{
    *(user->newer != NULL ? &user->newer->older : &people->newest) = user->older;
    *(user->older != NULL ? &user->older->newer : &people->oldest) = user->newer;
}

static void link_newest(struct delivery_people *people, struct delivery_user *user)
{
    user->newer = NULL;
    user->older = people->newest;
    *(people->newest != NULL ? &people->newest->newer : &people->oldest) = user;
    people->newest = user;
}

static void touch(struct delivery_people *people, struct delivery_user *user)
{
    if (people->newest == user)
        return;
    unlink_user(people, user);
    link_newest(people, user);
}

static bool is_forgettable(const struct delivery_user *user)
{
    if (user->connected > 0 || user->first_pair != NULL)
        return false;
    for (const struct device *device = user->devices; device != NULL; device = device->next_of_user)
        if (!device_is_idle(device))
            return false;
    return true;
}

static void free_device(struct delivery_people *people, struct device *device)
{
    device_deinit(device);
    mem_free(device);
    metric_set(&devices_gauge, (int64_t)HASH_COUNT(people->devices));
}

static void forget_user(struct delivery_people *people, struct delivery_user *user)
{
    while (user->devices != NULL) {
        struct device *device = user->devices;
        user->devices = device->next_of_user;
        HASH_DEL(people->devices, device);
        free_device(people, device);
    }
    unlink_user(people, user);
    HASH_DEL(people->users, user);
    mem_free(user);
    metric_set(&users_gauge, (int64_t)HASH_COUNT(people->users));
}

static void forget_some(struct delivery_people *people)
{
    for (int tries = 0; tries < EVICT_TRIES; tries++) {
        struct delivery_user *user = people->oldest;
        if (HASH_COUNT(people->users) - people->connected_count <= people->max_idle_users)
            return;
        if (is_forgettable(user))
            forget_user(people, user);
        else
            touch(people, user);
    }
}

/* --- users --- */

struct delivery_user *delivery_people_find(struct delivery_people *people, int64_t user_id)
{
    struct delivery_user *user;
    HASH_FIND(hh, people->users, &user_id, sizeof user_id, user);
    return user;
}

struct delivery_user *delivery_people_user(struct delivery_people *people, int64_t user_id)
{
    struct delivery_user *user = delivery_people_find(people, user_id);
    if (user != NULL) {
        touch(people, user);
        return user;
    }
    forget_some(people);
    user = mem_zalloc(sizeof *user);
    user->user_id = user_id;
    HASH_ADD(hh, people->users, user_id, sizeof user->user_id, user);
    link_newest(people, user);
    metric_set(&users_gauge, (int64_t)HASH_COUNT(people->users));
    return user;
}

void delivery_people_add_pair(struct delivery_people *people, struct delivery_pair *pair)
{
    struct delivery_user *user = pair->user;
    touch(people, user);
    pair->next_of_user = NULL;
    if (user->first_pair == NULL)
        user->first_pair = pair;
    else
        user->last_pair->next_of_user = pair;
    user->last_pair = pair;
}

void delivery_people_drop_pair(struct delivery_pair *pair)
{
    assert(pair->user->first_pair == pair);
    pair->user->first_pair = pair->next_of_user;
    delivery_event_drop(&pair->event);
    mem_free(pair);
}

/* --- devices --- */

struct device *delivery_people_device(struct delivery_people *people, int64_t device_id)
{
    struct device *device;
    HASH_FIND(hh, people->devices, &device_id, sizeof device_id, device);
    return device;
}

struct device *delivery_people_add(struct delivery_people *people, int64_t user_id,
                                   int64_t device_id, int64_t created_change)
{
    struct device *device = delivery_people_device(people, device_id);
    struct delivery_user *user = delivery_people_user(people, user_id);
    if (device != NULL)
        return device;
    device = mem_zalloc(sizeof *device);
    device_init(device, people->hub, device_id, created_change);
    device->user = user;
    device->next_of_user = user->devices;
    user->devices = device;
    HASH_ADD(hh, people->devices, device_id, sizeof device->device_id, device);
    metric_set(&devices_gauge, (int64_t)HASH_COUNT(people->devices));
    for (struct delivery_pair *pair = user->first_pair; pair != NULL; pair = pair->next_of_user)
        device_deliver(device, pair->event);
    return device;
}

void delivery_people_let_go(struct delivery_people *people, struct device *device)
{
    if (device->removed && device->calls == 0 && !device->is_dirty && !device->is_windowed)
        free_device(people, device);
}

void delivery_people_remove(struct delivery_people *people, struct device *device)
{
    struct device **link = &device->user->devices;
    while (*link != device)
        link = &(*link)->next_of_user;
    *link = device->next_of_user;
    HASH_DEL(people->devices, device);
    device_remove(device);
    delivery_people_let_go(people, device);
}

static void add_connected(struct delivery_people *people, struct delivery_user *user)
{
    if (people->connected_count == people->connected_capacity) {
        people->connected_capacity =
            people->connected_capacity == 0 ? 64 : people->connected_capacity * 2;
        people->connected =
            mem_resize(people->connected, people->connected_capacity * sizeof *people->connected);
    }
    user->connected_at = people->connected_count;
    people->connected[people->connected_count++] = user;
}

static void drop_connected(struct delivery_people *people, const struct delivery_user *user)
{
    struct delivery_user *last = people->connected[--people->connected_count];
    people->connected[user->connected_at] = last;
    last->connected_at = user->connected_at;
}

void delivery_people_connected(struct delivery_people *people, struct device *device)
{
    if (device->user->connected++ == 0)
        add_connected(people, device->user);
    touch(people, device->user);
}

void delivery_people_disconnected(struct delivery_people *people, struct device *device)
{
    assert(device->user->connected > 0);
    if (--device->user->connected == 0)
        drop_connected(people, device->user);
}

size_t delivery_people_connected_count(const struct delivery_people *people)
{
    return people->connected_count;
}

struct delivery_user *delivery_people_connected_user(const struct delivery_people *people,
                                                     size_t place)
{
    assert(place < people->connected_count);
    return people->connected[place];
}

void delivery_people_each(struct delivery_people *people, delivery_people_visit visit,
                          void *context)
{
    struct device *device, *next;
    HASH_ITER (hh, people->devices, device, next) {
        visit(context, device);
    }
}

size_t delivery_people_device_count(const struct delivery_people *people)
{
    return HASH_COUNT(people->devices);
}

void delivery_people_destroy(struct delivery_people **people)
{
    if (*people == NULL)
        return;
    while ((*people)->oldest != NULL)
        forget_user(*people, (*people)->oldest);
    mem_free((*people)->connected);
    mem_free(*people);
    *people = NULL;
}
