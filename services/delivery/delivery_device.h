/* One device of a user: what it has been sent, what waits for it, and where that lies.
 *
 * Everything that is to reach a device has a place in its queue, counted from 1 upwards for ever:
 *
 *      trimmed      acked             sent / stored                     tail
 *     ────┬───────────┬──────────────────┬───────────────────────────────┬───▶
 *         │ may be    │ window: sent,    │ waiting: not sent             │
 *         │ trimmed   │ unacknowledged   │                               │
 *
 * Redis holds the places (trimmed, stored]; this process holds the rest, which is never more than the window and what
 * has just come. `stored` may be above `sent` (an inbox waits to be sent) or below it (what was sent live is nowhere but
 * in the window). Parking is always of the next places in order, so a device's inbox is its queue without gaps. Every place
 * above `stored` that is not acknowledged holds a reference on the cursor.
 *
 * States, changed by device_settle alone:
 *     OFFLINE     no connection: what comes is parked
 *     CONNECTING  authenticated, the inbox is being asked for its length: what comes is parked
 *     RESENDING   resumed: the window is being sent again with its old numbers
 *     DRAINING    the inbox is being sent; what comes waits behind it
 *     LIVE        nothing waits in Redis: what comes goes straight out while the window has room
 *
 * The functions here do no input or output: they ask for it through the port, and are told the outcome later, never
 * within the call. Nothing is taken back on time-out here: whoever serves the port calls with the outcome once, or tells
 * of the loss of Redis with device_on_lost. */
#ifndef PARLEY_DELIVERY_DEVICE_H
#define PARLEY_DELIVERY_DEVICE_H

#include <uthash.h>

#include "services/delivery/delivery_erasures.h"
#include "services/delivery/delivery_ring.h"

#define DEVICE_PAGE     64  /* places read from an inbox at once */
#define DEVICE_PUSH_MAX 256 /* places parked at once */
#define DEVICE_AWAY_MAX \
    256 /* places that wait in memory for a connected device while Redis is away */

enum device_state {
    DEVICE_OFFLINE,
    DEVICE_CONNECTING,
    DEVICE_RESENDING,
    DEVICE_DRAINING,
    DEVICE_LIVE
};
enum device_verdict { DEVICE_RESUMED, DEVICE_INBOX, DEVICE_RESYNC };
/* Of all inboxes together. */
enum device_inboxes {
    DEVICE_INBOXES_AWAY,    /* Redis cannot be used: nothing is parked */
    DEVICE_INBOXES_FILLING, /* it can be written, but what was passed by is still being read again */
    DEVICE_INBOXES_UP,
};
enum device_inbox_outcome { DEVICE_INBOX_OK, DEVICE_INBOX_RESYNC, DEVICE_INBOX_NOT_SENT };

struct device;
struct connection;
struct delivery_user;

/* What a device asks of the rest of the daemon. None of these may call back into the device. */
struct device_port {
    void (*send_ready)(struct device *device, enum device_verdict verdict, int64_t inbox);
    void (*send_event)(struct device *device, int64_t n, struct text json);
    void (*send_resync)(struct device *device);
    bool (*can_send)(const struct device *
                         device); /* false: the reader is slow; device_on_writable when it is not */
    void (*open)(struct device *device, uint32_t generation); /* → device_on_opened */
    void (*read)(struct device *device, uint32_t generation, int64_t from,
                 int64_t count); /* → device_on_page */
    void (*fetch)(struct device *device, uint32_t generation, const struct delivery_ref *refs,
                  size_t count); /* → device_on_contents */
    void (*trim)(struct device *device,
                 int64_t count);          /* takes the first away; in order with pushes and reads */
    void (*clear)(struct device *device); /* empty the inbox, take back its need to resync */
    void (*mark)(struct device *device);  /* empty the inbox, let its next connection resync */
    void (*confirm)(
        struct device *device); /* its resync was heard: the inbox need not say it again */
    void (*park_soon)(struct device *device, int64_t delay_ms); /* then device_take_push */
    void (*window_opened)(
        struct device *device); /* its window is no longer empty: device_tick from time to time */
    void (*hold)(const struct delivery_ref *ref);
    void (*release)(const struct delivery_ref *ref);
    void (*acked)(struct device *device, int64_t chat_id, int64_t seq);
    int64_t (*now_ms)(void);
};

/* What all devices have in common. */
struct device_hub {
    const struct device_port *port;
    uint32_t window_max;
    int64_t park_offline_ms;   /* how long an event for an absent device waits for company */
    int64_t park_connected_ms; /* … for a connected one, whose window may have room again soon */
    int64_t park_window_ms;    /* after which a window is parked */
    enum device_inboxes inboxes;
    struct delivery_erasures erasures;
    int64_t waiting; /* entries in memory that are not sent, of all devices */
};

/* The inbox holds a partition's events up to here already (the feed is being read again). */
struct device_skip {
    uint32_t partition;
    int64_t offset;
};

