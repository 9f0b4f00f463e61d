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

static void what_a_message_replies_to_is_a_seq_beside_the_detail(void **state)
{
    (void)state;
    assert_true(take(START ",\"reply_to\":7}"));
    assert_int_equal(content.reply_to, 7);
    forget();
    assert_true(take(START "}"));
    assert_int_equal(content.reply_to, 0);
    forget();
}

static void an_edit_has_a_body_and_nothing_else(void **state)
{
    static const struct {
        const char *json, *body, *pointer;
    } rows[] = {{"{\"body\":{\"text\":\"hi\", \"x\":1}}", "{\"text\":\"hi\", \"x\":1}", NULL},
                {"{\"body\":{\"text\":\"\"}}", NULL, "/body/body/text"},
                {"{}", NULL, "/body/body"},
                {"{\"body\":{\"text\":\"hi\"},\"reply_to\":3}", NULL, "/body/reply_to"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        document = json_parse(text_of(rows[i].json), &fault);
        struct json_reader reader = json_reader_start(document, "/body");
        struct text body = chat_content_take_body(&reader);
        assert_int_equal(json_reader_finish(&reader, &fault), rows[i].pointer == NULL);
        if (rows[i].pointer == NULL)
            assert_true(text_is(body, rows[i].body));
        else
            assert_string_equal(fault.pointer, rows[i].pointer);
        json_destroy(&document);
    }
}

static void a_reaction_is_a_short_text_in_which_there_is_something_to_see(void **state)
{
    static const struct {
        const char *emoji;
        bool want;
    } rows[] = {
        {"\xF0\x9F\x91\x8D", true},         /* thumbs up */
        {"\xE2\x9D\xA4\xEF\xB8\x8F", true}, /* a heart and a variation selector */
        {"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80", true}, /* joined */
        {"+1", true},
        {"a b", true},
        {"", false},
        {" ", false},
        {"\xC2\xA0\xE2\x80\x8D", false}, /* a space and a joiner */
        {"a\x01", false},
        {"\x7F", false},
        {"\xC2\x85x", false},     /* U+0085 */
        {"\xE2\x80\xAEx", false}, /* right-to-left override */
        {"\xE2\x80\xA8x", false}, /* line separator */
        {"\xFF", false},
        {"\xED\xA0\x80", false},
    };
    char long_text[CHAT_EMOJI_BYTES + 1];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(chat_content_is_emoji(text_of(rows[i].emoji)), rows[i].want);
    memset(long_text, 'x', sizeof long_text);
    assert_true(chat_content_is_emoji((struct text){long_text, CHAT_EMOJI_BYTES}));
    assert_false(chat_content_is_emoji((struct text){long_text, CHAT_EMOJI_BYTES + 1}));
}

static void a_reactions_detail_is_written_and_read_in_one_form(void **state)
{
    struct arena arena = ARENA_EMPTY;
    struct buffer detail = BUFFER_EMPTY;
    struct text emoji;
    bool on;
    (void)state;
    chat_content_put_reaction(&detail, text_of("\"\\"), true);
    assert_true(text_is(buffer_text(&detail), "\"emoji\":\"\\\"\\\\\",\"on\":true"));
    assert_true(chat_content_read_reaction(buffer_text(&detail), &arena, &emoji, &on));
    assert_true(text_is(emoji, "\"\\") && on);
    buffer_deinit(&detail);
    arena_deinit(&arena);
}

static void a_detail_that_is_no_reactions_is_refused(void **state)
{
    static const char *const details[] = {
        "",
        "\"emoji\":\"x\"",
        "\"on\":true",
        "\"emoji\":\"x\",\"on\":1",
        "\"emoji\":7,\"on\":true",
        "\"emoji\":\"x\",\"on\":true,\"more\":1",
        "\"emoji\":\"\",\"on\":true",
        "\"emoji\":\" \",\"on\":true",
        "\"emoji\":\"\\u0000\",\"on\":true",
        "\"emoji\":\"x\",\"on\":true}",
        "\"emoji\":\"x\",\"emoji\":\"y\",\"on\":true",
        "\"emoji\":\"\xFF\",\"on\":true",
    };
    struct arena arena = ARENA_EMPTY;
    struct text emoji;
    bool on;
    (void)state;
    for (size_t i = 0; i < sizeof details / sizeof details[0]; i++)
        if (chat_content_read_reaction(text_of(details[i]), &arena, &emoji, &on))
            fail_msg("accepted: %s", details[i]);
    arena_deinit(&arena);
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
        cmocka_unit_test(what_a_message_replies_to_is_a_seq_beside_the_detail),
        cmocka_unit_test(an_edit_has_a_body_and_nothing_else),
        cmocka_unit_test(a_reaction_is_a_short_text_in_which_there_is_something_to_see),
        cmocka_unit_test(a_reactions_detail_is_written_and_read_in_one_form),
        cmocka_unit_test(a_detail_that_is_no_reactions_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
