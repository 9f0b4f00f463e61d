/* A device's dealings with its inbox in Redis, the contents of events in the log, and the loss and return of Redis. */
#include <string.h>

#include "services/delivery/delivery_device_internal.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/planted_bug.h"

#define PUSH_RETRY_MS 100
#define TRIM_BUG_MAX  2 /* of the planted bug trim_by_count */

/* --- sending what waits --- */

static void fetch_page(struct device *device)
{
    device->fetching = true;
    device->page_erasures = device->hub->erasures.count;
    device->hub->port->fetch(device, device->page_generation, device->page, device->page_count);
}

static void fetch_resend(struct device *device)
{
    if (device->fetching || !device->hub->port->can_send(device))
        return;
    uint32_t first = (uint32_t)(device->resend_n - device->n_acked - 1);
    int64_t count = device->resend_end - device->resend_n + 1;
    device->page_count = count < DEVICE_PAGE ? (uint32_t)count : DEVICE_PAGE;
    device->page_n = device->resend_n;
    device->page = mem_array(device->page_count, sizeof *device->page);
    for (uint32_t i = 0; i < device->page_count; i++)
        device->page[i] = delivery_ring_at(&device->window, first + i)->ref;
    fetch_page(device);
}

/* Ahead of the acks: a page takes as long to come as many acks do, so it waits for room here, not in the log. */
static void read_page(struct device *device)
{
    int64_t count = device->stored - device->sent;
    if (device->reading || device->page != NULL || device->hub->inboxes != DEVICE_INBOXES_UP ||
        !device->hub->port->can_send(device))
        return;
    count = count < DEVICE_PAGE ? count : DEVICE_PAGE;
    device->reading = true;
    device->hub->port->read(device, device->page_generation, device->sent - device->trimmed, count);
}

/* Of what is not sent yet. */
static bool is_page_erased(const struct device *device)
{
    return delivery_erasures_may_have(&device->hub->erasures, device->page_erasures,
                                      device->page + device->page_sent,
                                      device->page_count - device->page_sent);
}

/* What there is room for of a page that waits. */
static void send_held(struct device *device)
{
    if (is_page_erased(device)) {
        mem_free(device->page_jsons);
        device->page_jsons = NULL;
        fetch_page(device);
        return;
    }
    device->page_erasures = device->hub->erasures.count;
    while (device->page_sent < device->page_count && device_room(device) > 0 &&
           device->hub->port->can_send(device)) {
        uint32_t i = device->page_sent++;
        if (device->page_jsons[i].length > 0)
            device_send_place(device, &device->page[i], device->page_jsons[i]);
        else
            device_skip_place(device);
    }
    if (device->page_sent == device->page_count)
        device_drop_page(device);
    device_trim(device, false);
}

/* What waits in memory was deleted since: it must be read from the log, and comes from there through the inbox only. */
static void give_up_contents(struct device *device)
{
    if (device->hub->inboxes == DEVICE_INBOXES_AWAY) {
        device_fail_inbox(device);
        return;
    }
    device_drop_contents(device);
    device->hub->port->park_soon(device, 0);
}

static void send_waiting(struct device *device)
{
    while (device->waiting.count > 0 && device_room(device) > 0 &&
           device->hub->port->can_send(device)) {
        struct delivery_entry entry = *delivery_ring_at(&device->waiting, 0);
        if (entry.u.event == NULL)
            break;
        if (delivery_erasures_have_event(&device->hub->erasures, entry.u.event)) {
            give_up_contents(device);
            break;
        }
        delivery_ring_pop(&device->waiting);
        device->hub->waiting--;
        device_send_place(device, &entry.ref, delivery_event_json(entry.u.event));
        delivery_event_drop(&entry.u.event);
    }
}

void device_advance(struct device *device)
{
    if (!device_is_connected(device))
        return;
    if (device->resync_due)
        device_say_resync(device);
    device_settle(device, DEVICE_MOVED);
    if (device->state == DEVICE_DRAINING && device->page_jsons != NULL)
        send_held(device);
    device_settle(device, DEVICE_MOVED);
    if (device->state == DEVICE_LIVE)
        send_waiting(device);
    device_settle(device, DEVICE_MOVED);
    if (device->state == DEVICE_RESENDING)
        fetch_resend(device);
    else if (device->state == DEVICE_DRAINING && device->stored > device->sent)
        read_page(device);
    else if (device->state == DEVICE_DRAINING && device->pushing == device->stored)
        device->hub->port->park_soon(device, 0);
}

void device_on_writable(struct device *device)
{
    device_advance(device);
}

/* --- connecting --- */

void device_open_inbox(struct device *device)
{
    if (device->opening || device->hub->inboxes != DEVICE_INBOXES_UP ||
        device->pushing > device->stored)
        return;
    device->opening = true;
    device_trim(device, true);
    device->hub->port->open(device, device->page_generation);
}

