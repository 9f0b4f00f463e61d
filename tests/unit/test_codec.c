/* The codec, on messages of its own: what stands on the wire, and that whatever is wrong there is told by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/proto/codec.h"

/* clang-format off */
#define TOY_WHEEL_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) ID(T, owner_id) NUMBER(T, size)
CODEC_DECLARE(toy_wheel, TOY_WHEEL_FIELDS)
CODEC_DEFINE(toy_wheel, TOY_WHEEL_FIELDS)

#define TOY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, price)                               \
    ID(T, owner_id)                                \
    TEXT(T, name, 5)                               \
    LIST(T, wheels, toy_wheel, 3)                  \
    IDS(T, friends, 2)
CODEC_DECLARE(toy, TOY_FIELDS)
CODEC_DEFINE(toy, TOY_FIELDS)
/* clang-format on */

static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    arena = ARENA_EMPTY;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static bool decode(const void *wire, size_t length, struct toy *toy_out,
                   struct codec_error *error_out)
{
    return codec_decode(&toy_codec, (struct text){wire, length}, &arena, toy_out, error_out);
}

static struct text encode(const struct toy *toy, struct buffer *out)
{
    buffer_clear(out);
    codec_encode(&toy_codec, toy, out);
    return buffer_text(out);
}

#define WIRE(literal) (literal), sizeof(literal) - 1

/* Every kind, with the numbers that are hard: changing one of these bytes breaks every daemon that is not restarted. */
static void the_wire_form_never_changes(void **state)
{
    (void)state;
    static const char frozen[] = "\x7f"                             /* -64 */
                                 "\x15\xcd\x5b\x07\0\0\0\0"         /* 123456789 */
                                 "\x06hello"                        /* 5 + 1 */
                                 "\x02"                             /* two wheels */
                                 "\x01\0\0\0\0\0\0\0"               /* the first one's owner */
                                 "\x80\x01"                         /* 64 */
                                 "\xff\xff\xff\xff\xff\xff\xff\x7f" /* 2^63-1 */
                                 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01" /* -2^63 */
                                 "\x01\x02\0\0\0\0\0\0\0";                  /* one friend */
    struct toy_wheel wheels[] = {{1, 64}, {INT64_MAX, INT64_MIN}};
    int64_t friends[] = {2};
    struct toy toy = {.price = -64,
                      .owner_id = 123456789,
                      .name = TEXT_LITERAL("hello"),
                      .wheels = wheels,
                      .wheels_count = 2,
                      .friends = friends,
                      .friends_count = 1};
    struct buffer out = BUFFER_EMPTY;
    struct text wire = encode(&toy, &out);
    assert_int_equal(wire.length, sizeof frozen - 1);
    assert_memory_equal(wire.data, frozen, sizeof frozen - 1);
    buffer_deinit(&out);
}

static void what_was_encoded_is_decoded(void **state)
{
    (void)state;
    struct toy_wheel wheels[] = {{1, 64}, {INT64_MAX, INT64_MIN}, {-1, INT64_MAX}};
    int64_t friends[] = {INT64_MIN, 7};
    struct toy toy = {-1, -2, TEXT_LITERAL("a\0b"), wheels, 3, friends, 2}, back;
    struct codec_error error;
    struct buffer out = BUFFER_EMPTY;
    struct text wire = encode(&toy, &out);
    assert_true(decode(wire.data, wire.length, &back, &error));
    assert_int_equal(back.price, -1);
    assert_int_equal(back.owner_id, -2);
    assert_true(text_equal(back.name, toy.name));
    assert_int_equal(back.wheels_count, 3);
    assert_memory_equal(back.wheels, wheels, sizeof wheels);
    assert_int_equal(back.friends_count, 2);
    assert_memory_equal(back.friends, friends, sizeof friends);
    buffer_deinit(&out);
}

static void an_absent_text_differs_from_an_empty_one(void **state)
{
    (void)state;
    struct toy absent = {.name = TEXT_NONE}, empty = {.name = {"", 0}}, back;
    struct codec_error error;
    struct buffer out = BUFFER_EMPTY;
    struct text wire = encode(&absent, &out);
    assert_true(decode(wire.data, wire.length, &back, &error));
    assert_null(back.name.data);
    wire = encode(&empty, &out);
    assert_true(decode(wire.data, wire.length, &back, &error));
    assert_non_null(back.name.data);
    assert_int_equal(back.name.length, 0);
    buffer_deinit(&out);
}

