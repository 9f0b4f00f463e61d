/* Strict JSON: what a reader takes from a document, and what it says of members that are wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"

static struct json_document *document;
static struct json_fault fault;

static struct json_reader reader_on(const char *bytes)
{
    json_destroy(&document);
    document = json_parse(text_of(bytes), &fault);
    if (document == NULL)
        fail_msg("%s: %s at %s", bytes, fault.reason, fault.pointer);
    return json_reader_start(document, "/body");
}

static int destroy_document(void **state)
{
    (void)state;
    json_destroy(&document);
    return 0;
}

static void assert_fault(struct json_reader *reader, const char *pointer, const char *reason)
{
    assert_false(json_reader_finish(reader, &fault));
    assert_string_equal(fault.code, "bad_request");
    assert_string_equal(fault.pointer, pointer);
    assert_string_equal(fault.reason, reason);
}

static void members_of_every_kind_are_taken(void **state)
{
    (void)state;
    static const char *const kinds[] = {"direct", "group", NULL};
    struct json_reader reader = reader_on(
        "{\"text\":\"caf\\u00e9\",\"id\":\"9223372036854775807\",\"number\":-7,\"bool\":true,"
        "\"kind\":\"group\",\"nothing\":null,\"empty\":\"\"}");
    bool is_null;
    assert_true(text_is(json_take_text(&reader, "text", JSON_REQUIRED, 5, 5), "caf\xC3\xA9"));
    assert_int_equal(json_take_id(&reader, "id", JSON_REQUIRED), INT64_MAX);
    assert_int_equal(json_take_number(&reader, "number", JSON_REQUIRED, -7, -7), -7);
    assert_true(json_take_bool(&reader, "bool", JSON_REQUIRED));
    assert_int_equal(json_take_choice(&reader, "kind", JSON_REQUIRED, kinds), 1);
    assert_null(json_take_text_or_null(&reader, "nothing", 9, &is_null).data);
    assert_true(is_null);
    assert_non_null(json_take_text_or_null(&reader, "empty", 9, &is_null).data);
    assert_false(is_null);
    assert_true(json_reader_finish(&reader, &fault));
}

static void what_is_optional_and_absent_gives_harmless_values(void **state)
{
    (void)state;
    static const char *const kinds[] = {"direct", NULL};
    struct json_reader reader = reader_on("{}");
    bool is_null = true;
    int64_t *ids;
    assert_null(json_take_text(&reader, "a", JSON_OPTIONAL, 1, 9).data);
    assert_null(json_take_text_or_null(&reader, "b", 9, &is_null).data);
    assert_false(is_null);
    assert_int_equal(json_take_id(&reader, "c", JSON_OPTIONAL), 0);
    assert_int_equal(json_take_number(&reader, "d", JSON_OPTIONAL, 5, 9), 0);
    assert_false(json_take_bool(&reader, "e", JSON_OPTIONAL));
    assert_int_equal(json_take_choice(&reader, "f", JSON_OPTIONAL, kinds), -1);
    assert_int_equal(json_take_ids(&reader, "g", JSON_OPTIONAL, 9, &ids), 0);
    assert_null(ids);
    assert_null(json_take_raw(&reader, "h", JSON_OPTIONAL, 9).data);
    assert_null(json_take_object(&reader, "i", JSON_OPTIONAL).object);
    assert_false(json_has(&reader, "a"));
    assert_true(json_reader_finish(&reader, &fault));
}

static void take_by_letter(struct json_reader *reader, char take)
{
    static const char *const kinds[] = {"direct", "group", NULL};
    bool is_null;
    int64_t *ids = NULL;
    switch (take) {
    case 't':
        json_take_text(reader, "m", JSON_REQUIRED, 2, 4);
        break;
    case '0':
        json_take_text_or_null(reader, "m", 4, &is_null);
        break;
    case 'i':
        json_take_id(reader, "m", JSON_REQUIRED);
        break;
    case 'n':
        json_take_number(reader, "m", JSON_REQUIRED, 1, 100);
        break;
    case 'b':
        json_take_bool(reader, "m", JSON_REQUIRED);
        break;
    case 'c':
        json_take_choice(reader, "m", JSON_REQUIRED, kinds);
        break;
    case 's':
        assert_int_equal(json_take_ids(reader, "m", JSON_REQUIRED, 3, &ids), 0);
        assert_null(ids);
        break;
    case 'r':
        json_take_raw(reader, "m", JSON_REQUIRED, 4);
        break;
    case 'o':
        json_take_object(reader, "m", JSON_REQUIRED);
        break;
    default:
        fail();
    }
}

static const struct wrong {
    char take;
    const char *bytes, *pointer, *reason;
} wrongs[] = {
    {'t', "{}", "/body/m", "is required"},
    {'t', "{\"m\":7}", "/body/m", "must be a string"},
    {'t', "{\"m\":null}", "/body/m", "must be a string"},
    {'t', "{\"m\":\"\"}", "/body/m", "must not be empty"},
    {'t', "{\"m\":\"a\"}", "/body/m", "is too short"},
    {'t', "{\"m\":\"abcde\"}", "/body/m", "is too long"},
    {'t', "{\"M\":\"abc\"}", "/body/m", "is required"}, /* cJSON's plain look-up ignores case */
    {'0', "{\"m\":7}", "/body/m", "must be a string or null"},
    {'0', "{\"m\":\"abcde\"}", "/body/m", "is too long"},
    {'i', "{\"m\":7}", "/body/m", "must be an id, which is a string"},
    {'i', "{\"m\":\"9223372036854775808\"}", "/body/m", "is not an id"},
    {'i', "{\"m\":\"007\"}", "/body/m", "is not an id"},
    {'i', "{\"m\":\"\"}", "/body/m", "is not an id"},
    {'n', "{\"m\":\"7\"}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":1.5}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":7.0}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":1e1}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":1e99}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":9223372036854775808}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":9007199254740992}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":true}", "/body/m", "must be a whole number"},
    {'n', "{\"m\":0}", "/body/m", "is out of range"},
    {'n', "{\"m\":-1}", "/body/m", "is out of range"},
    {'n', "{\"m\":101}", "/body/m", "is out of range"},
    {'n', "{\"m\":9007199254740991}", "/body/m", "is out of range"},
    {'b', "{\"m\":1}", "/body/m", "must be true or false"},
    {'b', "{\"m\":\"true\"}", "/body/m", "must be true or false"},
    {'c', "{\"m\":\"Group\"}", "/body/m", "is none of the known values"},
    {'c', "{\"m\":1}", "/body/m", "must be a string"},
    {'s', "{\"m\":\"1\"}", "/body/m", "must be an array of ids"},
    {'s', "{\"m\":{}}", "/body/m", "must be an array of ids"},
    {'s', "{\"m\":[\"1\",\"2\",3]}", "/body/m/2", "is not an id"},
    {'s', "{\"m\":[\"1\",\"0\"]}", "/body/m/1", "is not an id"},
    {'s', "{\"m\":[\"5\",\"4\",\"5\"]}", "/body/m/2", "is there twice"},
    {'s', "{\"m\":[\"1\",\"2\",\"3\",\"4\"]}", "/body/m", "has too many items"},
    {'r', "{\"m\":[1,2]}", "/body/m", "is too long"},
    {'r', "{}", "/body/m", "is required"},
    {'o', "{\"m\":[]}", "/body/m", "must be an object"},
    {'o', "{\"m\":null}", "/body/m", "must be an object"},
    {'o', "{}", "/body/m", "is required"},
    {'t', "{\"m\":\"abc\",\"x/y~\":1}", "/body/x~1y~0", "is not known here"},
};