/* What came while it was connecting may be in the inbox already: only the inbox can tell, so it goes through it. */
static void take_skips(struct device *device, const struct device_skip *skips, size_t skip_count)
{
    device_drop_skips(device);
    if (skip_count == 0)
        return;
    device->skips = mem_copy(skips, skip_count * sizeof *skips);
    device->skip_count = (uint32_t)skip_count;
    device_drop_contents(device);
}

void device_on_opened(struct device *device, uint32_t generation, enum device_inbox_outcome outcome,
                      int64_t length, const struct device_skip *skips, size_t skip_count)
{
    if (generation != device->page_generation || device->state != DEVICE_CONNECTING)
        return;
    device->opening = false;
    device->recorded = true;
    if (outcome != DEVICE_INBOX_OK) {
        device_judge_resync(device);
        return;
    }
    device->unheard = false; /* the inbox knows of none */
    if (BUG(trim_by_count) && length > TRIM_BUG_MAX) {
        device->hub->port->trim(device, length - TRIM_BUG_MAX);
        length = TRIM_BUG_MAX;
    }
    device->trimmed = device->acked = device->sent = device->stored - length;
    take_skips(device, skips, skip_count);
    device_settle(device, DEVICE_JUDGED);
    device->hub->port->send_ready(device, DEVICE_INBOX, device->tail - device->acked);
    device_advance(device);
}

/* --- draining --- */

void device_on_page(struct device *device, uint32_t generation, enum device_inbox_outcome outcome,
                    const struct delivery_ref *refs, size_t count)
{
    if (generation != device->page_generation)
        return;
    device->reading = false;
    if (outcome != DEVICE_INBOX_OK || count == 0) {
        log_warning("inbox_not_as_known", LOG_ID("device", device->device_id));
        device_fail_inbox(device);
        return;
    }
    device->page = mem_copy(refs, count * sizeof *refs);
    device->page_count = (uint32_t)count;
    device->page_n = 0;
    fetch_page(device);
}

static void send_again(struct device *device, const struct text *jsons)
{
    for (uint32_t i = 0; i < device->page_count; i++) {
        int64_t n = device->page_n + i;
        if (n < device->resend_n)
            continue; /* acknowledged in the meantime */
        if (jsons[i].length > 0)
            device->hub->port->send_event(device, n, jsons[i]);
        device->resend_n = n + 1;
    }
}

/* Copies the events of the page, in one block with their texts. */
static void hold_page(struct device *device, const struct text *jsons)
{
    size_t size = device->page_count * sizeof *jsons;
    for (uint32_t i = 0; i < device->page_count; i++)
        size += jsons[i].length;
    device->page_jsons = mem_alloc(size);
    char *at = (char *)(device->page_jsons + device->page_count);
    for (uint32_t i = 0; i < device->page_count; i++) {
        device->page_jsons[i] = (struct text){at, jsons[i].length};
        if (jsons[i].length > 0)
            memcpy(at, jsons[i].data, jsons[i].length);
        at += jsons[i].length;
    }
}

void device_on_contents(struct device *device, uint32_t generation, const struct text *jsons)
{
    if (generation != device->page_generation)
        return;
    if (is_page_erased(device)) {
        fetch_page(device);
        return;
    }
    if (device->page_n > 0) {
        send_again(device, jsons);
        device_drop_page(device);
    } else {
        device->fetching = false;
        hold_page(device, jsons);
    }
    device_advance(device);
}

/* --- parking --- */

static const struct delivery_ref *ref_of_place(const struct device *device, int64_t place)
{
    if (place <= device->sent)
        return &device_window_at(device, place)->ref;
    int64_t waiting = place - device_waiting_base(device) - 1;
    return &delivery_ring_at(&device->waiting, (uint32_t)waiting)->ref;
}

/* The absent device's events go soon; a connected one's only when its window has had no room for a while. */
static bool push_is_due(struct device *device)
{
    struct device_hub *hub = device->hub;
    int64_t now_ms = hub->port->now_ms(), place = device_unparked_base(device) + 1;
    if (!device_is_connected(device))
        return true;
    if (place <= device->sent &&
        now_ms - device_window_at(device, place)->u.sent_at_ms >= hub->park_window_ms)
        return true;
    if (device->waiting.count == 0)
        return false;
    const struct delivery_event *first = delivery_ring_at(&device->waiting, 0)->u.event;
    int64_t waited_ms = first == NULL ? INT64_MAX : now_ms - first->arrived_ms;
    if (waited_ms >= hub->park_connected_ms || device->waiting.count >= DEVICE_PUSH_MAX)
        return true;
    hub->port->park_soon(device, hub->park_connected_ms - waited_ms);
    return false;
}

size_t device_take_push(struct device *device, struct delivery_ref refs_out[DEVICE_PUSH_MAX])
{
    if (device->pushing > device->stored || device->hub->inboxes == DEVICE_INBOXES_AWAY ||
        device->resync_due || device->mark_due || device->clear_due)
        return 0;
    device_trim(device, false);
    if (!device_has_unparked(device) || !push_is_due(device))
        return 0;
    int64_t count = device->tail - device->stored;
    count = count < DEVICE_PUSH_MAX ? count : DEVICE_PUSH_MAX;
    for (int64_t i = 0; i < count; i++)
        refs_out[i] = *ref_of_place(device, device->stored + 1 + i);
    device->pushing = device->stored + count;
    device_settle(device, DEVICE_MOVED);
    return (size_t)count;
}

