/* Structured logs: one JSON object a line on standard error, with time, level, service, event and ids as fields.
 *
 *     log_info("lease_acquired", LOG_NUMBER("partition", id), LOG_NUMBER("epoch", epoch));
 *
 * The event is a stable word that operators search for. Never log a token, a password or a message body. Levels:
 * error (an operator must act), warning (degraded, mends itself, or a peer misbehaves: rate-limited), info, debug. */
#ifndef PARLEY_BASE_LOG_H
#define PARLEY_BASE_LOG_H

#include <stdint.h>

#include "shared/base/text.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR };

enum log_field_kind {
    LOG_FIELD_END,
    LOG_FIELD_STRING,
    LOG_FIELD_TEXT,
    LOG_FIELD_NUMBER,
    LOG_FIELD_ID
};

struct log_field {
    enum log_field_kind kind;
    const char *name;
    union {
        const char *string;
        struct text text;
        int64_t number;
    } value;
};

#define LOG_STRING(name_, value_) \
    ((struct log_field){LOG_FIELD_STRING, (name_), {.string = (value_)}})
#define LOG_TEXT(name_, value_) ((struct log_field){LOG_FIELD_TEXT, (name_), {.text = (value_)}})
#define LOG_NUMBER(name_, value_) \
    ((struct log_field){LOG_FIELD_NUMBER, (name_), {.number = (int64_t)(value_)}})
#define LOG_ID(name_, value_) \
    ((struct log_field){LOG_FIELD_ID, (name_), {.number = (value_)}}) /* as a string */

void log_init(const char *service, enum log_level level);
void log_set_level(enum log_level level);
/* Use the macros below. Strings are escaped, so that CR, LF and quotes of a peer never make a second line. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* At most ten lines of one event a second; the next line has a field `suppressed` with how many were left out. */
void log_write_limited(enum log_level level, const char *event, const struct log_field *fields);

#ifdef __cppcheck__ /* which does not know __VA_OPT__ */
#define LOG_FIELDS(...) ((const struct log_field[]){{.kind = LOG_FIELD_END}})
#else
#define LOG_FIELDS(...) \
    ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_FIELD_END}})
#endif
#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, (event), LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...)  log_write(LOG_LEVEL_INFO, (event), LOG_FIELDS(__VA_ARGS__))
#define log_warning(event, ...) \
    log_write_limited(LOG_LEVEL_WARNING, (event), LOG_FIELDS(__VA_ARGS__))
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, (event), LOG_FIELDS(__VA_ARGS__))

#endif
