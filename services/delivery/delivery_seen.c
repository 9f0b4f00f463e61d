#include "services/delivery/delivery_seen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "services/delivery/delivery_hash.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/store/redis.h"

#define FLUSH_MS    1000
#define FLUSH_MAX   4096 /* keys of one flush */
#define DEADLINE_MS 500
#define KEY_BYTES   32
#define DAY_S       86400

/* What is to be written. */
struct entry {
    int64_t user_id;
    int64_t at_ms;
    UT_hash_handle hh;
};

struct delivery_seen {
    struct redis *redis;
    struct entry *entries;
    struct loop_timer *flush;
    delivery_on_seen on_seen;
    void *context;
    size_t in_flight; /* writes */
};

struct call {
    struct delivery_seen *seen;
    int64_t user_id;
    int64_t at_ms; /* of a write */
};

static struct metric waiting_gauge = {.name = "parley_delivery_seen_queued",
                                      .labels = "",
                                      .help = "Users whose last presence is to be written.",
                                      .kind = METRIC_GAUGE};
static struct metric dropped_total = {.name = "parley_delivery_seen_dropped_total",
                                      .labels = "",
                                      .help = "Last presences that were let go for want of room.",
                                      .kind = METRIC_COUNTER};

static struct call *make_call(struct delivery_seen *seen, int64_t user_id, int64_t at_ms)
{
    struct call *call = mem_alloc(sizeof *call);
    *call = (struct call){seen, user_id, at_ms};
    return call;
}

static struct text key_of(int64_t user_id, char space[KEY_BYTES])
{
    int length = snprintf(space, KEY_BYTES, "p:{%" PRId64 "}:s", user_id);
    return (struct text){space, (size_t)length};
}

/* --- reading --- */

static int64_t value_of(enum redis_outcome outcome, const redisReply *reply)
{
    if (outcome != REDIS_DONE || reply->type != REDIS_REPLY_STRING)
        return SEEN_NEVER;
    int64_t at_ms = strtoll(reply->str, NULL, 10);
    return reply->str[0] == 'h' ? SEEN_HIDDEN : at_ms < 0 ? SEEN_NEVER : at_ms;
}

/* What waits to be written is newer than what was read. */
static void on_read(void *context, enum redis_outcome outcome, const redisReply *reply)
{
    struct call call = *(struct call *)context;
    struct entry *entry;
    mem_free(context);
    HASH_FIND(hh, call.seen->entries, &call.user_id, sizeof call.user_id, entry);
    call.seen->on_seen(call.seen->context, call.user_id,
                       entry != NULL ? entry->at_ms : value_of(outcome, reply));
}

void delivery_seen_ask(struct delivery_seen *seen, int64_t user_id)
{
    char space[KEY_BYTES];
    struct text words[] = {TEXT_LITERAL("GET"), key_of(user_id, space)};
    redis_command(seen->redis, words, 2, on_read, make_call(seen, user_id, 0));
}

/* --- writing --- */

static void count_waiting(const struct delivery_seen *seen)
{
    metric_set(&waiting_gauge, (int64_t)HASH_COUNT(seen->entries));
}

void delivery_seen_note(struct delivery_seen *seen, int64_t user_id, int64_t at_ms)
{
    struct entry *entry;
    HASH_FIND(hh, seen->entries, &user_id, sizeof user_id, entry);
    if (entry == NULL && HASH_COUNT(seen->entries) >= (size_t)delivery_settings.max_queued_seen) {
        metric_add(&dropped_total, 1);
        return;
    }
    if (entry == NULL) {
        entry = mem_zalloc(sizeof *entry);
        entry->user_id = user_id;
        HASH_ADD(hh, seen->entries, user_id, sizeof entry->user_id, entry);
    }
    entry->at_ms = at_ms;
    count_waiting(seen);
    if (!loop_timer_is_running(seen->flush))
        loop_timer_start(seen->flush, FLUSH_MS);
}

static void on_read_to_show(void *context, enum redis_outcome outcome, const redisReply *reply)
{
    struct call call = *(struct call *)context;
    struct entry *entry;
    mem_free(context);
    HASH_FIND(hh, call.seen->entries, &call.user_id, sizeof call.user_id, entry);
    int64_t at_ms = entry != NULL ? entry->at_ms : value_of(outcome, reply);
    if (at_ms == SEEN_HIDDEN)
        delivery_seen_note(call.seen, call.user_id, SEEN_NEVER);
}

