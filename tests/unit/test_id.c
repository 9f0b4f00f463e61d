/* Ids: their range, their strict text, and the partition, which must never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/base/id.h"

static void random_ids_are_positive_and_differ(void **state)
{
    (void)state;
    int64_t ids[1000];
    bool high_bit_seen = false;
    for (int i = 0; i < 1000; i++) {
        ids[i] = id_random();
        assert_true(ids[i] > 0);
        high_bit_seen = high_bit_seen || ids[i] >= INT64_MAX / 2;
        for (int j = 0; j < i; j++)
            assert_true(ids[i] != ids[j]);
    }
    assert_true(high_bit_seen);
}

static void an_id_survives_its_text(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t id = i == 0 ? 1 : i == 1 ? INT64_MAX : id_random() >> (i % 63), back = -1;
        char text[ID_TEXT_SIZE];
        if (id == 0)
            continue;
        id_format(id, text);
        assert_true(id_parse(text_of(text), &back));
        assert_int_equal(back, id);
    }
}

static void what_is_not_an_id_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "0",
        "01",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.5",
        "1e9",
        "0x10",
        "abc",
        "1a",
        "١",
        "9223372036854775808", /* 2^63 */
        "9999999999999999999",
        "18446744073709551617", /* 2^64 + 1 */
        "10000000000000000000000",
        "00000000000000000001",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t id = 77;
        if (id_parse(text_of(wrong[i]), &id) || id != 77)
            fail_msg("\"%s\" was taken for an id", wrong[i]);
    }
    int64_t id = 77;
    assert_false(id_parse(TEXT_NONE, &id));
    assert_false(id_parse(TEXT_LITERAL("12\0"), &id));
    assert_int_equal(id, 77);
}

static void the_text_ends_where_the_view_ends(void **state)
{
    (void)state;
    int64_t id;
    assert_true(id_parse((struct text){"123456", 3}, &id));
    assert_int_equal(id, 123);
}

/* Rows lie in Postgres by these numbers. When this test fails, the code is wrong, not the test. */
static void partitions_are_those_of_every_release_before(void **state)
{
    (void)state;
    static const struct {
        int64_t chat_id;
        uint32_t of_16, of_7;
    } frozen[] = {
        {1, 5, 6}, {2, 10, 1}, {1000000007, 0, 4}, {4611686018427387904, 5, 0}, {INT64_MAX, 13, 3},
    };
    for (size_t i = 0; i < sizeof frozen / sizeof frozen[0]; i++) {
        assert_int_equal(id_partition(frozen[i].chat_id, 16), frozen[i].of_16);
        assert_int_equal(id_partition(frozen[i].chat_id, 7), frozen[i].of_7);
    }
}

static void chats_spread_evenly_over_partitions(void **state)
{
    (void)state;
    int counts[16] = {0};
    for (int64_t id = 1; id <= 16000; id++)
        counts[id_partition(id, 16)]++;
    for (int i = 0; i < 16; i++)
        assert_in_range(counts[i], 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_ids_are_positive_and_differ),
        cmocka_unit_test(an_id_survives_its_text),
        cmocka_unit_test(what_is_not_an_id_is_refused_and_changes_nothing),
        cmocka_unit_test(the_text_ends_where_the_view_ends),
        cmocka_unit_test(partitions_are_those_of_every_release_before),
        cmocka_unit_test(chats_spread_evenly_over_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
