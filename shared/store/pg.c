/* Life, and sending. A unit is its statements and a sync. libpq writes at each sync, so units leave at once; what the
 * socket does not take is written when it can, and once more at the end of the turn. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/store/pg_internal.h"

#define WATCH_MS       250
#define MAX_PARAMETERS 32

static struct metric units_total = {.name = "parley_pg_units_total",
                                    .help = "Transactions sent to Postgres.",
                                    .kind = METRIC_COUNTER};
static struct metric refused_total = {
    .name = "parley_pg_units_not_sent_total",
    .help = "Transactions not sent: no connection, or too many under way.",
    .kind = METRIC_COUNTER};

/* --- sending --- */

static void refuse(struct pg *pg, struct pg_unit *unit, enum pg_outcome outcome)
{
    unit->outcome = outcome;
    pg_units_append(&pg->unsent, unit);
    metric_add(&refused_total, 1);
    loop_deferred_request(pg->tell_unsent);
}

/* Only those that were refused by now: a callback may submit again, and be refused again. */
static void on_tell_unsent(void *context)
{
    struct pg *pg = context;
    struct pg_units refused = pg->unsent;
    struct pg_unit *unit;
    pg_units_init(&pg->unsent);
    while ((unit = pg_units_take(&refused)) != NULL)
        pg_unit_finish(unit, unit->outcome, NULL);
}

static bool send_call(const struct pg_unit *unit, const struct pg_call *call)
{
    const char *values[MAX_PARAMETERS];
    int lengths[MAX_PARAMETERS], formats[MAX_PARAMETERS];
    assert(call->parameter_count <= MAX_PARAMETERS);
    for (int i = 0; i < call->parameter_count; i++) {
        const struct pg_parameter *parameter = &unit->parameters[call->first_parameter + (size_t)i];
        bool is_null = parameter->length < 0;
        /* An empty text in a unit without any bytes has no place to point to, and is not NULL. */
        const char *value = unit->bytes.data == NULL ? "" : unit->bytes.data + parameter->offset;
        values[i] = is_null ? NULL : value;
        lengths[i] = is_null ? 0 : parameter->length;
        formats[i] = 1;
    }
    return PQsendQueryPrepared(unit->pg->connection, call->statement, call->parameter_count, values,
                               lengths, formats, 1) == 1;
}

/* Other units of several statements are reads, in which nothing could be lost. */
static bool is_commit(const struct pg_unit *unit)
{
    return unit->pg->options.dies_in_units && unit->call_count > 1;
}

/* The server has begun to work on the unit and is never told that it is whole. */
static void die_in_a_transaction(struct pg *pg)
{
    PQsendFlushRequest(pg->connection);
    PQflush(pg->connection);
    FAILPOINT_KILL(after_begin);
}

static bool send_unit(const struct pg_unit *unit)
{
    for (size_t i = 0; i < unit->call_count; i++) {
        if (!send_call(unit, &unit->calls[i]))
            return false;
        if (i == 0 && is_commit(unit) && FAILPOINT_IS_DUE(after_begin))
            die_in_a_transaction(unit->pg);
    }
    return PQpipelineSync(unit->pg->connection) == 1;
}

void pg_submit(struct pg_unit *unit, pg_callback callback, void *context)
{
    struct pg *pg = unit->pg;
    unit->callback = callback;
    unit->context = context;
    if (!pg_is_connected(pg) || pg->in_flight >= pg->options.max_units) {
        refuse(pg, unit, pg_is_connected(pg) ? PG_BUSY : PG_UNAVAILABLE);
        return;
    }
    unit->results = mem_array(unit->call_count + 1, sizeof *unit->results);
    unit->sent_at_us = clock_monotonic_us();
    pg_units_append(&pg->sent, unit);
    pg->in_flight++;
    metric_add(&units_total, 1);
    if (send_unit(unit))
        loop_deferred_request(pg->flush);
    else
        pg_drop(pg); /* half a unit may be queued: nothing of this connection is to be trusted */
}

static void on_flush(void *context)
{
    struct pg *pg = context;
    pg_connection_flush(pg);
    if (pg->sent.first != NULL && is_commit(pg->sent.first))
        FAILPOINT(during_commit);
}

/* --- trust --- */

/* The server ends a slow statement by itself; a connection that is silent for longer is dead or stuck. The time of a
 * unit counts from when those before it were answered. */
static void on_watch(void *context)
{
    struct pg *pg = context;
    if (pg->sent.first == NULL)
        return;
    int64_t since_us = pg->sent.first->sent_at_us > pg->answered_at_us ? pg->sent.first->sent_at_us
                                                                       : pg->answered_at_us;
    if (clock_monotonic_us() - since_us > 2000 * pg->options.statement_timeout_ms)
        pg_connection_lose(pg, "no answer in time");
}

static void on_drop(void *context)
{
    struct pg *pg = context;
    if (pg->dropping)
        pg_connection_lose(pg, "dropped after an answer that could not be trusted");
}

/* Never inside the caller's own submit or answer: the end of the turn ends everything. */
void pg_drop(struct pg *pg)
{
    if (!pg_is_connected(pg))
        return;
    pg->dropping = true;
    loop_deferred_request(pg->drop);
}

/* --- life --- */

struct pg *pg_create(struct loop *loop, const struct pg_options *options, pg_on_state on_state,
                     void *context)
{
    struct pg *pg = mem_zalloc(sizeof *pg);
    pg->loop = loop;
    pg->options = *options;
    pg->on_state = on_state;
    pg->context = context;
    pg_units_init(&pg->sent);
    pg_units_init(&pg->unsent);
    pg->retry = loop_timer_create(loop, pg_connection_on_retry, pg);
    pg->watch = loop_timer_create(loop, on_watch, pg);
    pg->flush = loop_deferred_create(loop, on_flush, pg);
    pg->tell_unsent = loop_deferred_create(loop, on_tell_unsent, pg);
    pg->drop = loop_deferred_create(loop, on_drop, pg);
    metrics_register(&units_total);
    metrics_register(&refused_total);
    pg_connection_start(pg);
    loop_timer_repeat(pg->watch, WATCH_MS);
    return pg;
}

bool pg_is_connected(const struct pg *pg)
{
    return pg->state == PG_STATE_READY && !pg->dropping;
}

size_t pg_in_flight(const struct pg *pg)
{
    return pg->in_flight;
}

const char *pg_last_error(const struct pg *pg)
{
    return pg->error;
}

void pg_destroy(struct pg **pg_in)
{
    struct pg *pg = *pg_in;
    if (pg == NULL)
        return;
    pg_connection_close(pg);
    pg_answers_end_all(pg);
    while (pg->unsent.first != NULL)
        on_tell_unsent(pg);
    loop_timer_destroy(&pg->retry);
    loop_timer_destroy(&pg->watch);
    loop_deferred_destroy(&pg->flush);
    loop_deferred_destroy(&pg->tell_unsent);
    loop_deferred_destroy(&pg->drop);
    mem_free(pg);
    *pg_in = NULL;
}
