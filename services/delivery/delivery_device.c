/* A device's queue and its states. The dealings with inbox and log are in delivery_device_inbox.c. */
#include "services/delivery/delivery_device.h"

#include <assert.h>

#include "services/delivery/delivery_device_internal.h"
#include "shared/base/failpoint.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

#define TRIM_STEP 16 /* acknowledged places that are worth a command of their own */

static const char *const state_names[] = {"offline", "connecting", "resending", "draining", "live"};

const char *device_state_name(enum device_state state)
{
    return state_names[state];
}

void device_init(struct device *device, struct device_hub *hub, int64_t device_id,
                 int64_t created_change)
{
    *device = (struct device){.hub = hub,
                              .device_id = device_id,
                              .created_change = created_change,
                              .state = DEVICE_OFFLINE};
}

void device_drop_skips(struct device *device)
{
    mem_free(device->skips);
    device->skips = NULL;
    device->skip_count = 0;
}

void device_drop_page(struct device *device)
{
    mem_free(device->page);
    mem_free(device->page_jsons);
    device->page = NULL;
    device->page_jsons = NULL;
    device->page_count = device->page_sent = 0;
    device->opening = device->reading = device->fetching = false;
    device->page_generation++;
}

void device_drop_contents(struct device *device)
{
    for (uint32_t i = 0; i < device->waiting.count; i++)
        delivery_event_drop(&delivery_ring_at(&device->waiting, i)->u.event);
}

void device_deinit(struct device *device)
{
    device_resolve_all(device);
    delivery_ring_clear(&device->window);
    device_drop_skips(device);
}

/* What the state is, now that something has changed. */
static enum device_state next_state(const struct device *device, enum device_change change)
{
    switch (change) {
    case DEVICE_WENT:
        return DEVICE_OFFLINE;
    case DEVICE_CAME:
        return DEVICE_CONNECTING;
    case DEVICE_MOVED:
        if (!device_is_connected(device))
            return device->state;
        break;
    case DEVICE_CAME_BACK:
    case DEVICE_JUDGED:
        break;
    }
    if (device->resend_n <= device->resend_end)
        return DEVICE_RESENDING;
    bool unsent_in_redis = device->stored > device->sent;
    bool unsent_on_its_way = device->pushing > device->stored && device->pushing > device->sent;
    bool must_be_parked_first =
        device->waiting.count > 0 && delivery_ring_at(&device->waiting, 0)->u.event == NULL;
    return unsent_in_redis || unsent_on_its_way || must_be_parked_first ? DEVICE_DRAINING
                                                                        : DEVICE_LIVE;
}

void device_settle(struct device *device, enum device_change change)
{
    enum device_state next = next_state(device, change);
    if (next == device->state)
        return;
    log_debug("device_state", LOG_ID("device", device->device_id),
              LOG_STRING("from", device_state_name(device->state)),
              LOG_STRING("to", device_state_name(next)));
    device->state = (uint8_t)next;
}

static void pop_waiting(struct device *device)
{
    delivery_event_drop(&delivery_ring_at(&device->waiting, 0)->u.event);
    delivery_ring_pop(&device->waiting);
    device->hub->waiting--;
}

void device_resolve_all(struct device *device)
{
    const struct device_port *port = device->hub->port;
    for (int64_t place = device_unparked_base(device) + 1; place <= device->sent; place++)
        port->release(&device_window_at(device, place)->ref);
    while (device->waiting.count > 0) {
        struct delivery_ref ref = delivery_ring_at(&device->waiting, 0)->ref;
        pop_waiting(device);
        port->release(&ref);
    }
    device->tail = device->stored = device->pushing = device->trimmed = device->sent;
    device->push_generation++;
    device_drop_page(device);
}

/* --- the window --- */

void device_send_place(struct device *device, const struct delivery_ref *ref, struct text json)
{
    struct delivery_entry entry = {.ref = *ref};
    entry.ref.span = 1;
    entry.u.sent_at_ms = device->hub->port->now_ms();
    delivery_ring_push(&device->window, &entry);
    device->sent++;
    device->n_sent++;
    if (!device->is_windowed)
        device->hub->port->window_opened(device);
    device->hub->port->send_event(device, device->n_sent, json);
}

