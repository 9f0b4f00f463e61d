/* The cursor of the list of chats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/metadata/metadata_cursor.h"

static void a_cursor_that_was_written_is_read(void **state)
{
    struct metadata_place place;
    char cursor[METADATA_CURSOR_SIZE];
    (void)state;
    metadata_cursor_write(&(struct metadata_place){1700000000000, 42}, cursor);
    assert_true(metadata_cursor_read(text_of(cursor), &place));
    assert_int_equal(place.last_at_ms, 1700000000000);
    assert_int_equal(place.chat_id, 42);
}

static void whatever_else_is_no_cursor(void **state)
{
    static const char *const others[] = {"", "A",
                                         "AAABi8_lkAAAAAAAAAAAKg==", "AAABi8_lkAAAAAAAAAAAKh",
                                         "AAABi8_lkAAAAAAAA\xE2\x41\x41Kg"};
    struct metadata_place place;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (metadata_cursor_read(text_of(others[i]), &place))
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
