/* Recipients of event n are the members at n. What is not connected is reached through the round of delivery_park.
 *
 * A chat of more than limits.pushed_members is pulled: its events go to the devices that watch it, if they can go at once; the
 * other connected members are told how far it is now and then (delivery_heads.h), and nothing waits for anybody. But who is
 * added, removed or given another role gets that event like that of a smaller chat. */
#include "services/delivery/delivery_fanout.h"

#include <assert.h>

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_heads.h"
#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_watch.h"
#include "shared/base/metrics.h"

static struct metric events_total = {.name = "parley_delivery_events_total",
                                     .labels = "",
                                     .help = "Events of the feed that were fanned out.",
                                     .kind = METRIC_COUNTER};
static struct metric again_total = {.name = "parley_delivery_events_read_again_total",
                                    .labels = "",
                                    .help = "Events that were read again to be parked.",
                                    .kind = METRIC_COUNTER};
static struct metric pulled_total = {.name = "parley_delivery_pulled_events_total",
                                     .labels = "",
                                     .help = "Events of chats that are pulled.",
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
    metrics_register(&pulled_total);
    if (event->mode == DELIVERY_PARK_ONLY)
        metric_add(&again_total, 1);
    else if (event->mode != DELIVERY_RESYNC)
        metric_add(&events_total, 1);
}

static void push(struct delivery_service *service, struct delivery_event *event,
                 const struct delivery_roster *roster)
{
    for (size_t i = 0; i < roster->span_count; i++)
        if (delivery_span_covers(&roster->spans[i], event->ref.seq))
            to_user(service, roster->spans[i].user_id, event);
}

static void offer(struct device *device, struct delivery_event *event,
                  struct delivery_roster *roster)
{
    int64_t user_id = device->user->user_id;
    if (user_id == delivery_event_member(event))
        return; /* it has it already */
    if (event->mode != DELIVERY_RESYNC && delivery_roster_has(roster, user_id, event->ref.seq))
        (void)device_offer(device, event);
    else
        device_pass_by(device);
}

static void offer_to_watchers(struct delivery_service *service, struct delivery_event *event,
                              struct delivery_roster *roster)
{
    const struct delivery_watching *watching =
        delivery_watch_first(service->watch, event->ref.chat_id);
    for (; watching != NULL; watching = watching->next)
        if (watching->connection->device != NULL)
            offer(watching->connection->device, event, roster);
}

static void pull(struct delivery_service *service, struct delivery_event *event,
                 struct delivery_roster *roster)
{
    metric_add(&pulled_total, 1);
    if (event->mode != DELIVERY_PARK_ONLY)
        delivery_heads_note(service->heads, event->ref.chat_id, event->ref.seq);
    if (delivery_event_member(event) != 0)
        to_user(service, delivery_event_member(event), event);
    if (event->mode != DELIVERY_PARK_ONLY)
        offer_to_watchers(service, event, roster);
}

/* What is read again was noted when it was fanned out to the connected. */
static void note_erasure(struct delivery_service *service, struct delivery_event *event)
{
    event->erasures = service->hub.erasures.count;
    if (event->type == CHAT_EVENT_DELETE && event->mode != DELIVERY_PARK_ONLY)
        delivery_erasures_add(&service->hub.erasures, event->ref.chat_id, event->subject_id);
}

void delivery_fanout_event(struct delivery_service *service, struct delivery_event *event)
{
    const struct delivery_ref *ref = &event->ref;
    count(event);
    note_erasure(service, event);
    delivery_rosters_apply(service->rosters, event);
    struct delivery_roster *roster =
        delivery_rosters_find(service->rosters, ref->chat_id, ref->seq);
    assert(roster != NULL);
    if (event->mode != DELIVERY_PARK_ONLY)
        delivery_live_event(service, event, roster);
    bool is_pulled = delivery_roster_members_at(roster, ref->seq) > (size_t)limits.pushed_members;
    if (is_pulled)
        pull(service, event, roster);
    else
        push(service, event, roster);
    if (event->mode == DELIVERY_LIVE_ONLY || (is_pulled && delivery_event_member(event) == 0))
        delivery_cursor_release(service->cursor, ref->partition, ref->offset);
    else
        delivery_park_event(service->park, event);
}
