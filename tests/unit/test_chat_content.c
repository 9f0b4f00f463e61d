/* What a client may say in a message: tables of input and want. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "shared/proto/chat_content.h"
#include "shared/proto/chat_protocol.h"

static struct json_document *document;
static struct json_fault fault;
static struct chat_content content;

/* True when it was accepted; the content is valid until the next call of forget(). */
static bool take(const char *json)
{
    document = json_parse(text_of(json), &fault);
    assert_non_null(document);
    struct json_reader reader = json_reader_start(document, "/body");
    chat_content_take(&reader, &content);
    return json_reader_finish(&reader, &fault);
}

static void forget(void)
{
    chat_content_deinit(&content);
    json_destroy(&document);
}

static void assert_detail(const char *json, const char *wanted)
{
    if (!take(json))
        fail_msg("%s %s: %s", fault.pointer, fault.reason, json);
    if (!text_is(buffer_text(&content.detail), wanted))
        fail_msg("%.*s instead of %s", TEXT_PRINT(buffer_text(&content.detail)), wanted);
    forget();
}

static void assert_refused(const char *json, const char *pointer, const char *reason)
{
    if (take(json))
        fail_msg("accepted: %s", json);
    assert_string_equal(fault.pointer, pointer);
    assert_string_equal(fault.reason, reason);
    forget();
}

#define START "{\"client_id\":\"c\",\"body\":{\"text\":\"hi\"}"

static void a_plain_message_has_a_client_id_and_a_body_and_no_detail(void **state)
{
    (void)state;
    assert_true(take("{\"client_id\":\"c-1\",\"body\":{\"text\":\"hi\"}}"));
    assert_true(text_is(content.client_id, "c-1"));
    assert_true(text_is(content.body, "{\"text\":\"hi\"}"));
    assert_int_equal(content.detail.length, 0);
    forget();
}

static void the_body_comes_back_as_it_was_written(void **state)
{
    static const char *const bodies[] = {
        "{ \"text\" : \"a\\u00e9\\n\" }",
        "{\"mood\":{\"x\":[1.50,null,{}]},\"text\":\"hi\",\"n\":1e3}",
        "{\"text\":\"\xF0\x9F\x98\x80\"}",
    };
    char json[300];
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        snprintf(json, sizeof json, "{\"body\":%s,\"client_id\":\"c\"}", bodies[i]);
        assert_true(take(json));
        assert_true(text_is(content.body, bodies[i]));
        forget();
    }
}

