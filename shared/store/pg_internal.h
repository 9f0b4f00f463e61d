/* What the files of the Postgres connection share: pg.c (life and sending), pg_connection.c (making, losing), pg_answers.c
 * (what comes back), pg_unit.c (building), pg_result.c (reading). */
#ifndef PARLEY_STORE_PG_INTERNAL_H
#define PARLEY_STORE_PG_INTERNAL_H

#include <libpq-fe.h>

#include "shared/base/buffer.h"
#include "shared/store/pg.h"

#define PG_ERROR_BYTES  256
#define PG_RETRY_MIN_MS 50

struct event;

/*     waiting    → the retry timer runs                        → connecting
 *     connecting → PQconnectPoll is followed                   → preparing, or waiting
 *     preparing  → the statements are being prepared           → ready, or waiting
 *     ready      → units are sent; answers come in their order → waiting, when it is lost */
enum pg_state { PG_STATE_WAITING, PG_STATE_CONNECTING, PG_STATE_PREPARING, PG_STATE_READY };

/* First in, first out. */
struct pg_units {
    struct pg_unit *first, **last;
};

struct pg {
    struct loop *loop;
    struct pg_options options;
    pg_on_state on_state;
    void *context;
    enum pg_state state;
    PGconn *connection;
    struct event *readable, *writable;
    struct loop_timer
        *retry; /* waiting: when to connect again; connecting, preparing: the deadline */
    int64_t retry_ms;
    struct pg_units sent;     /* and not yet answered */
    struct pg_units unsent;   /* to be told so at the end of the turn */
    size_t in_flight;         /* of sent */
    int64_t answered_at_us;   /* the last answer */
    struct loop_timer *watch; /* drops a connection that does not answer */
    struct loop_deferred *flush;
    struct loop_deferred *tell_unsent;
    struct loop_deferred *drop;
    bool dropping;               /* nothing is sent any more, at the end of the turn it is closed */
    bool in_answers;             /* nothing is closed in there */
    bool broken;                 /* noticed there, to be closed after it */
    char error[PG_ERROR_BYTES];  /* why it is not connected */
    char logged[PG_ERROR_BYTES]; /* the last one that was logged: each is logged once */
};

/* One statement of a unit: which, and its parameters as binary values in the unit's bytes. */
struct pg_call {
    const char *statement;
    size_t first_parameter;
    int parameter_count;
};

struct pg_parameter {
    size_t offset; /* of the value in the unit's bytes */
    int length;    /* -1: NULL */
};

struct pg_unit {
    struct pg *pg;
    struct buffer bytes;
    struct pg_call *calls;
    size_t call_count, call_capacity;
    struct pg_parameter *parameters;
    size_t parameter_count, parameter_capacity;
    pg_callback callback;
    void *context;
    int64_t sent_at_us;
    enum pg_outcome outcome; /* of one that was not sent */
    PGresult **results; /* what came back so far: one a statement, and maybe one for the commit */
    size_t result_count;
    struct pg_unit *next;
};

/* The public view of a unit's answer. */
struct pg_result {
    enum pg_outcome outcome;
    PGresult *const *results;
    size_t result_count;
    const PGresult *refusal; /* with PG_REFUSED */
};

/* pg_connection.c */
void pg_connection_start(struct pg *pg); /* the retry timer: now, or after the delay */
void pg_connection_close(struct pg *pg); /* tells nobody */
void pg_connection_lose(struct pg *pg,
                        const char *reason); /* closes, ends what was sent, tries again later */
void pg_connection_ready(struct pg *pg);     /* the statements are prepared */
void pg_connection_flush(struct pg *pg);
void pg_connection_on_retry(void *pg); /* loop_callback */
void pg_remember_error(struct pg *pg,
                       const char *message); /* made one line; "" is told as a lost connection */

/* pg_answers.c */
void pg_answers_read(struct pg *pg);
void pg_answers_end_all(struct pg *pg); /* what was sent ends as PG_UNCERTAIN */

/* pg_unit.c */
void pg_units_init(struct pg_units *units);
void pg_units_append(struct pg_units *units, struct pg_unit *unit);
struct pg_unit *pg_units_take(struct pg_units *units); /* NULL when there is none */
void pg_unit_finish(struct pg_unit *unit, enum pg_outcome outcome,
                    const PGresult *refusal); /* calls back, frees */

#endif
