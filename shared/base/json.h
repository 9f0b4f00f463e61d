/* Strict JSON over cJSON (RFC 8259). What cJSON lets through is refused here: trailing bytes, invalid UTF-8, raw control
 * characters, \u0000 and lone surrogates, duplicate keys, leading zeros, nesting deeper than JSON_MAX_DEPTH.
 *
 * Members are taken through a reader, which remembers the first mistake with a JSON pointer (RFC 6901) and the members
 * that nobody asked for:
 *
 *     struct json_reader reader = json_reader_start(document, "/body");
 *     struct text name = json_take_text(&reader, "username", REQUIRED, 3, 32);
 *     if (!json_reader_finish(&reader, &fault)) ...   unknown members are a fault too
 */
#ifndef PARLEY_BASE_JSON_H
#define PARLEY_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/buffer.h"
#include "shared/base/text.h"

#define JSON_MAX_DEPTH      32
#define JSON_POINTER_SIZE   160
#define JSON_READER_MEMBERS 24

struct cJSON;
struct json_document; /* a parsed text with its nodes; owned by the caller */

struct json_fault {
    const char *code;                /* "invalid_json", "invalid_utf8" or "bad_request" */
    char pointer[JSON_POINTER_SIZE]; /* "" when it is the whole text */
    const char *reason; /* a constant sentence for people: what is wrong, and what is expected */
};

/* `bytes` must outlive the document. Returns NULL with fault_out filled; its pointer starts at the top of the text, and
 * whoever answers puts its own prefix before it. The top level must be an object. From the loop's thread only. */
struct json_document *json_parse(struct text bytes, struct json_fault *fault_out);
void json_destroy(struct json_document **document);

struct json_reader {
    const struct cJSON *object;
    struct json_document *document;
    struct text bytes;  /* the object as the peer wrote it */
    const char *prefix; /* put before the member's name in pointers */
    const char *taken[JSON_READER_MEMBERS];
    int taken_count;
    bool is_map; /* its members are walked: none is unknown */
    bool failed;
    struct json_fault fault; /* the first one */
};

enum json_presence { JSON_OPTIONAL, JSON_REQUIRED };

struct json_reader json_reader_start(struct json_document *document, const char *prefix);
/* True when every take succeeded and no member is left over; else fault_out is the first fault. */
bool json_reader_finish(struct json_reader *reader, struct json_fault *fault_out);
/* Remembers a fault that the caller found itself. The first one wins. */
void json_reader_fail(struct json_reader *reader, const char *member, const char *reason);
bool json_has(const struct json_reader *reader, const char *member); /* present, null or not */

/* Each returns a harmless value (TEXT_NONE, 0, false) when the member is absent or wrong; wrong is remembered.
 * Texts live as long as the document; `member` must outlive the reader. Lengths in bytes, both included. */
struct text json_take_text(struct json_reader *reader, const char *member,
                           enum json_presence presence, size_t min_bytes, size_t max_bytes);
/* As json_take_text but null is allowed: *is_null_out tells (absent: false). */
struct text json_take_text_or_null(struct json_reader *reader, const char *member, size_t max_bytes,
                                   bool *is_null_out);
/* 0 when absent. */
int64_t json_take_id(struct json_reader *reader, const char *member, enum json_presence presence);
/* Plain whole numbers only (not 1.5, 1.0, 1e99 or "7"), and none beyond 2^53 - 1 either way: from there on readers of
 * JSON do not agree what was meant. */
int64_t json_take_number(struct json_reader *reader, const char *member,
                         enum json_presence presence, int64_t minimum, int64_t maximum);
bool json_take_bool(struct json_reader *reader, const char *member, enum json_presence presence);
/* The index of the matching choice in a NULL-terminated list, or -1. */
int json_take_choice(struct json_reader *reader, const char *member, enum json_presence presence,
                     const char *const *choices);
/* An array of ids, no id twice; *ids_out is the caller's (mem_free). Returns the count. */
size_t json_take_ids(struct json_reader *reader, const char *member, enum json_presence presence,
                     size_t max_count, int64_t **ids_out);
/* The member's own bytes as the peer wrote them, whatever its type: for what is stored and given back unchanged. */
struct text json_take_raw(struct json_reader *reader, const char *member,
                          enum json_presence presence, size_t max_bytes);
/* A reader on a member that is an object; its faults are kept in the child (finish both). Absent: child.object is NULL. */
struct json_reader json_take_object(struct json_reader *reader, const char *member,
                                    enum json_presence presence);
/* For maps whose keys are not known beforehand, such as sync's {chat: seq}: call in turn; NULL at the end. */
const struct cJSON *json_next_member(struct json_reader *reader, const struct cJSON *previous,
                                     struct text *key_out);
bool json_whole_number(const struct cJSON *value, int64_t minimum, int64_t maximum,
                       int64_t *number_out);

/* --- writing: fixed shapes go straight into a buffer, no tree --- */
void json_write_string(struct buffer *out, struct text text);       /* with quotes, escaped */
void json_write_id(struct buffer *out, int64_t id);                 /* "123" */
void json_write_time(struct buffer *out, int64_t wall_ms);          /* "2026-…Z" */
void json_write_text_or_null(struct buffer *out, struct text text); /* null when data is NULL */

#endif
