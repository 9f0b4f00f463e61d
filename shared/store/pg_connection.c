/* Making the connection, noticing that it is lost, making it again. */
#include <assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/store/pg_internal.h"

#define RETRY_MAX_MS        2000
#define CONNECT_DEADLINE_MS 5000
#define MAX_PASSWORD_BYTES  256

static struct metric lost_total = {.name = "parley_pg_connections_lost_total",
                                   .help = "Connections to Postgres that were lost or not made.",
                                   .kind = METRIC_COUNTER};

/* --- losing --- */

void pg_remember_error(struct pg *pg, const char *message)
{
    size_t length =
        strcspn(message, "\n"); /* libpq's messages have several lines, the first says it */
    if (length == 0)
        snprintf(pg->error, sizeof pg->error, "connection lost");
    else
        snprintf(pg->error, sizeof pg->error, "%.*s", (int)length, message);
}

static void log_error_once(struct pg *pg)
{
    if (strcmp(pg->error, pg->logged) == 0)
        return;
    memcpy(pg->logged, pg->error, sizeof pg->logged);
    log_warning("postgres_lost", LOG_STRING("connection", pg->options.application_name),
                LOG_STRING("reason", pg->error));
}

static void forget_events(struct pg *pg)
{
    if (pg->readable != NULL)
        event_free(pg->readable);
    if (pg->writable != NULL)
        event_free(pg->writable);
    pg->readable = pg->writable = NULL;
}

void pg_connection_close(struct pg *pg)
{
    forget_events(pg); /* before libpq closes the descriptor that they watch */
    if (pg->connection != NULL)
        PQfinish(pg->connection);
    pg->connection = NULL;
    pg->state = PG_STATE_WAITING;
    pg->dropping = pg->broken = false;
}

/* A quarter of jitter, so that the connections of all daemons do not come back in step. */
static void try_again_later(struct pg *pg)
{
    loop_timer_start(pg->retry, pg->retry_ms + id_random() % (pg->retry_ms / 4));
    pg->retry_ms = pg->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : pg->retry_ms * 2;
}

/* Whoever is called back finds the state settled, for he may submit again. */
void pg_connection_lose(struct pg *pg, const char *reason)
{
    assert(!pg->in_answers);
    bool was_ready = pg->state == PG_STATE_READY;
    if (reason != NULL)
        pg_remember_error(pg, reason);
    pg_connection_close(pg);
    metric_add(&lost_total, 1);
    log_error_once(pg);
    try_again_later(pg);
    pg_answers_end_all(pg);
    if (was_ready)
        pg->on_state(pg->context, false);
}

/* --- the connection in use --- */

void pg_connection_flush(struct pg *pg)
{
    if (pg->state < PG_STATE_PREPARING || pg->in_answers)
        return;
    int left = PQflush(pg->connection);
    if (left < 0)
        pg_connection_lose(pg, PQerrorMessage(pg->connection));
    else if (left > 0)
        event_add(pg->writable, NULL);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    if (what & EV_WRITE)
        pg_connection_flush(context);
    else
        pg_answers_read(context);
}

void pg_connection_ready(struct pg *pg)
{
    pg->state = PG_STATE_READY;
    pg->retry_ms = PG_RETRY_MIN_MS;
    pg->error[0] = pg->logged[0] = '\0';
    loop_timer_stop(pg->retry);
    log_info("postgres_connected", LOG_STRING("connection", pg->options.application_name));
    pg->on_state(pg->context, true);
}

static bool send_preparations(struct pg *pg)
{
    if (PQsetnonblocking(pg->connection, 1) != 0 || PQenterPipelineMode(pg->connection) != 1)
        return false;
    for (size_t i = 0; i < pg->options.statement_count; i++) {
        const struct pg_statement *statement = &pg->options.statements[i];
        if (PQsendPrepare(pg->connection, statement->name, statement->sql, 0, NULL) != 1)
            return false;
    }
    return PQpipelineSync(pg->connection) == 1;
}

