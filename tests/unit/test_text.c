/* Views of bytes: equality, UTF-8 by RFC 3629, cutting, digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/text.h"

static void an_absent_string_gives_an_absent_text(void **state)
{
    (void)state;
    assert_null(text_of(NULL).data);
    assert_non_null(text_of("").data);
    assert_int_equal(text_of("").length, 0);
}

static void texts_are_equal_when_their_bytes_are(void **state)
{
    (void)state;
    assert_true(text_equal(TEXT_LITERAL("abc"), text_of("abc")));
    assert_true(text_equal(TEXT_NONE, text_of("")));
    assert_true(text_is((struct text){"abcdef", 3}, "abc"));
    assert_false(text_equal(TEXT_LITERAL("abc"), TEXT_LITERAL("abd")));
    assert_false(text_is(TEXT_LITERAL("abc"), "ab"));
    assert_true(text_equal(TEXT_LITERAL("a\0b"), TEXT_LITERAL("a\0b")));
}

static void a_copy_is_terminated(void **state)
{
    (void)state;
    char *copy = text_to_string((struct text){"abcdef", 3});
    assert_string_equal(copy, "abc");
    mem_free(copy);
    copy = text_to_string(TEXT_NONE);
    assert_string_equal(copy, "");
    mem_free(copy);
}

static const struct utf8_case {
    const char *name;
    struct text bytes;
    bool valid;
} utf8_cases[] = {
    {"nothing", {"", 0}, true},
    {"ASCII", TEXT_LITERAL("plain"), true},
    {"a zero byte", {"a\0b", 3}, true},
    {"two bytes, the lowest", TEXT_LITERAL("\xC2\x80"), true},
    {"two bytes, the highest", TEXT_LITERAL("\xDF\xBF"), true},
    {"three bytes, the lowest", TEXT_LITERAL("\xE0\xA0\x80"), true},
    {"below the surrogates", TEXT_LITERAL("\xED\x9F\xBF"), true},
    {"above the surrogates", TEXT_LITERAL("\xEE\x80\x80"), true},
    {"four bytes, the lowest", TEXT_LITERAL("\xF0\x90\x80\x80"), true},
    {"U+10FFFF", TEXT_LITERAL("\xF4\x8F\xBF\xBF"), true},
    {"after eight ASCII bytes", TEXT_LITERAL("12345678\xC3\xA9 and on and on"), true},
    {"overlong slash", TEXT_LITERAL("\xC0\xAF"), false},
    {"overlong by C1", TEXT_LITERAL("\xC1\xBF"), false},
    {"overlong three", TEXT_LITERAL("\xE0\x9F\xBF"), false},
    {"overlong four", TEXT_LITERAL("\xF0\x8F\xBF\xBF"), false},
    {"the first surrogate", TEXT_LITERAL("\xED\xA0\x80"), false},
    {"the last surrogate", TEXT_LITERAL("\xED\xBF\xBF"), false},
    {"above U+10FFFF", TEXT_LITERAL("\xF4\x90\x80\x80"), false},
    {"F5", TEXT_LITERAL("\xF5\x80\x80\x80"), false},
    {"FF", TEXT_LITERAL("\xFF"), false},
    {"a lone continuation", TEXT_LITERAL("a\x80"), false},
    {"cut after one of two", TEXT_LITERAL("a\xC3"), false},
    {"cut after two of three", TEXT_LITERAL("\xE2\x82"), false},
    {"cut after three of four", TEXT_LITERAL("\xF0\x9F\x98"), false},
    {"a third byte that does not continue", TEXT_LITERAL("\xE2\x82z"), false},
    {"a fourth byte that does not continue", TEXT_LITERAL("\xF0\x9F\x98\xC0"), false},
    {"a fault far behind ASCII", TEXT_LITERAL("12345678123456781234\xFE"), false},
};

static void utf8_is_told_from_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof utf8_cases / sizeof utf8_cases[0]; i++) {
        if (text_is_utf8(utf8_cases[i].bytes) != utf8_cases[i].valid)
            fail_msg("%s", utf8_cases[i].name);
    }
}

static void a_cut_never_splits_a_character(void **state)
{
    (void)state;
    struct text view = TEXT_LITERAL("a\xE2\x82\xAC\xF0\x9F\x98\x80z"); /* 1 + 3 + 4 + 1 bytes */
    static const size_t want[] = {0, 1, 1, 1, 4, 4, 4, 4, 8, 9, 9};
    for (size_t max = 0; max < sizeof want / sizeof want[0]; max++)
        assert_int_equal(text_cut(view, max).length, want[max]);
}

static void a_cut_of_what_is_not_utf8_still_keeps_to_the_bound(void **state)
{
    (void)state;
    struct text view = TEXT_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80");
    assert_in_range(text_cut(view, 6).length, 3, 6);
}

static void numbers_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    static const int64_t numbers[] = {0,  1,   9,    10,        11,        99,        100,
                                      -1, -10, 1000, 123456789, INT64_MIN, INT64_MAX, -99};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char got[TEXT_NUMBER_SIZE], want[32];
        size_t length = text_format_number(numbers[i], got);
        snprintf(want, sizeof want, "%lld", (long long)numbers[i]);
        assert_string_equal(got, want);
        assert_int_equal(length, strlen(want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_absent_string_gives_an_absent_text),
        cmocka_unit_test(texts_are_equal_when_their_bytes_are),
        cmocka_unit_test(a_copy_is_terminated),
        cmocka_unit_test(utf8_is_told_from_what_is_not),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(a_cut_of_what_is_not_utf8_still_keeps_to_the_bound),
        cmocka_unit_test(numbers_are_written_as_printf_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