static void a_wrong_member_is_named_with_what_is_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct json_reader reader = reader_on(wrongs[i].bytes);
        take_by_letter(&reader, wrongs[i].take);
        assert_fault(&reader, wrongs[i].pointer, wrongs[i].reason);
    }
}

static void the_first_fault_is_kept(void **state)
{
    (void)state;
    struct json_reader reader = reader_on("{\"a\":1,\"b\":2,\"unknown\":3}");
    json_take_text(&reader, "a", JSON_REQUIRED, 0, 9);
    json_take_text(&reader, "b", JSON_REQUIRED, 0, 9);
    json_reader_fail(&reader, "c", "is wrong");
    assert_fault(&reader, "/body/a", "must be a string");
}

static void a_caller_can_add_a_fault_of_its_own(void **state)
{
    (void)state;
    struct json_reader reader = reader_on("{\"a\":\"x\"}");
    json_take_text(&reader, "a", JSON_REQUIRED, 0, 9);
    json_reader_fail(&reader, "a", "is taken");
    assert_fault(&reader, "/body/a", "is taken");
    reader = reader_on("{}");
    json_reader_fail(&reader, NULL, "is empty");
    assert_fault(&reader, "/body", "is empty");
}

static void ids_come_in_their_order(void **state)
{
    (void)state;
    int64_t *ids;
    struct json_reader reader = reader_on("{\"m\":[\"30\",\"10\",\"20\"],\"none\":[]}");
    assert_int_equal(json_take_ids(&reader, "m", JSON_REQUIRED, 3, &ids), 3);
    assert_int_equal(ids[0], 30);
    assert_int_equal(ids[1], 10);
    assert_int_equal(ids[2], 20);
    mem_free(ids);
    assert_int_equal(json_take_ids(&reader, "none", JSON_REQUIRED, 3, &ids), 0);
    assert_true(json_reader_finish(&reader, &fault));
}

static void a_raw_member_is_the_bytes_that_the_peer_wrote(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *want;
    } cases[] = {
        {"{\"m\":{\"a\" : [1, 2.50,\"}\\\"]\"] }}", "{\"a\" : [1, 2.50,\"}\\\"]\"] }"},
        {"{ \"x\":\"m\\\\\" , \"m\"\n:\t\"\\u0041\\/\" , \"y\":1}", "\"\\u0041\\/\""},
        {"{\"x\":{\"m\":1},\"l\":[\"m\",{\"m\":2}],\"m\":-1.5E+3}", "-1.5E+3"},
        {"{\"m\":null }", "null"},
        {"{\"\\u006d\":[ ]}", "[ ]"},
        {"{\"x\":true,\"m\":false}", "false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json_reader reader = reader_on(cases[i].bytes);
        struct text raw = json_take_raw(&reader, "m", JSON_REQUIRED, 100);
        if (!text_is(raw, cases[i].want))
            fail_msg("got %.*s, want %s", TEXT_PRINT(raw), cases[i].want);
    }
}

