/* One struct per chat that has changes on their way, alive while it has. Its states:
 *
 *     reading  → the oldest row is being read      → applying, or gone when there is none
 *     applying → the chat daemon has been asked    → deleting, or resting when it was not answered
 *     deleting → the row is being deleted          → reading
 *     resting  → the scan timer tries it again     → reading
 *     parking  → the log has refused it for good: the row is being marked → gone; the scan passes it by
 *
 * A change that was applied but whose row was not deleted is applied again, which the chat daemon answers with what it
 * did the first time. */
#include "services/metadata/metadata_outbox.h"

#include <uthash.h>

#include "services/metadata/metadata_settings.h"
#include "services/metadata/metadata_store.h"
#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define SWEEP_MS     50
#define MAX_REFUSALS 3 /* of a change for a reason that may pass, before it is parked */
#define SCAN_LIMIT   256

enum outbox_state {
    OUTBOX_READING,
    OUTBOX_APPLYING,
    OUTBOX_DELETING,
    OUTBOX_RESTING,
    OUTBOX_PARKING
};

struct outbox_waiter {
    int64_t version;
    int64_t deadline_ms;
    metadata_on_applied on_applied;
    void *context;
    struct outbox_waiter *next;
};

struct outbox_chat {
    int64_t chat_id;
    enum outbox_state state;
    int64_t applying_version;
    int64_t retry_at_ms;
    int refusals; /* of the change, in a row */
    bool
        look_again; /* somebody came while the row was being read: an empty answer may be too old */
    struct outbox_waiter *waiters;
    struct metadata_outbox *outbox;
    UT_hash_handle hh;
};

struct metadata_outbox {
    struct metadata_service *service;
    struct outbox_chat *chats;
    struct loop_timer *sweep; /* runs while there are chats */
    struct loop_timer *scan;
    size_t waiter_count;
};

static struct metric chats_gauge = {.name = "parley_metadata_outbox_chats",
                                    .help = "Chats with changes on their way to the log.",
                                    .kind = METRIC_GAUGE};
static struct metric applied_total = {.name = "parley_metadata_outbox_applied_total",
                                      .help = "Changes taken to the log.",
                                      .kind = METRIC_COUNTER};
static struct metric retries_total = {.name = "parley_metadata_outbox_retries_total",
                                      .help = "Tries that the chat daemon did not answer.",
                                      .kind = METRIC_COUNTER};

static struct metric parked_gauge = {.name = "parley_metadata_poison_changes",
                                     .help = "Changes that the log has refused for good.",
                                     .kind = METRIC_GAUGE};

static void read_oldest(struct outbox_chat *chat);

/* Ends the waiters that `ends` names: those up to a version (in the log), or those past their deadline. */
static void end_waiters(struct outbox_chat *chat, int64_t up_to_version, int64_t now_ms,
                        enum metadata_applied applied)
{
    struct outbox_waiter **link = &chat->waiters;
    while (*link != NULL) {
        struct outbox_waiter *waiter = *link;
        bool ends = applied == METADATA_LATE ? waiter->deadline_ms <= now_ms
                                             : waiter->version <= up_to_version;
        if (!ends) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        chat->outbox->waiter_count--;
        waiter->on_applied(waiter->context, applied);
        mem_free(waiter);
    }
}

/* All that they wait for is in the log when no row is left, and parked when the oldest one is. */
static void forget(struct outbox_chat *chat, enum metadata_applied applied)
{
    struct metadata_outbox *outbox = chat->outbox;
    end_waiters(chat, INT64_MAX, 0, applied);
    if (chat->waiters != NULL || chat->look_again) {
        read_oldest(chat); /* a waiter's callback asked for more */
        return;
    }
    HASH_DEL(outbox->chats, chat);
    mem_free(chat);
    metric_set(&chats_gauge, (int64_t)HASH_COUNT(outbox->chats));
}

static void rest(struct outbox_chat *chat)
{
    chat->state = OUTBOX_RESTING;
    chat->retry_at_ms = clock_monotonic_ms() + metadata_settings.outbox_retry_ms;
    metric_add(&retries_total, 1);
}

static void on_deleted(void *context, const struct metadata_changed *changed)
{
    struct outbox_chat *chat = context;
    if (changed->problem != PROBLEM_NONE) {
        rest(chat);
        return;
    }
    read_oldest(chat);
}

/* The log and the outbox disagree: an operator must look. The row is read again, and found parked. */
static void park(struct outbox_chat *chat, const char *code)
{
    log_error("change_parked", LOG_ID("chat", chat->chat_id),
              LOG_NUMBER("version", chat->applying_version), LOG_STRING("code", code));
    chat->state = OUTBOX_PARKING;
    chat->refusals = 0;
    metadata_store_change_park(chat->outbox->service->store, chat->chat_id, chat->applying_version,
                               code, on_deleted, chat);
}

static void on_refused(struct outbox_chat *chat, enum problem problem)
{
    const struct problem_info *info = problem_info(problem);
    chat->refusals++;
    if (!info->temporary || chat->refusals >= MAX_REFUSALS)
        park(chat, info->code);
    else
        rest(chat);
}

static void on_answer(void *context, const struct rpc_result *result)
{
    struct outbox_chat *chat = context;
    if (result->outcome == RPC_REFUSED) {
        on_refused(chat, result->problem);
        return;
    }
    if (result->outcome != RPC_OK) {
        rest(chat);
        return;
    }
    FAILPOINT(in_log_rest_not_answered);
    chat->refusals = 0;
    metric_add(&applied_total, 1);
    chat->state = OUTBOX_DELETING;
    metadata_store_change_done(chat->outbox->service->store, chat->chat_id, chat->applying_version,
                               on_deleted, chat);
    end_waiters(chat, chat->applying_version, 0, METADATA_IN_LOG);
}

