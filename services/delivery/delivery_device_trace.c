/* Where one event is on its way to a device.
 *
 * What is in memory is asked first and again after Redis has answered, for the event may have moved meanwhile. It moves one
 * way only (waiting, parked, sent, acknowledged), except that a window whose connection ended waits again; so an event that
 * was fanned out and is found nowhere has been taken over. */
#include "services/delivery/delivery_device_internal.h"

static bool is_event(const struct delivery_entry *entry, const struct delivery_ref *ref)
{
    return entry->ref.chat_id == ref->chat_id && entry->ref.seq == ref->seq;
}

/* The index from the newest entry on; -1: it is not there. */
static int64_t find_in(const struct delivery_ring *ring, const struct delivery_ref *ref)
{
    for (uint32_t i = 0; i < ring->count; i++)
        if (is_event(delivery_ring_at(ring, ring->count - 1 - i), ref))
            return i;
    return -1;
}

/* Of a device without a connection the window's entries above `stored` are parked in a moment; the others are in Redis. */
static enum device_trace trace_window(const struct device *device, int64_t from_newest)
{
    if (device_is_connected(device))
        return DEVICE_TRACE_SENT;
    return from_newest < device->sent - device->stored ? DEVICE_TRACE_WAITING : DEVICE_TRACE_LOOK;
}

enum device_trace device_trace(const struct device *device, const struct delivery_ref *ref,
                               struct device_trace_mark *mark_out)
{
    int64_t in_window = find_in(&device->window, ref);
    *mark_out = (struct device_trace_mark){.counts = device_is_connected(device),
                                           .trimmed = device->trimmed,
                                           .session = device->session,
                                           .generation = device->push_generation};
    if (find_in(&device->waiting, ref) >= 0)
        return DEVICE_TRACE_WAITING;
    if (in_window >= 0)
        return trace_window(device, in_window);
    if (device->resync_due || device->mark_due)
        return DEVICE_TRACE_RESYNC;
    if (!device_is_connected(device) || device->stored > device->sent)
        return DEVICE_TRACE_LOOK;
    return device->unheard ? DEVICE_TRACE_RESYNC : DEVICE_TRACE_ACKNOWLEDGED;
}

/* Acknowledged events lie in an inbox until it is worth a command to take them out. Commands run in order, so the first
 * place of the list was the one after `trimmed` as it was when the look was asked for. */
static enum device_trace trace_place(const struct device *device, int64_t place,
                                     const struct device_trace_mark *mark, int64_t *position_out)
{
    bool is_counted = mark->counts && device->session == mark->session &&
                      device->push_generation == mark->generation;
    if (!is_counted)
        return DEVICE_TRACE_LOOK;
    *position_out = mark->trimmed + place - device->acked;
    return *position_out > 0 ? DEVICE_TRACE_PARKED : DEVICE_TRACE_ACKNOWLEDGED;
}

enum device_trace device_trace_looked(const struct device *device, const struct delivery_ref *ref,
                                      const struct device_look *look,
                                      const struct device_trace_mark *mark, int64_t *position_out)
{
    struct device_trace_mark now;
    enum device_trace in_memory =
        device == NULL ? DEVICE_TRACE_LOOK : device_trace(device, ref, &now);
    bool is_draining = device != NULL && device_is_connected(device);
    if (in_memory != DEVICE_TRACE_LOOK && in_memory != DEVICE_TRACE_ACKNOWLEDGED)
        return in_memory;
    if (look->is_lost || (look->is_unheard && !is_draining))
        return DEVICE_TRACE_RESYNC;
    *position_out = look->place;
    if (look->place > 0 && in_memory == DEVICE_TRACE_LOOK)
        return is_draining ? trace_place(device, look->place, mark, position_out)
                           : DEVICE_TRACE_PARKED;
    return look->is_unheard ? DEVICE_TRACE_RESYNC : DEVICE_TRACE_ACKNOWLEDGED;
}