/* The places (stored, pushing] are in Redis: nothing of them has to be held here but the window. */
static void let_go_of_pushed(struct device *device)
{
    const struct device_port *port = device->hub->port;
    int64_t window_end = device->pushing < device->sent ? device->pushing : device->sent;
    for (int64_t place = device_unparked_base(device) + 1; place <= window_end; place++)
        port->release(&device_window_at(device, place)->ref);
    for (int64_t place = device_waiting_base(device) + 1; place <= device->pushing; place++) {
        struct delivery_entry *entry = delivery_ring_at(&device->waiting, 0);
        struct delivery_ref ref = entry->ref;
        delivery_event_drop(&entry->u.event);
        delivery_ring_pop(&device->waiting);
        device->hub->waiting--;
        port->release(&ref);
    }
}

static void continue_after_push(struct device *device)
{
    if (device->state == DEVICE_CONNECTING)
        device_open_inbox(device);
    device_advance(device);
    if (device->waiting.count > 0)
        device->hub->port->park_soon(
            device, device_is_connected(device) ? device->hub->park_connected_ms : 0);
    else if (device->state == DEVICE_OFFLINE && device_has_unparked(device))
        device->hub->port->park_soon(device, 0);
}

/* Some of the pushed places were in the inbox before. Of an absent device nobody counts places until it opens its inbox;
 * of a connected one they can only be waiting ones. */
static void drop_skipped_places(struct device *device, int64_t skipped)
{
    if (device_is_connected(device)) {
        device->stored = device->pushing -= skipped;
        device->tail -= skipped;
        return;
    }
    delivery_ring_clear(&device->window);
    device->acked = device->sent = device->trimmed = device->stored;
    device->session = device->state == DEVICE_OFFLINE ? 0 : device->session;
}

void device_on_pushed(struct device *device, uint32_t generation, enum device_inbox_outcome outcome,
                      int64_t added)
{
    if (generation != device->push_generation)
        return;
    if (outcome == DEVICE_INBOX_NOT_SENT) {
        device->pushing = device->stored;
        device->hub->port->park_soon(device, PUSH_RETRY_MS);
        return;
    }
    device->recorded = true;
    int64_t skipped = device->pushing - device->stored - added;
    bool skipped_what_was_sent =
        skipped > 0 && device_is_connected(device) && device->sent > device->stored;
    if (outcome == DEVICE_INBOX_RESYNC || skipped_what_was_sent) {
        device_fail_inbox(device);
        return;
    }
    let_go_of_pushed(device);
    device->stored = device->pushing;
    if (skipped > 0)
        drop_skipped_places(device, skipped);
    device_trim(device, false);
    continue_after_push(device);
}

/* --- Redis goes and comes --- */

/* While Redis is away, nothing of an absent device is kept: the feed will be read again for it, from the cursor. */
void device_forget(struct device *device)
{
    device_resolve_all(device);
    delivery_ring_clear(&device->window);
    device->acked = device->sent;
    device->session = 0;
}

void device_on_lost(struct device *device)
{
    bool relies_on_redis = device->stored > device->acked;
    bool lacks_contents =
        device->waiting.count > 0 && delivery_ring_at(&device->waiting, 0)->u.event == NULL;
    device->recorded = false;
    device->mark_due = device->mark_due || device->resync_due; /* the mark may have been lost */
    if (!device_is_connected(device))
        device_drop_skips(device); /* the feed is read again for it, whatever its inbox had */
    if (device->state == DEVICE_OFFLINE) {
        device_forget(device);
    } else if (device->state == DEVICE_CONNECTING) {
        device_resolve_all(device);
    } else if (relies_on_redis || lacks_contents) {
        device_fail_inbox(device);
    } else {
        device->pushing = device->trimmed = device->stored;
        device->push_generation++;
        device->clear_due =
            true; /* a trim or a push may have been lost: what the inbox holds is not known */
        device_trim(device, false);
        device_advance(device);
    }
}

void device_rewrite(struct device *device)
{
    if (device->mark_due)
        device->hub->port->mark(device);
    else if (device->clear_due)
        device->hub->port->clear(device);
    device->mark_due = device->clear_due = false;
    if (device_has_unparked(device))
        device->hub->port->park_soon(device, device->hub->park_offline_ms);
}

void device_on_up(struct device *device)
{
    if (device->state == DEVICE_CONNECTING)
        device_open_inbox(device);
    else if (device_is_connected(device))
        device_advance(device);
    if (device->waiting.count > 0 || device->state == DEVICE_OFFLINE)
        device->hub->port->park_soon(device, device->hub->park_offline_ms);
}
