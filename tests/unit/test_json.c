/* Strict JSON: what is refused and where, and what the writer makes of any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"

/* --- what is refused --- */

#define DEEP_31   "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
#define CLOSE_31  "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
#define DIGITS_63 "123456789012345678901234567890123456789012345678901234567890123"

static const struct refusal {
    const char *name;
    struct text bytes;
    const char *code, *pointer;
} refusals[] = {
    {"nothing", TEXT_LITERAL(""), "invalid_json", ""},
    {"only space", TEXT_LITERAL(" \n"), "invalid_json", ""},
    {"an array", TEXT_LITERAL("[1]"), "bad_request", ""},
    {"a string", TEXT_LITERAL(" \"x\""), "bad_request", ""},
    {"null", TEXT_LITERAL("null"), "bad_request", ""},
    {"trailing text", TEXT_LITERAL("{} x"), "invalid_json", ""},
    {"a second object", TEXT_LITERAL("{}{}"), "invalid_json", ""},
    {"a trailing zero byte", TEXT_LITERAL("{}\0"), "invalid_json", ""},
    {"a byte order mark", TEXT_LITERAL("\xEF\xBB\xBF{}"), "invalid_json", ""},
    {"a form feed as space", TEXT_LITERAL("{\f}"), "invalid_json", ""},
    {"no end", TEXT_LITERAL("{\"a\":{\"b\":1}"), "invalid_json", ""},
    {"an inner object without end", TEXT_LITERAL("{\"a\":{\"b\":1"), "invalid_json", "/a"},
    {"a comma before the end", TEXT_LITERAL("{\"a\":1,}"), "invalid_json", ""},
    {"a comma first", TEXT_LITERAL("{,}"), "invalid_json", ""},
    {"no comma", TEXT_LITERAL("{\"a\":1 \"b\":2}"), "invalid_json", ""},
    {"no colon", TEXT_LITERAL("{\"a\" 1}"), "invalid_json", "/a"},
    {"no value", TEXT_LITERAL("{\"a\":}"), "invalid_json", "/a"},
    {"no quotes", TEXT_LITERAL("{a:1}"), "invalid_json", ""},
    {"single quotes", TEXT_LITERAL("{'a':1}"), "invalid_json", ""},
    {"a comment", TEXT_LITERAL("{/**/}"), "invalid_json", ""},
    {"wrong brackets", TEXT_LITERAL("{\"a\":[1}}"), "invalid_json", "/a/1"},
    {"an array comma", TEXT_LITERAL("{\"a\":[1,]}"), "invalid_json", "/a/1"},
    {"True", TEXT_LITERAL("{\"a\":True}"), "invalid_json", "/a"},
    {"tru", TEXT_LITERAL("{\"a\":tru}"), "invalid_json", "/a"},
    {"nullx", TEXT_LITERAL("{\"a\":nullx}"), "invalid_json", ""},
    {"NaN", TEXT_LITERAL("{\"a\":NaN}"), "invalid_json", "/a"},
    {"Infinity", TEXT_LITERAL("{\"a\":-Infinity}"), "invalid_json", "/a"},
    {"a leading zero", TEXT_LITERAL("{\"a\":[0,01]}"), "invalid_json", "/a/1"},
    {"a negative leading zero", TEXT_LITERAL("{\"a\":-01}"), "invalid_json", "/a"},
    {"a plus", TEXT_LITERAL("{\"a\":+1}"), "invalid_json", "/a"},
    {"a point first", TEXT_LITERAL("{\"a\":.5}"), "invalid_json", "/a"},
    {"a point last", TEXT_LITERAL("{\"a\":5.}"), "invalid_json", "/a"},
    {"an empty exponent", TEXT_LITERAL("{\"a\":5e}"), "invalid_json", "/a"},
    {"a signed empty exponent", TEXT_LITERAL("{\"a\":5e+}"), "invalid_json", "/a"},
    {"only a minus", TEXT_LITERAL("{\"a\":-}"), "invalid_json", "/a"},
    {"hexadecimal", TEXT_LITERAL("{\"a\":0x10}"), "invalid_json", ""},
    {"64 digits", TEXT_LITERAL("{\"a\":" DIGITS_63 "4}"), "invalid_json", "/a"},
    {"an open string", TEXT_LITERAL("{\"a\":\"b"), "invalid_json", "/a"},
    {"an open key", TEXT_LITERAL("{\"a"), "invalid_json", ""},
    {"a backslash at the end", TEXT_LITERAL("{\"a\":\"\\"), "invalid_json", "/a"},
    {"an unknown escape", TEXT_LITERAL("{\"a\":\"\\x41\"}"), "invalid_json", "/a"},
    {"an escaped zero byte", TEXT_LITERAL("{\"a\":\"\\\0\"}"), "invalid_json", "/a"},
    {"three digits", TEXT_LITERAL("{\"a\":\"\\u12g4\"}"), "invalid_json", "/a"},
    {"an escape cut by the end", TEXT_LITERAL("{\"a\":\"\\u12"), "invalid_json", "/a"},
    {"a raw newline", TEXT_LITERAL("{\"a\":{\"b\":\"x\ny\"}}"), "invalid_json", "/a/b"},
    {"a raw zero byte", TEXT_LITERAL("{\"a\":\"x\0y\"}"), "invalid_json", "/a"},
    {"a raw 0x1f", TEXT_LITERAL("{\"a\":\"long enough \x1f, and on\"}"), "invalid_json", "/a"},
    {"an escaped U+0000", TEXT_LITERAL("{\"a\":[\"ok\",\"x\\u0000\"]}"), "invalid_json", "/a/1"},
    {"U+0000 in a key", TEXT_LITERAL("{\"a\\u0000b\":1}"), "invalid_json", ""},
    {"a lone high surrogate", TEXT_LITERAL("{\"a\":\"\\ud83d\"}"), "invalid_json", "/a"},
    {"a lone low surrogate", TEXT_LITERAL("{\"a\":\"\\ude00\"}"), "invalid_json", "/a"},
    {"two high surrogates", TEXT_LITERAL("{\"a\":\"\\ud83d\\ud83d\"}"), "invalid_json", "/a"},
    {"a high surrogate and a letter", TEXT_LITERAL("{\"a\":\"\\ud83dx\"}"), "invalid_json", "/a"},
    {"half an escape behind", TEXT_LITERAL("{\"a\":\"\\ud83d\\ude0\"}"), "invalid_json", "/a"},
    {"a duplicate key", TEXT_LITERAL("{\"a\":1,\"b\":2,\"a\":1}"), "invalid_json", "/a"},
    {"a duplicate key inside", TEXT_LITERAL("{\"x\":[0,{\"b\":1,\"b\":2}]}"), "invalid_json",
     "/x/1/b"},
    {"a duplicate by an escape", TEXT_LITERAL("{\"body\":1,\"b\\u006fdy\":2}"), "invalid_json",
     "/body"},
    {"a duplicate empty key", TEXT_LITERAL("{\"\":1,\"\":2}"), "invalid_json", "/"},
    {"a duplicate with a slash", TEXT_LITERAL("{\"a/~b\":1,\"a\\/~b\":2}"), "invalid_json",
     "/a~1~0b"},
    {"33 deep", TEXT_LITERAL("{\"a\":" DEEP_31 "[1]" CLOSE_31 "}"), "invalid_json",
     "/a/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0"},
    {"FF", TEXT_LITERAL("\xFF"), "invalid_utf8", ""},
    {"a cut character", TEXT_LITERAL("{\"a\":{\"b\":\"\xC3\"}}"), "invalid_utf8", "/a/b"},
    {"a raw surrogate", TEXT_LITERAL("{\"a\":\"\xED\xA0\x80\"}"), "invalid_utf8", "/a"},
    {"overlong", TEXT_LITERAL("{\"a\":\"\xC0\xAF\"}"), "invalid_utf8", "/a"},
    {"not UTF-8 behind a syntax fault", TEXT_LITERAL("{\"a\":x,\"b\":\"\xFF\"}"), "invalid_utf8",
     "/a"},
    {"not UTF-8 in a key", TEXT_LITERAL("{\"a\":{\"\xFF\":1}}"), "invalid_utf8", "/a"},
};

