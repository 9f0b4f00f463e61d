/* The words of each command. */
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "services/delivery/delivery_inbox_internal.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

#define PUSH_BYTES 28 /* partition, offset, chat, seq; big-endian */
#define REF_BYTES  16 /* the last of them: what lies in the list */
#define DAY_MS     INT64_C(86400000)

static void add_word(struct inbox_words *words, struct text word)
{
    assert(words->count < MAX_WORDS);
    words->words[words->count++] = word;
}

void delivery_inbox_add_number(struct inbox_words *words, int64_t number)
{
    char *space = words->space[words->count];
    size_t length = text_format_number(number, space);
    add_word(words, (struct text){space, length});
}

static struct inbox_call *begin(struct delivery_inbox *inbox, enum delivery_script script,
                                struct inbox_words *words, int64_t key_count)
{
    struct inbox_call *call = mem_zalloc(sizeof *call);
    call->inbox = inbox;
    call->script = script;
    words->count = 0;
    add_word(words, TEXT_LITERAL("EVALSHA"));
    add_word(words, (struct text){inbox->hashes[script], SHA_SIZE - 1});
    delivery_inbox_add_number(words, key_count);
    return call;
}

struct inbox_call *delivery_inbox_call(struct delivery_inbox *inbox, enum delivery_script script,
                                       struct inbox_words *words_out)
{
    struct inbox_call *call = begin(inbox, script, words_out, 3);
    add_word(words_out, text_of(inbox->epoch_key));
    add_word(words_out, text_of(inbox->owner_key));
    add_word(words_out, text_of(inbox->parked_key));
    delivery_inbox_add_number(words_out, inbox->epoch);
    delivery_inbox_add_number(words_out, inbox->owner);
    return call;
}

static void add_key(struct inbox_words *words, int64_t device_id, char suffix)
{
    char *space = words->space[words->count];
    int length = snprintf(space, WORD_BYTES, "p:{%" PRId64 "}:%c", device_id, suffix);
    add_word(words, (struct text){space, (size_t)length});
}

static void add_device_keys(struct delivery_inbox *inbox, struct inbox_words *words,
                            int64_t device_id)
{
    add_key(words, device_id, 'l');
    add_key(words, device_id, 'r');
    add_word(words, text_of(inbox->epoch_key));
    add_word(words, text_of(inbox->owner_key));
    delivery_inbox_add_number(words, inbox->epoch);
    delivery_inbox_add_number(words, inbox->owner);
}

/* A device that is younger than this Redis, and of which this process has seen no record, may have none. */
static struct inbox_call *begin_inbox(struct delivery_inbox *inbox, enum delivery_script script,
                                      struct inbox_words *words, const struct delivery_inbox_of *of)
{
    struct inbox_call *call = begin(inbox, script, words, 4);
    bool was_recorded = of->device != NULL && of->device->recorded;
    add_device_keys(inbox, words, of->device_id);
    delivery_inbox_add_number(words, of->created_change >= inbox->started_change && !was_recorded);
    return call;
}

static struct inbox_call *begin_device(struct delivery_inbox *inbox, enum delivery_script script,
                                       struct inbox_words *words, struct device *device)
{
    struct delivery_inbox_of of = {device->device_id, device->created_change, device};
    struct inbox_call *call = begin_inbox(inbox, script, words, &of);
    call->device = device;
    return call;
}

static void send_answered(struct inbox_call *call, uint32_t generation, struct inbox_words *words)
{
    call->generation = generation;
    call->started_us = clock_monotonic_us();
    call->device->calls++;
    redis_command(call->inbox->redis, words->words, words->count, delivery_inbox_on_device_reply,
                  call);
}

static void send_ignored(struct inbox_call *call, struct inbox_words *words)
{
    redis_command(call->inbox->redis, words->words, words->count, delivery_inbox_on_ignored_reply,
                  call);
}

