/* Nothing here is clever: characters are decoded one by one and every key is compared with every other. */
#include "tests/model/json_naive.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/buffer.h"
#include "shared/base/json.h"

struct naive {
    const unsigned char *bytes;
    size_t length, at;
    int depth;
};

static int peek(const struct naive *naive)
{
    return naive->at < naive->length ? naive->bytes[naive->at] : -1;
}

static bool accept(struct naive *naive, const char *word)
{
    size_t length = strlen(word);
    if (naive->length - naive->at < length || memcmp(naive->bytes + naive->at, word, length) != 0)
        return false;
    naive->at += length;
    return true;
}

static void naive_space(struct naive *naive)
{
    while (accept(naive, " ") || accept(naive, "\t") || accept(naive, "\r") || accept(naive, "\n"))
        continue;
}

static size_t encode(uint32_t point, unsigned char out[4])
{
    if (point < 0x80)
        return out[0] = (unsigned char)point, 1;
    if (point < 0x800) {
        out[0] = (unsigned char)(0xC0 + point / 64);
        out[1] = (unsigned char)(0x80 + point % 64);
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (unsigned char)(0xE0 + point / 4096);
        out[1] = (unsigned char)(0x80 + point / 64 % 64);
        out[2] = (unsigned char)(0x80 + point % 64);
        return 3;
    }
    out[0] = (unsigned char)(0xF0 + point / 262144);
    out[1] = (unsigned char)(0x80 + point / 4096 % 64);
    out[2] = (unsigned char)(0x80 + point / 64 % 64);
    out[3] = (unsigned char)(0x80 + point % 64);
    return 4;
}

static bool is_surrogate(uint32_t point)
{
    return point >= 0xD800 && point <= 0xDFFF;
}

/* Decodes loosely, and accepts what encodes to the same bytes again. */
static bool naive_character(struct naive *naive, uint32_t *point_out)
{
    const unsigned char *at = naive->bytes + naive->at;
    size_t left = naive->length - naive->at;
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    static const unsigned char masks[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned char again[4];
    if (left < length)
        return false;
    uint32_t point = at[0] & masks[length];
    for (size_t i = 1; i < length; i++)
        point = point * 64 + (at[i] & 0x3F);
    if (is_surrogate(point) || point > 0x10FFFF)
        return false;
    if (encode(point, again) != length || memcmp(again, at, length) != 0)
        return false;
    naive->at += length;
    *point_out = point;
    return true;
}

static bool naive_hex(struct naive *naive, uint32_t *unit_out)
{
    *unit_out = 0;
    for (int i = 0; i < 4; i++) {
        static const char digits[] = "0123456789abcdefABCDEF";
        int digit = peek(naive);
        const char *found = digit <= 0 ? NULL : strchr(digits, digit);
        if (found == NULL)
            return false;
        long value = found - digits;
        *unit_out = *unit_out * 16 + (uint32_t)(value > 15 ? value - 6 : value);
        naive->at++;
    }
    return true;
}

static bool naive_escape(struct naive *naive, uint32_t *point_out)
{
    static const char *const names[] = {"\"", "\\", "/", "b", "f", "n", "r", "t"};
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    for (size_t i = 0; i < 8; i++) {
        if (accept(naive, names[i])) {
            *point_out = (uint32_t)meanings[i];
            return true;
        }
    }
    if (!accept(naive, "u") || !naive_hex(naive, point_out))
        return false;
    if (!is_surrogate(*point_out))
        return *point_out != 0;
    if (*point_out >= 0xDC00 || !accept(naive, "\\u") || !naive_hex(naive, &low))
        return false;
    if (low < 0xDC00 || low > 0xDFFF)
        return false;
    *point_out = 0x10000 + (*point_out - 0xD800) * 1024 + (low - 0xDC00);
    return true;
}

/* What the string means goes to `meaning`. */
static bool naive_string(struct naive *naive, struct buffer *meaning)
{
    if (!accept(naive, "\""))
        return false;
    while (!accept(naive, "\"")) {
        uint32_t point;
        unsigned char bytes[4];
        if (peek(naive) < 0x20)
            return false;
        if (accept(naive, "\\") ? !naive_escape(naive, &point) : !naive_character(naive, &point))
            return false;
        buffer_append(meaning, bytes, encode(point, bytes));
    }
    return true;
}

static bool naive_digits(struct naive *naive)
{
    size_t start = naive->at;
    while (peek(naive) >= '0' && peek(naive) <= '9')
        naive->at++;
    return naive->at > start;
}

static bool naive_number(struct naive *naive)
{
    size_t start = naive->at;
    accept(naive, "-");
    if (!accept(naive, "0") && !naive_digits(naive))
        return false;
    if (accept(naive, ".") && !naive_digits(naive))
        return false;
    if (accept(naive, "e") || accept(naive, "E")) {
        if (!accept(naive, "+"))
            accept(naive, "-");
        if (!naive_digits(naive))
            return false;
    }
    return naive->at - start <= 63;
}

static bool naive_value(struct naive *naive);

#define MAX_KEYS 64 /* the generator makes no larger objects */

static bool naive_member(struct naive *naive, struct buffer *keys, int count)
{
    naive_space(naive);
    if (!naive_string(naive, &keys[count]))
        return false;
    for (int i = 0; i < count; i++) {
        if (text_equal(buffer_text(&keys[i]), buffer_text(&keys[count])))
            return false;
    }
    naive_space(naive);
    return accept(naive, ":") && naive_value(naive);
}

static bool naive_object(struct naive *naive)
{
    struct buffer keys[MAX_KEYS] = {{NULL, 0, 0}};
    int count = 0;
    bool ok = true;
    naive_space(naive);
    if (accept(naive, "}"))
        return true;
    do {
        if (count == MAX_KEYS)
            abort();
        ok = naive_member(naive, keys, count++);
        naive_space(naive);
    } while (ok && accept(naive, ","));
    for (int i = 0; i < count; i++)
        buffer_deinit(&keys[i]);
    return ok && accept(naive, "}");
}

static bool naive_array(struct naive *naive)
{
    naive_space(naive);
    if (accept(naive, "]"))
        return true;
    do {
        if (!naive_value(naive))
            return false;
        naive_space(naive);
    } while (accept(naive, ","));
    return accept(naive, "]");
}

static bool naive_container(struct naive *naive, bool is_object)
{
    if (++naive->depth > JSON_MAX_DEPTH)
        return false;
    bool ok = is_object ? naive_object(naive) : naive_array(naive);
    naive->depth--;
    return ok;
}

static bool naive_value(struct naive *naive)
{
    naive_space(naive);
    if (accept(naive, "{"))
        return naive_container(naive, true);
    if (accept(naive, "["))
        return naive_container(naive, false);
    if (peek(naive) == '"') {
        struct buffer meaning = BUFFER_EMPTY;
        bool ok = naive_string(naive, &meaning);
        buffer_deinit(&meaning);
        return ok;
    }
    return accept(naive, "true") || accept(naive, "false") || accept(naive, "null") ||
           naive_number(naive);
}

void json_naive_encode(struct buffer *out, uint32_t point)
{
    unsigned char bytes[4];
    buffer_append(out, bytes, encode(point, bytes));
}

bool json_naive_accepts(struct text bytes)
{
    struct naive naive = {(const unsigned char *)bytes.data, bytes.length, 0, 0};
    naive_space(&naive);
    if (peek(&naive) != '{' || !naive_value(&naive))
        return false;
    naive_space(&naive);
    return naive.at == naive.length;
}
