/* The cursors of lists by time and by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/user/user_cursor.h"

static void a_cursor_that_was_written_is_read(void **state)
{
    struct user_position before;
    char by_time[USER_CURSOR_SIZE], by_name[USER_CURSOR_SIZE], after[USERNAME_SIZE];
    (void)state;
    user_cursor_write_time((struct user_position){1700000000000, 42}, by_time);
    assert_true(user_cursor_read_time(text_of(by_time), &before));
    assert_int_equal(before.at_ms, 1700000000000);
    assert_int_equal(before.id, 42);
    user_cursor_write_name(text_of("alice.b-c"), by_name);
    assert_true(user_cursor_read_name(text_of(by_name), after));
    assert_string_equal(after, "alice.b-c");
}

static void whatever_else_is_no_cursor(void **state)
{
    static const char *const others[] = {
        "",
        "A",
        "AAABi8_lkAAAAAAAAAAAKg==",
        "AAABi8_lkAAAAAAAAAAAKh",
        "QUxJQ0U",
        "AAABi8_lkAAAAAAAA\xE2\x41\x41Kg",
        "YWxpY2\xE2",
    };
    struct user_position before;
    char after[USERNAME_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (user_cursor_read_time(text_of(others[i]), &before) ||
            user_cursor_read_name(text_of(others[i]), after))
            fail_msg("accepted: %s", others[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_that_was_written_is_read),
        cmocka_unit_test(whatever_else_is_no_cursor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
