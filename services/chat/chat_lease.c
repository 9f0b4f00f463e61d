/* Taking partitions: find out how many there are, take those that are free, try again for the rest. One question at a
 * time; whatever goes wrong is tried again from the timer. */
#include "services/chat/chat_lease.h"

#include "services/chat/chat_settings.h"
#include "shared/base/failpoint.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/daemon.h"
#include "shared/store/pg.h"

#define PROBE_MS 1000 /* how often an idle session is asked whether it still lives */

struct chat_lease {
    struct chat_partitions *partitions;
    struct chat_lease_callbacks callbacks;
    struct pg *pg;
    struct loop_timer *timer;
    bool is_asking;  /* an answer is awaited */
    bool must_renew; /* when it is there */
    bool is_waiting; /* somebody waits for on_taken */
    size_t reported; /* partitions held, as last logged */
};

static const struct pg_statement statements[] = {
    {"setup", "select chat.setup_partitions($1::bigint)"},
    {"take",
     "select taken_partition, taken_epoch, taken_head from chat.take_partitions($1::bigint[])"},
    {"probe", "select 1"},
};

static struct metric held = {.name = "parley_chat_partitions_held",
                             .labels = "",
                             .help = "Partitions of the log that this process owns.",
                             .kind = METRIC_GAUGE};

static void ask(struct chat_lease *lease);

size_t chat_lease_held(const struct chat_lease *lease)
{
    size_t count = 0;
    for (uint32_t i = 0; i < lease->partitions->count; i++)
        count += lease->partitions->items[i].held;
    return count;
}

static void report(struct chat_lease *lease)
{
    size_t count = chat_lease_held(lease);
    metric_set(&held, (int64_t)count);
    if (count != lease->reported)
        log_info("partitions_held", LOG_NUMBER("held", count),
                 LOG_NUMBER("of", lease->partitions->count));
    lease->reported = count;
}

static void give_up_all(struct chat_lease *lease)
{
    for (uint32_t i = 0; i < lease->partitions->count; i++)
        lease->partitions->items[i].held = false;
}

static bool holds_all(const struct chat_lease *lease)
{
    return lease->partitions->count > 0 && chat_lease_held(lease) == lease->partitions->count;
}

static void wait_for_next(struct chat_lease *lease)
{
    loop_timer_start(lease->timer, holds_all(lease) ? PROBE_MS : chat_settings.lease_retry_ms);
}

/* --- answers --- */

static bool is_answered(struct chat_lease *lease, const struct pg_result *result)
{
    lease->is_asking = false;
    if (pg_result_outcome(result) == PG_REFUSED)
        log_warning("lease_refused", LOG_STRING("sqlstate", pg_result_sqlstate(result)),
                    LOG_STRING("reason", pg_result_message(result)));
    return pg_result_outcome(result) == PG_OK;
}

static void on_setup(void *context, const struct pg_result *result)
{
    struct chat_lease *lease = context;
    if (!is_answered(lease, result)) {
        wait_for_next(lease);
        return;
    }
    int64_t count = pg_number(result, 0, 0, 0);
    if (count != chat_settings.partitions)
        log_warning("partitions_fixed", LOG_NUMBER("count", count),
                    LOG_NUMBER("setting", chat_settings.partitions));
    lease->partitions->count = (uint32_t)count;
    ask(lease);
}

static void take_row(struct chat_lease *lease, const struct pg_result *result, int row)
{
    struct chat_partition *partition = &lease->partitions->items[pg_number(result, 0, row, 0)];
    partition->held = true;
    partition->epoch = pg_number(result, 0, row, 1);
    partition->head_offset = partition->committed_offset = pg_number(result, 0, row, 2);
}

