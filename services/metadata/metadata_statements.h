/* The prepared statements of the metadata daemon. */
#ifndef PARLEY_METADATA_STATEMENTS_H
#define PARLEY_METADATA_STATEMENTS_H

#include "shared/store/pg.h"

extern const struct pg_statement metadata_statements[];
extern const size_t metadata_statement_count;

#endif
