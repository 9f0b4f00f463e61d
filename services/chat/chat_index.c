/* One question at a time, and after each a pause that makes up for the time it took. */
#include "services/chat/chat_index.h"

#include <string.h>

#include "services/chat/chat_settings.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/daemon.h"
#include "shared/store/pg.h"

#define IDLE_MS      200   /* until the heads are looked at again; a comparison in memory */
#define RECHECK_MS   60000 /* until the cursors are: somebody may have set them back */
#define RATE_MS      500   /* over which the log's rate is taken */
#define RETRY_MIN_MS 200
#define RETRY_MAX_MS 30000

struct chat_index {
    const struct chat_partitions *partitions;
    struct pg *pg;
    struct loop_timer *timer; /* when to ask next */
    struct loop_timer *watch; /* measures, also while a slice takes long */
    bool knows_cursors;
    int64_t checked_ms;                   /* when the cursors were read */
    int64_t cursors[CHAT_MAX_PARTITIONS]; /* the last offset in the index */
    uint32_t partition;                   /* of the last slice: the others come first now */
    int64_t slice_events;                 /* of the next: less after a refusal */
    int64_t retry_ms;
    int64_t began_us; /* the question that is asked */
    int64_t rate_ms, rate_offset;
    bool is_busy;
};

static const struct pg_statement statements[] = {
    {"cursors", "select partition, feed_offset from chat.search_cursor"},
    {"slice", "select taken, now_offset from chat.index_slice($1::bigint, $2::bigint, $3::bigint)"},
    {"skip", "select skipped_chat, skipped_seq from chat.index_skip($1::bigint)"},
};

static struct metric lag = {.name = "parley_chat_index_lag_events",
                            .labels = "",
                            .help = "Events of the log that search has not indexed yet.",
                            .kind = METRIC_GAUGE};
static struct metric indexed_total = {.name = "parley_chat_indexed_total",
                                      .labels = "",
                                      .help = "Events that search has indexed.",
                                      .kind = METRIC_COUNTER};
static struct metric skipped_total = {.name = "parley_chat_index_skipped_total",
                                      .labels = "",
                                      .help = "Events that search could not index.",
                                      .kind = METRIC_COUNTER};
static struct metric slice_seconds = {.name = "parley_chat_index_slice_seconds",
                                      .labels = "",
                                      .help = "Time of a slice of the index in Postgres.",
                                      .kind = METRIC_HISTOGRAM};

/* --- how far, how fast --- */

static int64_t lag_of(const struct chat_index *index, uint32_t partition)
{
    const struct chat_partition *held = &index->partitions->items[partition];
    int64_t behind = held->held ? held->committed_offset - index->cursors[partition] : 0;
    return behind > 0 ? behind : 0;
}

static void on_watch(void *context)
{
    struct chat_index *index = context;
    int64_t now_ms = clock_monotonic_ms(), behind = 0, offset = 0;
    for (uint32_t i = 0; i < index->partitions->count; i++) {
        behind += lag_of(index, i);
        offset += index->partitions->items[i].committed_offset;
    }
    if (index->knows_cursors)
        metric_set(&lag, behind);
    if (now_ms - index->rate_ms < RATE_MS)
        return;
    index->is_busy = (offset - index->rate_offset) * 1000 >
                     chat_settings.index_busy_events * (now_ms - index->rate_ms);
    index->rate_ms = now_ms;
    index->rate_offset = offset;
}

/* So long that what has just taken so many microseconds is no more than its per cent of the time. */
static int64_t pause_ms(const struct chat_index *index, int64_t took_us)
{
    int64_t percent =
        index->is_busy ? chat_settings.index_busy_percent : chat_settings.index_quiet_percent;
    return took_us * (100 - percent) / percent / 1000 + 1;
}

/* --- answers --- */

static void retry_later(struct chat_index *index)
{
    loop_timer_start(index->timer, index->retry_ms);
    index->retry_ms = index->retry_ms * 2 < RETRY_MAX_MS ? index->retry_ms * 2 : RETRY_MAX_MS;
}

/* Classes of SQLSTATE (PostgreSQL, appendix A). 22, 23, 54: the values cannot be indexed. Everything else is not their
 * fault; of a timeout a smaller slice may take less time. */
static void take_refusal(struct chat_index *index, const struct pg_result *result)
{
    const char *sqlstate = pg_result_sqlstate(result);
    bool is_content = strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
                      strncmp(sqlstate, "54", 2) == 0;
    log_warning("index_refused", LOG_NUMBER("partition", index->partition),
                LOG_NUMBER("events", index->slice_events), LOG_STRING("sqlstate", sqlstate));
    if (is_content && index->slice_events == 1) {
        index->slice_events = 0; /* this one event is to be passed by */
        loop_timer_start(index->timer, 1);
        return;
    }
    if (index->slice_events > 1)
        index->slice_events /= 2;
    else /* nothing smaller can be tried: it is the other partitions' turn */
        index->slice_events = chat_settings.index_slice_events;
    if (is_content)
        loop_timer_start(index->timer, 1);
    else
        retry_later(index);
}

