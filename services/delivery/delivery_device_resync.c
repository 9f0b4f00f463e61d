/* When a device must resync: how it is told, and until when its inbox remembers that it must. */
#include "services/delivery/delivery_device_internal.h"

#define BEFORE_ALL \
    0 /* the verdict comes before every number; a resume from 0 has read no more than it */

static void clear_inbox(struct device *device)
{
    device->mark_due = false;
    if (device->hub->inboxes == DEVICE_INBOXES_AWAY)
        device->clear_due = true;
    else
        device->hub->port->clear(device);
}

/* Until it could be told, its inbox says it: this process may die, or the device go away, before. */
static void mark_inbox(struct device *device)
{
    device->clear_due = false;
    if (device->hub->inboxes == DEVICE_INBOXES_AWAY)
        device->mark_due = true;
    else
        device->hub->port->mark(device);
}

/* What is written to a connection may never be read. Until the peer shows that it has read what came behind the resync, by
 * an ack or a resume, its inbox would say it again to the next connection. */
static void note_told(struct device *device, int64_t behind_n)
{
    device->unheard = true;
    device->told_n = behind_n;
}

void device_heard(struct device *device, int64_t n)
{
    if (!device->unheard || n <= device->told_n)
        return;
    device->unheard = false;
    if (device->hub->inboxes != DEVICE_INBOXES_AWAY)
        device->hub->port->confirm(device);
}

void device_say_resync(struct device *device)
{
    bool is_resending = device->resend_n <= device->resend_end; /* n must not jump */
    if (is_resending || device_room(device) == 0 || !device->hub->port->can_send(device))
        return;
    device->resync_due = false;
    device->hub->port->send_resync(device);
    note_told(device, device->n_sent);
    clear_inbox(device);
}

void device_judge_resync(struct device *device)
{
    device_resolve_all(device);
    note_told(device, BEFORE_ALL);
    clear_inbox(device);
    device_settle(device, DEVICE_JUDGED);
    device->hub->port->send_ready(device, DEVICE_RESYNC, 0);
}

void device_give_up_waiting(struct device *device)
{
    if (device->state == DEVICE_CONNECTING)
        device_judge_resync(device);
}

/* The inbox has overflowed, or is not what we know of it. The one on the other end must resync. */
void device_fail_inbox(struct device *device)
{
    device_resolve_all(device);
    if (device->state == DEVICE_OFFLINE) {
        device->session = 0;
    } else if (device->state == DEVICE_CONNECTING) {
        device_open_inbox(device);
    } else {
        device->resync_due = true;
        mark_inbox(device);
        device_advance(device);
    }
}

void device_demand_resync(struct device *device)
{
    if (device->removed || device->resync_due)
        return;
    if (device->state == DEVICE_CONNECTING) {
        device_judge_resync(device);
        return;
    }
    device_fail_inbox(device);
    if (device->state == DEVICE_OFFLINE)
        mark_inbox(device);
}
