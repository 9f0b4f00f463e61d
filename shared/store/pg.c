/* The connection. Its states:
 *
 *     waiting    → the retry timer runs                        → connecting
 *     connecting → PQconnectPoll is followed                   → preparing, or waiting
 *     preparing  → the statements are being prepared           → ready, or waiting
 *     ready      → units are sent; answers come in their order → waiting, when it is lost
 *
 * A unit's statements and its sync are queued in libpq at once; the flush happens at the end of the turn. */
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/store/pg_internal.h"

#define RETRY_MIN_MS        50
#define RETRY_MAX_MS        2000
#define CONNECT_DEADLINE_MS 5000
#define WATCH_MS            500
#define MAX_PASSWORD_BYTES  256
#define MAX_ERROR_BYTES     256

enum pg_state { PG_STATE_WAITING, PG_STATE_CONNECTING, PG_STATE_PREPARING, PG_STATE_READY };

struct pg {
    struct loop *loop;
    struct pg_options options;
    pg_on_state on_state;
    void *context;
    enum pg_state state;
    PGconn *connection;
    struct event *readable, *writable;
    struct loop_timer *retry; /* waiting: when to connect again; connecting: the deadline */
    struct loop_timer *watch; /* drops a connection that does not answer */
    struct loop_deferred *flush;
    struct loop_deferred *tell_unsent;
    struct loop_deferred *drop;
    bool dropping; /* until then nothing is sent any more */
    int64_t retry_ms;
    size_t prepared;
    struct pg_unit *first, **last; /* sent, in order */
    size_t in_flight;
    struct pg_unit *unsent; /* to be told so at the end of the turn */
    bool in_results;        /* inside the reading of answers: nothing is freed there */
    bool lost;              /* noticed there */
    char error[MAX_ERROR_BYTES];
};

static struct metric units_total = {.name = "parley_pg_units_total",
                                    .help = "Transactions sent to Postgres.",
                                    .kind = METRIC_COUNTER};
static struct metric in_flight_gauge = {.name = "parley_pg_units_in_flight",
                                        .help = "Transactions sent and not yet answered.",
                                        .kind = METRIC_GAUGE};
static struct metric lost_total = {.name = "parley_pg_connections_lost_total",
                                   .help = "Connections to Postgres that were lost or not made.",
                                   .kind = METRIC_COUNTER};
static struct metric latency = {.name = "parley_pg_unit_seconds",
                                .help = "From sending a transaction to its answer.",
                                .kind = METRIC_HISTOGRAM};

static void read_answers(struct pg *pg);

/* --- ending units --- */

static void finish_unit(struct pg_unit *unit, enum pg_outcome outcome, const PGresult *refusal)
{
    struct pg_result result = {outcome, unit->results, unit->result_count, refusal};
    unit->callback(unit->context, &result);
    pg_unit_destroy(&unit);
}

static struct pg_unit *take_sent(struct pg *pg)
{
    struct pg_unit *unit = pg->first;
    pg->first = unit->next;
    if (pg->first == NULL)
        pg->last = &pg->first;
    pg->in_flight--;
    metric_add(&in_flight_gauge, -1);
    return unit;
}

static void on_tell_unsent(void *context)
{
    struct pg *pg = context;
    struct pg_unit *unit = pg->unsent;
    pg->unsent = NULL;
    while (unit != NULL) {
        struct pg_unit *next = unit->next;
        finish_unit(unit, unit->outcome, NULL);
        unit = next;
    }
}

/* --- losing the connection --- */

static void remember_error(struct pg *pg, const char *message)
{
    snprintf(pg->error, sizeof pg->error, "%s",
             message == NULL || *message == '\0' ? "connection lost" : message);
    for (char *at = pg->error; *at != '\0'; at++) /* libpq's messages have several lines */
        if (*at == '\n')
            *at = at[1] == '\0' ? '\0' : ' ';
}

static void close_connection(struct pg *pg)
{
    if (pg->readable != NULL)
        event_free(pg->readable);
    if (pg->writable != NULL)
        event_free(pg->writable);
    if (pg->connection != NULL)
        PQfinish(pg->connection);
    pg->readable = pg->writable = NULL;
    pg->connection = NULL;
}