static void empty_lists_are_no_pointers(void **state)
{
    (void)state;
    struct toy toy = {0}, back;
    struct codec_error error;
    struct buffer out = BUFFER_EMPTY;
    struct text wire = encode(&toy, &out);
    assert_int_equal(wire.length, 1 + 8 + 1 + 1 + 1);
    assert_true(decode(wire.data, wire.length, &back, &error));
    assert_null(back.wheels);
    assert_null(back.friends);
    buffer_deinit(&out);
}

#define PRICE "\x02"
#define OWNER "\1\0\0\0\0\0\0\0"
#define NAME  "\2x"

static void whatever_is_wrong_is_told_with_message_field_and_reason(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        size_t length;
        const char *message, *field, *reason;
    } cases[] = {
        {WIRE(""), "toy", "price", "is no proper number"},
        {WIRE("\x80"), "toy", "price", "is no proper number"},
        {WIRE("\x80\x00" OWNER NAME "\0\0"), "toy", "price", "is no proper number"},
        {WIRE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02" OWNER NAME "\0\0"), "toy", "price",
         "is no proper number"},
        {WIRE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "toy", "price",
         "is no proper number"},
        {WIRE(PRICE "\1\0\0\0\0\0\0"), "toy", "owner_id", "is cut off"},
        {WIRE(PRICE OWNER), "toy", "name", "has no proper length"},
        {WIRE(PRICE OWNER "\x07hello!\0\0"), "toy", "name", "is too long"},
        {WIRE(PRICE OWNER "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "toy", "name",
         "is too long"},
        {WIRE(PRICE OWNER "\x06hell"), "toy", "name", "is cut off"},
        {WIRE(PRICE OWNER NAME), "toy", "wheels", "has no proper count"},
        {WIRE(PRICE OWNER NAME "\x04"), "toy", "wheels", "has too many items"},
        {WIRE(PRICE OWNER NAME "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "toy", "wheels",
         "has too many items"},
        {WIRE(PRICE OWNER NAME "\x02" OWNER "\1" OWNER), "toy", "wheels", "is cut off"},
        {WIRE(PRICE OWNER NAME "\x01" OWNER "\x80"), "toy_wheel", "size", "is no proper number"},
        {WIRE(PRICE OWNER NAME "\0"), "toy", "friends", "has no proper count"},
        {WIRE(PRICE OWNER NAME "\0\x03"), "toy", "friends", "has too many items"},
        {WIRE(PRICE OWNER NAME "\0\x02" OWNER "\1\0\0\0\0\0\0"), "toy", "friends", "is cut off"},
        {WIRE(PRICE OWNER NAME "\0\0x"), "toy", NULL, "has bytes left over"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct toy toy;
        struct codec_error error = {NULL, NULL, NULL};
        assert_false(decode(cases[i].wire, cases[i].length, &toy, &error));
        assert_string_equal(error.message, cases[i].message);
        assert_string_equal(error.reason, cases[i].reason);
        if (cases[i].field == NULL)
            assert_null(error.field);
        else
            assert_string_equal(error.field, cases[i].field);
    }
}

static void a_description_names_every_field_with_its_bound(void **state)
{
    (void)state;
    struct buffer out = BUFFER_EMPTY;
    codec_describe(&toy_codec, &out);
    assert_true(text_is(buffer_text(&out), "### toy\n\n"
                                           "| field | kind | at most |\n"
                                           "| --- | --- | --- |\n"
                                           "| `price` | number | |\n"
                                           "| `owner_id` | id | |\n"
                                           "| `name` | text | 5 bytes |\n"
                                           "| `wheels` | list of `toy_wheel` | 3 items |\n"
                                           "| `friends` | ids | 2 items |\n\n"));
    buffer_deinit(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(the_wire_form_never_changes),
        TEST(what_was_encoded_is_decoded),
        TEST(an_absent_text_differs_from_an_empty_one),
        TEST(empty_lists_are_no_pointers),
        TEST(whatever_is_wrong_is_told_with_message_field_and_reason),
        TEST(a_description_names_every_field_with_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