/* The event of the next place is gone: nothing is sent, and the place goes with the one before it. */
void device_skip_place(struct device *device)
{
    device->sent++;
    if (device->window.count == 0)
        device->acked = device->sent;
    else
        delivery_ring_at(&device->window, device->window.count - 1)->ref.span++;
}

static void ack_oldest(struct device *device)
{
    struct delivery_ref ref = delivery_ring_at(&device->window, 0)->ref;
    delivery_ring_pop(&device->window);
    device->acked += ref.span;
    device->n_acked++;
    if (device->resend_n <= device->n_acked)
        device->resend_n = device->n_acked + 1;
    if (device->acked > device->stored)
        device->hub->port->release(&ref);
    device->hub->port->acked(device, ref.chat_id, ref.seq);
}

/* Takes acknowledged places out of the inbox. Commands run in order, so a push that is on its way counts as done. */
void device_trim(struct device *device, bool all)
{
    int64_t end = device->pushing;
    int64_t to = device->acked < end ? device->acked : end;
    bool worth_it = all || to == end || to - device->trimmed >= TRIM_STEP;
    if (to > device->trimmed && worth_it && device->hub->inboxes != DEVICE_INBOXES_AWAY) {
        FAILPOINT(ack_received_not_trimmed);
        device->hub->port->trim(device, to - device->trimmed);
        device->trimmed = to;
    }
    if (device->pushing == device->stored && device->acked > device->stored)
        device->stored = device->pushing = device->trimmed = device->acked;
}

bool device_ack(struct device *device, int64_t n)
{
    if (n > device->n_sent)
        return false;
    if (n <= device->n_acked)
        return true;
    while (device->n_acked < n)
        ack_oldest(device);
    device_heard(device, n);
    device_trim(device, false);
    device_advance(device);
    return true;
}

/* --- what comes --- */

/* Has the inbox this event already? Entries that the feed has passed are dropped. */
static bool is_skipped(struct device *device, const struct delivery_ref *ref)
{
    for (uint32_t i = 0; i < device->skip_count; i++) {
        if (device->skips[i].partition != ref->partition)
            continue;
        if (ref->offset <= device->skips[i].offset)
            return true;
        device->skips[i] = device->skips[--device->skip_count];
        if (device->skip_count == 0)
            device_drop_skips(device);
        return false;
    }
    return false;
}

static bool takes(struct device *device, const struct delivery_event *event)
{
    if (device->removed || device->resync_due)
        return false;
    if (event->mode == DELIVERY_LIVE_ONLY && !device_is_connected(device))
        return false;
    if (event->mode == DELIVERY_PARK_ONLY && device_is_connected(device))
        return false;
    return !is_skipped(device, &event->ref);
}

static void wait_for_room(struct device *device, struct delivery_event *event)
{
    struct delivery_entry entry = {.ref = event->ref};
    entry.u.event = device_is_connected(device) ? delivery_event_share(event) : NULL;
    delivery_ring_push(&device->waiting, &entry);
    device->hub->waiting++;
    if (device->hub->inboxes == DEVICE_INBOXES_AWAY && device_is_connected(device)) {
        if (device->waiting.count > DEVICE_AWAY_MAX)
            device_fail_inbox(device);
        return;
    }
    bool full = device->waiting.count >= DEVICE_PUSH_MAX;
    int64_t delay_ms =
        device_is_connected(device) ? device->hub->park_connected_ms : device->hub->park_offline_ms;
    device->hub->port->park_soon(device, full ? 0 : delay_ms);
}

static bool can_send_at_once(const struct device *device)
{
    return device->state == DEVICE_LIVE && device->waiting.count == 0 && device_room(device) > 0 &&
           device->hub->port->can_send(device);
}

void device_deliver(struct device *device, struct delivery_event *event)
{
    if (event->mode == DELIVERY_RESYNC)
        device_demand_resync(device);
    if (event->mode == DELIVERY_RESYNC || !takes(device, event))
        return;
    device->hub->port->hold(&event->ref);
    device->tail++;
    if (can_send_at_once(device))
        device_send_place(device, &event->ref, delivery_event_json(event));
    else
        wait_for_room(device, event);
}

