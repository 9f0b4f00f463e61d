#include "services/user/user_trim.h"

#include "services/user/user_settings.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

#define TRIM_CHANGES 1000 /* of one statement; a full one is followed by the next at once */

struct user_trim {
    struct user_store *store;
    struct loop_timer *timer;
    int64_t taken;
    bool trimming;
};

static void on_time(void *context);

static void on_trimmed(void *context, enum problem problem, size_t count)
{
    struct user_trim *trim = context;
    trim->trimming = false;
    if (problem != PROBLEM_NONE || count == 0)
        return;
    log_info("changes_trimmed", LOG_NUMBER("count", (int64_t)count));
    if (count == TRIM_CHANGES)
        on_time(trim);
}

static void on_time(void *context)
{
    struct user_trim *trim = context;
    if (trim->trimming || trim->taken <= 0)
        return;
    trim->trimming = true;
    user_store_trim(trim->store, trim->taken, user_settings.change_days, TRIM_CHANGES, on_trimmed,
                    trim);
}

struct user_trim *user_trim_create(struct loop *loop, struct user_store *store, int64_t period_ms)
{
    struct user_trim *trim = mem_zalloc(sizeof *trim);
    trim->store = store;
    trim->timer = loop_timer_create(loop, on_time, trim);
    loop_timer_repeat(trim->timer, period_ms);
    return trim;
}

void user_trim_allow(struct user_trim *trim, int64_t taken)
{
    if (taken > trim->taken)
        trim->taken = taken;
}

void user_trim_destroy(struct user_trim **trim)
{
    if (*trim == NULL)
        return;
    loop_timer_destroy(&(*trim)->timer);
    mem_free(*trim);
    *trim = NULL;
}