static void what_is_not_strict_json_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *refusal = &refusals[i];
        struct json_fault fault;
        char *exact =
            mem_copy(refusal->bytes.data, refusal->bytes.length); /* ASan sees overreads */
        struct json_document *document =
            json_parse((struct text){exact, refusal->bytes.length}, &fault);
        mem_free(exact);
        if (document != NULL)
            fail_msg("accepted: %s", refusal->name);
        if (strcmp(fault.code, refusal->code) != 0 || strcmp(fault.pointer, refusal->pointer) != 0)
            fail_msg("%s: got %s at \"%s\" (%s), want %s at \"%s\"", refusal->name, fault.code,
                     fault.pointer, fault.reason, refusal->code, refusal->pointer);
        assert_non_null(fault.reason);
    }
}

/* As the frames of a connection have it: an empty message has no bytes to point to. */
static void nothing_at_all_is_refused_at_its_beginning(void **state)
{
    struct json_fault fault;
    (void)state;
    assert_null(json_parse(TEXT_NONE, &fault));
    assert_string_equal(fault.code, "invalid_json");
    assert_string_equal(fault.pointer, "");
}

static void what_is_strict_json_is_accepted(void **state)
{
    (void)state;
    static const char *const accepted[] = {
        "{}",
        " \t\r\n{ \"a\" : [ ] , \"b\" : { } }\n",
        "{\"a\":[0,-0,1,-1,0.5,1e5,1E-5,1.5e+10,-1.25]}",
        "{\"a\":" DIGITS_63 "}",
        "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\\uFFFF\"}",
        "{\"a\":\"\x7F \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"}",
        "{\"a\":" DEEP_31 CLOSE_31 "}",
        "{\"a\":1,\"A\":2,\"\":3,\"b\":{\"a\":1}}",
        "{\"a\":[true,false,null,{\"a\":{\"a\":1}}]}",
    };
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        struct json_fault fault;
        char *exact = mem_copy(accepted[i], strlen(accepted[i]));
        struct json_document *document =
            json_parse((struct text){exact, strlen(accepted[i])}, &fault);
        if (document == NULL)
            fail_msg("%s: refused at \"%s\": %s", accepted[i], fault.pointer, fault.reason);
        json_destroy(&document);
        assert_null(document);
        mem_free(exact);
    }
}