void device_pass_by(struct device *device)
{
    device->passed_by_ms = device->hub->port->now_ms();
}

bool device_offer(struct device *device, struct delivery_event *event)
{
    if (!can_send_at_once(device) || !takes(device, event)) {
        device_pass_by(device);
        return false;
    }
    device->hub->port->hold(&event->ref);
    device->tail++;
    device_send_place(device, &event->ref, delivery_event_json(event));
    return true;
}

/* --- the connection --- */

/* What was sent and not acknowledged is to be sent again, as new: what Redis does not hold of it waits, first in line. */
static void rewind_window(struct device *device)
{
    struct delivery_ring waiting = {0};
    for (int64_t place = device_unparked_base(device) + 1; place <= device->sent; place++) {
        struct delivery_entry entry = *device_window_at(device, place);
        entry.u.event = NULL;
        delivery_ring_push(&waiting, &entry);
        device->hub->waiting++;
    }
    for (uint32_t i = 0; i < device->waiting.count; i++)
        delivery_ring_push(&waiting, delivery_ring_at(&device->waiting, i));
    delivery_ring_clear(&device->waiting);
    delivery_ring_clear(&device->window);
    device->waiting = waiting;
    device->sent = device->acked;
}

static void resume(struct device *device, int64_t n)
{
    while (device->n_acked < n)
        ack_oldest(device);
    device_heard(device, n);
    device->resend_n = device->n_acked + 1;
    device->resend_end = device->n_sent;
    device_settle(device, DEVICE_CAME_BACK);
    device->hub->port->send_ready(device, DEVICE_RESUMED, device->tail - device->acked);
    device_trim(device, false);
    device_advance(device);
}

void device_connect(struct device *device, struct connection *connection, int64_t resume_session,
                    int64_t resume_n)
{
    assert(device->connection == NULL && device->state == DEVICE_OFFLINE);
    device->connection = connection;
    device_drop_page(device);
    if (device->hub->inboxes == DEVICE_INBOXES_UP && resume_session != 0 &&
        resume_session == device->session && resume_n >= device->n_acked &&
        resume_n <= device->n_sent && (!device->unheard || resume_n > device->told_n)) {
        resume(device, resume_n);
        return;
    }
    rewind_window(device);
    device->session = id_random();
    device->n_sent = device->n_acked = 0;
    device->resend_n = 1;
    device_settle(device, DEVICE_CAME);
    device_open_inbox(device);
    if (device->waiting.count > 0)
        device->hub->port->park_soon(device, 0);
}

void device_disconnect(struct device *device)
{
    device->connection = NULL;
    device->resend_end = 0;
    device_drop_page(device);
    device_settle(device, DEVICE_WENT);
    if (device->hub->inboxes != DEVICE_INBOXES_UP || device->resync_due)
        device->session = 0; /* events may pass it by from now on: nothing to resume */
    device->resync_due = false;
    device_drop_contents(device);
    if (device->hub->inboxes == DEVICE_INBOXES_AWAY)
        device_forget(device);
    device_trim(device, true);
    if (device_has_unparked(device))
        device->hub->port->park_soon(device, 0);
}

void device_remove(struct device *device)
{
    assert(device->connection == NULL);
    device_resolve_all(device);
    delivery_ring_clear(&device->window);
    device->removed = true;
    device->session = 0;
}

bool device_has_unparked(const struct device *device)
{
    return device->tail > device->stored && device->tail > device->acked;
}

bool device_is_ready(const struct device *device)
{
    return device_is_connected(device);
}

bool device_is_idle(const struct device *device)
{
    return device->connection == NULL && device->calls == 0 && !device_has_unparked(device) &&
           !device->clear_due && !device->mark_due && !device->is_dirty && !device->is_windowed;
}

void device_tick(struct device *device, int64_t now_ms)
{
    int64_t place = device_unparked_base(device) + 1;
    if (place > device->sent || device->pushing > device->stored)
        return;
    if (now_ms - device_window_at(device, place)->u.sent_at_ms >= device->hub->park_window_ms)
        device->hub->port->park_soon(device, 0);
}
