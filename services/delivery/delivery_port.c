/* One line each: from a device to the part that does it. */
#include "services/delivery/delivery_port.h"

#include "services/delivery/delivery_contents.h"
#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_receipts.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/metrics.h"

static struct delivery_service *service;

static struct metric verdicts[] = {{.name = "parley_delivery_ready_total",
                                    .labels = "state=\"resumed\"",
                                    .help = "Connections by their verdict.",
                                    .kind = METRIC_COUNTER},
                                   {.name = "parley_delivery_ready_total",
                                    .labels = "state=\"inbox\"",
                                    .help = "Connections by their verdict.",
                                    .kind = METRIC_COUNTER},
                                   {.name = "parley_delivery_ready_total",
                                    .labels = "state=\"resync\"",
                                    .help = "Connections by their verdict.",
                                    .kind = METRIC_COUNTER}};
static struct metric resyncs_total = {.name = "parley_delivery_resyncs_total",
                                      .labels = "",
                                      .help = "Connected devices that were told to resync.",
                                      .kind = METRIC_COUNTER};
static struct metric acked_total = {.name = "parley_delivery_acked_total",
                                    .labels = "",
                                    .help = "Events that devices have acknowledged.",
                                    .kind = METRIC_COUNTER};

static void send_ready(struct device *device, enum device_verdict verdict, int64_t inbox)
{
    metric_add(&verdicts[verdict], 1);
    delivery_frames_ready(device->connection, verdict, inbox);
    delivery_presence_ready(service->presence, device->connection);
}

static void send_event(struct device *device, int64_t n, struct text json)
{
    delivery_ws_send_event(service->ws, device->connection, n, json);
}

static void send_resync(struct device *device)
{
    metric_add(&resyncs_total, 1);
    delivery_frames_resync(device->connection);
}

static bool can_send(const struct device *device)
{
    if (delivery_ws_can_send(device->connection))
        return true;
    device->connection->was_full = true;
    return false;
}

static void open_inbox(struct device *device, uint32_t generation)
{
    delivery_inbox_open(service->inbox, device, generation);
}

static void read_inbox(struct device *device, uint32_t generation, int64_t from, int64_t count)
{
    delivery_inbox_read(service->inbox, device, generation, from, count);
}

static void fetch(struct device *device, uint32_t generation, const struct delivery_ref *refs,
                  size_t count)
{
    delivery_contents_fetch(service->contents, device, generation, refs, count);
}

static void trim(struct device *device, int64_t count)
{
    delivery_inbox_trim(service->inbox, device, count);
}

static void clear(struct device *device)
{
    delivery_inbox_clear(service->inbox, device);
}

static void mark(struct device *device)
{
    delivery_inbox_mark(service->inbox, device);
}

static void confirm(struct device *device)
{
    delivery_inbox_confirm(service->inbox, device);
}

static void park_soon(struct device *device, int64_t delay_ms)
{
    delivery_park_soon(service->park, device, delay_ms);
}

static void window_opened(struct device *device)
{
    delivery_park_watch_window(service->park, device);
}

static void hold(const struct delivery_ref *ref)
{
    delivery_cursor_hold(service->cursor, ref->partition, ref->offset);
}

static void release(const struct delivery_ref *ref)
{
    delivery_cursor_release(service->cursor, ref->partition, ref->offset);
}

static void acked(struct device *device, int64_t chat_id, int64_t seq)
{
    metric_add(&acked_total, 1);
    delivery_receipts_delivered(service->receipts, device->user->user_id, chat_id, seq);
}

static const struct device_port port = {
    .send_ready = send_ready,
    .send_event = send_event,
    .send_resync = send_resync,
    .can_send = can_send,
    .open = open_inbox,
    .read = read_inbox,
    .fetch = fetch,
    .trim = trim,
    .clear = clear,
    .mark = mark,
    .confirm = confirm,
    .park_soon = park_soon,
    .window_opened = window_opened,
    .hold = hold,
    .release = release,
    .acked = acked,
    .now_ms = clock_monotonic_ms,
};

void delivery_port_init(struct delivery_service *owner)
{
    service = owner;
    owner->hub = (struct device_hub){
        .port = &port,
        .window_max = (uint32_t)limits.window_events,
        .park_offline_ms = 0, /* the round gathers */
        .park_connected_ms = delivery_settings.park_connected_ms,
        .park_window_ms = delivery_settings.park_window_ms,
        .inboxes = DEVICE_INBOXES_AWAY,
    };
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        metrics_register(&verdicts[i]);
    metrics_register(&resyncs_total);
    metrics_register(&acked_total);
}
