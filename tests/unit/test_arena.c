/* Arenas: zeroed, aligned, apart from each other, freed at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "shared/base/arena.h"

#define COUNT 500

static size_t size_of(int i)
{
    static const size_t sizes[] = {1, 3, 16, 100, 700, 40, 5000, 2, 100000, 33};
    return sizes[i % 10];
}

static void what_it_gives_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena arena = ARENA_EMPTY;
    unsigned char *given[COUNT];
    for (int i = 0; i < COUNT; i++) {
        given[i] = arena_alloc(&arena, size_of(i));
        assert_int_equal((uintptr_t)given[i] % alignof(max_align_t), 0);
        for (size_t at = 0; at < size_of(i); at++)
            assert_int_equal(given[i][at], 0);
        memset(given[i], i % 255 + 1, size_of(i));
    }
    for (int i = 0; i < COUNT; i++) {
        for (size_t at = 0; at < size_of(i); at++)
            assert_int_equal(given[i][at], i % 255 + 1);
    }
    arena_deinit(&arena);
}

static void a_large_piece_does_not_waste_the_room_that_was_left(void **state)
{
    (void)state;
    struct arena arena = ARENA_EMPTY;
    char *before = arena_alloc(&arena, 16);
    arena_alloc(&arena, 1000000);
    char *after = arena_alloc(&arena, 16);
    assert_ptr_equal(after, before + 16);
    arena_deinit(&arena);
}

static void a_text_is_copied_and_terminated(void **state)
{
    (void)state;
    struct arena arena = ARENA_EMPTY;
    char source[] = "abcdef";
    struct text copy = arena_text(&arena, (struct text){source, 3});
    memset(source, 'x', sizeof source);
    assert_string_equal(copy.data, "abc");
    assert_int_equal(copy.length, 3);
    struct text empty = arena_text(&arena, TEXT_NONE);
    assert_int_equal(empty.length, 0);
    assert_string_equal(empty.data, "");
    arena_deinit(&arena);
}

static void it_can_be_used_again_after_it_was_emptied(void **state)
{
    (void)state;
    struct arena arena = ARENA_EMPTY;
    arena_deinit(&arena);
    memset(arena_alloc(&arena, 8), 1, 8);
    arena_deinit(&arena);
    assert_null(arena.blocks);
    assert_non_null(arena_alloc(&arena, 0));
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_gives_is_zeroed_aligned_and_apart),
        cmocka_unit_test(a_large_piece_does_not_waste_the_room_that_was_left),
        cmocka_unit_test(a_text_is_copied_and_terminated),
        cmocka_unit_test(it_can_be_used_again_after_it_was_emptied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