static void a_nested_reader_points_into_its_object(void **state)
{
    (void)state;
    struct json_reader reader =
        reader_on("{\"raw\":0,\"a\":{\"b\":{\"raw\":{\"x\": 1},\"c\":7,\"d\":1}}}");
    struct json_reader a = json_take_object(&reader, "a", JSON_REQUIRED);
    struct json_reader b = json_take_object(&a, "b", JSON_REQUIRED);
    assert_true(text_is(json_take_raw(&b, "raw", JSON_REQUIRED, 99), "{\"x\": 1}"));
    json_take_text(&b, "c", JSON_REQUIRED, 0, 9);
    assert_fault(&b, "/body/a/b/c", "must be a string");
    assert_true(json_reader_finish(&a, &fault));
    assert_fault(&reader, "/body/raw", "is not known here");
}

static void an_absent_object_can_be_read_without_faults(void **state)
{
    (void)state;
    struct json_reader reader = reader_on("{}");
    struct json_reader child = json_take_object(&reader, "a", JSON_OPTIONAL);
    json_take_text(&child, "b", JSON_REQUIRED, 0, 9);
    assert_null(json_take_raw(&child, "b", JSON_REQUIRED, 9).data);
    assert_null(json_take_object(&child, "c", JSON_REQUIRED).object);
    struct text key;
    assert_null(json_next_member(&child, NULL, &key));
    assert_true(json_reader_finish(&child, &fault));
    assert_true(json_reader_finish(&reader, &fault));
}

static void a_map_is_walked_in_its_order(void **state)
{
    (void)state;
    struct json_reader reader = reader_on("{\"chats\":{\"7\":1,\"5\":20,\"x\":3.0,\"y\":\"4\"}}");
    struct json_reader map = json_take_object(&reader, "chats", JSON_REQUIRED);
    struct text key;
    int64_t number = -1;
    const cJSON *member = json_next_member(&map, NULL, &key);
    assert_true(text_is(key, "7"));
    assert_true(json_whole_number(member, 0, 100, &number));
    assert_int_equal(number, 1);
    member = json_next_member(&map, member, &key);
    assert_true(text_is(key, "5"));
    assert_false(json_whole_number(member, 0, 19, &number));
    assert_int_equal(number, 1);
    member = json_next_member(&map, member, &key);
    assert_false(json_whole_number(member, 0, 100, &number)); /* 3.0 */
    member = json_next_member(&map, member, &key);
    assert_false(json_whole_number(member, 0, 100, &number)); /* "4" */
    assert_null(json_next_member(&map, member, &key));
    assert_true(json_reader_finish(&map, &fault)); /* keys of a map are not unknown members */
    json_reader_fail(&map, "x", "must be a seq");
    assert_fault(&map, "/body/chats/x", "must be a seq");
}

static void odd_numbers_are_told_apart_wherever_they_stand(void **state)
{
    (void)state;
    struct json_reader reader =
        reader_on("{\"z\":[1,2.0,{\"q\":3e0}],\"a\":4,\"b\":5.0,\"c\":6,\"d\":-7,\"e\":1E0}");
    json_take_raw(&reader, "z", JSON_REQUIRED, 99);
    assert_int_equal(json_take_number(&reader, "a", JSON_REQUIRED, 0, 9), 4);
    assert_int_equal(json_take_number(&reader, "c", JSON_REQUIRED, 0, 9), 6);
    assert_int_equal(json_take_number(&reader, "d", JSON_REQUIRED, -9, 9), -7);
    assert_false(reader.failed);
    struct json_reader copy = reader;
    json_take_number(&reader, "b", JSON_REQUIRED, 0, 9);
    assert_fault(&reader, "/body/b", "must be a whole number");
    json_take_number(&copy, "e", JSON_REQUIRED, 0, 9);
    assert_fault(&copy, "/body/e", "must be a whole number");
}

#define READER_TEST(name) cmocka_unit_test_teardown(name, destroy_document)

int main(void)
{
    const struct CMUnitTest tests[] = {
        READER_TEST(members_of_every_kind_are_taken),
        READER_TEST(what_is_optional_and_absent_gives_harmless_values),
        READER_TEST(a_wrong_member_is_named_with_what_is_expected),
        READER_TEST(the_first_fault_is_kept),
        READER_TEST(a_caller_can_add_a_fault_of_its_own),
        READER_TEST(ids_come_in_their_order),
        READER_TEST(a_raw_member_is_the_bytes_that_the_peer_wrote),
        READER_TEST(a_nested_reader_points_into_its_object),
        READER_TEST(an_absent_object_can_be_read_without_faults),
        READER_TEST(a_map_is_walked_in_its_order),
        READER_TEST(odd_numbers_are_told_apart_wherever_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
