/* A text is a borrowed view of bytes: pointer and length, not terminated, not owned. Whoever hands one out says how
 * long the bytes live (usually: as long as the message, request or result that they lie in). */
#ifndef PARLEY_BASE_TEXT_H
#define PARLEY_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *data; /* NULL only when length is 0: an absent text */
    size_t length;
};

#define TEXT_LITERAL(literal) ((struct text){(literal), sizeof(literal) - 1})
#define TEXT_NONE             ((struct text){NULL, 0})
/* For printf: "%.*s", TEXT_PRINT(view) */
#define TEXT_PRINT(view)      (int)(view).length, (view).data

struct text text_of(const char *string); /* a terminated string; NULL gives TEXT_NONE */
bool text_equal(struct text a, struct text b);
bool text_is(struct text view, const char *string);
/* RFC 3629: no surrogates, no overlong forms, at most U+10FFFF. */
bool text_is_utf8(struct text view);
/* Bytes of the well-formed UTF-8 sequence that the view begins with, 1 to 4; 0 when it begins with none. */
size_t text_utf8_length(struct text view);
/* The beginning of the view: at most max_bytes, not ending inside a UTF-8 sequence. */
struct text text_cut(struct text view, size_t max_bytes);

#define TEXT_NUMBER_SIZE 21 /* a sign, 19 digits and the terminator */
/* Terminated; returns the length. */
size_t text_format_number(int64_t number, char out[TEXT_NUMBER_SIZE]);

char *text_to_string(struct text view); /* a terminated copy, owned by the caller (mem_free) */

#endif