static void on_oldest(void *context, enum problem problem, const struct chat_apply_request *change,
                      bool is_parked)
{
    struct outbox_chat *chat = context;
    if (problem != PROBLEM_NONE) {
        rest(chat);
        return;
    }
    if (change->version == 0) {
        if (chat->look_again)
            read_oldest(chat);
        else
            forget(chat, METADATA_IN_LOG);
        return;
    }
    if (is_parked) {
        forget(chat, METADATA_PARKED);
        return;
    }
    chat->state = OUTBOX_APPLYING;
    chat->applying_version = change->version;
    FAILPOINT(membership_committed_not_in_log);
    chat_client_apply(chat->outbox->service->chat, change, daemon_settings.rpc_deadline_ms,
                      on_answer, chat);
}

static void read_oldest(struct outbox_chat *chat)
{
    chat->state = OUTBOX_READING;
    chat->look_again = false;
    metadata_store_oldest_change(chat->outbox->service->store, chat->chat_id, on_oldest, chat);
}

/* Starts working on a chat, if there is room; NULL when there is not. */
static struct outbox_chat *take_up(struct metadata_outbox *outbox, int64_t chat_id)
{
    struct outbox_chat *chat;
    HASH_FIND(hh, outbox->chats, &chat_id, sizeof chat_id, chat);
    if (chat != NULL) {
        chat->look_again = chat->look_again || chat->state == OUTBOX_READING;
        return chat;
    }
    if (HASH_COUNT(outbox->chats) >= (size_t)metadata_settings.max_outbox_chats)
        return NULL;
    chat = mem_zalloc(sizeof *chat);
    chat->chat_id = chat_id;
    chat->outbox = outbox;
    HASH_ADD(hh, outbox->chats, chat_id, sizeof chat->chat_id, chat);
    metric_set(&chats_gauge, (int64_t)HASH_COUNT(outbox->chats));
    if (!loop_timer_is_running(outbox->sweep))
        loop_timer_repeat(outbox->sweep, SWEEP_MS);
    read_oldest(chat);
    return chat;
}

void metadata_outbox_wait(struct metadata_outbox *outbox, int64_t chat_id, int64_t version,
                          metadata_on_applied on_applied, void *context)
{
    struct outbox_chat *chat = take_up(outbox, chat_id);
    if (chat == NULL) { /* the scan takes it up once there is room */
        on_applied(context, METADATA_LATE);
        return;
    }
    struct outbox_waiter *waiter = mem_zalloc(sizeof *waiter);
    *waiter = (struct outbox_waiter){version,
                                     clock_monotonic_ms() + daemon_settings.request_deadline_ms / 2,
                                     on_applied, context, chat->waiters};
    chat->waiters = waiter;
    outbox->waiter_count++;
}

static void on_sweep(void *context)
{
    struct metadata_outbox *outbox = context;
    struct outbox_chat *chat, *next;
    int64_t now_ms = clock_monotonic_ms();
    if (outbox->chats == NULL) {
        loop_timer_stop(outbox->sweep);
        return;
    }
    HASH_ITER (hh, outbox->chats, chat, next) {
        end_waiters(chat, 0, now_ms, METADATA_LATE);
        if (chat->state == OUTBOX_RESTING && chat->retry_at_ms <= now_ms)
            read_oldest(chat);
    }
}

static void on_waiting_chats(void *context, enum problem problem, const int64_t *ids, size_t count)
{
    struct metadata_outbox *outbox = context;
    for (size_t i = 0; problem == PROBLEM_NONE && i < count; i++)
        take_up(outbox, ids[i]);
}

static void on_parked_count(void *context, enum problem problem, int64_t count)
{
    (void)context;
    if (problem == PROBLEM_NONE)
        metric_set(&parked_gauge, count);
}

static void on_scan(void *context)
{
    struct metadata_outbox *outbox = context;
    if (!metadata_store_is_ready(outbox->service->store))
        return;
    metadata_store_waiting_chats(outbox->service->store, SCAN_LIMIT, on_waiting_chats, outbox);
    metadata_store_parked_count(outbox->service->store, on_parked_count, outbox);
}

struct metadata_outbox *metadata_outbox_create(struct metadata_service *service)
{
    struct metadata_outbox *outbox = mem_zalloc(sizeof *outbox);
    outbox->service = service;
    outbox->sweep = loop_timer_create(service->loop, on_sweep, outbox);
    outbox->scan = loop_timer_create(service->loop, on_scan, outbox);
    loop_timer_repeat(outbox->scan, metadata_settings.outbox_scan_ms);
    metrics_register(&chats_gauge);
    metrics_register(&applied_total);
    metrics_register(&retries_total);
    metrics_register(&parked_gauge);
    return outbox;
}

size_t metadata_outbox_waiters(const struct metadata_outbox *outbox)
{
    return outbox->waiter_count;
}

void metadata_outbox_destroy(struct metadata_outbox **outbox)
{
    if (*outbox == NULL)
        return;
    struct outbox_chat *chat, *next;
    HASH_ITER (hh, (*outbox)->chats, chat, next) {
        end_waiters(chat, 0, INT64_MAX, METADATA_LATE);
        HASH_DEL((*outbox)->chats, chat);
        mem_free(chat);
    }
    loop_timer_destroy(&(*outbox)->sweep);
    loop_timer_destroy(&(*outbox)->scan);
    mem_free(*outbox);
    *outbox = NULL;
}
