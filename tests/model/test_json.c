/* Random JSON, spelled at random and then damaged at random: the parser must accept exactly what a naive checker
 * accepts, and read from it what was written.
 *
 * PARLEY_SEED=n repeats a run; the seed is printed when a run fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/json.h"
#include "shared/base/mem.h"
#include "tests/model/json_naive.h"

#define ROUNDS 30000

static uint64_t seed, random_state;

/* xorshift64 (Marsaglia, 2003) */
static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % bound;
}

/* --- spelling a random object --- */

enum kind { KIND_STRING, KIND_NUMBER, KIND_OTHER };

struct member { /* of the top level: what the reader has to give back */
    char key[8];
    enum kind kind;
    struct buffer string;
    int64_t number;
    size_t start, length; /* of the value as it is spelled */
};

#define MAX_MEMBERS 8

struct spelling {
    struct buffer bytes;
    struct member members[MAX_MEMBERS];
    int count;
};

static void put(struct buffer *out, const char *string)
{
    buffer_append_string(out, string);
}

static void put_space(struct buffer *out)
{
    static const char *const spaces[] = {"", "", "", " ", "\n", "\t", "\r\n ", "  "};
    put(out, spaces[random_below(8)]);
}

static uint32_t random_character(void)
{
    static const uint32_t bounds[] = {0x80, 0x80, 0x800, 0xD800, 0x110000};
    uint32_t point = 1 + random_below(bounds[random_below(5)] - 1);
    return point >= 0xD800 && point < 0xE000 ? point - 0x1000 : point;
}

static void put_escape(struct buffer *out, uint32_t point)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *meaning = point < 0x80 ? strchr(meanings, (int)point) : NULL;
    if (meaning != NULL && random_below(3) > 0) {
        buffer_append_format(out, "\\%c", names[meaning - meanings]);
        return;
    }
    if (point >= 0x10000) {
        buffer_append_format(out, "\\u%04x", 0xD800 + ((point - 0x10000) >> 10));
        point = 0xDC00 + ((point - 0x10000) & 0x3FF);
    }
    buffer_append_format(out, random_below(2) == 0 ? "\\u%04x" : "\\u%04X", point);
}

static void put_character(struct buffer *out, struct buffer *meaning, uint32_t point)
{
    size_t start = meaning->length;
    json_naive_encode(meaning, point);
    if (point < 0x20 || point == '"' || point == '\\' || random_below(6) == 0)
        put_escape(out, point);
    else
        buffer_append(out, meaning->data + start, meaning->length - start);
}

static void put_string(struct buffer *out, struct buffer *meaning)
{
    uint32_t length = random_below(4) == 0 ? random_below(40) : random_below(4);
    put(out, "\"");
    for (uint32_t i = 0; i < length; i++)
        put_character(out, meaning, random_character());
    put(out, "\"");
}

/* Of few, so that some are there twice. */
static void put_key(struct buffer *out, char key[8])
{
    static const char letters[] = "abcdefgh/~";
    char letter = letters[random_below(sizeof letters - 1)];
    snprintf(key, 8, "%c%s", letter, random_below(3) == 0 ? "x" : "");
    if (random_below(5) == 0)
        buffer_append_format(out, "\"\\u%04x%s\":", letter, key + 1);
    else
        buffer_append_format(out, "\"%s\":", key);
}

static void put_value(struct buffer *out, int depth);

static void put_items(struct buffer *out, int depth, bool is_object)
{
    uint32_t count = random_below(4);
    char key[8];
    put(out, is_object ? "{" : "[");
    for (uint32_t i = 0; i < count; i++) {
        put(out, i == 0 ? "" : ",");
        put_space(out);
        if (is_object)
            put_key(out, key);
        put_value(out, depth + 1);
    }
    put_space(out);
    put(out, is_object ? "}" : "]");
}

