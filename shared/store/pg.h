/* Postgres: one pipelined libpq connection in the loop, with prepared statements and reconnection.
 *
 * A unit is one or more prepared statements that run as one implicit transaction (libpq, "Pipeline Mode": everything up
 * to a sync). Units run in the order in which they were submitted. All values are binary.
 *
 * On a lost connection everything that was submitted and not answered ends as PG_UNCERTAIN (a commit may have happened),
 * what comes while there is none as PG_UNAVAILABLE; it reconnects with back-off, prepares the statements again, and tells
 * on_state. A unit that takes longer than statement_timeout_ms is ended by the server (PG_REFUSED, 57014); a connection
 * that does not answer within twice that is dropped. */
#ifndef PARLEY_STORE_PG_H
#define PARLEY_STORE_PG_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"
#include "shared/net/loop.h"

struct pg;
struct pg_unit;

struct pg_statement {
    const char *name;
    const char *sql; /* with $1::bigint casts: parameter types are inferred from them */
};

struct pg_options {
    const char *conninfo;         /* key=value or URI, without user; from the settings */
    const char *user;             /* the service's role */
    const char *password_file;    /* "" none; read at each connect; trailing newline dropped */
    const char *application_name; /* "parley-chat/append" */
    const struct pg_statement *statements;
    size_t statement_count;
    size_t max_units; /* in flight; above it pg_submit says PG_BUSY */
    int64_t statement_timeout_ms;
    bool plans_once;    /* its statements keep the plan for any values: for inserts of arrays */
    bool dies_in_units; /* its units of several statements have failpoints; chaos builds only */
};

enum pg_outcome {
    PG_OK,
    PG_REFUSED,     /* an error from the server: definite, the unit did not happen; see sqlstate */
    PG_UNAVAILABLE, /* no connection: not sent */
    PG_BUSY,        /* too many in flight: not sent */
    PG_UNCERTAIN,   /* sent, then the connection was lost: it may have happened */
};

/* The results of a unit; borrowed until the callback returns. Index `statement` counts from 0 in the order added. */
struct pg_result;
enum pg_outcome pg_result_outcome(const struct pg_result *result);
const char *pg_result_sqlstate(const struct pg_result *result);   /* "23505", "" when none */
const char *pg_result_constraint(const struct pg_result *result); /* of a violation, "" when none */
const char *pg_result_message(const struct pg_result *result);    /* for logs, not for clients */
int pg_rows(const struct pg_result *result, int statement);
bool pg_is_null(const struct pg_result *result, int statement, int row, int column);
/* Of a bool, int2, int4 or int8; NULL gives 0. */
int64_t pg_number(const struct pg_result *result, int statement, int row, int column);
/* Of a text or bytea; NULL gives TEXT_NONE. */
struct text pg_text(const struct pg_result *result, int statement, int row, int column);

/* Never called before pg_submit returns, and exactly once. */
typedef void (*pg_callback)(void *context, const struct pg_result *result);
typedef void (*pg_on_state)(void *context, bool connected);

struct pg *pg_create(struct loop *loop, const struct pg_options *options, pg_on_state on_state,
                     void *context);
bool pg_is_connected(const struct pg *pg);
size_t pg_in_flight(const struct pg *pg);
/* Why it is not connected, for readiness and logs: one line without secrets; "" when it is. */
const char *pg_last_error(const struct pg *pg);
void pg_drop(struct pg *pg);     /* close and reconnect: after an answer that cannot be trusted */
void pg_destroy(struct pg **pg); /* what is in flight ends as PG_UNCERTAIN before it returns */

/* Build a unit: pg_unit_add names the next statement, then its parameters follow in order. Bytes are copied. */
struct pg_unit *pg_unit_create(struct pg *pg);
void pg_unit_add(struct pg_unit *unit, const char *statement);
void pg_add_number(struct pg_unit *unit, int64_t value); /* $n::bigint */
/* text or bytea; data NULL is SQL NULL */
void pg_add_text(struct pg_unit *unit, struct text value);
void pg_add_null(struct pg_unit *unit);
void pg_add_bool(struct pg_unit *unit, bool value);
void pg_add_numbers(struct pg_unit *unit, const int64_t *values, size_t count); /* bigint[] */
/* text[], with NULL where data is NULL */
void pg_add_texts(struct pg_unit *unit, const struct text *values, size_t count);
void pg_add_bytes_list(struct pg_unit *unit, const struct text *values, size_t count); /* bytea[] */
/* Sends the unit and frees it. */
void pg_submit(struct pg_unit *unit, pg_callback callback, void *context);
void pg_unit_destroy(struct pg_unit **unit); /* a unit that was not submitted */

#endif
