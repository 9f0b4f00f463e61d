/* Buffers: what is appended comes out, whatever had to grow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "shared/base/buffer.h"

static void an_empty_buffer_is_an_absent_text(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_EMPTY;
    assert_null(buffer_text(&buffer).data);
    buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer_text(&buffer).length, 0);
    buffer_deinit(&buffer);
}

static void parts_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_EMPTY;
    buffer_append(&buffer, "ab", 2);
    buffer_append_text(&buffer, TEXT_LITERAL("cd"));
    buffer_append_string(&buffer, "ef");
    buffer_append_number(&buffer, -42);
    buffer_append_format(&buffer, "[%d %s]", 7, "x");
    assert_true(text_is(buffer_text(&buffer), "abcdef-42[7 x]"));
    buffer_deinit(&buffer);
}

static void growing_keeps_every_byte(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_EMPTY;
    for (int i = 0; i < 100000; i++) {
        char byte = (char)(i % 251);
        buffer_append(&buffer, &byte, 1);
    }
    assert_int_equal(buffer.length, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer.data[i], (char)(i % 251));
    buffer_deinit(&buffer);
}

static void formatting_grows_as_far_as_the_text_needs(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_EMPTY;
    for (int width = 250; width < 260; width++) { /* around the size that it tries first */
        buffer_clear(&buffer);
        buffer_append_format(&buffer, "%*d", width, 7);
        assert_int_equal(buffer.length, width);
        assert_int_equal(buffer.data[width - 1], '7');
    }
    buffer_append_format(&buffer, "%*s", 10000, "end");
    assert_int_equal(buffer.length, 259 + 10000);
    assert_memory_equal(buffer.data + buffer.length - 3, "end", 3);
    buffer_deinit(&buffer);
}

static void clearing_keeps_the_memory_and_deinit_leaves_it_usable(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_EMPTY;
    buffer_append_string(&buffer, "something");
    char *memory = buffer.data;
    buffer_clear(&buffer);
    buffer_append_string(&buffer, "else");
    assert_ptr_equal(buffer.data, memory);
    assert_true(text_is(buffer_text(&buffer), "else"));
    buffer_deinit(&buffer);
    assert_null(buffer.data);
    buffer_append_string(&buffer, "again");
    assert_true(text_is(buffer_text(&buffer), "again"));
    buffer_deinit(&buffer);
}

static void reserved_room_can_be_written_to_its_end(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_EMPTY;
    buffer_append_string(&buffer, "x");
    memset(buffer_reserve(&buffer, 5000), 'y', 5000); /* the sanitizer watches */
    assert_int_equal(buffer.length, 1);
    assert_int_equal(buffer.data[0], 'x');
    buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_absent_text),
        cmocka_unit_test(parts_come_out_in_the_order_they_went_in),
        cmocka_unit_test(growing_keeps_every_byte),
        cmocka_unit_test(formatting_grows_as_far_as_the_text_needs),
        cmocka_unit_test(clearing_keeps_the_memory_and_deinit_leaves_it_usable),
        cmocka_unit_test(reserved_room_can_be_written_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