static void put_word(struct buffer *out)
{
    static const char *const words[] = {"true", "false", "null", "1.0",    "-0.5e+7",
                                        "1E9",  "0e0",   "-0",   "0.0001", "9007199254740993"};
    if (random_below(20) == 0)
        buffer_append_format(out, "1%0*d", 58 + (int)random_below(8),
                             7); /* about as long as is allowed */
    else
        put(out, words[random_below(10)]);
}

/* About as deep as is allowed. */
static void put_nest(struct buffer *out)
{
    uint32_t depth = 25 + random_below(10);
    for (uint32_t i = 0; i < depth; i++)
        put(out, "[");
    for (uint32_t i = 0; i < depth; i++)
        put(out, "]");
}

static void put_value(struct buffer *out, int depth)
{
    struct buffer meaning = BUFFER_EMPTY;
    uint32_t choice = random_below(100);
    put_space(out);
    if (choice < 2)
        put_nest(out);
    else if (choice < 30 && depth < 6)
        put_items(out, depth, choice % 2 == 0);
    else if (choice < 60)
        put_word(out);
    else
        put_string(out, &meaning);
    put_space(out);
    buffer_deinit(&meaning);
}

static void put_member(struct buffer *out, struct member *member)
{
    put_space(out);
    put_key(out, member->key);
    put_space(out);
    member->kind = (enum kind)random_below(3);
    member->start = out->length;
    if (member->kind == KIND_STRING) {
        put_string(out, &member->string);
    } else if (member->kind == KIND_NUMBER) {
        member->number = (int64_t)random_below(1u << 31) - (1 << 30);
        buffer_append_number(out, member->number);
    } else {
        put_items(out, 1, random_below(2) == 0);
    }
    member->length = out->length - member->start;
    put_space(out);
}

static void spell(struct spelling *spelling)
{
    *spelling = (struct spelling){.count = (int)random_below(MAX_MEMBERS + 1)};
    put_space(&spelling->bytes);
    put(&spelling->bytes, "{");
    for (int i = 0; i < spelling->count; i++) {
        put(&spelling->bytes, i == 0 ? "" : ",");
        put_member(&spelling->bytes, &spelling->members[i]);
    }
    put_space(&spelling->bytes);
    put(&spelling->bytes, "}");
    put_space(&spelling->bytes);
}

static void forget(struct spelling *spelling)
{
    for (int i = 0; i < spelling->count; i++)
        buffer_deinit(&spelling->members[i].string);
    buffer_deinit(&spelling->bytes);
}

/* --- what is compared --- */

/* Parses an exact copy, so that the sanitizer sees every byte read too far. */
static struct json_document *parse_copy(struct text bytes, char **copy_out,
                                        struct json_fault *fault)
{
    *copy_out = mem_copy(bytes.data, bytes.length);
    return json_parse((struct text){*copy_out, bytes.length}, fault);
}

static void assert_agreement(struct text bytes)
{
    struct json_fault fault = {.reason = "none"};
    char *copy;
    struct json_document *document = parse_copy(bytes, &copy, &fault);
    bool naive = json_naive_accepts(bytes);
    if ((document != NULL) != naive)
        fail_msg("seed %llu: naive %d, parser %s at \"%s\": %.*s", (unsigned long long)seed, naive,
                 fault.reason, fault.pointer, TEXT_PRINT(bytes));
    if (document == NULL && strcmp(fault.code, "bad_request") != 0)
        assert_int_equal(strcmp(fault.code, "invalid_utf8") == 0, !text_is_utf8(bytes));
    assert_true(text_is_utf8(text_of(fault.pointer)));
    json_destroy(&document);
    mem_free(copy);
}