/* What was sent may have happened: everybody is told so, after the state is settled, for they may ask again. */
static void end_sent_units(struct pg *pg)
{
    size_t count = pg->in_flight;
    while (count-- > 0 && pg->first != NULL)
        finish_unit(take_sent(pg), PG_UNCERTAIN, NULL);
}

static void lose(struct pg *pg, const char *reason)
{
    if (pg->in_results) {
        pg->lost = true;
        return;
    }
    bool was_ready = pg->state == PG_STATE_READY;
    pg->dropping = false;
    remember_error(pg, reason);
    close_connection(pg);
    pg->state = PG_STATE_WAITING;
    metric_add(&lost_total, 1);
    log_warning("postgres_lost", LOG_STRING("connection", pg->options.application_name),
                LOG_STRING("reason", pg->error));
    loop_timer_start(pg->retry, pg->retry_ms + rand() % 20);
    pg->retry_ms = pg->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : pg->retry_ms * 2;
    end_sent_units(pg);
    if (was_ready)
        pg->on_state(pg->context, false);
}

/* --- connecting --- */

static void on_ready(struct pg *pg)
{
    pg->state = PG_STATE_READY;
    pg->retry_ms = RETRY_MIN_MS;
    pg->error[0] = '\0';
    loop_timer_stop(pg->retry);
    pg->on_state(pg->context, true);
}

static void flush(struct pg *pg)
{
    if (pg->connection == NULL || pg->in_results)
        return;
    int left = PQflush(pg->connection);
    if (left < 0)
        lose(pg, PQerrorMessage(pg->connection));
    else if (left > 0)
        event_add(pg->writable, NULL);
}

static void on_flush(void *context)
{
    flush(context);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    struct pg *pg = context;
    if (what & EV_WRITE)
        flush(pg);
    else
        read_answers(pg);
}

static void prepare_statements(struct pg *pg)
{
    if (PQsetnonblocking(pg->connection, 1) != 0 || PQenterPipelineMode(pg->connection) != 1) {
        lose(pg, PQerrorMessage(pg->connection));
        return;
    }
    pg->state = PG_STATE_PREPARING;
    pg->prepared = 0;
    event_free(pg->readable);
    event_free(pg->writable);
    int fd = PQsocket(pg->connection);
    pg->readable = event_new(loop_base(pg->loop), fd, EV_READ | EV_PERSIST, on_socket, pg);
    pg->writable = event_new(loop_base(pg->loop), fd, EV_WRITE, on_socket, pg);
    event_add(pg->readable, NULL);
    for (size_t i = 0; i < pg->options.statement_count; i++)
        PQsendPrepare(pg->connection, pg->options.statements[i].name, pg->options.statements[i].sql,
                      0, NULL);
    PQpipelineSync(pg->connection);
    flush(pg);
}

static void on_connecting(evutil_socket_t fd, short what, void *context);

/* PQconnectPoll may change the descriptor between calls. */
static void watch_connecting(struct pg *pg, PostgresPollingStatusType wanted)
{
    int fd = PQsocket(pg->connection);
    if (pg->readable != NULL)
        event_free(pg->readable);
    if (pg->writable != NULL)
        event_free(pg->writable);
    pg->readable = event_new(loop_base(pg->loop), fd, EV_READ, on_connecting, pg);
    pg->writable = event_new(loop_base(pg->loop), fd, EV_WRITE, on_connecting, pg);
    event_add(wanted == PGRES_POLLING_READING ? pg->readable : pg->writable, NULL);
}

static void on_connecting(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct pg *pg = context;
    PostgresPollingStatusType wanted = PQconnectPoll(pg->connection);
    if (wanted == PGRES_POLLING_FAILED)
        lose(pg, PQerrorMessage(pg->connection));
    else if (wanted == PGRES_POLLING_OK)
        prepare_statements(pg);
    else
        watch_connecting(pg, wanted);
}

/* Empty when there is none; read at each connect, so that it can be changed while we run. */
static void read_password(const char *path, char *password_out)
{
    password_out[0] = '\0';
    int fd = path == NULL || *path == '\0' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, password_out, MAX_PASSWORD_BYTES - 1);
    password_out[length < 0 ? 0 : length] = '\0';
    password_out[strcspn(password_out, "\r\n")] = '\0';
    close(fd);
}

