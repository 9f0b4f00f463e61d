/* Random messages of every kind that the daemons send, against an encoder that builds each byte the plainest way; then
 * every way to cut them and random damage. PARLEY_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/proto/protocol_catalog.h"

#define ROUNDS    200
#define MAX_ITEMS 4
#define MAX_TEXT  40
#define CUTS      600 /* of longer messages the cuts are random */

static uint64_t random_state;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t bound)
{
    return (size_t)(random_bits() % bound);
}

/* Of every length in bits, both signs. */
static int64_t random_number(void)
{
    return (int64_t)(random_bits() >> random_below(64)) * (random_below(2) == 0 ? 1 : -1);
}

/* --- the naive side: one byte at a time --- */

static void put_byte(struct buffer *out, unsigned byte)
{
    char one = (char)byte;
    buffer_append(out, &one, 1);
}

static void naive_varint(struct buffer *out, uint64_t value)
{
    for (; value > 127; value /= 128)
        put_byte(out, 128 + value % 128);
    put_byte(out, (unsigned)value);
}

static void naive_number(struct buffer *out, int64_t value)
{
    naive_varint(out, value >= 0 ? (uint64_t)value * 2 : (uint64_t) - (value + 1) * 2 + 1);
}

static void naive_id(struct buffer *out, int64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        put_byte(out, (unsigned)((uint64_t)value >> (8 * i)) & 255);
}

/* Fills the message with random values, and writes in the same breath what its wire form must be. */
static void make_message(const struct codec *codec, char *message, struct arena *arena,
                         struct buffer *wire);

static void make_text(const struct codec_field *field, char *message, struct arena *arena,
                      struct buffer *wire)
{
    struct text text = TEXT_NONE;
    size_t longest = field->max < MAX_TEXT ? field->max : MAX_TEXT;
    if (random_below(4) == 0) {
        naive_varint(wire, 0);
    } else {
        text.length = random_below(longest + 1);
        char *bytes = arena_alloc(arena, text.length + 1);
        for (size_t i = 0; i < text.length; i++)
            bytes[i] = (char)random_bits();
        text.data = bytes;
        naive_varint(wire, text.length + 1);
        buffer_append(wire, bytes, text.length);
    }
    memcpy(message + field->offset, &text, sizeof text);
}

static void make_list(const struct codec_field *field, char *message, struct arena *arena,
                      struct buffer *wire)
{
    size_t count = random_below((field->max < MAX_ITEMS ? field->max : MAX_ITEMS) + 1);
    size_t size = field->item == NULL ? sizeof(int64_t) : field->item->size;
    char *items = count == 0 ? NULL : arena_alloc(arena, count * size);
    naive_varint(wire, count);
    for (size_t i = 0; i < count; i++) {
        if (field->item != NULL) {
            make_message(field->item, items + i * size, arena, wire);
            continue;
        }
        int64_t id = random_number();
        memcpy(items + i * size, &id, sizeof id);
        naive_id(wire, id);
    }
    memcpy(message + field->offset, &items, sizeof items);
    memcpy(message + field->count_offset, &count, sizeof count);
}

static void make_message(const struct codec *codec, char *message, struct arena *arena,
                         struct buffer *wire)
{
    for (size_t i = 0; i < codec->field_count; i++) {
        const struct codec_field *field = &codec->fields[i];
        int64_t number = random_number();
        if (field->kind == CODEC_TEXT)
            make_text(field, message, arena, wire);
        else if (field->kind == CODEC_LIST || field->kind == CODEC_IDS)
            make_list(field, message, arena, wire);
        else {
            memcpy(message + field->offset, &number, sizeof number);
            if (field->kind == CODEC_NUMBER)
                naive_number(wire, number);
            else
                naive_id(wire, number);
        }
    }
}

/* --- the checks --- */

static bool decodes(const struct codec *codec, struct text wire, struct buffer *again_out)
{
    struct arena arena = ARENA_EMPTY;
    struct codec_error error = {NULL, NULL, NULL};
    /* A copy of the exact size, so that a sanitizer sees a byte read too far. */
    char *copy = mem_alloc(wire.length);
    if (wire.length > 0)
        memcpy(copy, wire.data, wire.length);
    void *message = arena_alloc(&arena, codec->size);
    bool decoded = codec_decode(codec, (struct text){copy, wire.length}, &arena, message, &error);
    if (decoded)
        codec_encode(codec, message, again_out);
    else {
        assert_non_null(error.message);
        assert_non_null(error.reason);
    }
    mem_free(copy);
    arena_deinit(&arena);
    return decoded;
}

static void check_round_trip(const struct codec *codec, struct text wire)
{
    struct buffer again = BUFFER_EMPTY;
    assert_true(decodes(codec, wire, &again));
    assert_true(text_equal(buffer_text(&again), wire));
    buffer_deinit(&again);
}

static void check_cuts(const struct codec *codec, struct text wire)
{
    struct buffer again = BUFFER_EMPTY;
    for (size_t i = 0; i < wire.length && i < CUTS; i++) {
        size_t length = wire.length <= CUTS ? i : random_below(wire.length);
        assert_false(decodes(codec, (struct text){wire.data, length}, &again));
    }
    buffer_deinit(&again);
}

/* Damaged bytes are either refused or are the one form of another message. */
static void check_damage(const struct codec *codec, struct buffer *wire)
{
    struct buffer again = BUFFER_EMPTY;
    for (int i = 0; i < 20 && wire->length > 0; i++) {
        size_t at = random_below(wire->length);
        char was = wire->data[at];
        wire->data[at] = (char)random_bits();
        buffer_clear(&again);
        if (decodes(codec, buffer_text(wire), &again))
            assert_true(text_equal(buffer_text(&again), buffer_text(wire)));
        wire->data[at] = was;
    }
    put_byte(wire, (unsigned)random_below(256));
    assert_false(decodes(codec, buffer_text(wire), &again));
    buffer_deinit(&again);
}

static void check_one(const struct codec *codec)
{
    struct arena arena = ARENA_EMPTY;
    struct buffer expected = BUFFER_EMPTY, wire = BUFFER_EMPTY;
    char *message = arena_alloc(&arena, codec->size);
    make_message(codec, message, &arena, &expected);
    codec_encode(codec, message, &wire);
    assert_true(text_equal(buffer_text(&wire), buffer_text(&expected)));
    check_round_trip(codec, buffer_text(&wire));
    check_cuts(codec, buffer_text(&wire));
    check_damage(codec, &wire);
    buffer_deinit(&expected);
    buffer_deinit(&wire);
    arena_deinit(&arena);
}

static void every_message_survives_and_no_damage_goes_unseen(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++)
        for (size_t s = 0; s < protocol_service_count; s++) {
            const struct codec *messages[PROTOCOL_MAX_MESSAGES];
            size_t count = protocol_messages(&protocol_services[s], messages);
            for (size_t i = 0; i < count; i++)
                check_one(messages[i]);
        }
}

int main(void)
{
    const char *seed = getenv("PARLEY_SEED");
    random_state = seed != NULL ? strtoull(seed, NULL, 10) : (uint64_t)clock_wall_ms();
    random_state |= 1;
    printf("# PARLEY_SEED=%llu\n", (unsigned long long)random_state);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_survives_and_no_damage_goes_unseen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