static void assert_member(struct json_reader *reader, const struct spelling *spelling, int i)
{
    const struct member *member = &spelling->members[i];
    struct text raw = {spelling->bytes.data + member->start, member->length};
    assert_true(text_equal(json_take_raw(reader, member->key, JSON_REQUIRED, SIZE_MAX), raw));
    if (member->kind == KIND_STRING)
        assert_true(text_equal(json_take_text(reader, member->key, JSON_REQUIRED, 0, SIZE_MAX),
                               buffer_text(&member->string)));
    else if (member->kind == KIND_NUMBER)
        assert_int_equal(json_take_number(reader, member->key, JSON_REQUIRED, INT64_MIN, INT64_MAX),
                         member->number);
}

static bool assert_read_back(const struct spelling *spelling)
{
    struct json_fault fault;
    char *copy;
    struct json_document *document = parse_copy(buffer_text(&spelling->bytes), &copy, &fault);
    bool accepted = document != NULL;
    if (accepted) {
        struct json_reader reader = json_reader_start(document, "");
        for (int i = 0; i < spelling->count; i++)
            assert_member(&reader, spelling, i);
        if (!json_reader_finish(&reader, &fault))
            fail_msg("seed %llu: %s: %s", (unsigned long long)seed, fault.pointer, fault.reason);
    }
    json_destroy(&document);
    mem_free(copy);
    return accepted;
}

/* One of: a byte changed, a bit changed, a byte gone, a byte twice, the end gone. */
static void damage(struct buffer *bytes)
{
    static const char likely[] = "{}[]\",:\\0123456789.eE+-tfnu \n\x80\xC3\xED\xF4\xFF";
    size_t at = random_below((uint32_t)bytes->length);
    switch (random_below(5)) {
    case 0:
        bytes->data[at] = likely[random_below(sizeof likely)];
        break;
    case 1:
        bytes->data[at] = (char)(bytes->data[at] ^ (1 << random_below(8)));
        break;
    case 2:
        memmove(bytes->data + at, bytes->data + at + 1, bytes->length - at - 1);
        bytes->length--;
        break;
    case 3:
        buffer_reserve(bytes, 1);
        memmove(bytes->data + at + 1, bytes->data + at, bytes->length - at);
        bytes->length++;
        break;
    default:
        bytes->length = at;
    }
}

static void parser_and_naive_checker_agree_on_whole_and_on_damaged_texts(void **state)
{
    (void)state;
    int accepted = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct spelling spelling;
        spell(&spelling);
        assert_agreement(buffer_text(&spelling.bytes));
        accepted += assert_read_back(&spelling) ? 1 : 0;
        for (uint32_t i = random_below(4); i > 0 && spelling.bytes.length > 0; i--) {
            damage(&spelling.bytes);
            assert_agreement(buffer_text(&spelling.bytes));
        }
        forget(&spelling);
    }
    assert_in_range(accepted, ROUNDS / 4, ROUNDS - ROUNDS / 20); /* else it tests only one side */
}

/* Whatever bytes are written as a string, they read back; what is not UTF-8 as U+FFFD. */
static void whatever_is_written_can_be_read(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char bytes[64];
        struct json_fault fault;
        struct buffer out = BUFFER_EMPTY;
        struct text text = {bytes, random_below(sizeof bytes)};
        for (size_t i = 0; i < text.length; i++)
            bytes[i] = (char)(1 + random_below(random_below(2) == 0 ? 127 : 255));
        put(&out, "{\"a\":");
        json_write_string(&out, text);
        put(&out, "}");
        struct json_document *document = json_parse(buffer_text(&out), &fault);
        assert_non_null(document);
        struct json_reader reader = json_reader_start(document, "");
        struct text back = json_take_text(&reader, "a", JSON_REQUIRED, 0, SIZE_MAX);
        assert_int_equal(text_equal(back, text), text_is_utf8(text));
        json_destroy(&document);
        buffer_deinit(&out);
    }
}

static int start_random(void **state)
{
    (void)state;
    const char *given = getenv("PARLEY_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) : 20240229;
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parser_and_naive_checker_agree_on_whole_and_on_damaged_texts),
        cmocka_unit_test(whatever_is_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, start_random, NULL);
}
