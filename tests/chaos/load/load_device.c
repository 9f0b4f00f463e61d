/* What the devices of the load see, written down. A device hands each (chat, seq) to its application once, and syncs when
 * it is told to. */
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/chaos/load/load.h"
#include "tests/chaos/load/load_record.h"

#define SYNC_LIMIT 200

struct load_chat *load_chat_of(struct load *load, const char *chat_id, size_t *index_out)
{
    for (size_t i = 0; i < load->chat_count; i++) {
        if (strcmp(load->chats[i].chat_id, chat_id) == 0) {
            *index_out = i;
            return &load->chats[i];
        }
    }
    return NULL;
}

/* --- once --- */

static bool is_new(struct load_have *have, int64_t seq)
{
    if (seq >= have->capacity) {
        int64_t capacity = have->capacity == 0 ? 256 : have->capacity;
        while (capacity <= seq)
            capacity *= 2;
        have->bits = mem_resize(have->bits, (size_t)capacity / 8);
        memset(have->bits + have->capacity / 8, 0, (size_t)(capacity - have->capacity) / 8);
        have->capacity = capacity;
    }
    if (have->bits[seq / 8] & 1 << seq % 8)
        return false;
    have->bits[seq / 8] = (uint8_t)(have->bits[seq / 8] | 1 << seq % 8);
    while (have->contiguous + 1 < have->capacity &&
           have->bits[(have->contiguous + 1) / 8] & 1 << (have->contiguous + 1) % 8)
        have->contiguous++;
    return true;
}

void load_device_received(struct load_device *device, const cJSON *event)
{
    struct load *load = device->person->load;
    size_t index;
    struct load_chat *chat = load_chat_of(load, load_string(event, "chat"), &index);
    int64_t seq = load_number(event, "seq");
    load->last_event_ms = clock_monotonic_ms();
    if (chat == NULL || seq <= 0)
        return; /* it is recorded; the judge sees it */
    chat->head = seq > chat->head ? seq : chat->head;
    bool is_joining = strcmp(load_string(event, "type"), "member_added") == 0 &&
                      strcmp(load_string(event, "user"), device->person->user_id) == 0;
    if (is_joining && device->have[index].capacity == 0)
        device->have[index].contiguous =
            seq; /* what was before is not for it: no sync need bring it */
    if (is_new(&device->have[index], seq))
        record(device->label, "app", "%s\t%lld", chat->chat_id, (long long)seq);
}

/* --- sync --- */

static void ask_sync(struct load_device *device);

static void take_chat(struct load_device *device, const cJSON *chat)
{
    const cJSON *event;
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(chat, "events"))
    {
        record_event(device->label, "synced", event, "%s", device->sync_op);
        load_device_received(device, event);
        size_t index;
        if (load_chat_of(device->person->load, load_string(event, "chat"), &index) == NULL)
            continue;
        struct load_have *have = &device->have[index];
        int64_t seq = load_number(event, "seq");
        have->contiguous =
            seq > have->contiguous ? seq : have->contiguous; /* what is left out is not for it */
    }
}

static void on_synced(void *context, int status, const cJSON *answer)
{
    struct load_device *device = context;
    const cJSON *chat, *gone;
    bool more = false;
    device->syncing = false;
    device->person->load->syncs--;
    device->must_sync = status != 200; /* its session has ended, or nothing answers */
    if (device->must_sync)
        return; /* the next connection asks again */
    cJSON_ArrayForEach(chat, cJSON_GetObjectItemCaseSensitive(answer, "chats"))
    {
        take_chat(device, chat);
        more = more || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(chat, "more"));
    }
    cJSON_ArrayForEach(gone, cJSON_GetObjectItemCaseSensitive(answer, "gone"))
    {
        record(device->label, "gone", "%s\t%s", device->sync_op, cJSON_GetStringValue(gone));
    }
    if (more || device->sync_again)
        ask_sync(device);
}