static bool is_answered(struct chat_index *index, const struct pg_result *result)
{
    enum pg_outcome outcome = pg_result_outcome(result);
    if (outcome == PG_OK) {
        index->retry_ms = RETRY_MIN_MS;
        return true;
    }
    if (outcome == PG_REFUSED) {
        take_refusal(index, result);
        return false;
    }
    index->knows_cursors = false; /* what was not answered may have happened */
    retry_later(index);
    return false;
}

static void on_cursors(void *context, const struct pg_result *result)
{
    struct chat_index *index = context;
    if (!is_answered(index, result))
        return;
    memset(index->cursors, 0, sizeof index->cursors);
    for (int row = 0; row < pg_rows(result, 0); row++)
        index->cursors[pg_number(result, 0, row, 0)] = pg_number(result, 0, row, 1);
    index->knows_cursors = true;
    index->checked_ms = clock_monotonic_ms();
    loop_timer_start(index->timer, 1);
}

static void on_slice(void *context, const struct pg_result *result)
{
    struct chat_index *index = context;
    int64_t took_us = clock_monotonic_us() - index->began_us;
    if (!is_answered(index, result))
        return;
    index->cursors[index->partition] = pg_number(result, 0, 0, 1);
    index->slice_events = index->slice_events * 2 < chat_settings.index_slice_events
                              ? index->slice_events * 2
                              : chat_settings.index_slice_events;
    metric_add(&indexed_total, pg_number(result, 0, 0, 0));
    metric_observe_us(&slice_seconds, took_us);
    loop_timer_start(index->timer, pause_ms(index, took_us));
}

static void on_skipped(void *context, const struct pg_result *result)
{
    struct chat_index *index = context;
    index->slice_events = 1;
    if (!is_answered(index, result))
        return;
    for (int row = 0; row < pg_rows(result, 0); row++) {
        metric_add(&skipped_total, 1);
        log_error("event_not_indexed", LOG_ID("chat", pg_number(result, 0, row, 0)),
                  LOG_NUMBER("seq", pg_number(result, 0, row, 1)));
    }
    loop_timer_start(index->timer, 1);
}

/* --- questions --- */

static void ask_slice(struct chat_index *index)
{
    struct pg_unit *unit = pg_unit_create(index->pg);
    pg_unit_add(unit, index->slice_events == 0 ? "skip" : "slice");
    pg_add_number(unit, index->partition);
    if (index->slice_events > 0) {
        pg_add_number(unit, index->slice_events);
        pg_add_number(unit, chat_settings.index_slice_bytes);
    }
    index->began_us = clock_monotonic_us();
    pg_submit(unit, index->slice_events == 0 ? on_skipped : on_slice, index);
}

static void ask_cursors(struct chat_index *index)
{
    struct pg_unit *unit = pg_unit_create(index->pg);
    pg_unit_add(unit, "cursors");
    pg_submit(unit, on_cursors, index);
}

/* A refused slice is tried again with less, down to one event, before any other partition's turn. False: all is indexed. */
static bool choose_partition(struct chat_index *index)
{
    uint32_t count = index->partitions->count;
    if (index->slice_events < chat_settings.index_slice_events &&
        lag_of(index, index->partition) > 0)
        return true;
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t next = (index->partition + i) % count;
        if (lag_of(index, next) > 0) {
            index->partition = next;
            index->slice_events = chat_settings.index_slice_events;
            return true;
        }
    }
    return false;
}

static void on_timer(void *context)
{
    struct chat_index *index = context;
    bool is_able = pg_is_connected(index->pg) && index->partitions->count > 0;
    if (is_able &&
        (!index->knows_cursors || clock_monotonic_ms() - index->checked_ms > RECHECK_MS)) {
        ask_cursors(index);
        return;
    }
    if (is_able && choose_partition(index))
        ask_slice(index);
    else
        loop_timer_start(index->timer, IDLE_MS);
}

/* --- life --- */

static void on_state(void *context, bool connected)
{
    struct chat_index *index = context;
    index->knows_cursors = index->knows_cursors && connected;
}

struct chat_index *chat_index_create(struct loop *loop, const struct chat_partitions *partitions)
{
    struct chat_index *index = mem_zalloc(sizeof *index);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-chat/index",
        .statements = statements,
        .statement_count = sizeof statements / sizeof statements[0],
        .max_units = 1,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    index->partitions = partitions;
    index->slice_events = chat_settings.index_slice_events;
    index->retry_ms = RETRY_MIN_MS;
    index->timer = loop_timer_create(loop, on_timer, index);
    index->watch = loop_timer_create(loop, on_watch, index);
    metrics_register(&lag);
    metrics_register(&indexed_total);
    metrics_register(&skipped_total);
    metrics_register(&slice_seconds);
    index->pg = pg_create(loop, &options, on_state, index);
    loop_timer_start(index->timer, IDLE_MS);
    loop_timer_repeat(index->watch, IDLE_MS);
    return index;
}

void chat_index_destroy(struct chat_index **index)
{
    if (*index == NULL)
        return;
    pg_destroy(&(*index)->pg);
    loop_timer_destroy(&(*index)->timer);
    loop_timer_destroy(&(*index)->watch);
    mem_free(*index);
    *index = NULL;
}

bool chat_index_is_connected(const struct chat_index *index)
{
    return pg_is_connected(index->pg);
}

const char *chat_index_last_error(const struct chat_index *index)
{
    return pg_last_error(index->pg);
}
