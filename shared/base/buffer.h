/* A buffer is a growable run of bytes that one owner writes and then hands out as a text. */
#ifndef PARLEY_BASE_BUFFER_H
#define PARLEY_BASE_BUFFER_H

#include <stdint.h>

#include "shared/base/text.h"

struct buffer {
    char *data;
    size_t length;
    size_t capacity;
};

#define BUFFER_EMPTY ((struct buffer){NULL, 0, 0})

void buffer_deinit(struct buffer *buffer); /* frees, leaves it empty and usable */
void buffer_clear(struct buffer *buffer);  /* keeps the memory */
/* Room for size more bytes; returns where they go. */
char *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_text(struct buffer *buffer, struct text text);
void buffer_append_string(struct buffer *buffer, const char *string);
void buffer_append_number(struct buffer *buffer, int64_t number);
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct text buffer_text(const struct buffer *buffer); /* valid until the buffer changes */

#endif
