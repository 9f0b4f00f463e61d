/* A bucket is one number: when it will be full again. A name whose bucket is full is not remembered. */
#include "shared/base/rate_limit.h"

#include <string.h>

#include "shared/base/mem.h"

#define HASH_NONFATAL_OOM        0
#define uthash_malloc(size)      mem_alloc(size)
#define uthash_free(block, size) mem_free(block)
#include <uthash.h>

struct bucket {
    char name[RATE_LIMIT_KEY_BYTES]; /* padded with zeroes */
    int64_t full_at_ms;
    UT_hash_handle hh; /* keeps the order of insertion: the oldest first */
};

struct rate_limit {
    int64_t attempts;
    int64_t refill_ms;
    size_t max_names;
    struct bucket *buckets;
};

struct rate_limit *rate_limit_create(int64_t attempts, int64_t refill_ms, size_t max_names)
{
    struct rate_limit *limit = mem_zalloc(sizeof *limit);
    limit->attempts = attempts;
    limit->refill_ms = refill_ms;
    limit->max_names = max_names;
    return limit;
}

static void make_key(struct text name, char key_out[RATE_LIMIT_KEY_BYTES])
{
    size_t length = name.length < RATE_LIMIT_KEY_BYTES ? name.length : RATE_LIMIT_KEY_BYTES;
    memset(key_out, 0, RATE_LIMIT_KEY_BYTES);
    if (length > 0)
        memcpy(key_out, name.data, length);
}

static struct bucket *find(struct rate_limit *limit, struct text name)
{
    char key[RATE_LIMIT_KEY_BYTES];
    struct bucket *bucket;
    make_key(name, key);
    HASH_FIND(hh, limit->buckets, key, sizeof key, bucket);
    return bucket;
}

static void forget(struct rate_limit *limit, struct bucket *bucket)
{
    HASH_DEL(limit->buckets, bucket);
    mem_free(bucket);
}

static struct bucket *remember(struct rate_limit *limit, struct text name, int64_t now_ms)
{
    if (HASH_COUNT(limit->buckets) >= limit->max_names)
        forget(limit, limit->buckets);
    struct bucket *bucket = mem_zalloc(sizeof *bucket);
    make_key(name, bucket->name);
    bucket->full_at_ms = now_ms;
    HASH_ADD(hh, limit->buckets, name, sizeof bucket->name, bucket);
    return bucket;
}

static void move_to_end(struct rate_limit *limit, struct bucket *bucket)
{
    HASH_DEL(limit->buckets, bucket);
    HASH_ADD(hh, limit->buckets, name, sizeof bucket->name, bucket);
}

bool rate_limit_take(struct rate_limit *limit, struct text name, int64_t now_ms, int64_t *left_out,
                     int64_t *wait_ms_out)
{
    struct bucket *bucket = find(limit, name);
    if (bucket == NULL)
        bucket = remember(limit, name, now_ms);
    else
        move_to_end(limit, bucket);
    if (bucket->full_at_ms < now_ms)
        bucket->full_at_ms = now_ms;
    int64_t room_ms = limit->attempts * limit->refill_ms - (bucket->full_at_ms - now_ms);
    if (room_ms < limit->refill_ms) {
        *left_out = 0;
        *wait_ms_out = limit->refill_ms - room_ms;
        return false;
    }
    bucket->full_at_ms += limit->refill_ms;
    *left_out = room_ms / limit->refill_ms - 1;
    *wait_ms_out = 0;
    return true;
}

void rate_limit_give_back(struct rate_limit *limit, struct text name, int64_t now_ms)
{
    struct bucket *bucket = find(limit, name);
    if (bucket == NULL)
        return; /* pushed out meanwhile */
    bucket->full_at_ms -= limit->refill_ms;
    if (bucket->full_at_ms <= now_ms)
        forget(limit, bucket);
}

size_t rate_limit_names(const struct rate_limit *limit)
{
    return HASH_COUNT(limit->buckets);
}

void rate_limit_destroy(struct rate_limit **limit)
{
    if (*limit == NULL)
        return;
    struct bucket *bucket, *next;
    HASH_ITER (hh, (*limit)->buckets, bucket, next) {
        forget(*limit, bucket);
    }
    mem_free(*limit);
    *limit = NULL;
}
