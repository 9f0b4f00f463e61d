/* What the files of the Postgres connection share. */
#ifndef PARLEY_STORE_PG_INTERNAL_H
#define PARLEY_STORE_PG_INTERNAL_H

#include <libpq-fe.h>

#include "shared/base/buffer.h"
#include "shared/store/pg.h"

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
    /* what came back so far */
    PGresult **results; /* one a statement */
    size_t result_count;
    enum pg_outcome outcome;
    struct pg_unit *next;
};

/* The public view of a unit's answer. */
struct pg_result {
    enum pg_outcome outcome;
    PGresult *const *results;
    size_t result_count;
    const PGresult *refusal; /* with PG_REFUSED */
};

#endif
