/* The cursors of user's lists: what is accepted is a position that is written as it was read. */
#include <stdlib.h>
#include <string.h>

#include "services/user/user_cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_time(struct text cursor)
{
    struct user_position before;
    char again[USER_CURSOR_SIZE];
    if (!user_cursor_read_time(cursor, &before))
        return;
    user_cursor_write_time(before, again);
    require(text_is(cursor, again));
}

static void check_name(struct text cursor)
{
    char after[USERNAME_SIZE], again[USER_CURSOR_SIZE];
    if (!user_cursor_read_name(cursor, after))
        return;
    require(after[0] != '\0' && strlen(after) < USERNAME_SIZE);
    user_cursor_write_name(text_of(after), again);
    require(text_is(cursor, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text cursor = {(const char *)data, size};
    check_time(cursor);
    check_name(cursor);
    return 0;
}