struct device {
    struct device_hub *hub;
    struct delivery_user *user;
    struct device *next_of_user;
    struct connection *connection;
    int64_t device_id;
    int64_t created_change;
    int64_t session; /* that n counts in; 0: none that could be resumed */
    int64_t n_sent, n_acked;
    int64_t acked, sent, stored, pushing, trimmed, tail;
    struct delivery_ring window;  /* the places that were sent and are not acknowledged */
    struct delivery_ring waiting; /* the last places of the queue, after both sent and stored */
    struct delivery_ref *page;    /* what is being fetched, or was and has no room yet */
    struct text *page_jsons;      /* the events of a page that waits for room; "": it is gone */
    struct device_skip *skips;
    int64_t resend_n,
        resend_end; /* the numbers still to be sent again after a resume: none when the first is above */
    int64_t
        page_n; /* of the page's first, when it is part of the window; 0: it comes from the inbox */
    int64_t told_n; /* the resync stands behind this number; 0: it was the verdict */
    uint32_t page_count;
    uint32_t page_sent; /* of a page that waits for room */
    uint32_t skip_count;
    uint64_t page_erasures; /* hub->erasures.count when the page was fetched */
    uint32_t page_generation;
    uint32_t push_generation;
    uint32_t calls; /* of the port, not answered yet: the device must not be freed */
    uint8_t state;
    bool opening, reading, fetching;
    bool resync_due; /* says `resync` as soon as the window has room; until then nothing is taken */
    bool
        clear_due; /* it relies on nothing in its inbox, which must be emptied before anything is parked */
    bool
        unheard; /* it was told to resync and has not shown yet that it heard: the inbox would say it again */
    bool mark_due; /* it went away before it was told: its inbox must say so when Redis is back */
    bool recorded; /* this process has seen its record in Redis: should it lack, it was lost */
    bool removed;  /* it was deleted: takes nothing more */
    bool is_dirty, is_windowed; /* on the lists of delivery_park */
    int64_t park_at_ms;
    int64_t passed_by_ms; /* when an event of a pulled chat last passed it by, monotonic */
    int64_t
        sends_full_us; /* its token bucket: when it will be full again, monotonic (delivery_send.c) */
    struct device *next_dirty, *next_windowed;
    UT_hash_handle hh;
};

void device_init(struct device *device, struct device_hub *hub, int64_t device_id,
                 int64_t created_change);
void device_deinit(struct device *device); /* gives back what it holds */
const char *device_state_name(enum device_state state);

/* --- from its connection --- */
/* resume_session 0: it does not want to resume. Answers with send_ready, now or later. */
void device_connect(struct device *device, struct connection *connection, int64_t resume_session,
                    int64_t resume_n);
void device_disconnect(struct device *device);
bool device_ack(struct device *device, int64_t n); /* false: n was never sent */
void device_on_writable(struct device *device);
void device_give_up_waiting(
    struct device *device); /* connecting for too long: resync is the verdict */

/* --- from the fan-out --- */
void device_deliver(struct device *device, struct delivery_event *event);
/* An event of a pulled chat that this device watches: it goes out at once, and is from then on like any other, or it passes
 * the device by (false), which is not owed it. */
bool device_offer(struct device *device, struct delivery_event *event);
void device_pass_by(struct device *device); /* it watches a pulled chat and is not sent its event */
void device_remove(struct device *device); /* the device was deleted; its connection must be gone */

/* --- from the inbox and the log --- */
/* `skips` are copied: offsets above what the feed has reached. */
void device_on_opened(struct device *device, uint32_t generation, enum device_inbox_outcome outcome,
                      int64_t length, const struct device_skip *skips, size_t skip_count);
void device_on_page(struct device *device, uint32_t generation, enum device_inbox_outcome outcome,
                    const struct delivery_ref *refs, size_t count);
/* As many as were asked for; an empty json: gone. */
void device_on_contents(struct device *device, uint32_t generation, const struct text *jsons);
/* The next places to park, in order; 0 when there are none or a push is on its way. → device_on_pushed */
size_t device_take_push(struct device *device, struct delivery_ref refs_out[DEVICE_PUSH_MAX]);
/* `added` may be less than was pushed: what the inbox had already (the feed is being read again). */
void device_on_pushed(struct device *device, uint32_t generation, enum device_inbox_outcome outcome,
                      int64_t added);

/* --- time and the state of Redis --- */
void device_tick(struct device *device, int64_t now_ms); /* parks a window that has become old */
void device_on_lost(struct device *device);              /* hub->inboxes is AWAY already */
/* Redis can be written again (hub->inboxes is FILLING): empties and marks the inboxes for which that is due. */
void device_rewrite(struct device *device);
void device_on_up(struct device *device); /* hub->inboxes is UP already */

/* What lies in a device's inbox in Redis, as far as one event is concerned. */
struct device_look {
    bool is_lost;    /* it is not what was written to it, or says that the device must resync */
    bool is_unheard; /* the device was told to resync and has not shown yet that it heard */
    int64_t place;   /* of the event, from 1 on; 0: it is not there */
};
/* Where an event that was fanned out is now; nothing is changed. Without a look, DEVICE_TRACE_LOOK means that the inbox
 * must be looked into, and that is remembered in `mark_out` for the second call. */
enum device_trace {
    DEVICE_TRACE_LOOK,
    DEVICE_TRACE_WAITING,
    DEVICE_TRACE_PARKED, /* at *position_out, from 1 on */
    DEVICE_TRACE_SENT,
    DEVICE_TRACE_ACKNOWLEDGED,
    DEVICE_TRACE_RESYNC,
};
/* From where places in an inbox count, so that a look can be understood when it comes. */
struct device_trace_mark {
    bool counts; /* places were counted then: of an absent device they are not */
    int64_t trimmed;
    int64_t session;
    uint32_t generation; /* of pushes: another one when places were given up */
};
enum device_trace device_trace(const struct device *device, const struct delivery_ref *ref,
                               struct device_trace_mark *mark_out);
/* device NULL: this process does not know it. DEVICE_TRACE_LOOK: it has connected meanwhile; look again. */
enum device_trace device_trace_looked(const struct device *device, const struct delivery_ref *ref,
                                      const struct device_look *look,
                                      const struct device_trace_mark *mark, int64_t *position_out);

bool device_is_ready(
    const struct device *device); /* it has a connection that has had its `ready` */
bool device_is_idle(
    const struct device *device); /* nothing of it would be missed but the chance to resume */
bool device_has_unparked(const struct device *device);

#endif
