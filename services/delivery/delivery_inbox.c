/* Scripts are loaded at each connect and called by their hash. One command is one call, freed with its answer. */
#include "services/delivery/delivery_inbox.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_inbox_internal.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

static struct metric parked_total = {.name = "parley_delivery_parked_total",
                                     .labels = "",
                                     .help = "References written into inboxes.",
                                     .kind = METRIC_COUNTER};
static struct metric resync_total = {
    .name = "parley_delivery_inboxes_failed_total",
    .labels = "",
    .help = "Answers of Redis that an inbox has overflowed or is not to be trusted.",
    .kind = METRIC_COUNTER};
static struct metric push_time = {.name = "parley_delivery_push_seconds",
                                  .labels = "",
                                  .help = "Time of one write into an inbox.",
                                  .kind = METRIC_HISTOGRAM};

/* --- connecting --- */

static void fail(struct delivery_inbox *inbox, const char *reason)
{
    inbox->callbacks.on_failed(inbox->callbacks.context, reason);
}

/* A Redis that is still loading its file refuses: whoever needs the scripts tries again. */
static void on_script_loaded(void *context, enum redis_outcome outcome, const redisReply *reply)
{
    struct inbox_call *call = context;
    struct delivery_inbox *inbox = call->inbox;
    enum delivery_script script = call->script;
    mem_free(call);
    inbox->loading_count--;
    if (outcome != REDIS_DONE || reply->type != REDIS_REPLY_STRING || reply->len != SHA_SIZE - 1) {
        if (outcome == REDIS_REFUSED)
            log_warning("script_refused", LOG_STRING("reason", reply->str));
        return;
    }
    memcpy(inbox->hashes[script], reply->str, SHA_SIZE);
    if (++inbox->loaded_count == DELIVERY_SCRIPT_COUNT)
        inbox->callbacks.on_connected(inbox->callbacks.context);
}

static void load_scripts(struct delivery_inbox *inbox)
{
    inbox->loaded_count = 0;
    inbox->loading_count = DELIVERY_SCRIPT_COUNT;
    for (size_t i = 0; i < DELIVERY_SCRIPT_COUNT; i++) {
        struct text words[] = {TEXT_LITERAL("SCRIPT"), TEXT_LITERAL("LOAD"),
                               text_of(delivery_script_text((enum delivery_script)i))};
        struct inbox_call *call = mem_zalloc(sizeof *call);
        call->inbox = inbox;
        call->script = (enum delivery_script)i;
        redis_command(inbox->redis, words, 3, on_script_loaded, call);
    }
}

void delivery_inbox_retry(struct delivery_inbox *inbox)
{
    if (redis_is_connected(inbox->redis) && inbox->loading_count == 0 &&
        inbox->loaded_count < DELIVERY_SCRIPT_COUNT)
        load_scripts(inbox);
}

static void on_state(void *context, bool connected)
{
    struct delivery_inbox *inbox = context;
    inbox->loaded_count = 0;
    if (connected)
        load_scripts(inbox);
    else
        fail(inbox, "the connection to Redis was lost");
}

void delivery_inbox_connect_again(struct delivery_inbox *inbox)
{
    if (redis_is_connected(inbox->redis) && inbox->loading_count == 0 &&
        inbox->loaded_count < DELIVERY_SCRIPT_COUNT)
        load_scripts(inbox);
}

bool delivery_inbox_is_connected(const struct delivery_inbox *inbox)
{
    return redis_is_connected(inbox->redis) && inbox->loaded_count == DELIVERY_SCRIPT_COUNT;
}

const char *delivery_inbox_last_error(const struct delivery_inbox *inbox)
{
    return redis_last_error(inbox->redis);
}

bool delivery_inbox_has_room(const struct delivery_inbox *inbox)
{
    return redis_outstanding(inbox->redis) < (size_t)delivery_settings.max_redis_commands / 2;
}

bool delivery_inbox_is_quiet(const struct delivery_inbox *inbox)
{
    return redis_outstanding(inbox->redis) == 0;
}

void delivery_inbox_set_epoch(struct delivery_inbox *inbox, int64_t epoch, int64_t owner,
                              int64_t started_change)
{
    inbox->epoch = epoch;
    inbox->owner = owner;
    inbox->started_change = started_change;
}

/* --- answers --- */

static int64_t number_of(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->integer;
}