static void prepare_statements(struct pg *pg)
{
    int fd = PQsocket(pg->connection);
    pg->state = PG_STATE_PREPARING;
    forget_events(pg);
    pg->readable = event_new(loop_base(pg->loop), fd, EV_READ | EV_PERSIST, on_socket, pg);
    pg->writable = event_new(loop_base(pg->loop), fd, EV_WRITE, on_socket, pg);
    event_add(pg->readable, NULL);
    if (send_preparations(pg))
        pg_connection_flush(pg);
    else
        pg_connection_lose(pg, PQerrorMessage(pg->connection));
}

/* --- making it --- */

static void on_connecting(evutil_socket_t fd, short what, void *context);

/* PQconnectPoll may change the descriptor between calls. */
static void watch_connecting(struct pg *pg, PostgresPollingStatusType wanted)
{
    int fd = PQsocket(pg->connection);
    forget_events(pg);
    pg->readable = event_new(loop_base(pg->loop), fd, EV_READ, on_connecting, pg);
    pg->writable = event_new(loop_base(pg->loop), fd, EV_WRITE, on_connecting, pg);
    event_add(wanted == PGRES_POLLING_READING ? pg->readable : pg->writable, NULL);
}

static void on_connecting(evutil_socket_t fd, short what, void *context)
{
    struct pg *pg = context;
    (void)fd;
    (void)what;
    forget_events(pg); /* PQconnectPoll may close the descriptor */
    PostgresPollingStatusType wanted = PQconnectPoll(pg->connection);
    if (wanted == PGRES_POLLING_FAILED)
        pg_connection_lose(pg, PQerrorMessage(pg->connection));
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

/* libpq would print it. The server tells here why it closes a connection that has nothing under way. */
static void on_notice(void *context, const PGresult *notice)
{
    struct pg *pg = context;
    const char *text = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
    log_debug("postgres_notice", LOG_STRING("connection", pg->options.application_name),
              LOG_STRING("text", text == NULL ? "" : text));
}

static void connect_now(struct pg *pg)
{
    char password[MAX_PASSWORD_BYTES], settings[192];
    read_password(pg->options.password_file, password);
    snprintf(settings, sizeof settings, "-c statement_timeout=%lld -c synchronous_commit=on%s",
             (long long)pg->options.statement_timeout_ms,
             pg->options.plans_once ? " -c plan_cache_mode=force_generic_plan" : "");
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
    mem_wipe(password, sizeof password);
    if (pg->connection == NULL)
        abort(); /* out of memory */
    PQsetNoticeReceiver(pg->connection, on_notice, pg);
    if (PQstatus(pg->connection) == CONNECTION_BAD)
        pg_connection_lose(pg, PQerrorMessage(pg->connection));
    else
        watch_connecting(pg, PGRES_POLLING_WRITING);
}

void pg_connection_on_retry(void *context)
{
    struct pg *pg = context;
    if (pg->state == PG_STATE_WAITING)
        connect_now(pg);
    else if (pg->state != PG_STATE_READY)
        pg_connection_lose(pg, "no answer while connecting");
}

void pg_connection_start(struct pg *pg)
{
    metrics_register(&lost_total);
    pg->retry_ms = PG_RETRY_MIN_MS;
    snprintf(pg->error, sizeof pg->error, "connecting");
    loop_timer_start(pg->retry, 0);
}

/* Debian's libpq brings libldap along (for addresses of servers, which can stand in LDAP), and that GnuTLS, which prepares
 * itself when it is loaded: a megabyte in each daemon, for nothing. It asks first whether the program would rather not; this is
 * its GNUTLS_SKIP_GLOBAL_INIT. libldap prepares it when it needs it. Asked before the sanitizers' run-times are there, so it is
 * not instrumented. */
int _gnutls_global_init_skip(void);
__attribute__((no_sanitize("thread", "address", "undefined"))) int _gnutls_global_init_skip(void)
{
    return 1;
}
