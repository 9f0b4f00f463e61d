/* The timer of the rounds, the devices that have something to park, and the devices whose windows may become old. */
#include "services/delivery/delivery_park.h"

#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_round.h"
#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define WINDOW_SWEEP_MS 250

struct delivery_park {
    struct delivery_service *service;
    struct device_hub *hub;
    struct delivery_rounds *rounds;
    struct device *dirty;
    struct device *windowed;
    struct loop_timer *timer;
    struct loop_timer *window_timer;
};

static struct metric waiting_gauge = {.name = "parley_delivery_waiting_entries",
                                      .labels = "",
                                      .help =
                                          "References in memory that are neither sent nor parked.",
                                      .kind = METRIC_GAUGE};

static void push(struct delivery_park *park, struct device *device)
{
    struct delivery_ref refs[DEVICE_PUSH_MAX];
    size_t count = device_take_push(device, refs);
    if (count > 0)
        FAILPOINT(published_not_parked);
    if (count > 0)
        delivery_inbox_push(park->service->inbox, device, device->push_generation, refs, count);
}

/* Devices whose time has not come go back on the list. */
static void push_dirty(struct delivery_park *park)
{
    int64_t now_ms = clock_monotonic_ms();
    struct device *device = park->dirty;
    park->dirty = NULL;
    while (device != NULL) {
        struct device *next = device->next_dirty;
        device->is_dirty = false;
        if (device->removed)
            delivery_people_let_go(park->service->people, device);
        else if (device->park_at_ms > now_ms || !delivery_inbox_has_room(park->service->inbox))
            delivery_park_soon(park, device, device->park_at_ms - now_ms);
        else
            push(park, device);
        device = next;
    }
}

static void on_timer(void *context)
{
    struct delivery_park *park = context;
    push_dirty(park);
    delivery_rounds_turn(park->rounds);
    metric_set(&waiting_gauge, park->hub->waiting);
    if (park->dirty != NULL || delivery_rounds_are_gathering(park->rounds))
        loop_timer_start(park->timer, delivery_settings.park_interval_ms);
}

static void start_timer(struct delivery_park *park)
{
    if (!loop_timer_is_running(park->timer))
        loop_timer_start(park->timer, delivery_settings.park_interval_ms);
}

void delivery_park_soon(struct delivery_park *park, struct device *device, int64_t delay_ms)
{
    int64_t at_ms = clock_monotonic_ms() + (delay_ms > 0 ? delay_ms : 0);
    if (device->is_dirty) {
        device->park_at_ms = at_ms < device->park_at_ms ? at_ms : device->park_at_ms;
        return;
    }
    device->is_dirty = true;
    device->park_at_ms = at_ms;
    device->next_dirty = park->dirty;
    park->dirty = device;
    start_timer(park);
}

/* --- windows --- */

static void on_window_timer(void *context)
{
    struct delivery_park *park = context;
    int64_t now_ms = clock_monotonic_ms();
    struct device **link = &park->windowed;
    while (*link != NULL) {
        struct device *device = *link;
        if (device->window.count > 0 && !device->removed) {
            device_tick(device, now_ms);
            link = &device->next_windowed;
            continue;
        }
        *link = device->next_windowed;
        device->is_windowed = false;
        delivery_people_let_go(park->service->people, device);
    }
    if (park->windowed != NULL)
        loop_timer_start(park->window_timer, WINDOW_SWEEP_MS);
}

void delivery_park_watch_window(struct delivery_park *park, struct device *device)
{
    device->is_windowed = true;
    device->next_windowed = park->windowed;
    park->windowed = device;
    if (!loop_timer_is_running(park->window_timer))
        loop_timer_start(park->window_timer, WINDOW_SWEEP_MS);
}

/* --- rounds --- */

void delivery_park_event(struct delivery_park *park, struct delivery_event *event)
{
    delivery_rounds_add_event(park->rounds, event);
    start_timer(park);
}

void delivery_park_pair(struct delivery_park *park, struct delivery_user *user,
                        struct delivery_event *event)
{
    delivery_rounds_add_pair(park->rounds, user, event);
}

bool delivery_park_is_full(const struct delivery_park *park)
{
    int64_t max = delivery_settings.max_queued_parks;
    return park->hub->waiting > max || delivery_rounds_pairs(park->rounds) > (size_t)max;
}

bool delivery_park_is_empty(const struct delivery_park *park)
{
    return park->dirty == NULL && park->hub->waiting == 0 &&
           delivery_rounds_are_empty(park->rounds) && delivery_inbox_is_quiet(park->service->inbox);
}

void delivery_park_drop_rounds(struct delivery_park *park)
{
    delivery_rounds_drop(park->rounds);
}

struct delivery_park *delivery_park_create(struct delivery_service *service, struct device_hub *hub)
{
    struct delivery_park *park = mem_zalloc(sizeof *park);
    park->service = service;
    park->hub = hub;
    park->rounds = delivery_rounds_create(service);
    park->timer = loop_timer_create(service->loop, on_timer, park);
    park->window_timer = loop_timer_create(service->loop, on_window_timer, park);
    metrics_register(&waiting_gauge);
    return park;
}

void delivery_park_destroy(struct delivery_park **park)
{
    if (*park == NULL)
        return;
    for (struct device *device = (*park)->dirty; device != NULL; device = device->next_dirty)
        device->is_dirty = false;
    for (struct device *device = (*park)->windowed; device != NULL; device = device->next_windowed)
        device->is_windowed = false;
    delivery_rounds_destroy(&(*park)->rounds);
    loop_timer_destroy(&(*park)->timer);
    loop_timer_destroy(&(*park)->window_timer);
    mem_free(*park);
    *park = NULL;
}
