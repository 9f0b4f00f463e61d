/* The states of delivery_recovery.h. Answers carry the generation in which they were asked for: each loss begins a new one. */
#include "services/delivery/delivery_recovery.h"

#include <signal.h>

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_refill.h"
#include "services/delivery/delivery_revocation.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define TICK_MS      20  /* while something is being done */
#define AWAY_TICK_MS 200 /* between tries */
#define REWRITE_PAGE 1000

enum recovery_state { AWAY, HELLO, FOUNDING, REWRITING, FILLING, UP };

struct delivery_recovery {
    struct delivery_service *service;
    enum recovery_state state;
    bool begun;
    uint32_t generation;
    int64_t owner;
    int64_t redis_epoch;
    int64_t started_change;
    int64_t away_since_ms;
    struct delivery_refill *refill;
    uint32_t partition_count;
    int64_t *rewrites; /* devices whose inboxes must be emptied or marked */
    size_t rewrite_count, rewrite_capacity;
    struct loop_timer *tick;
};

/* A question that was asked in one generation and is void in the next. */
struct question {
    struct delivery_recovery *recovery;
    uint32_t generation;
};

static const char *const state_names[] = {"away",      "hello",   "founding",
                                          "rewriting", "filling", "up"};

static struct metric state_gauge = {
    .name = "parley_delivery_inboxes_state",
    .labels = "",
    .help = "0 away, 1 hello, 2 founding, 3 rewriting, 4 filling, 5 up.",
    .kind = METRIC_GAUGE};
static struct metric losses_total = {.name = "parley_delivery_inboxes_lost_total",
                                     .labels = "",
                                     .help = "Times that parking became impossible.",
                                     .kind = METRIC_COUNTER};
static struct metric epochs_total = {
    .name = "parley_delivery_redis_epochs_total",
    .labels = "",
    .help = "Times that Redis was found empty, rolled back or another one.",
    .kind = METRIC_COUNTER};

static void change_state(struct delivery_recovery *recovery, enum recovery_state next)
{
    if (recovery->state == next)
        return;
    log_info("inboxes", LOG_STRING("from", state_names[recovery->state]),
             LOG_STRING("to", state_names[next]));
    recovery->state = next;
    metric_set(&state_gauge, next);
    loop_timer_start(recovery->tick, next == AWAY || next == UP ? AWAY_TICK_MS : TICK_MS);
}

static struct question *ask(struct delivery_recovery *recovery)
{
    struct question *question = mem_alloc(sizeof *question);
    *question = (struct question){recovery, recovery->generation};
    return question;
}

/* NULL when what was asked does not matter any more. */
static struct delivery_recovery *answered(void *context)
{
    struct question question = *(struct question *)context;
    mem_free(context);
    return question.generation == question.recovery->generation ? question.recovery : NULL;
}

/* --- losing --- */

static void lose_device(void *context, struct device *device)
{
    (void)context;
    device_on_lost(device);
}

void delivery_recovery_lose(struct delivery_recovery *recovery, const char *reason)
{
    struct delivery_service *service = recovery->service;
    if (recovery->state == AWAY)
        return;
    recovery->generation++;
    if (recovery->state >= REWRITING) {
        log_warning("inboxes_lost", LOG_STRING("reason", reason));
        metric_add(&losses_total, 1);
        recovery->away_since_ms = clock_monotonic_ms();
        service->hub.inboxes = DEVICE_INBOXES_AWAY;
        delivery_refill_suspend(recovery->refill);
        recovery->rewrite_count = 0;
        delivery_park_drop_rounds(service->park);
        delivery_people_each(service->people, lose_device, NULL);
    }
    change_state(recovery, AWAY);
}

void delivery_recovery_superseded(struct delivery_recovery *recovery)
{
    log_error("superseded", LOG_NUMBER("shard", delivery_settings.shard),
              LOG_NUMBER("owner", recovery->owner));
    raise(SIGTERM);
}

static void close_holder(void *context, struct device *device)
{
    struct delivery_ws *ws = context;
    if (device->connection != NULL && device_has_unparked(device))
        delivery_ws_close(ws, device->connection, CLOSE_TOO_SLOW, "too slow");
}

void delivery_recovery_relieve(struct delivery_recovery *recovery)
{
    if (recovery->service->hub.inboxes == DEVICE_INBOXES_AWAY)
        delivery_people_each(recovery->service->people, close_holder, recovery->service->ws);
}

/* --- filling --- */

static void up_device(void *context, struct device *device)
{
    (void)context;
    device_on_up(device);
}

