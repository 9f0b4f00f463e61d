/* Building a unit: binary values as PostgreSQL's send and receive functions have them (big-endian; arrays with a header
 * of 20 bytes: dimensions, has-nulls, element type, length, lower bound). */
#include <endian.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/store/pg_internal.h"

/* Object ids of the element types, from pg_type.dat: they never change. */
enum { OID_BYTEA = 17, OID_INT8 = 20, OID_TEXT = 25 };

#define FIRST_BYTES 128

struct pg_unit *pg_unit_create(struct pg *pg)
{
    struct pg_unit *unit = mem_zalloc(sizeof *unit);
    unit->pg = pg;
    buffer_reserve(&unit->bytes, FIRST_BYTES); /* so that an empty text has an address */
    return unit;
}

void pg_unit_destroy(struct pg_unit **unit)
{
    if (*unit == NULL)
        return;
    for (size_t i = 0; i < (*unit)->result_count; i++)
        PQclear((*unit)->results[i]);
    mem_free((*unit)->results);
    mem_free((*unit)->calls);
    mem_free((*unit)->parameters);
    buffer_deinit(&(*unit)->bytes);
    mem_free(*unit);
    *unit = NULL;
}

void pg_unit_finish(struct pg_unit *unit, enum pg_outcome outcome, const PGresult *refusal)
{
    struct pg_result result = {outcome, unit->results, unit->result_count, refusal};
    unit->callback(unit->context, &result);
    pg_unit_destroy(&unit);
}

/* --- lists of units --- */

void pg_units_init(struct pg_units *units)
{
    units->first = NULL;
    units->last = &units->first;
}

void pg_units_append(struct pg_units *units, struct pg_unit *unit)
{
    unit->next = NULL;
    *units->last = unit;
    units->last = &unit->next;
}

struct pg_unit *pg_units_take(struct pg_units *units)
{
    struct pg_unit *unit = units->first;
    if (unit == NULL)
        return NULL;
    units->first = unit->next;
    if (units->first == NULL)
        units->last = &units->first;
    return unit;
}

/* --- statements and their parameters --- */

void pg_unit_add(struct pg_unit *unit, const char *statement)
{
    if (unit->call_count == unit->call_capacity) {
        unit->call_capacity = unit->call_capacity * 2 + 2;
        unit->calls = mem_resize(unit->calls, unit->call_capacity * sizeof *unit->calls);
    }
    unit->calls[unit->call_count++] =
        (struct pg_call){.statement = statement, .first_parameter = unit->parameter_count};
}

/* The value is what was appended to the unit's bytes since `offset`. */
static void end_parameter(struct pg_unit *unit, size_t offset, bool is_null)
{
    if (unit->parameter_count == unit->parameter_capacity) {
        unit->parameter_capacity = unit->parameter_capacity * 2 + 8;
        unit->parameters =
            mem_resize(unit->parameters, unit->parameter_capacity * sizeof *unit->parameters);
    }
    int length = is_null ? -1 : (int)(unit->bytes.length - offset);
    unit->parameters[unit->parameter_count++] = (struct pg_parameter){offset, length};
    unit->calls[unit->call_count - 1].parameter_count++;
}

static void put_int32(struct pg_unit *unit, int32_t value)
{
    uint32_t wire = htobe32((uint32_t)value);
    buffer_append(&unit->bytes, &wire, sizeof wire);
}

static void put_int64(struct pg_unit *unit, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    buffer_append(&unit->bytes, &wire, sizeof wire);
}

void pg_add_number(struct pg_unit *unit, int64_t value)
{
    size_t offset = unit->bytes.length;
    put_int64(unit, value);
    end_parameter(unit, offset, false);
}

void pg_add_text(struct pg_unit *unit, struct text value)
{
    size_t offset = unit->bytes.length;
    buffer_append_text(&unit->bytes, value);
    end_parameter(unit, offset, value.data == NULL);
}

void pg_add_null(struct pg_unit *unit)
{
    end_parameter(unit, unit->bytes.length, true);
}

void pg_add_bool(struct pg_unit *unit, bool value)
{
    size_t offset = unit->bytes.length;
    buffer_append(&unit->bytes, value ? "\1" : "\0", 1);
    end_parameter(unit, offset, false);
}

/* One dimension, lower bound 1; an empty array has no dimension at all. */
static void put_array_header(struct pg_unit *unit, size_t count, bool has_nulls, int32_t element)
{
    put_int32(unit, count > 0 ? 1 : 0);
    put_int32(unit, has_nulls);
    put_int32(unit, element);
    if (count > 0) {
        put_int32(unit, (int32_t)count);
        put_int32(unit, 1);
    }
}

void pg_add_numbers(struct pg_unit *unit, const int64_t *values, size_t count)
{
    size_t offset = unit->bytes.length;
    put_array_header(unit, count, false, OID_INT8);
    for (size_t i = 0; i < count; i++) {
        put_int32(unit, sizeof values[i]);
        put_int64(unit, values[i]);
    }
    end_parameter(unit, offset, false);
}

static void add_texts(struct pg_unit *unit, const struct text *values, size_t count,
                      int32_t element)
{
    size_t offset = unit->bytes.length;
    bool has_nulls = false;
    for (size_t i = 0; i < count; i++)
        has_nulls = has_nulls || values[i].data == NULL;
    put_array_header(unit, count, has_nulls, element);
    for (size_t i = 0; i < count; i++) {
        put_int32(unit, values[i].data == NULL ? -1 : (int32_t)values[i].length);
        buffer_append_text(&unit->bytes, values[i]);
    }
    end_parameter(unit, offset, false);
}

void pg_add_texts(struct pg_unit *unit, const struct text *values, size_t count)
{
    add_texts(unit, values, count, OID_TEXT);
}

void pg_add_bytes_list(struct pg_unit *unit, const struct text *values, size_t count)
{
    add_texts(unit, values, count, OID_BYTEA);
}