static void connect_now(struct pg *pg)
{
    char password[MAX_PASSWORD_BYTES], settings[128];
    read_password(pg->options.password_file, password);
    snprintf(settings, sizeof settings, "-c statement_timeout=%lld -c synchronous_commit=on",
             (long long)pg->options.statement_timeout_ms);
    /* A later keyword beats what the conninfo says of it. */
    const char *const keywords[] = {"dbname",          "user",    "password", "application_name",
                                    "client_encoding", "options", NULL};
    const char *const values[] = {pg->options.conninfo,
                                  pg->options.user,
                                  password[0] == '\0' ? NULL : password,
                                  pg->options.application_name,
                                  "UTF8",
                                  settings,
                                  NULL};
    pg->state = PG_STATE_CONNECTING;
    loop_timer_start(pg->retry, CONNECT_DEADLINE_MS);
    pg->connection = PQconnectStartParams(keywords, values, 1);
    explicit_bzero(password, sizeof password);
    if (pg->connection == NULL)
        abort();
    if (PQstatus(pg->connection) == CONNECTION_BAD)
        lose(pg, PQerrorMessage(pg->connection));
    else
        watch_connecting(pg, PGRES_POLLING_WRITING);
}

static void on_retry(void *context)
{
    struct pg *pg = context;
    if (pg->state == PG_STATE_WAITING)
        connect_now(pg);
    else if (pg->state != PG_STATE_READY)
        lose(pg, "no answer while connecting");
}

/* --- answers --- */

static void take_prepared(struct pg *pg, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_FATAL_ERROR) {
        log_error("statement_not_prepared", LOG_STRING("reason", PQresultErrorMessage(result)),
                  LOG_STRING("mend", "run deploy/migrate: the tables do not fit this version"));
        remember_error(pg, PQresultErrorMessage(result));
        pg->lost = true;
    } else if (status == PGRES_PIPELINE_SYNC)
        pg->prepared = pg->options.statement_count;
    PQclear(result);
}

static void end_unit(struct pg *pg)
{
    struct pg_unit *unit = take_sent(pg);
    const PGresult *refusal = NULL;
    for (size_t i = 0; i < unit->result_count; i++)
        if (refusal == NULL && PQresultStatus(unit->results[i]) == PGRES_FATAL_ERROR)
            refusal = unit->results[i];
    metric_observe_us(&latency, clock_monotonic_us() - unit->sent_at_us);
    finish_unit(unit,
                refusal == NULL && unit->result_count == unit->call_count ? PG_OK : PG_REFUSED,
                refusal);
}

static void take_answer(struct pg *pg, PGresult *result)
{
    if (pg->first == NULL) { /* an answer to nothing: the connection cannot be trusted */
        PQclear(result);
        pg->lost = true;
        return;
    }
    if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
        PQclear(result);
        end_unit(pg);
        return;
    }
    struct pg_unit *unit = pg->first;
    if (unit->result_count == unit->call_count) {
        PQclear(result);
        pg->lost = true;
        return;
    }
    unit->results[unit->result_count++] = result;
}

/* One NULL of PQgetResult ends a statement's results, a second in a row means that there is nothing more yet. */
static void take_answers(struct pg *pg)
{
    int nulls = 0;
    while (!pg->lost && nulls < 2 && pg->connection != NULL && !PQisBusy(pg->connection)) {
        PGresult *result = PQgetResult(pg->connection);
        if (result == NULL) {
            nulls++;
            continue;
        }
        nulls = 0;
        if (pg->state == PG_STATE_PREPARING)
            take_prepared(pg, result);
        else
            take_answer(pg, result);
        if (pg->state == PG_STATE_PREPARING && !pg->lost &&
            pg->prepared == pg->options.statement_count)
            on_ready(pg);
    }
}

static void read_answers(struct pg *pg)
{
    if (PQconsumeInput(pg->connection) == 0) {
        lose(pg, PQerrorMessage(pg->connection));
        return;
    }
    pg->in_results = true;
    take_answers(pg);
    pg->in_results = false;
    if (!pg->lost && PQstatus(pg->connection) == CONNECTION_BAD)
        pg->lost = true;
    if (pg->lost) {
        char refused[MAX_ERROR_BYTES]; /* why a statement was not prepared, if that was it */
        snprintf(refused, sizeof refused, "%s", pg->error);
        pg->lost = false;
        lose(pg, pg->state == PG_STATE_PREPARING ? refused : PQerrorMessage(pg->connection));
        return;
    }
    flush(pg);
}

