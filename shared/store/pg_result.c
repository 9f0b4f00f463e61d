/* Reading a unit's answer. */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "shared/store/pg_internal.h"

enum pg_outcome pg_result_outcome(const struct pg_result *result)
{
    return result->outcome;
}

static const char *field_of(const struct pg_result *result, int field)
{
    const char *value = result->refusal == NULL ? NULL : PQresultErrorField(result->refusal, field);
    return value == NULL ? "" : value;
}

const char *pg_result_sqlstate(const struct pg_result *result)
{
    return field_of(result, PG_DIAG_SQLSTATE);
}

const char *pg_result_constraint(const struct pg_result *result)
{
    return field_of(result, PG_DIAG_CONSTRAINT_NAME);
}

const char *pg_result_message(const struct pg_result *result)
{
    return field_of(result, PG_DIAG_MESSAGE_PRIMARY);
}

int pg_rows(const struct pg_result *result, int statement)
{
    assert((size_t)statement < result->result_count);
    return PQntuples(result->results[statement]);
}

bool pg_is_null(const struct pg_result *result, int statement, int row, int column)
{
    return PQgetisnull(result->results[statement], row, column) != 0;
}

int64_t pg_number(const struct pg_result *result, int statement, int row, int column)
{
    const PGresult *answer = result->results[statement];
    const char *value = PQgetvalue(answer, row, column);
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (PQgetlength(answer, row, column)) {
    case 1:
        return (unsigned char)value[0];
    case 2:
        memcpy(&two, value, sizeof two);
        return (int16_t)be16toh(two);
    case 4:
        memcpy(&four, value, sizeof four);
        return (int32_t)be32toh(four);
    case 8:
        memcpy(&eight, value, sizeof eight);
        return (int64_t)be64toh(eight);
    default: /* NULL */
        return 0;
    }
}

struct text pg_text(const struct pg_result *result, int statement, int row, int column)
{
    const PGresult *answer = result->results[statement];
    if (PQgetisnull(answer, row, column))
        return TEXT_NONE;
    return (struct text){PQgetvalue(answer, row, column), (size_t)PQgetlength(answer, row, column)};
}
