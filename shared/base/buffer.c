/* A growable run of bytes. It grows by doubling, so that appending costs the same however long it
 * gets. */
#include "shared/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

#define SMALLEST_CAPACITY 256

void buffer_deinit(struct buffer *buffer)
{
    mem_free(buffer->data);
    *buffer = BUFFER_EMPTY;
}

void buffer_clear(struct buffer *buffer)
{
    buffer->length = 0;
}

static void grow(struct buffer *buffer, size_t size)
{
    if (size > SIZE_MAX / 2 - buffer->length)
        abort(); /* no caller has that much: a length went wrong */
    size_t capacity = buffer->capacity == 0 ? SMALLEST_CAPACITY : buffer->capacity;
    while (capacity < buffer->length + size)
        capacity *= 2;
    buffer->data = mem_resize(buffer->data, capacity);
    buffer->capacity = capacity;
}

char *buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->capacity - buffer->length < size || buffer->data == NULL)
        grow(buffer, size);
    return buffer->data + buffer->length;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_reserve(buffer, size), bytes, size);
    buffer->length += size;
}

void buffer_append_text(struct buffer *buffer, struct text text)
{
    buffer_append(buffer, text.data, text.length);
}

void buffer_append_string(struct buffer *buffer, const char *string)
{
    buffer_append(buffer, string, strlen(string));
}

void buffer_append_number(struct buffer *buffer, int64_t number)
{
    buffer->length += text_format_number(number, buffer_reserve(buffer, TEXT_NUMBER_SIZE));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    for (size_t room = SMALLEST_CAPACITY;;) {
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(buffer_reserve(buffer, room), room, format, arguments);
        va_end(arguments);
        if (length < 0)
            abort(); /* only a bad format or INT_MAX characters: our bug */
        if ((size_t)length < room) {
            buffer->length += (size_t)length;
            return;
        }
        room = (size_t)length + 1;
    }
}

struct text buffer_text(const struct buffer *buffer)
{
    return (struct text){buffer->data, buffer->length};
}
