/* Notes are stored, and released events served, one at a time from a timer. It looks into Postgres only while there is
 * poison: only then can something have been released. */
#include "services/delivery/delivery_poison.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_fanout.h"
#include "services/delivery/delivery_recovery.h"
#include "services/delivery/delivery_store.h"
#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/in_hand.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/proto/chat_protocol.h"

#define DEATHS_OF_POISON 3
#define TICK_MS          500
#define SLACK_MS         1000 /* above the deadline of a command to Redis */

struct passed_over {
    struct delivery_ref ref;
    int64_t deaths;
    struct passed_over *next;
};

struct delivery_poison {
    struct delivery_service *service;
    struct in_hand *hand;
    struct loop_timer *tick;
    struct passed_over *first, **last; /* not noted in Postgres yet */
    bool asking;
    bool is_known; /* what is in Postgres */
    int64_t noted_count;
    struct delivery_ref released;
    struct delivery_event *telling; /* of what was released; NULL: nothing is */
    int64_t told_ms;                /* when all its devices had been told; 0: not yet */
    uint32_t told_generation;
};

static struct metric poison_gauge = {
    .name = "parley_delivery_poison_events",
    .labels = "",
    .help = "Events that were passed over because their fan-out ended the process.",
    .kind = METRIC_GAUGE};

static void show_count(const struct delivery_poison *poison)
{
    int64_t count = poison->noted_count;
    for (const struct passed_over *item = poison->first; item != NULL; item = item->next)
        count++;
    metric_set(&poison_gauge, count);
}

/* --- passing over --- */

static void pass_over(struct delivery_poison *poison, const struct delivery_ref *ref,
                      int64_t deaths)
{
    log_error("event_passed_over", LOG_ID("chat", ref->chat_id), LOG_NUMBER("seq", ref->seq),
              LOG_NUMBER("partition", ref->partition), LOG_NUMBER("offset", ref->offset),
              LOG_NUMBER("deaths", deaths));
    struct passed_over *item = mem_alloc(sizeof *item);
    *item = (struct passed_over){.ref = *ref, .deaths = deaths};
    *poison->last = item;
    poison->last = &item->next;
    show_count(poison);
}

void delivery_poison_fan_out(struct delivery_poison *poison, struct delivery_event *event)
{
    const struct delivery_ref *ref = &event->ref;
    int64_t deaths = in_hand_deaths(poison->hand, ref->partition, ref->offset);
    if (deaths >= DEATHS_OF_POISON) {
        pass_over(poison, ref, deaths);
        return;
    }
    in_hand_take(poison->hand, ref->partition, ref->offset);
    FAILPOINT(event_in_hand);
    delivery_fanout_event(poison->service, event);
    in_hand_put_down(poison->hand);
}

static void on_noted(void *context, enum delivery_stored outcome)
{
    struct delivery_poison *poison = context;
    struct passed_over *item = poison->first;
    poison->asking = false;
    if (outcome != DELIVERY_STORED)
        return;
    poison->first = item->next;
    if (poison->first == NULL)
        poison->last = &poison->first;
    delivery_cursor_release(poison->service->cursor, item->ref.partition, item->ref.offset);
    mem_free(item);
    poison->is_known = false;
}

/* --- what was released --- */

/* Its devices are those that the event was for: the round of delivery_park finds those that are not known, too. */
static void tell_devices(struct delivery_poison *poison, const struct chat_event *source)
{
    struct delivery_service *service = poison->service;
    const struct delivery_ref *ref = &poison->released;
    struct delivery_event *event =
        delivery_event_create(ref->partition, ref->offset, source, DELIVERY_RESYNC);
    if (!delivery_recovery_is_up(service->recovery) || !delivery_fanout_is_ready(service, event)) {
        delivery_event_drop(&event);
        return;
    }
    in_hand_forgive(poison->hand, ref->partition, ref->offset);
    delivery_cursor_hold(service->cursor, ref->partition, ref->offset);
    poison->telling = event;
    poison->told_ms = 0;
    poison->told_generation = delivery_recovery_generation(service->recovery);
    delivery_fanout_event(service, event);
}

/* What could not be told now is read again with the next tick. */
static void on_event(void *context, const struct rpc_result *result)
{
    struct delivery_poison *poison = context;
    const struct chat_events_reply *reply = result->reply;
    poison->asking = false;
    if (result->outcome != RPC_OK || reply->events_count != 1)
        return;
    struct chat_event source = reply->events[0];
    if (source.seq == 0) /* its chat is gone: whoever it was for reads that */
        source = (struct chat_event){.chat_id = poison->released.chat_id,
                                     .seq = poison->released.seq,
                                     .type = CHAT_EVENT_MESSAGE};
    source.json = TEXT_NONE;
    tell_devices(poison, &source);
}