static void on_taken(void *context, const struct pg_result *result)
{
    struct chat_lease *lease = context;
    bool ok = is_answered(lease, result);
    if (ok && lease->must_renew) {
        ask(lease); /* these heads may be older than the reason to renew */
        return;
    }
    /* Locks, epochs and heads come in one answer: this is the moment before the heads are used. Without a row somebody
     * else has the locks still. */
    if (ok && pg_rows(result, 0) > 0)
        FAILPOINT(lock_taken_head_not_read);
    for (int row = 0; ok && row < pg_rows(result, 0); row++)
        take_row(lease, result, row);
    report(lease);
    wait_for_next(lease);
    if (ok && lease->is_waiting) {
        lease->is_waiting = false;
        lease->callbacks.on_taken(lease->callbacks.context);
    }
}

static void on_probed(void *context, const struct pg_result *result)
{
    struct chat_lease *lease = context;
    is_answered(lease, result);
    if (lease->must_renew)
        ask(lease);
    else
        wait_for_next(lease);
}

/* --- questions --- */

static void ask_setup(struct chat_lease *lease)
{
    struct pg_unit *unit = pg_unit_create(lease->pg);
    pg_unit_add(unit, "setup");
    pg_add_number(unit, chat_settings.partitions);
    pg_submit(unit, on_setup, lease);
}

static void ask_take(struct chat_lease *lease)
{
    int64_t wanted[CHAT_MAX_PARTITIONS];
    size_t count = 0;
    for (uint32_t i = 0; i < lease->partitions->count; i++) {
        if (!lease->partitions->items[i].held)
            wanted[count++] = i;
    }
    struct pg_unit *unit = pg_unit_create(lease->pg);
    pg_unit_add(unit, "take");
    pg_add_numbers(unit, wanted, count);
    pg_submit(unit, on_taken, lease);
}

/* A dead peer that keeps its socket open is only noticed by asking. */
static void ask_probe(struct chat_lease *lease)
{
    struct pg_unit *unit = pg_unit_create(lease->pg);
    pg_unit_add(unit, "probe");
    pg_submit(unit, on_probed, lease);
}

static void ask(struct chat_lease *lease)
{
    if (lease->is_asking || !pg_is_connected(lease->pg))
        return;
    lease->is_asking = true;
    lease->must_renew = false;
    loop_timer_stop(lease->timer);
    if (lease->partitions->count == 0)
        ask_setup(lease);
    else if (holds_all(lease))
        ask_probe(lease);
    else
        ask_take(lease);
}

static void on_timer(void *context)
{
    ask(context);
}

static void on_state(void *context, bool connected)
{
    struct chat_lease *lease = context;
    if (connected) {
        lease->is_asking = false;
        lease->is_waiting = true;
        ask(lease);
        return;
    }
    give_up_all(lease);
    report(lease);
    lease->callbacks.on_lost(lease->callbacks.context);
}

void chat_lease_renew(struct chat_lease *lease)
{
    give_up_all(lease);
    lease->is_waiting = true;
    lease->must_renew = lease->is_asking;
    ask(lease);
}

/* --- life --- */

struct chat_lease *chat_lease_create(struct loop *loop, struct chat_partitions *partitions,
                                     const struct chat_lease_callbacks *callbacks)
{
    struct chat_lease *lease = mem_zalloc(sizeof *lease);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-chat/lease",
        .statements = statements,
        .statement_count = sizeof statements / sizeof statements[0],
        .max_units = 4,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    lease->partitions = partitions;
    lease->callbacks = *callbacks;
    lease->timer = loop_timer_create(loop, on_timer, lease);
    metrics_register(&held);
    lease->pg = pg_create(loop, &options, on_state, lease);
    return lease;
}

void chat_lease_destroy(struct chat_lease **lease)
{
    if (*lease == NULL)
        return;
    pg_destroy(&(*lease)->pg);
    loop_timer_destroy(&(*lease)->timer);
    mem_free(*lease);
    *lease = NULL;
}

bool chat_lease_is_connected(const struct chat_lease *lease)
{
    return pg_is_connected(lease->pg);
}

const char *chat_lease_last_error(const struct chat_lease *lease)
{
    return pg_is_connected(lease->pg) ? "not all partitions are held" : pg_last_error(lease->pg);
}
