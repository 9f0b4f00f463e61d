/* Paths and percent-encoding: what is decoded is UTF-8 without a zero byte, never longer than it was, and within the
 * number of segments that patterns have. */
#include <stdlib.h>
#include <string.h>

#include "shared/net/http_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_text(struct text decoded, size_t max_bytes)
{
    require(decoded.length <= max_bytes && text_is_utf8(decoded));
    require(decoded.length == 0 || memchr(decoded.data, '\0', decoded.length) == NULL);
}

static void check_decode(struct text bytes, bool is_query, struct arena *arena)
{
    struct text decoded;
    if (!http_percent_decode(bytes, is_query, arena, &decoded))
        return;
    check_text(decoded, bytes.length);
    bool has_escape = bytes.length > 0 && (memchr(bytes.data, '%', bytes.length) != NULL ||
                                           memchr(bytes.data, '+', bytes.length) != NULL);
    require(has_escape || text_equal(decoded, bytes));
}

static void check_path(struct text path, struct arena *arena)
{
    static const char *const patterns[] = {"/v1/chats", "/v1/chats/{chat}/members/{user}",
                                           "/v1/chats/{chat}/messages/{seq:text}"};
    struct text segments[HTTP_MAX_SEGMENTS];
    struct http_pattern pattern;
    size_t count;
    if (!http_path_cut(path, arena, segments, &count))
        return;
    require(path.data[0] == '/' && count >= 1 && count <= HTTP_MAX_SEGMENTS + 1);
    for (size_t i = 0; i < count && i < HTTP_MAX_SEGMENTS; i++)
        check_text(segments[i], path.length);
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        http_pattern_compile(patterns[i], &pattern);
        if (http_pattern_matches(&pattern, segments, count))
            require(count == pattern.count && text_is(segments[0], "v1"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size};
    struct arena arena = ARENA_EMPTY;
    check_decode(bytes, false, &arena);
    check_decode(bytes, true, &arena);
    check_path(bytes, &arena);
    arena_deinit(&arena);
    return 0;
}
