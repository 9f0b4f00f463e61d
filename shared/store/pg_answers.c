/* What comes back. In pipeline mode each statement gives a result and a NULL, each sync a result of its own. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/metrics.h"
#include "shared/store/pg_internal.h"

/* Registered by pg_create, with the rest. */
static struct metric latency = {.name = "parley_pg_unit_seconds",
                                .help = "From sending a transaction to its answer.",
                                .kind = METRIC_HISTOGRAM};

static void break_off(struct pg *pg, const char *reason)
{
    pg_remember_error(pg, reason);
    pg->broken = true;
}

static struct pg_unit *take_sent(struct pg *pg)
{
    struct pg_unit *unit = pg_units_take(&pg->sent);
    if (unit != NULL)
        pg->in_flight--;
    return unit;
}

void pg_answers_end_all(struct pg *pg)
{
    struct pg_unit *unit;
    while ((unit = take_sent(pg)) != NULL)
        pg_unit_finish(unit, PG_UNCERTAIN, NULL);
}

/* A statement that cannot be prepared is our bug or a migration that has not run; waiting and trying again mends only
 * the second, but the service stays up to say so. */
static void take_prepared(struct pg *pg, const PGresult *result)
{
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        pg_connection_ready(pg);
        return;
    }
    if (PQresultStatus(result) != PGRES_FATAL_ERROR || pg->broken)
        return;
    const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char reason[PG_ERROR_BYTES];
    snprintf(reason, sizeof reason, "a statement does not fit the tables (%s): run deploy/migrate",
             why == NULL ? "connection lost" : why);
    break_off(pg, reason);
}

static void end_unit(struct pg *pg)
{
    struct pg_unit *unit = take_sent(pg);
    const PGresult *refusal = NULL;
    pg->answered_at_us = clock_monotonic_us();
    metric_observe_us(&latency, pg->answered_at_us - unit->sent_at_us);
    for (size_t i = 0; i < unit->result_count && refusal == NULL; i++)
        if (PQresultStatus(unit->results[i]) == PGRES_FATAL_ERROR)
            refusal = unit->results[i];
    pg_unit_finish(unit, refusal == NULL ? PG_OK : PG_REFUSED, refusal);
}

/* An error in place of the sync's answer is one of the commit itself, such as of a deferred constraint. Anything else
 * that was not asked for: what we think and what the server does are no longer the same. */
static bool is_expected(const struct pg_unit *unit, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (unit == NULL)
        return false;
    if (status == PGRES_PIPELINE_SYNC)
        return unit->result_count >= unit->call_count;
    return unit->result_count < unit->call_count ||
           (unit->result_count == unit->call_count && status == PGRES_FATAL_ERROR);
}

static void take_answer(struct pg *pg, PGresult *result)
{
    struct pg_unit *unit = pg->sent.first;
    if (!is_expected(unit, result)) {
        PQclear(result);
        break_off(pg, "an answer that was not asked for");
    } else if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        end_unit(pg);
    } else
        unit->results[unit->result_count++] = result;
}

/* One NULL of PQgetResult ends a statement's results, a second in a row means that there is nothing more yet. Of a
 * connection that is lost libpq makes up errors for all that was under way: they are not the server's word. */
static void take_answers(struct pg *pg)
{
    int nulls = 0;
    while (!pg->broken && nulls < 2 && !PQisBusy(pg->connection) &&
           PQstatus(pg->connection) == CONNECTION_OK) {
        PGresult *result = PQgetResult(pg->connection);
        if (result == NULL) {
            nulls++;
            continue;
        }
        nulls = 0;
        if (pg->state == PG_STATE_PREPARING) {
            take_prepared(pg, result);
            PQclear(result);
        } else
            take_answer(pg, result);
    }
}

void pg_answers_read(struct pg *pg)
{
    metrics_register(&latency);
    if (PQconsumeInput(pg->connection) == 0) {
        pg_connection_lose(pg, PQerrorMessage(pg->connection));
        return;
    }
    pg->in_answers = true;
    take_answers(pg);
    pg->in_answers = false;
    if (pg->broken)
        pg_connection_lose(pg, NULL);
    else if (PQstatus(pg->connection) == CONNECTION_BAD)
        pg_connection_lose(pg, PQerrorMessage(pg->connection));
    else
        pg_connection_flush(pg);
}