/* The answer's status; what is no answer of ours counts as WIPED, and is reported with everything that is not OK. */
static enum delivery_script_status status_of(struct inbox_call *call, enum redis_outcome outcome,
                                             const redisReply *reply)
{
    if (outcome != REDIS_DONE) {
        if (outcome == REDIS_REFUSED)
            log_warning("redis_refused", LOG_STRING("reason", reply->str));
        fail(call->inbox,
             outcome == REDIS_REFUSED ? "Redis refused a script" : "Redis did not answer");
        return DELIVERY_STATUS_WIPED;
    }
    bool well_formed = reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2 &&
                       reply->element[0]->type == REDIS_REPLY_INTEGER;
    int64_t status = well_formed ? reply->element[0]->integer : DELIVERY_STATUS_WIPED;
    if (status == DELIVERY_STATUS_RESYNC)
        metric_add(&resync_total, 1);
    if (status > DELIVERY_STATUS_RESYNC)
        fail(call->inbox, status == DELIVERY_STATUS_FENCED ? "a newer process owns the inboxes"
                                                           : "Redis holds another data set");
    return (enum delivery_script_status)status;
}

static void answer_open(struct inbox_call *call, enum device_inbox_outcome outcome,
                        const redisReply *reply)
{
    struct device_skip skips[MAX_SKIPS];
    size_t skip_count = 0;
    const struct delivery_cursor *cursor = call->inbox->service->cursor;
    const redisReply *fields = reply->elements > 2 ? reply->element[2] : NULL;
    for (size_t i = 0; fields != NULL && i + 1 < fields->elements; i += 2) {
        const char *name = fields->element[i]->str;
        if (name[0] < '0' || name[0] > '9' || skip_count == MAX_SKIPS)
            continue;
        uint32_t partition = (uint32_t)strtoul(name, NULL, 10);
        int64_t offset = number_of(fields->element[i + 1]);
        if (partition < delivery_cursor_partitions(cursor) &&
            offset > delivery_cursor_begun(cursor, partition))
            skips[skip_count++] = (struct device_skip){partition, offset};
    }
    device_on_opened(call->device, call->generation, outcome, number_of(reply->element[1]), skips,
                     skip_count);
}

static void answer_read(struct inbox_call *call, enum device_inbox_outcome outcome,
                        const redisReply *reply)
{
    struct delivery_ref refs[DEVICE_PAGE];
    size_t count = 0;
    const redisReply *list = reply->elements > 2 ? reply->element[2] : NULL;
    for (size_t i = 0; list != NULL && i < list->elements && count < DEVICE_PAGE; i++) {
        uint64_t words[2];
        if (list->element[i]->len != sizeof words)
            break; /* not ours: the inbox fails when nothing is left */
        memcpy(words, list->element[i]->str, sizeof words);
        refs[count++] = (struct delivery_ref){
            .chat_id = (int64_t)be64toh(words[0]), .seq = (int64_t)be64toh(words[1]), .span = 1};
    }
    device_on_page(call->device, call->generation, outcome, refs, count);
}

static void answer_push(struct inbox_call *call, enum device_inbox_outcome outcome,
                        const redisReply *reply)
{
    int64_t added = number_of(reply->element[1]);
    metric_add(&parked_total, added);
    metric_observe_us(&push_time, clock_monotonic_us() - call->started_us);
    device_on_pushed(call->device, call->generation, outcome, added);
}

void delivery_inbox_on_device_reply(void *context, enum redis_outcome outcome,
                                    const redisReply *reply)
{
    struct inbox_call *call = context;
    struct device *device = call->device;
    enum delivery_script_status status = status_of(call, outcome, reply);
    enum device_inbox_outcome device_outcome =
        status == DELIVERY_STATUS_OK ? DEVICE_INBOX_OK : DEVICE_INBOX_RESYNC;
    device->calls--;
    if (status <= DELIVERY_STATUS_RESYNC && !device->removed) {
        if (call->script == DELIVERY_SCRIPT_PUSH)
            answer_push(call, device_outcome, reply);
        else if (call->script == DELIVERY_SCRIPT_OPEN)
            answer_open(call, device_outcome, reply);
        else if (call->script == DELIVERY_SCRIPT_READ)
            answer_read(call, device_outcome, reply);
    }
    delivery_people_let_go(call->inbox->service->people, device);
    mem_free(call);
}

void delivery_inbox_on_ignored_reply(void *context, enum redis_outcome outcome,
                                     const redisReply *reply)
{
    struct inbox_call *call = context;
    status_of(call, outcome, reply);
    mem_free(call);
}

void delivery_inbox_on_look_reply(void *context, enum redis_outcome outcome,
                                  const struct redisReply *reply)
{
    struct inbox_call *call = context;
    bool ok = status_of(call, outcome, reply) == DELIVERY_STATUS_OK && reply->elements == 4;
    struct device_look look = {0};
    if (ok)
        look = (struct device_look){.is_lost = number_of(reply->element[1]) != 0,
                                    .place = number_of(reply->element[2]),
                                    .is_unheard = number_of(reply->element[3]) != 0};
    call->on_look(call->context, ok ? &look : NULL);
    mem_free(call);
}

static bool is_refused(enum redis_outcome outcome, const redisReply *reply)
{
    return outcome == REDIS_DONE && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
           reply->element[0]->integer == DELIVERY_STATUS_FENCED;
}