void delivery_recovery_pump(struct delivery_recovery *recovery)
{
    if (recovery->state != FILLING || !delivery_refill_turn(recovery->refill))
        return;
    recovery->service->hub.inboxes = DEVICE_INBOXES_UP;
    change_state(recovery, UP);
    delivery_people_each(recovery->service->people, up_device, NULL);
}

/* --- rewriting --- */

static void note_rewrite(void *context, struct device *device)
{
    struct delivery_recovery *recovery = context;
    if (!device->clear_due && !device->mark_due)
        return;
    if (recovery->rewrite_count == recovery->rewrite_capacity) {
        recovery->rewrite_capacity = recovery->rewrite_capacity * 2 + REWRITE_PAGE;
        recovery->rewrites =
            mem_resize(recovery->rewrites, recovery->rewrite_capacity * sizeof *recovery->rewrites);
    }
    recovery->rewrites[recovery->rewrite_count++] = device->device_id;
}

static void start_rewriting(struct delivery_recovery *recovery)
{
    struct delivery_service *service = recovery->service;
    recovery->rewrite_count = 0;
    delivery_people_each(service->people, note_rewrite, recovery);
    service->hub.inboxes = DEVICE_INBOXES_FILLING;
    change_state(recovery, REWRITING);
}

static void rewrite_page(struct delivery_recovery *recovery)
{
    struct delivery_service *service = recovery->service;
    for (int i = 0; i < REWRITE_PAGE && recovery->rewrite_count > 0; i++) {
        if (!delivery_inbox_has_room(service->inbox))
            return;
        int64_t device_id = recovery->rewrites[--recovery->rewrite_count];
        struct device *device = delivery_people_device(service->people, device_id);
        if (device != NULL)
            device_rewrite(device);
    }
    if (recovery->rewrite_count == 0) {
        delivery_refill_start(recovery->refill);
        change_state(recovery, FILLING);
    }
}

/* --- which Redis is it? --- */

static void on_found(void *context, bool ok)
{
    struct delivery_recovery *recovery = answered(context);
    if (recovery != NULL && ok)
        start_rewriting(recovery);
}

static void on_epoch_saved(void *context, enum delivery_stored outcome)
{
    struct delivery_recovery *recovery = answered(context);
    if (recovery == NULL)
        return;
    if (outcome == DELIVERY_SUPERSEDED)
        delivery_recovery_superseded(recovery);
    if (outcome != DELIVERY_STORED) {
        delivery_recovery_lose(recovery, "the new epoch was not stored");
        return;
    }
    int64_t *parked = mem_array(recovery->partition_count, sizeof *parked);
    for (uint32_t i = 0; i < recovery->partition_count; i++)
        parked[i] = delivery_cursor_durable(recovery->service->cursor, i);
    delivery_inbox_set_epoch(recovery->service->inbox, recovery->redis_epoch, recovery->owner,
                             recovery->started_change);
    delivery_inbox_found(recovery->service->inbox, parked, on_found, ask(recovery));
    mem_free(parked);
}

/* Every device that exists now may have had something in the Redis that is gone. When there never was one, nothing was. */
static void on_devices_dated(void *context, bool ok)
{
    struct delivery_recovery *recovery = answered(context);
    if (recovery == NULL)
        return;
    if (!ok) {
        delivery_recovery_lose(recovery, "the user daemon did not answer");
        return;
    }
    int64_t next_change = delivery_revocation_offset(recovery->service->revocation) + 1;
    recovery->started_change = recovery->redis_epoch == 0 ? 0 : next_change;
    recovery->redis_epoch = id_random();
    log_info("redis_epoch_begins", LOG_NUMBER("started_change", recovery->started_change));
    delivery_store_save_redis_epoch(recovery->service->store, recovery->owner,
                                    recovery->redis_epoch, recovery->started_change, on_epoch_saved,
                                    ask(recovery));
}

static void found_epoch(struct delivery_recovery *recovery, const char *reason)
{
    if (recovery->redis_epoch != 0)
        log_warning("redis_epoch_ends", LOG_STRING("reason", reason));
    metric_add(&epochs_total, recovery->redis_epoch != 0);
    change_state(recovery, FOUNDING);
    delivery_revocation_catch_up(recovery->service->revocation, on_devices_dated, ask(recovery));
}

static bool is_rolled_back(const struct delivery_recovery *recovery,
                           const struct delivery_inbox_hello *hello)
{
    for (uint32_t i = 0; i < recovery->partition_count; i++)
        if (hello->parked[i] < delivery_cursor_durable(recovery->service->cursor, i))
            return true;
    return false;
}

