/* What is done with bytes that have passed the scan: finding a member, reading escapes. Nothing is
 * checked a second time. And the pointers that name a place in them. */
#include "shared/base/json_scan.h"

#include <string.h>

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    int letter = digit | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

int json_hex_unit(const char *digits, size_t size)
{
    int unit = 0;
    for (size_t i = 0; i < 4; i++) {
        int value = i < size ? hex_value(digits[i]) : -1;
        if (value < 0)
            return -1;
        unit = unit * 16 + value;
    }
    return unit;
}

static size_t put_utf8(char *out, uint32_t character)
{
    static const unsigned char marks[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, character >>= 6)
        out[i] = (char)(0x80 | (character & 0x3F));
    out[0] = (char)(marks[length] | character);
    return length;
}

/* At the `u` of a valid escape; returns how many bytes of it were read. */
static size_t unescape_unicode(const char *at, uint32_t *character_out)
{
    uint32_t unit = (uint32_t)json_hex_unit(at + 1, 4);
    *character_out = unit;
    if (!json_is_high_surrogate((int)unit))
        return 5;
    uint32_t low = (uint32_t)json_hex_unit(at + 7, 4);
    *character_out = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    return 11;
}

/* At the byte after a backslash. */
static size_t unescape_one(const char *at, uint32_t *character_out)
{
    static const char names[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    if (*at == 'u')
        return unescape_unicode(at, character_out);
    const char *name = strchr(names, *at);
    *character_out = (uint32_t)(name == NULL ? *at : meanings[name - names]);
    return 1;
}

struct text json_unescape(struct text token, struct arena *arena)
{
    if (token.length == 0 || memchr(token.data, '\\', token.length) == NULL)
        return token;
    char *out = arena_alloc(arena, token.length); /* no escape is shorter than what it means */
    size_t length = 0;
    for (size_t at = 0; at < token.length;) {
        if (token.data[at] != '\\') {
            out[length++] = token.data[at++];
            continue;
        }
        uint32_t character;
        at += 1 + unescape_one(token.data + at + 1, &character);
        length += put_utf8(out + length, character);
    }
    return (struct text){out, length};
}

/* --- finding a member --- */

static const char *skip_space(const char *at)
{
    while (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')
        at++;
    return at;
}

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at + 1;
}

static const char *skip_container(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        at++;
    } while (depth > 0);
    return at;
}

/* Of a value inside an object: something follows it at least, the closing brace. */
static const char *skip_value(const char *at)
{
    if (*at == '"')
        return skip_string(at);
    if (*at == '{' || *at == '[')
        return skip_container(at);
    while ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '+' ||
           *at == '.' || *at == 'E')
        at++;
    return at;
}

static bool is_key(struct text token, const char *member)
{
    struct arena arena = ARENA_EMPTY;
    bool is = text_is(json_unescape(token, &arena), member);
    arena_deinit(&arena);
    return is;
}

bool json_scan_member(struct text object, const char *member, struct text *value_out)
{
    const char *at = skip_space(object.data);
    for (at = skip_space(at + 1); *at != '}'; at = skip_space(at)) {
        const char *after_key = skip_string(at);
        struct text key = {at + 1, (size_t)(after_key - at) - 2};
        const char *value = skip_space(skip_space(after_key) + 1);
        at = skip_value(value);
        if (is_key(key, member)) {
            *value_out = (struct text){value, (size_t)(at - value)};
            return true;
        }
        at = skip_space(at);
        if (*at == ',')
            at++;
    }
    return false;
}

/* --- pointers --- */

void json_pointer_add(char pointer[JSON_POINTER_SIZE], struct text member)
{
    size_t length = strlen(pointer);
    if (length + 1 >= JSON_POINTER_SIZE)
        return;
    pointer[length++] = '/';
    for (size_t at = 0; at < member.length;) {
        struct text rest = {member.data + at, member.length - at};
        size_t size = text_utf8_length(rest);
        if (size == 0)
            break; /* not UTF-8: only a caller's own name could be that */
        struct text part = *rest.data == '~'   ? TEXT_LITERAL("~0")
                           : *rest.data == '/' ? TEXT_LITERAL("~1")
                                               : (struct text){rest.data, size};
        if (length + part.length >= JSON_POINTER_SIZE)
            break;
        memcpy(pointer + length, part.data, part.length);
        length += part.length;
        at += size;
    }
    pointer[length] = '\0';
}