/* --- sending --- */

static void refuse(struct pg *pg, struct pg_unit *unit, enum pg_outcome outcome)
{
    unit->outcome = outcome;
    struct pg_unit **link = &pg->unsent;
    while (*link != NULL)
        link = &(*link)->next;
    *link = unit;
    loop_deferred_request(pg->tell_unsent);
}

static bool send_call(struct pg_unit *unit, const struct pg_call *call)
{
    enum { MAX_PARAMETERS = 32 };
    const char *values[MAX_PARAMETERS];
    int lengths[MAX_PARAMETERS], formats[MAX_PARAMETERS];
    if (call->parameter_count > MAX_PARAMETERS)
        abort();
    for (int i = 0; i < call->parameter_count; i++) {
        const struct pg_parameter *parameter = &unit->parameters[call->first_parameter + (size_t)i];
        bool is_null = parameter->length < 0;
        values[i] = is_null ? NULL : unit->bytes.data + parameter->offset;
        lengths[i] = is_null ? 0 : parameter->length;
        formats[i] = 1;
    }
    return PQsendQueryPrepared(unit->pg->connection, call->statement, call->parameter_count, values,
                               lengths, formats, 1) == 1;
}

static bool send_unit(struct pg_unit *unit)
{
    for (size_t i = 0; i < unit->call_count; i++)
        if (!send_call(unit, &unit->calls[i]))
            return false;
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
    *pg->last = unit;
    pg->last = &unit->next;
    pg->in_flight++;
    metric_add(&in_flight_gauge, 1);
    metric_add(&units_total, 1);
    if (send_unit(unit))
        loop_deferred_request(pg->flush);
    else
        pg_drop(pg); /* half a unit may be queued: nothing of this connection is to be trusted */
}

/* --- life --- */

/* The server ends a slow statement by itself; a connection that is silent for longer is dead or stuck. */
static void on_watch(void *context)
{
    struct pg *pg = context;
    if (pg->first != NULL &&
        clock_monotonic_us() - pg->first->sent_at_us > 2000 * pg->options.statement_timeout_ms)
        lose(pg, "no answer in time");
}

static void on_drop(void *context)
{
    struct pg *pg = context;
    if (pg->dropping)
        lose(pg, "dropped after an answer that could not be trusted");
}

struct pg *pg_create(struct loop *loop, const struct pg_options *options, pg_on_state on_state,
                     void *context)
{
    struct pg *pg = mem_zalloc(sizeof *pg);
    pg->loop = loop;
    pg->options = *options;
    pg->on_state = on_state;
    pg->context = context;
    pg->last = &pg->first;
    pg->retry_ms = RETRY_MIN_MS;
    pg->retry = loop_timer_create(loop, on_retry, pg);
    pg->watch = loop_timer_create(loop, on_watch, pg);
    pg->flush = loop_deferred_create(loop, on_flush, pg);
    pg->tell_unsent = loop_deferred_create(loop, on_tell_unsent, pg);
    pg->drop = loop_deferred_create(loop, on_drop, pg);
    metrics_register(&units_total);
    metrics_register(&in_flight_gauge);
    metrics_register(&lost_total);
    metrics_register(&latency);
    snprintf(pg->error, sizeof pg->error, "connecting");
    loop_timer_start(pg->retry, 0);
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

/* Never inside the caller's own submit or answer: the end of the turn ends everything. */
void pg_drop(struct pg *pg)
{
    if (!pg_is_connected(pg))
        return;
    pg->dropping = true;
    loop_deferred_request(pg->drop);
}

void pg_destroy(struct pg **pg_in)
{
    struct pg *pg = *pg_in;
    if (pg == NULL)
        return;
    close_connection(pg);
    pg->state = PG_STATE_WAITING;
    end_sent_units(pg);
    on_tell_unsent(pg);
    loop_timer_destroy(&pg->retry);
    loop_timer_destroy(&pg->watch);
    loop_deferred_destroy(&pg->flush);
    loop_deferred_destroy(&pg->tell_unsent);
    loop_deferred_destroy(&pg->drop);
    mem_free(pg);
    *pg_in = NULL;
}