static void read_parked(const redisReply *fields, int64_t *parked_out, uint32_t partitions)
{
    for (size_t i = 0; i + 1 < fields->elements; i += 2) {
        uint64_t partition = strtoull(fields->element[i]->str, NULL, 10);
        if (partition < partitions)
            parked_out[partition] = number_of(fields->element[i + 1]);
    }
}

static void on_hello_reply(void *context, enum redis_outcome outcome, const redisReply *reply)
{
    struct inbox_call *call = context;
    uint32_t partitions = delivery_cursor_partitions(call->inbox->service->cursor);
    int64_t *parked = mem_array(partitions, sizeof *parked);
    struct delivery_inbox_hello hello = {.parked = parked};
    hello.refused = is_refused(outcome, reply);
    enum delivery_script_status status =
        hello.refused ? DELIVERY_STATUS_FENCED : status_of(call, outcome, reply);
    if (status == DELIVERY_STATUS_OK && reply->elements == 3) {
        hello.epoch = number_of(reply->element[1]);
        read_parked(reply->element[2], parked, partitions);
    }
    bool told = status == DELIVERY_STATUS_OK || hello.refused;
    call->on_hello(call->context, told ? &hello : NULL);
    mem_free(parked);
    mem_free(call);
}

static void on_written_reply(void *context, enum redis_outcome outcome, const redisReply *reply)
{
    struct inbox_call *call = context;
    bool ok = status_of(call, outcome, reply) == DELIVERY_STATUS_OK;
    call->on_written(call->context, ok);
    mem_free(call);
}

/* --- calls about all inboxes --- */

void delivery_inbox_hello(struct delivery_inbox *inbox, delivery_on_hello on_hello, void *context)
{
    struct inbox_words words;
    struct inbox_call *call = delivery_inbox_call(inbox, DELIVERY_SCRIPT_HELLO, &words);
    call->on_hello = on_hello;
    call->context = context;
    redis_command(inbox->redis, words.words, words.count, on_hello_reply, call);
}

void delivery_inbox_found(struct delivery_inbox *inbox, const int64_t *parked,
                          delivery_on_written on_written, void *context)
{
    struct inbox_words words;
    struct inbox_call *call = delivery_inbox_call(inbox, DELIVERY_SCRIPT_FOUND, &words);
    call->on_written = on_written;
    call->context = context;
    uint32_t partitions = delivery_cursor_partitions(inbox->service->cursor);
    for (uint32_t i = 0; i < partitions && i < MAX_PARTITIONS; i++) {
        delivery_inbox_add_number(&words, i);
        delivery_inbox_add_number(&words, parked[i]);
    }
    redis_command(inbox->redis, words.words, words.count, on_written_reply, call);
}

void delivery_inbox_save_parked(struct delivery_inbox *inbox, const int64_t *partitions,
                                const int64_t *offsets, size_t count,
                                delivery_on_written on_written, void *context)
{
    struct inbox_words words;
    struct inbox_call *call = delivery_inbox_call(inbox, DELIVERY_SCRIPT_PARKED, &words);
    call->on_written = on_written;
    call->context = context;
    for (size_t i = 0; i < count; i++) {
        delivery_inbox_add_number(&words, partitions[i]);
        delivery_inbox_add_number(&words, offsets[i]);
    }
    redis_command(inbox->redis, words.words, words.count, on_written_reply, call);
}

/* --- life --- */

struct delivery_inbox *delivery_inbox_create(struct delivery_service *service,
                                             const struct delivery_inbox_callbacks *callbacks)
{
    struct delivery_inbox *inbox = mem_zalloc(sizeof *inbox);
    struct redis_options options = {
        .address = daemon_settings.redis,
        .max_outstanding = (size_t)delivery_settings.max_redis_commands,
        .deadline_ms = delivery_settings.redis_deadline_ms,
    };
    inbox->service = service;
    inbox->callbacks = *callbacks;
    snprintf(inbox->epoch_key, sizeof inbox->epoch_key, "p:epoch:%" PRId64,
             delivery_settings.shard);
    snprintf(inbox->owner_key, sizeof inbox->owner_key, "p:owner:%" PRId64,
             delivery_settings.shard);
    snprintf(inbox->parked_key, sizeof inbox->parked_key, "p:parked:%" PRId64,
             delivery_settings.shard);
    inbox->redis = redis_create(service->loop, &options, on_state, inbox);
    metrics_register(&parked_total);
    metrics_register(&resync_total);
    metrics_register(&push_time);
    return inbox;
}

void delivery_inbox_destroy(struct delivery_inbox **inbox)
{
    if (*inbox == NULL)
        return;
    redis_destroy(&(*inbox)->redis);
    mem_free(*inbox);
    *inbox = NULL;
}