static void thousands_of_keys_do_not_cost_their_square(void **state)
{
    (void)state;
    struct buffer bytes = BUFFER_EMPTY;
    struct json_fault fault;
    buffer_append_string(&bytes, "{");
    for (int i = 0; i < 200000; i++)
        buffer_append_format(&bytes, "%s\"%d\":0", i == 0 ? "" : ",", i);
    buffer_append_string(&bytes, ",\"77\":0}"); /* squared, this would take minutes */
    assert_null(json_parse(buffer_text(&bytes), &fault));
    assert_string_equal(fault.pointer, "/77");
    buffer_deinit(&bytes);
}

static void a_long_pointer_is_cut_between_characters(void **state)
{
    (void)state;
    char bytes[1000] = "{\"";
    struct json_fault fault;
    for (int i = 0; i < 100; i++)
        strcat(bytes, "/\xC3\xA9");
    strcat(bytes, "\":x}");
    assert_null(json_parse(text_of(bytes), &fault));
    assert_true(strlen(fault.pointer) >= JSON_POINTER_SIZE - 4);
    assert_true(text_is_utf8(text_of(fault.pointer)));
    assert_int_not_equal(fault.pointer[strlen(fault.pointer) - 1], '~');
}

/* --- the writer --- */

static const struct {
    struct text text;
    const char *want;
} written[] = {
    {{"", 0}, "\"\""},
    {TEXT_LITERAL("plain, and longer than eight"), "\"plain, and longer than eight\""},
    {TEXT_LITERAL("a\"b\\c/"), "\"a\\\"b\\\\c/\""},
    {TEXT_LITERAL("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
    {TEXT_LITERAL("x\0y"), "\"x\\u0000y\""},
    {TEXT_LITERAL("12345678\xC3\xA9\xF0\x9F\x98\x80z"), "\"12345678\xC3\xA9\xF0\x9F\x98\x80z\""},
    {TEXT_LITERAL("\xFF"
                  "a\xC3"),
     "\"\xEF\xBF\xBD"
     "a\xEF\xBF\xBD\""},
};

static void strings_are_escaped_and_always_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof written / sizeof written[0]; i++) {
        struct buffer out = BUFFER_EMPTY;
        json_write_string(&out, written[i].text);
        if (!text_is(buffer_text(&out), written[i].want))
            fail_msg("got %.*s, want %s", TEXT_PRINT(buffer_text(&out)), written[i].want);
        buffer_deinit(&out);
    }
}

static void each_byte_at_each_place_of_a_word_is_seen(void **state)
{
    (void)state;
    for (int byte = 0; byte < 0x80; byte++) {
        for (size_t at = 0; at < 24; at++) {
            char text[24], back[24];
            struct json_fault fault;
            memset(text, 'a', sizeof text);
            text[at] = (char)byte;
            struct buffer out = BUFFER_EMPTY;
            buffer_append_string(&out, "{\"m\":");
            json_write_string(&out, (struct text){text, sizeof text});
            buffer_append_string(&out, "}");
            struct json_document *parsed = json_parse(buffer_text(&out), &fault);
            assert_int_equal(parsed == NULL, byte == 0); /* written, but no text that is accepted */
            if (parsed != NULL) {
                struct json_reader reader = json_reader_start(parsed, "");
                struct text taken = json_take_text(&reader, "m", JSON_REQUIRED, 24, 24);
                memcpy(back, taken.data, 24);
                assert_memory_equal(back, text, 24);
            }
            json_destroy(&parsed);
            buffer_deinit(&out);
        }
    }
}

static void fixed_shapes_are_written(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    json_write_id(&out, INT64_MAX);
    json_write_time(&out, 0);
    json_write_text_or_null(&out, TEXT_NONE);
    json_write_text_or_null(&out, TEXT_LITERAL(""));
    assert_true(
        text_is(buffer_text(&out), "\"9223372036854775807\"\"1970-01-01T00:00:00.000Z\"null\"\""));
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_strict_json_is_refused_with_its_place),
        cmocka_unit_test(nothing_at_all_is_refused_at_its_beginning),
        cmocka_unit_test(what_is_strict_json_is_accepted),
        cmocka_unit_test(thousands_of_keys_do_not_cost_their_square),
        cmocka_unit_test(a_long_pointer_is_cut_between_characters),
        cmocka_unit_test(strings_are_escaped_and_always_valid),
        cmocka_unit_test(each_byte_at_each_place_of_a_word_is_seen),
        cmocka_unit_test(fixed_shapes_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
