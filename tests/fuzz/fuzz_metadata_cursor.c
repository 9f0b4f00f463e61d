/* The cursor of the list of chats: what is accepted is a place that is written as it was read. */
#include <stdlib.h>

#include "services/metadata/metadata_cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text cursor = {(const char *)data, size};
    struct metadata_place place;
    char again[METADATA_CURSOR_SIZE];
    if (!metadata_cursor_read(cursor, &place))
        return 0;
    metadata_cursor_write(&place, again);
    if (!text_is(cursor, again))
        abort();
    return 0;
}
