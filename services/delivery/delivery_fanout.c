/* Recipients of event n are the members at n. What is not connected is reached through the round of delivery_park. */
#include "services/delivery/delivery_fanout.h"

#include <assert.h>

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_rosters.h"
#include "shared/base/metrics.h"

static struct metric events_total = {.name = "parley_delivery_events_total",
                                     .labels = "",
                                     .help = "Events of the feed that were fanned out.",
                                     .kind = METRIC_COUNTER};
static struct metric again_total = {.name = "parley_delivery_events_read_again_total",
                                    .labels = "",
                                    .help = "Events that were read again to be parked.",
                                    .kind = METRIC_COUNTER};

/* While nothing can be parked, who has no connection is not even remembered. */
static void to_user(struct delivery_service *service, int64_t user_id, struct delivery_event *event)
{
    bool live_only = event->mode == DELIVERY_LIVE_ONLY;
    struct delivery_user *user = live_only ? delivery_people_find(service->people, user_id)
                                           : delivery_people_user(service->people, user_id);
    if (user == NULL)
        return;
    struct device *device = user->devices;
    while (device != NULL) {
        struct device *next = device->next_of_user;
        device_deliver(device, event);
        device = next;
    }
    if (!live_only)
        delivery_park_pair(service->park, user, event);
}

bool delivery_fanout_is_ready(struct delivery_service *service, const struct delivery_event *event)
{
    return delivery_rosters_find(service->rosters, event->ref.chat_id, event->ref.seq) != NULL;
}

static void count(const struct delivery_event *event)
{
    metrics_register(&events_total);
    metrics_register(&again_total);
    if (event->mode == DELIVERY_PARK_ONLY)
        metric_add(&again_total, 1);
    else if (event->mode != DELIVERY_RESYNC)
        metric_add(&events_total, 1);
}

void delivery_fanout_event(struct delivery_service *service, struct delivery_event *event)
{
    const struct delivery_ref *ref = &event->ref;
    count(event);
    delivery_rosters_apply(service->rosters, event);
    const struct delivery_roster *roster =
        delivery_rosters_find(service->rosters, ref->chat_id, ref->seq);
    assert(roster != NULL);
    if (event->mode != DELIVERY_PARK_ONLY)
        delivery_live_event(service, event, roster);
    for (size_t i = 0; i < roster->span_count; i++)
        if (delivery_span_covers(&roster->spans[i], ref->seq))
            to_user(service, roster->spans[i].user_id, event);
    if (event->mode == DELIVERY_LIVE_ONLY)
        delivery_cursor_release(service->cursor, ref->partition, ref->offset);
    else
        delivery_park_event(service->park, event);
}