static void on_hello(void *context, const struct delivery_inbox_hello *hello)
{
    struct delivery_recovery *recovery = answered(context);
    if (recovery == NULL || hello == NULL)
        return; /* the loss has been told */
    if (hello->refused)
        delivery_recovery_superseded(recovery);
    else if (recovery->redis_epoch == 0)
        found_epoch(recovery, "there was none");
    else if (hello->epoch != recovery->redis_epoch)
        found_epoch(recovery, hello->epoch == 0 ? "Redis is empty" : "Redis is another one");
    else if (is_rolled_back(recovery, hello))
        found_epoch(recovery, "Redis is in an older state");
    else
        start_rewriting(recovery);
}

static void try_hello(struct delivery_recovery *recovery)
{
    struct delivery_service *service = recovery->service;
    delivery_inbox_connect_again(service->inbox);
    delivery_inbox_retry(service->inbox);
    if (!recovery->begun || !delivery_inbox_is_connected(service->inbox))
        return;
    delivery_inbox_set_epoch(service->inbox, recovery->redis_epoch, recovery->owner,
                             recovery->started_change);
    change_state(recovery, HELLO);
    delivery_inbox_hello(service->inbox, on_hello, ask(recovery));
}

/* --- time --- */

static void judge_impatient(void *context, struct device *device)
{
    const struct delivery_recovery *recovery = context;
    if (device->state != DEVICE_CONNECTING)
        return;
    int64_t now_ms = clock_monotonic_ms(), patience_ms = delivery_settings.inbox_patience_ms;
    if (now_ms - device->connection->authenticated_ms >= patience_ms ||
        now_ms - recovery->away_since_ms >= 2 * patience_ms)
        device_give_up_waiting(device);
}

static void on_tick(void *context)
{
    struct delivery_recovery *recovery = context;
    switch (recovery->state) {
    case AWAY:
        try_hello(recovery);
        break;
    case REWRITING:
        rewrite_page(recovery);
        break;
    case FILLING:
        delivery_recovery_pump(recovery);
        break;
    case HELLO:
    case FOUNDING:
    case UP:
        break;
    }
    if (recovery->state == UP)
        return;
    if (recovery->begun)
        delivery_people_each(recovery->service->people, judge_impatient, recovery);
    loop_timer_start(recovery->tick, recovery->state == AWAY ? AWAY_TICK_MS : TICK_MS);
}

static void on_inbox_connected(void *context)
{
    struct delivery_recovery *recovery = context;
    if (recovery->state == AWAY)
        try_hello(recovery);
}

static void on_inbox_failed(void *context, const char *reason)
{
    delivery_recovery_lose(context, reason);
}

struct delivery_inbox_callbacks
delivery_recovery_inbox_callbacks(struct delivery_recovery *recovery)
{
    return (struct delivery_inbox_callbacks){recovery, on_inbox_connected, on_inbox_failed};
}

/* --- what others ask --- */

bool delivery_recovery_parks(const struct delivery_recovery *recovery, uint32_t partition)
{
    return recovery->begun && delivery_refill_is_done(recovery->refill, partition);
}

bool delivery_recovery_is_up(const struct delivery_recovery *recovery)
{
    return recovery->state == UP;
}

uint32_t delivery_recovery_generation(const struct delivery_recovery *recovery)
{
    return recovery->generation;
}

const char *delivery_recovery_state_name(const struct delivery_recovery *recovery)
{
    return state_names[recovery->state];
}

int64_t delivery_recovery_owner(const struct delivery_recovery *recovery)
{
    return recovery->owner;
}

/* --- life --- */

void delivery_recovery_begin(struct delivery_recovery *recovery, const struct delivery_shard *shard)
{
    recovery->owner = shard->epoch;
    recovery->redis_epoch = shard->redis_epoch;
    recovery->started_change = shard->started_change;
    recovery->partition_count = delivery_cursor_partitions(recovery->service->cursor);
    recovery->refill = delivery_refill_create(recovery->service);
    delivery_refill_suspend(recovery->refill);
    recovery->away_since_ms = clock_monotonic_ms();
    recovery->begun = true;
    try_hello(recovery);
}

struct delivery_recovery *delivery_recovery_create(struct delivery_service *service)
{
    struct delivery_recovery *recovery = mem_zalloc(sizeof *recovery);
    recovery->service = service;
    recovery->tick = loop_timer_create(service->loop, on_tick, recovery);
    loop_timer_start(recovery->tick, AWAY_TICK_MS);
    metrics_register(&state_gauge);
    metrics_register(&losses_total);
    metrics_register(&epochs_total);
    return recovery;
}

void delivery_recovery_destroy(struct delivery_recovery **recovery)
{
    if (*recovery == NULL)
        return;
    delivery_refill_destroy(&(*recovery)->refill);
    loop_timer_destroy(&(*recovery)->tick);
    mem_free((*recovery)->rewrites);
    mem_free(*recovery);
    *recovery = NULL;
}