/* For whom an event is may depend on what it says of whom: of a large chat, only a membership's own member is pushed it. */
static void ask_event(struct delivery_poison *poison)
{
    struct delivery_service *service = poison->service;
    struct chat_event_ref ref = {poison->released.chat_id, poison->released.seq};
    struct chat_events_request request = {.refs = &ref, .refs_count = 1};
    if (delivery_cursor_begun(service->cursor, poison->released.partition) <
        poison->released.offset)
        return;
    poison->asking = true;
    chat_client_events(service->chat, &request, daemon_settings.rpc_deadline_ms, on_event, poison);
}

static void on_dropped(void *context, enum delivery_stored outcome)
{
    struct delivery_poison *poison = context;
    poison->asking = false;
    if (outcome != DELIVERY_STORED)
        return; /* it will be read, told and dropped again */
    log_info("poison_released", LOG_ID("chat", poison->released.chat_id),
             LOG_NUMBER("seq", poison->released.seq));
    poison->is_known = false;
}

/* The note goes when Redis has what was written to it: longer ago than its deadline, and without a loss since. */
static void watch_telling(struct delivery_poison *poison)
{
    struct delivery_service *service = poison->service;
    int64_t now_ms = clock_monotonic_ms();
    if (delivery_recovery_generation(service->recovery) != poison->told_generation) {
        delivery_event_drop(&poison->telling);
        return;
    }
    if (poison->telling->references > 1)
        return; /* its round is not over */
    if (poison->told_ms == 0)
        poison->told_ms = now_ms;
    if (now_ms - poison->told_ms < delivery_settings.redis_deadline_ms + SLACK_MS)
        return;
    delivery_event_drop(&poison->telling);
    poison->asking = true;
    delivery_store_drop_poison(service->store, &poison->released, on_dropped, poison);
}

static void on_read(void *context, int64_t count, const struct delivery_ref *released)
{
    struct delivery_poison *poison = context;
    poison->asking = false;
    if (count < 0)
        return;
    poison->is_known = true;
    poison->noted_count = count;
    show_count(poison);
    if (released == NULL ||
        released->partition >= delivery_cursor_partitions(poison->service->cursor))
        return;
    poison->released = *released;
    ask_event(poison);
}

/* --- time --- */

static void on_tick(void *context)
{
    struct delivery_poison *poison = context;
    struct delivery_service *service = poison->service;
    if (poison->asking || service->cursor == NULL || !delivery_store_is_connected(service->store))
        return;
    if (poison->telling != NULL) {
        watch_telling(poison);
    } else if (poison->first != NULL) {
        poison->asking = true;
        delivery_store_note_poison(service->store, &poison->first->ref, poison->first->deaths,
                                   on_noted, poison);
    } else if (!poison->is_known || poison->noted_count > 0) {
        poison->asking = true;
        delivery_store_read_poison(service->store, on_read, poison);
    }
}

/* --- life --- */

static struct in_hand *open_hand(void)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/delivery.inhand", daemon_settings.run_dir);
    struct in_hand *hand = in_hand_open(path);
    if (hand == NULL)
        log_warning("in_hand_unavailable", LOG_STRING("path", path),
                    LOG_STRING("reason", strerror(errno)));
    return hand;
}

struct delivery_poison *delivery_poison_create(struct delivery_service *service)
{
    struct delivery_poison *poison = mem_zalloc(sizeof *poison);
    poison->service = service;
    poison->hand = open_hand();
    poison->last = &poison->first;
    poison->tick = loop_timer_create(service->loop, on_tick, poison);
    loop_timer_repeat(poison->tick, TICK_MS);
    metrics_register(&poison_gauge);
    return poison;
}

void delivery_poison_destroy(struct delivery_poison **poison)
{
    if (*poison == NULL)
        return;
    loop_timer_destroy(&(*poison)->tick);
    in_hand_close(&(*poison)->hand);
    delivery_event_drop(&(*poison)->telling);
    while ((*poison)->first != NULL) {
        struct passed_over *item = (*poison)->first;
        (*poison)->first = item->next;
        mem_free(item);
    }
    mem_free(*poison);
    *poison = NULL;
}