void delivery_seen_show(struct delivery_seen *seen, int64_t user_id)
{
    char space[KEY_BYTES];
    struct text words[] = {TEXT_LITERAL("GET"), key_of(user_id, space)};
    redis_command(seen->redis, words, 2, on_read_to_show, make_call(seen, user_id, 0));
}

/* What was not written waits again, unless something newer does. */
static void on_written(void *context, enum redis_outcome outcome, const redisReply *reply)
{
    struct call call = *(struct call *)context;
    struct entry *entry;
    (void)reply;
    mem_free(context);
    call.seen->in_flight--;
    HASH_FIND(hh, call.seen->entries, &call.user_id, sizeof call.user_id, entry);
    if (outcome != REDIS_DONE && entry == NULL)
        delivery_seen_note(call.seen, call.user_id, call.at_ms);
}

static void write_entry(struct delivery_seen *seen, const struct entry *entry)
{
    char key[KEY_BYTES], value[TEXT_NUMBER_SIZE], expiry[TEXT_NUMBER_SIZE];
    struct text words[] = {TEXT_LITERAL("SET"), key_of(entry->user_id, key), TEXT_LITERAL("h"),
                           TEXT_LITERAL("EX"), TEXT_NONE};
    size_t count = sizeof words / sizeof words[0];
    words[4] =
        (struct text){expiry, text_format_number(delivery_settings.seen_days * DAY_S, expiry)};
    if (entry->at_ms == SEEN_NEVER) {
        words[0] = TEXT_LITERAL("DEL");
        count = 2;
    } else if (entry->at_ms != SEEN_HIDDEN) {
        words[2] = (struct text){value, text_format_number(entry->at_ms, value)};
    }
    seen->in_flight++;
    redis_command(seen->redis, words, count, on_written,
                  make_call(seen, entry->user_id, entry->at_ms));
}

void delivery_seen_flush(struct delivery_seen *seen)
{
    struct entry *entry, *next;
    size_t count = 0;
    if (!redis_is_connected(seen->redis))
        return;
    HASH_ITER (hh, seen->entries, entry, next) {
        if (count++ == FLUSH_MAX)
            break;
        HASH_DEL(seen->entries, entry);
        write_entry(seen, entry);
        mem_free(entry);
    }
    count_waiting(seen);
}

static void on_flush(void *context)
{
    struct delivery_seen *seen = context;
    delivery_seen_flush(seen);
    if (seen->entries != NULL)
        loop_timer_start(seen->flush, FLUSH_MS);
}

bool delivery_seen_is_written(const struct delivery_seen *seen)
{
    return seen->entries == NULL && seen->in_flight == 0;
}

/* --- life --- */

static void on_state(void *context, bool connected)
{
    (void)context; /* the inboxes' connection says whether Redis is ready */
    (void)connected;
}

struct delivery_seen *delivery_seen_create(struct loop *loop, delivery_on_seen on_seen,
                                           void *context)
{
    struct delivery_seen *seen = mem_zalloc(sizeof *seen);
    struct redis_options options = {
        .address = daemon_settings.redis,
        .max_outstanding = (size_t)delivery_settings.max_redis_commands,
        .deadline_ms = DEADLINE_MS,
    };
    seen->on_seen = on_seen;
    seen->context = context;
    seen->redis = redis_create(loop, &options, on_state, seen);
    seen->flush = loop_timer_create(loop, on_flush, seen);
    metrics_register(&waiting_gauge);
    metrics_register(&dropped_total);
    return seen;
}

void delivery_seen_destroy(struct delivery_seen **seen)
{
    if (*seen == NULL)
        return;
    redis_destroy(&(*seen)->redis); /* ends what is in flight, which may come back here */
    loop_timer_destroy(&(*seen)->flush);
    struct entry *entry, *next;
    HASH_ITER (hh, (*seen)->entries, entry, next) {
        HASH_DEL((*seen)->entries, entry);
        mem_free(entry);
    }
    mem_free(*seen);
    *seen = NULL;
}