static void the_detail_has_one_order_and_form(void **state)
{
    (void)state;
    assert_detail(START ",\"reply_to\":3}", "\"reply_to\":3");
    assert_detail(START ",\"mentions\":[\"7\",\"9223372036854775807\"]}",
                  "\"mentions\":[\"7\",\"9223372036854775807\"]");
    assert_detail(START ",\"attachments\":[{\"a\": 1}, {}]}", "\"attachments\":[{\"a\": 1}, {}]");
    assert_detail(START ",\"attachments\":[{}],\"mentions\":[\"7\"],\"reply_to\":1}",
                  "\"reply_to\":1,\"mentions\":[\"7\"],\"attachments\":[{}]");
    assert_detail(START ",\"attachments\":[],\"mentions\":[]}", "");
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *json, *pointer, *reason;
    } rows[] = {
        {"{\"body\":{\"text\":\"hi\"}}", "/body/client_id", "is required"},
        {"{\"client_id\":\"\",\"body\":{\"text\":\"hi\"}}", "/body/client_id", "must not be empty"},
        {"{\"client_id\":7,\"body\":{\"text\":\"hi\"}}", "/body/client_id", "must be a string"},
        {"{\"client_id\":\"c\"}", "/body/body", "is required"},
        {"{\"client_id\":\"c\",\"body\":\"hi\"}", "/body/body", "must be an object"},
        {"{\"client_id\":\"c\",\"body\":null}", "/body/body", "must be an object"},
        {"{\"client_id\":\"c\",\"body\":{}}", "/body/body/text", "is required"},
        {"{\"client_id\":\"c\",\"body\":{\"text\":null}}", "/body/body/text", "must be a string"},
        {"{\"client_id\":\"c\",\"body\":{\"text\":\"\"}}", "/body/body/text", "must not be empty"},
        {START ",\"reply_to\":0}", "/body/reply_to", "is out of range"},
        {START ",\"reply_to\":1.5}", "/body/reply_to", "must be a whole number"},
        {START ",\"reply_to\":\"3\"}", "/body/reply_to", "must be a whole number"},
        {START ",\"reply_to\":9007199254740993}", "/body/reply_to", "must be a whole number"},
        {START ",\"mentions\":\"7\"}", "/body/mentions", "must be an array of ids"},
        {START ",\"mentions\":[\"7\",\"x\"]}", "/body/mentions/1", "is not an id"},
        {START ",\"mentions\":[\"7\",\"7\"]}", "/body/mentions/1", "is there twice"},
        {START ",\"attachments\":{}}", "/body/attachments", "must be an array of objects"},
        {START ",\"attachments\":[{},1]}", "/body/attachments", "must be an array of objects"},
        {START ",\"attachments\":null}", "/body/attachments", "must be an array of objects"},
        {START ",\"sender\":\"7\"}", "/body/sender", "is not known here"},
        {START ",\"seq\":7}", "/body/seq", "is not known here"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(rows[i].json, rows[i].pointer, rows[i].reason);
}

static void an_empty_text_may_stand_beside_attachments(void **state)
{
    (void)state;
    assert_true(
        take("{\"client_id\":\"c\",\"body\":{\"text\":\"\"},\"attachments\":[{\"id\":\"7\"}]}"));
    forget();
    assert_refused("{\"client_id\":\"c\",\"body\":{\"text\":\"\"},\"attachments\":[]}",
                   "/body/body/text", "must not be empty");
}

/* `before`, then `unit` so many times, then `after`. */
static const char *repeat(const char *before, const char *unit, size_t count, const char *after)
{
    static struct buffer json;
    buffer_clear(&json);
    buffer_append_string(&json, before);
    for (size_t i = 0; i < count; i++)
        buffer_append_string(&json, unit);
    buffer_append_string(&json, after);
    buffer_append(&json, "", 1);
    return json.data;
}

static bool fits(const char *json)
{
    bool accepted = take(json);
    forget();
    return accepted;
}

static void each_bound_is_met_exactly(void **state)
{
    (void)state;
    const char *end = "\",\"body\":{\"text\":\"hi\"}}";
    assert_true(fits(repeat("{\"client_id\":\"", "c", 128, end)));
    assert_false(fits(repeat("{\"client_id\":\"", "c", 129, end)));
    assert_string_equal(fault.pointer, "/body/client_id");
    assert_true(
        fits(repeat("{\"client_id\":\"c\",\"body\":{\"text\":\"", "\xC3\xA9", 8192, "\"}}")));
    assert_false(
        fits(repeat("{\"client_id\":\"c\",\"body\":{\"text\":\"", "\xC3\xA9", 8193, "\"}}")));
    assert_string_equal(fault.pointer, "/body/body/text");
    assert_true(fits(repeat(START ",\"attachments\":[{}", ",{}", 9, "]}")));
    assert_false(fits(repeat(START ",\"attachments\":[{}", ",{}", 10, "]}")));
    assert_string_equal(fault.reason, "has too many items");
}

static void mentions_are_bounded(void **state)
{
    (void)state;
    for (size_t count = 100; count <= 101; count++) {
        struct buffer json = BUFFER_EMPTY;
        buffer_append_string(&json, START ",\"mentions\":[");
        for (size_t i = 1; i <= count; i++)
            buffer_append_format(&json, "%s\"%zu\"", i > 1 ? "," : "", i);
        buffer_append_string(&json, "]}");
        buffer_append(&json, "", 1);
        assert_int_equal(fits(json.data), count == 100);
        buffer_deinit(&json);
    }
    assert_string_equal(fault.pointer, "/body/mentions");
}

static void the_whole_message_fits_the_log(void **state)
{
    (void)state;
    size_t overhead = strlen("{\"text\":\"hi\",\"x\":\"\"}");
    const char *before = "{\"client_id\":\"c\",\"body\":{\"text\":\"hi\",\"x\":\"";
    assert_true(fits(repeat(before, "a", CHAT_BODY_BYTES - overhead, "\"}}")));
    assert_false(fits(repeat(before, "a", CHAT_BODY_BYTES - overhead + 1, "\"}}")));
    assert_string_equal(fault.pointer, "/body/body");
    size_t detail = strlen("\"reply_to\":1");
    assert_true(
        fits(repeat(before, "a", CHAT_BODY_BYTES - overhead - detail, "\"},\"reply_to\":1}")));
    assert_false(
        fits(repeat(before, "a", CHAT_BODY_BYTES - overhead - detail + 1, "\"},\"reply_to\":1}")));
    assert_string_equal(fault.reason, "is too long");
}

static void other_bounds_can_be_set(void **state)
{
    const struct chat_content_limits defaults = {16384, 128, 100, 10, 64};
    (void)state;
    chat_content_set_limits(&(struct chat_content_limits){
        .max_text_bytes = 2, .max_client_id_bytes = 1, .max_mentions = 0, .max_attachments = 0});
    assert_true(fits(START "}"));
    assert_false(fits("{\"client_id\":\"c\",\"body\":{\"text\":\"hip\"}}"));
    assert_false(fits(START ",\"mentions\":[\"7\"]}"));
    assert_false(fits(START ",\"attachments\":[{}]}"));
    chat_content_set_limits(&defaults);
}

/* --- what is done to a message --- */

static void an_edit_takes_a_body_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *json, *pointer;
    } cases[] = {
        {"{\"body\":{\"text\":\"x\",\"own\":[1]}}", NULL},
        {"{\"body\":{\"text\":\"\"}}", "/body/text"},
        {"{\"body\":{}}", "/body/text"},
        {"{\"body\":\"x\"}", "/body"},
        {"{}", "/body"},
        {"{\"body\":{\"text\":\"x\"},\"client_id\":\"c\"}", "/client_id"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json_document *edit = json_parse(text_of(cases[i].json), &fault);
        struct json_reader reader = json_reader_start(edit, "");
        struct text body = chat_content_take_body(&reader);
        bool is_good = json_reader_finish(&reader, &fault);
        assert_int_equal(is_good, cases[i].pointer == NULL);
        if (is_good)
            assert_true(text_is(body, "{\"text\":\"x\",\"own\":[1]}"));
        else
            assert_string_equal(fault.pointer, cases[i].pointer);
        json_destroy(&edit);
    }
}

