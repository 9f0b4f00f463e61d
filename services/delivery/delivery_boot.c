/* One step at a time, from a timer. */
#include "services/delivery/delivery_boot.h"

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_feed.h"
#include "services/delivery/delivery_recovery.h"
#include "services/delivery/delivery_revocation.h"
#include "services/delivery/delivery_store.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

#define STEP_MS        20
#define MAX_PARTITIONS 1024

enum boot_step { BOOT_CHANGES, BOOT_SHARD, BOOT_PARTITIONS, BOOT_INBOXES, BOOT_DONE };

struct delivery_boot {
    struct delivery_service *service;
    enum boot_step step;
    bool asking;
    struct delivery_shard shard;
    int64_t offsets[MAX_PARTITIONS];
    int64_t inboxes_since_ms;
    struct loop_timer *timer;
};

static void on_shard(void *context, const struct delivery_shard *shard)
{
    struct delivery_boot *boot = context;
    boot->asking = false;
    if (shard == NULL)
        return;
    boot->shard = *shard;
    for (size_t i = 0; i < shard->cursor_count; i++)
        if (shard->partitions[i] >= 0 && shard->partitions[i] < MAX_PARTITIONS)
            boot->offsets[shard->partitions[i]] = shard->offsets[i];
    boot->step = BOOT_PARTITIONS;
}

static void on_heads(void *context, const struct rpc_result *result)
{
    struct delivery_boot *boot = context;
    struct delivery_service *service = boot->service;
    const struct chat_heads_reply *reply = result->reply;
    boot->asking = false;
    if (result->outcome != RPC_OK || reply->heads_count == 0)
        return;
    service->cursor = delivery_cursor_create((uint32_t)reply->heads_count);
    for (uint32_t i = 0; i < reply->heads_count; i++)
        delivery_cursor_start(service->cursor, i, boot->offsets[i]);
    log_info("shard_taken", LOG_NUMBER("shard", delivery_settings.shard),
             LOG_NUMBER("owner", boot->shard.epoch), LOG_NUMBER("partitions", reply->heads_count));
    boot->step = BOOT_INBOXES;
    boot->inboxes_since_ms = clock_monotonic_ms();
    delivery_recovery_begin(service->recovery, &boot->shard);
}

static void ask_heads(struct delivery_boot *boot)
{
    struct chat_heads_request request = {0};
    chat_client_heads(boot->service->chat, &request, daemon_settings.rpc_deadline_ms, on_heads,
                      boot);
}

static void start_feed(struct delivery_boot *boot)
{
    int64_t waited_ms = clock_monotonic_ms() - boot->inboxes_since_ms;
    if (!delivery_recovery_is_up(boot->service->recovery) &&
        waited_ms < delivery_settings.inbox_patience_ms)
        return;
    delivery_feed_start(boot->service->feed);
    boot->step = BOOT_DONE;
}

static void on_step(void *context)
{
    struct delivery_boot *boot = context;
    if (boot->step == BOOT_CHANGES && delivery_revocation_is_ready(boot->service->revocation))
        boot->step = BOOT_SHARD;
    if (boot->step == BOOT_SHARD && !boot->asking &&
        delivery_store_is_connected(boot->service->store)) {
        boot->asking = true;
        delivery_store_take_shard(boot->service->store, on_shard, boot);
    } else if (boot->step == BOOT_PARTITIONS && !boot->asking) {
        boot->asking = true;
        ask_heads(boot);
    } else if (boot->step == BOOT_INBOXES) {
        start_feed(boot);
    }
    if (boot->step != BOOT_DONE)
        loop_timer_start(boot->timer, STEP_MS);
}

bool delivery_boot_is_done(const struct delivery_boot *boot)
{
    return boot->step == BOOT_DONE;
}

struct delivery_boot *delivery_boot_create(struct delivery_service *service)
{
    struct delivery_boot *boot = mem_zalloc(sizeof *boot);
    boot->service = service;
    boot->timer = loop_timer_create(service->loop, on_step, boot);
    loop_timer_start(boot->timer, 0);
    return boot;
}

void delivery_boot_destroy(struct delivery_boot **boot)
{
    if (*boot == NULL)
        return;
    loop_timer_destroy(&(*boot)->timer);
    mem_free(*boot);
    *boot = NULL;
}