static void pack_ref(char out[PUSH_BYTES], const struct delivery_ref *ref)
{
    uint32_t partition = htobe32(ref->partition);
    uint64_t words[3] = {htobe64((uint64_t)ref->offset), htobe64((uint64_t)ref->chat_id),
                         htobe64((uint64_t)ref->seq)};
    memcpy(out, &partition, sizeof partition);
    memcpy(out + sizeof partition, words, sizeof words);
}

void delivery_inbox_push(struct delivery_inbox *inbox, struct device *device, uint32_t generation,
                         const struct delivery_ref *refs, size_t count)
{
    struct inbox_words words;
    struct inbox_call *call = begin_device(inbox, DELIVERY_SCRIPT_PUSH, &words, device);
    delivery_inbox_add_number(&words, limits.max_inbox_events);
    delivery_inbox_add_number(&words, limits.max_inbox_days * DAY_MS);
    for (size_t i = 0; i < count; i++) {
        char *space = words.space[words.count];
        pack_ref(space, &refs[i]);
        add_word(&words, (struct text){space, PUSH_BYTES});
    }
    send_answered(call, generation, &words);
}

void delivery_inbox_open(struct delivery_inbox *inbox, struct device *device, uint32_t generation)
{
    struct inbox_words words;
    struct inbox_call *call = begin_device(inbox, DELIVERY_SCRIPT_OPEN, &words, device);
    send_answered(call, generation, &words);
}

void delivery_inbox_read(struct delivery_inbox *inbox, struct device *device, uint32_t generation,
                         int64_t from, int64_t count)
{
    struct inbox_words words;
    struct inbox_call *call = begin_device(inbox, DELIVERY_SCRIPT_READ, &words, device);
    delivery_inbox_add_number(&words, from);
    delivery_inbox_add_number(&words, count);
    send_answered(call, generation, &words);
}

void delivery_inbox_trim(struct delivery_inbox *inbox, struct device *device, int64_t count)
{
    struct inbox_words words;
    struct inbox_call *call = begin_device(inbox, DELIVERY_SCRIPT_TRIM, &words, device);
    delivery_inbox_add_number(&words, count);
    delivery_inbox_add_number(&words, limits.max_inbox_days * DAY_MS);
    send_ignored(call, &words);
}

void delivery_inbox_clear(struct delivery_inbox *inbox, struct device *device)
{
    struct inbox_words words;
    struct inbox_call *call = begin_device(inbox, DELIVERY_SCRIPT_CLEAR, &words, device);
    delivery_inbox_add_number(&words, device->unheard);
    send_ignored(call, &words);
}

void delivery_inbox_confirm(struct delivery_inbox *inbox, struct device *device)
{
    struct inbox_words words;
    send_ignored(begin_device(inbox, DELIVERY_SCRIPT_CONFIRM, &words, device), &words);
}

void delivery_inbox_mark(struct delivery_inbox *inbox, struct device *device)
{
    struct inbox_words words;
    send_ignored(begin_device(inbox, DELIVERY_SCRIPT_MARK, &words, device), &words);
}

void delivery_inbox_drop(struct delivery_inbox *inbox, int64_t device_id)
{
    struct inbox_words words;
    if (!delivery_inbox_is_connected(inbox))
        return; /* the keys stay: some bytes for a device that will never come again */
    struct inbox_call *call = begin(inbox, DELIVERY_SCRIPT_DROP, &words, 4);
    add_device_keys(inbox, &words, device_id);
    send_ignored(call, &words);
}

void delivery_inbox_look(struct delivery_inbox *inbox, const struct delivery_inbox_of *of,
                         const struct delivery_ref *ref, delivery_on_look on_look, void *context)
{
    struct inbox_words words;
    struct inbox_call *call = begin_inbox(inbox, DELIVERY_SCRIPT_TRACE, &words, of);
    char *space = words.space[words.count];
    pack_ref(space, ref);
    add_word(&words, (struct text){space + PUSH_BYTES - REF_BYTES, REF_BYTES});
    call->on_look = on_look;
    call->context = context;
    redis_command(inbox->redis, words.words, words.count, delivery_inbox_on_look_reply, call);
}