static void what_a_message_replies_to_is_told_beside_the_detail(void **state)
{
    (void)state;
    assert_true(take(START ",\"reply_to\":12}"));
    assert_int_equal(content.reply_to, 12);
    assert_true(text_is(buffer_text(&content.detail), "\"reply_to\":12"));
    forget();
    assert_true(take(START "}"));
    assert_int_equal(content.reply_to, 0);
    forget();
}

static void an_emoji_is_some_bytes_of_text_without_control_characters(void **state)
{
    (void)state;
    static const char bell[] = "\a";
    char longest[CHAT_EMOJI_BYTES + 2];
    memset(longest, 'x', sizeof longest);
    assert_true(chat_content_is_emoji((struct text){longest, CHAT_EMOJI_BYTES}));
    assert_false(chat_content_is_emoji((struct text){longest, CHAT_EMOJI_BYTES + 1}));
    static const char *const good[] = {"\xf0\x9f\x91\x8d", "+1", " ", "\xc2\xa0", "\"", "\\"};
    static const char *const bad[] = {"", bell, "a\nb", "\x7f", "\xc2\x80", "x\xc2\x9f", "\xff"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(chat_content_is_emoji(text_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(chat_content_is_emoji(text_of(bad[i])));
}

static void a_reaction_has_one_form(void **state)
{
    (void)state;
    struct buffer detail = BUFFER_EMPTY;
    chat_content_put_reaction(&detail, TEXT_LITERAL("a\"b"), true);
    assert_true(text_is(buffer_text(&detail), "\"emoji\":\"a\\\"b\",\"on\":true"));
    buffer_clear(&detail);
    chat_content_put_reaction(&detail, TEXT_LITERAL("\xf0\x9f\x91\x8d"), false);
    assert_true(text_is(buffer_text(&detail), "\"emoji\":\"\xf0\x9f\x91\x8d\",\"on\":false"));
    buffer_deinit(&detail);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_message_has_a_client_id_and_a_body_and_no_detail),
        cmocka_unit_test(the_body_comes_back_as_it_was_written),
        cmocka_unit_test(the_detail_has_one_order_and_form),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(an_empty_text_may_stand_beside_attachments),
        cmocka_unit_test(each_bound_is_met_exactly),
        cmocka_unit_test(mentions_are_bounded),
        cmocka_unit_test(the_whole_message_fits_the_log),
        cmocka_unit_test(other_bounds_can_be_set),
        cmocka_unit_test(an_edit_takes_a_body_and_nothing_else),
        cmocka_unit_test(what_a_message_replies_to_is_told_beside_the_detail),
        cmocka_unit_test(an_emoji_is_some_bytes_of_text_without_control_characters),
        cmocka_unit_test(a_reaction_has_one_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
