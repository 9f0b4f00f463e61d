/* Between the parts of the device: its queue and states, its dealings with inbox and log, and its resyncs. */
#ifndef PARLEY_DELIVERY_DEVICE_INTERNAL_H
#define PARLEY_DELIVERY_DEVICE_INTERNAL_H

#include "services/delivery/delivery_device.h"

enum device_change {
    DEVICE_CAME,      /* a connection, its inbox unknown */
    DEVICE_CAME_BACK, /* a connection that resumes */
    DEVICE_WENT,      /* the connection is gone */
    DEVICE_JUDGED,    /* it has got its verdict */
    DEVICE_MOVED,     /* something was sent, stored or acknowledged */
};

void device_settle(struct device *device, enum device_change change);
void device_advance(
    struct device *device); /* sends, reads and asks for what can be sent, read and asked for now */
void device_trim(struct device *device, bool all);
void device_resolve_all(
    struct device *device); /* gives up all that is not acknowledged; numbers go on */
void device_say_resync(struct device *device);       /* once its window has room */
void device_judge_resync(struct device *device);     /* CONNECTING: as its verdict */
void device_heard(struct device *device, int64_t n); /* the peer has read what came with number n */
void device_fail_inbox(struct device *device);       /* its inbox cannot be trusted */
void device_demand_resync(struct device *device);    /* it has missed something */
void device_open_inbox(struct device *device); /* CONNECTING: as soon as no push is on its way */
void device_send_place(struct device *device, const struct delivery_ref *ref, struct text json);
void device_skip_place(struct device *device);
void device_forget(struct device *device);
void device_drop_contents(
    struct device *device); /* what waits must go through the inbox, which knows what it has */
void device_drop_page(struct device *device);
void device_drop_skips(struct device *device);

static inline bool device_is_connected(const struct device *device)
{
    return device->state > DEVICE_CONNECTING;
}

/* The place before the first waiting one. */
static inline int64_t device_waiting_base(const struct device *device)
{
    return device->stored > device->sent ? device->stored : device->sent;
}

/* The window's place before its first one that neither Redis has nor the device acknowledged. */
static inline int64_t device_unparked_base(const struct device *device)
{
    return device->stored > device->acked ? device->stored : device->acked;
}

/* The window's entry of a place above `stored`: these stand for one place each and come last. */
static inline struct delivery_entry *device_window_at(const struct device *device, int64_t place)
{
    return delivery_ring_at(&device->window,
                            device->window.count - 1 - (uint32_t)(device->sent - place));
}

static inline uint32_t device_room(const struct device *device)
{
    uint32_t max = device->hub->window_max, count = device->window.count;
    return count < max ? max - count : 0;
}

#endif