static void ask_sync(struct load_device *device)
{
    struct load *load = device->person->load;
    cJSON *body = cJSON_CreateObject(), *chats = cJSON_AddObjectToObject(body, "chats");
    for (size_t i = 0; i < load->chat_count; i++)
        if (device->have[i].capacity > 0)
            cJSON_AddNumberToObject(chats, load->chats[i].chat_id,
                                    (double)device->have[i].contiguous);
    cJSON_AddNumberToObject(body, "limit", SYNC_LIMIT);
    char *json = load_json(body);
    client_new_op(device->sync_op);
    device->syncing = true;
    device->sync_again = false;
    load->syncs++;
    rest_call(load->setup, "POST", "/v1/sync", device->token, json, on_synced, device);
    cJSON_free(json);
}

void load_device_sync(struct load_device *device)
{
    if (device->syncing)
        device->sync_again = true;
    else
        ask_sync(device);
}

/* --- what the client tells --- */

static void on_connecting(void *context, int64_t connection)
{
    const struct load_device *device = context;
    record(device->label, "connect", "%lld", (long long)connection);
}

static void on_ready(void *context, int64_t connection, const cJSON *ready)
{
    struct load_device *device = context;
    record(device->label, "ready", "%lld\t%s\t%s\t%lld", (long long)connection,
           load_string(ready, "state"), load_string(ready, "session"),
           (long long)load_number(ready, "inbox"));
    if (device->must_sync)
        load_device_sync(device);
}

static void on_closed(void *context, int64_t connection, int code)
{
    struct load_device *device = context;
    record(device->label, "closed", "%lld\t%d", (long long)connection, code);
    if (device->read_op[0] != '\0')
        record(device->label, "receipt_unknown", "%s\tlost", device->read_op);
    device->read_op[0] = '\0';
}

static void on_event(void *context, int64_t connection, int64_t n, const cJSON *event)
{
    struct load_device *device = context;
    record_event(device->label, "event", event, "%lld\t%lld", (long long)connection, (long long)n);
    load_device_received(device, event);
}

static void on_acking(void *context, int64_t connection, int64_t n)
{
    const struct load_device *device = context;
    record(device->label, "ack", "%lld\t%lld", (long long)connection, (long long)n);
}

static void on_receipt(void *context, const cJSON *receipt)
{
    load_receipt_frame(context, receipt);
}

static void on_resync(void *context, int64_t connection)
{
    struct load_device *device = context;
    record(device->label, "resync", "%lld", (long long)connection);
    load_device_sync(device);
}

static void on_sending(void *context, int64_t connection, const struct device_send *send)
{
    const struct load_device *device = context;
    char hash[RECORD_HASH_SIZE];
    record_hash(send->text, hash);
    record(device->label, "invoke", "%s\t%lld\t%s\t%s\t%s", send->op, (long long)connection,
           send->chat, send->client_id, hash);
}

static void on_sent(void *context, const struct device_send *send, int64_t seq)
{
    struct load_device *device = context;
    record(device->label, "ok", "%s\t%lld", send->op, (long long)seq);
    load_message_stored(device->person, send, seq);
}

static void on_refused(void *context, const struct device_send *send, const char *code)
{
    const struct load_device *device = context;
    record(device->label, "refused", "%s\t%s", send->op, code);
}

static void on_lost(void *context, const struct device_send *send, const char *why)
{
    const struct load_device *device = context;
    record(device->label, "unknown", "%s\t%s", send->op, why);
}

/* To a `read`: an answer without numbers. Others are refusals of a whole connection, or too late. */
static void on_answer(void *context, const char *op, const char *code)
{
    struct load_device *device = context;
    if (op[0] == '\0' || strcmp(op, device->read_op) != 0)
        return;
    device->read_op[0] = '\0';
    if (code == NULL)
        record(device->label, "receipt_ok", "%s\t-\t-", op);
    else if (strcmp(code, "unavailable") == 0)
        record(device->label, "receipt_unknown", "%s\tunavailable", op);
    else
        record(device->label, "receipt_refused", "%s\t%s", op, code);
}

const struct device_callbacks load_device_callbacks = {
    .on_connecting = on_connecting,
    .on_ready = on_ready,
    .on_closed = on_closed,
    .on_event = on_event,
    .on_acking = on_acking,
    .on_receipt = on_receipt,
    .on_resync = on_resync,
    .on_sending = on_sending,
    .on_sent = on_sent,
    .on_refused = on_refused,
    .on_lost = on_lost,
    .on_answer = on_answer,
};
