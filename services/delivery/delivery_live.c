#include "services/delivery/delivery_live.h"

#include "services/delivery/delivery_bucket.h"
#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_roles.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch.h"
#include "shared/base/clock.h"
#include "shared/base/metrics.h"

static struct metric limited_total = {
    .name = "parley_delivery_live_ops_limited_total",
    .labels = "",
    .help = "Ops of watching, typing and presence that came too fast.",
    .kind = METRIC_COUNTER};

int64_t delivery_live_wait_s(struct connection *connection)
{
    int64_t wait_s = delivery_bucket_wait_s(&connection->live_full_us, clock_monotonic_us(),
                                            limits.live_ops_per_second, limits.live_ops_burst);
    metrics_register(&limited_total);
    metric_add(&limited_total, wait_s > 0);
    return wait_s;
}

static void change_role(struct delivery_service *service, int64_t chat_id, int64_t user_id)
{
    delivery_roles_changed(service->roles, chat_id, user_id);
    delivery_typing_role_changed(service->typing, chat_id, user_id);
}

/* An old removal that is read again, of somebody who is back since, ends nothing. */
static void end_member(struct delivery_service *service, int64_t chat_id, int64_t user_id,
                       struct delivery_roster *roster)
{
    const struct delivery_user *user = delivery_people_find(service->people, user_id);
    change_role(service, chat_id, user_id);
    delivery_presence_suspect(service->presence, user_id);
    if (user == NULL || delivery_roster_has(roster, user_id, INT64_MAX))
        return;
    for (const struct device *device = user->devices; device != NULL; device = device->next_of_user)
        if (device->connection != NULL)
            delivery_watch_drop_chat(service->watch, device->connection, chat_id);
}

void delivery_live_event(struct delivery_service *service, const struct delivery_event *event,
                         struct delivery_roster *roster)
{
    if (event->type == CHAT_EVENT_MESSAGE)
        delivery_typing_end(service->typing, event->ref.chat_id, event->sender_id);
    else if (event->type == CHAT_EVENT_MEMBER_REMOVED)
        end_member(service, event->ref.chat_id, event->subject_id, roster);
    else if (event->type == CHAT_EVENT_ROLE_CHANGED)
        change_role(service, event->ref.chat_id, event->subject_id);
}

void delivery_live_gone(struct delivery_service *service, struct connection *connection)
{
    delivery_watch_drop(service->watch, connection);
    delivery_typing_gone(service->typing, connection);
    delivery_presence_gone(service->presence, connection);
}
