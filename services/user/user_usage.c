/* A set of session ids that is written and emptied on a timer. When it is full further ones are passed over: they are
 * noted again when their token is looked up the next time. */
#include "services/user/user_usage.h"

#include "shared/base/clock.h"
#include "shared/base/mem.h"

#define uthash_malloc(size)      mem_alloc(size)
#define uthash_free(block, size) mem_free(block)
#include <uthash.h>

#define NOTED_AFTER_MS 60000
#define MAX_NOTED      4096

struct noted {
    int64_t session_id;
    UT_hash_handle hh;
};

struct user_usage {
    struct user_store *store;
    struct loop_timer *timer;
    struct noted *noted;
    bool writing;
};

static void on_written(void *context, enum problem problem)
{
    struct user_usage *usage = context;
    (void)problem; /* what was not written is noted again */
    usage->writing = false;
}

static void on_time(void *context)
{
    struct user_usage *usage = context;
    size_t count = 0;
    if (usage->noted == NULL || usage->writing)
        return;
    int64_t *ids = mem_array(HASH_COUNT(usage->noted), sizeof *ids);
    struct noted *one, *next;
    HASH_ITER (hh, usage->noted, one, next) {
        ids[count++] = one->session_id;
        HASH_DEL(usage->noted, one);
        mem_free(one);
    }
    usage->writing = true;
    user_store_mark_used(usage->store, ids, count, clock_wall_ms(), on_written, usage);
    mem_free(ids);
}

struct user_usage *user_usage_create(struct loop *loop, struct user_store *store, int64_t period_ms)
{
    struct user_usage *usage = mem_zalloc(sizeof *usage);
    usage->store = store;
    usage->timer = loop_timer_create(loop, on_time, usage);
    loop_timer_repeat(usage->timer, period_ms);
    return usage;
}

void user_usage_note(struct user_usage *usage, int64_t session_id, int64_t last_used_ms)
{
    struct noted *noted;
    if (clock_wall_ms() - last_used_ms < NOTED_AFTER_MS || HASH_COUNT(usage->noted) >= MAX_NOTED)
        return;
    HASH_FIND(hh, usage->noted, &session_id, sizeof session_id, noted);
    if (noted != NULL)
        return;
    noted = mem_zalloc(sizeof *noted);
    noted->session_id = session_id;
    HASH_ADD(hh, usage->noted, session_id, sizeof noted->session_id, noted);
}

void user_usage_destroy(struct user_usage **usage)
{
    if (*usage == NULL)
        return;
    struct noted *noted, *next;
    HASH_ITER (hh, (*usage)->noted, noted, next) {
        HASH_DEL((*usage)->noted, noted);
        mem_free(noted);
    }
    loop_timer_destroy(&(*usage)->timer);
    mem_free(*usage);
    *usage = NULL;
}
