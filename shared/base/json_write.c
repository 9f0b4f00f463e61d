/* Writing JSON of fixed shapes. Whatever the bytes are, what comes out is valid JSON in UTF-8. */
#include "shared/base/json.h"

#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/json_scan.h"

/* A byte below 0x20, a quote or a backslash (RFC 8259 section 7). */
static void write_escaped(struct buffer *out, char byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char names[] = "\"\\bfnrt", meanings[] = "\"\\\b\f\n\r\t";
    const char *meaning = byte == '\0' ? NULL : strchr(meanings, byte);
    if (meaning != NULL) {
        buffer_append(out, (char[]){'\\', names[meaning - meanings]}, 2);
    } else {
        buffer_append_string(out, "\\u00");
        buffer_append(out, (char[]){hex[(unsigned char)byte >> 4], hex[byte & 15]}, 2);
    }
}

/* At a byte that does not stand for itself; returns how many bytes were written. */
static size_t write_special(struct buffer *out, struct text rest)
{
    if ((unsigned char)*rest.data < 0x80) {
        write_escaped(out, *rest.data);
        return 1;
    }
    size_t length = text_utf8_length(rest);
    if (length == 0) { /* not UTF-8: U+FFFD in its place, one for each byte */
        buffer_append_string(out, "\xEF\xBF\xBD");
        return 1;
    }
    buffer_append(out, rest.data, length);
    return length;
}

void json_write_string(struct buffer *out, struct text text)
{
    buffer_reserve(out, text.length + 2);
    buffer_append(out, "\"", 1);
    while (text.length > 0) {
        size_t length = json_plain_length(text.data, text.length);
        buffer_append(out, text.data, length);
        text = (struct text){text.data + length, text.length - length};
        if (text.length == 0)
            break;
        length = write_special(out, text);
        text = (struct text){text.data + length, text.length - length};
    }
    buffer_append(out, "\"", 1);
}

void json_write_id(struct buffer *out, int64_t id)
{
    char *at = buffer_reserve(out, TEXT_NUMBER_SIZE + 2);
    size_t length = text_format_number(id, at + 1);
    at[0] = at[length + 1] = '"';
    out->length += length + 2;
}

void json_write_time(struct buffer *out, int64_t wall_ms)
{
    char *at = buffer_reserve(out, CLOCK_RFC3339_SIZE + 1);
    clock_format_rfc3339(wall_ms, at + 1);
    at[0] = at[CLOCK_RFC3339_SIZE] = '"';
    out->length += CLOCK_RFC3339_SIZE + 1;
}

void json_write_text_or_null(struct buffer *out, struct text text)
{
    if (text.data == NULL)
        buffer_append_string(out, "null");
    else
        json_write_string(out, text);
}
