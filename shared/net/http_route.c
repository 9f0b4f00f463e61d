/* Which route a path means. */
#include <assert.h>
#include <string.h>

#include "shared/net/http_internal.h"

/* --- percent-decoding --- */

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* One byte of the meaning; *at moves over what it was written as. -1: a broken escape. */
static int decode_byte(struct text source, bool is_query, size_t *at)
{
    char byte = source.data[(*at)++];
    if (byte == '+' && is_query)
        return ' ';
    if (byte != '%')
        return (unsigned char)byte;
    if (source.length - *at < 2)
        return -1;
    int high = hex_digit(source.data[*at]), low = hex_digit(source.data[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool http_percent_decode(struct text source, bool is_query, struct arena *arena,
                         struct text *text_out)
{
    char *decoded = arena_alloc(arena, source.length + 1);
    size_t length = 0;
    for (size_t at = 0; at < source.length;) {
        int byte = decode_byte(source, is_query, &at);
        if (byte <= 0)
            return false;
        decoded[length++] = (char)byte;
    }
    *text_out = (struct text){decoded, length};
    return text_is_utf8(*text_out);
}

/* --- paths --- */

/* Takes the part up to the next slash off *rest, which begins with one. */
static struct text next_segment(struct text *rest)
{
    struct text segment = {rest->data + 1, rest->length - 1};
    const char *slash = segment.length == 0 ? NULL : memchr(segment.data, '/', segment.length);
    if (slash != NULL)
        segment.length = (size_t)(slash - segment.data);
    *rest = (struct text){segment.data + segment.length, rest->length - 1 - segment.length};
    return segment;
}

bool http_path_cut(struct text path, struct arena *arena,
                   struct text segments_out[HTTP_MAX_SEGMENTS], size_t *count_out)
{
    size_t count = 0;
    if (path.length == 0 || path.data[0] != '/')
        return false;
    while (path.length > 0 && count < HTTP_MAX_SEGMENTS) {
        if (!http_percent_decode(next_segment(&path), false, arena, &segments_out[count++]))
            return false;
    }
    *count_out = path.length == 0 ? count : HTTP_MAX_SEGMENTS + 1;
    return true;
}

/* "{chat}", "{emoji:text}" or a word. */
static struct http_segment compile_segment(struct text part)
{
    if (part.length == 0 || part.data[0] != '{')
        return (struct http_segment){HTTP_LITERAL, part};
    assert(part.data[part.length - 1] == '}');
    part = (struct text){part.data + 1, part.length - 2};
    const char *colon = memchr(part.data, ':', part.length);
    if (colon == NULL)
        return (struct http_segment){HTTP_ID, part};
    size_t length = (size_t)(colon - part.data);
    assert(text_is((struct text){colon + 1, part.length - length - 1}, "text"));
    return (struct http_segment){HTTP_TEXT, {part.data, length}};
}

void http_pattern_compile(const char *pattern, struct http_pattern *pattern_out)
{
    struct text rest = text_of(pattern);
    pattern_out->count = 0;
    while (rest.length > 0) {
        assert(pattern_out->count < HTTP_MAX_SEGMENTS);
        pattern_out->segments[pattern_out->count++] = compile_segment(next_segment(&rest));
    }
}

/* That an id is none is found later: a path with a wrong id is known, and answers 401 and 405 as others do. */
bool http_pattern_matches(const struct http_pattern *pattern, const struct text *segments,
                          size_t count)
{
    if (pattern->count != count)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct http_segment *segment = &pattern->segments[i];
        if (segment->kind == HTTP_LITERAL ? !text_equal(segment->name, segments[i])
                                          : segments[i].length == 0)
            return false;
    }
    return true;
}
