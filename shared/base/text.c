/* Views of bytes: comparing, UTF-8, decimal digits. */
#include "shared/base/text.h"

#include <string.h>

#include "shared/base/mem.h"

struct text text_of(const char *string)
{
    return string == NULL ? TEXT_NONE : (struct text){string, strlen(string)};
}

bool text_equal(struct text a, struct text b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

bool text_is(struct text view, const char *string)
{
    return text_equal(view, text_of(string));
}

char *text_to_string(struct text view)
{
    char *string = mem_alloc(view.length + 1);
    if (view.length > 0)
        memcpy(string, view.data, view.length);
    string[view.length] = '\0';
    return string;
}

/* The table of RFC 3629 section 4: by the first byte, how many follow, and the bounds of the second
 * byte, which rule out overlong forms (E0, F0), surrogates (ED) and what is above U+10FFFF (F4). */
static size_t sequence_shape(unsigned char first, unsigned char *low_out, unsigned char *high_out)
{
    *low_out = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high_out = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

size_t text_utf8_length(struct text view)
{
    const unsigned char *bytes = (const unsigned char *)view.data;
    unsigned char low, high;
    size_t length = view.length == 0 ? 0 : sequence_shape(bytes[0], &low, &high);
    if (length == 0 || length > view.length)
        return 0;
    if (length > 1 && (bytes[1] < low || bytes[1] > high))
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
    }
    return length;
}

/* How many leading bytes are ASCII, eight at a time. */
static size_t ascii_length(struct text view)
{
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= view.length; at += sizeof word) {
        memcpy(&word, view.data + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
    }
    while (at < view.length && (unsigned char)view.data[at] < 0x80)
        at++;
    return at;
}

bool text_is_utf8(struct text view)
{
    while (view.length > 0) {
        size_t length = ascii_length(view);
        if (length == 0)
            length = text_utf8_length(view);
        if (length == 0)
            return false;
        view = (struct text){view.data + length, view.length - length};
    }
    return true;
}

struct text text_cut(struct text view, size_t max_bytes)
{
    if (view.length <= max_bytes)
        return view;
    size_t length = max_bytes;
    while (length > 0 && ((unsigned char)view.data[length] & 0xC0) == 0x80 &&
           max_bytes - length < 3)
        length--;
    return (struct text){view.data, length};
}

size_t text_format_number(int64_t number, char out[TEXT_NUMBER_SIZE])
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    for (; rest >= 10; rest /= 100) {
        at -= 2;
        memcpy(digits + at, pairs + 2 * (rest % 100), 2);
    }
    if (rest > 0 || at == sizeof digits)
        digits[--at] = (char)('0' + rest);
    size_t sign = number < 0 ? 1 : 0;
    out[0] = '-';
    memcpy(out + sign, digits + at, sizeof digits - at);
    out[sign + sizeof digits - at] = '\0';
    return sign + sizeof digits - at;
}
