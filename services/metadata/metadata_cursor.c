#include "services/metadata/metadata_cursor.h"

#include <sodium.h>
#include <string.h>

#define BYTES   16 /* time and id, as two little-endian numbers */
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* libsodium takes some bytes above ASCII for letters: only what is written the same again was ours. */
bool metadata_cursor_read(struct text cursor, struct metadata_place *place_out)
{
    unsigned char bytes[BYTES];
    char again[METADATA_CURSOR_SIZE];
    size_t length;
    if (sodium_base642bin(bytes, sizeof bytes, cursor.data, cursor.length, NULL, &length, NULL,
                          VARIANT) != 0 ||
        length != sizeof bytes)
        return false;
    memcpy(&place_out->last_at_ms, bytes, 8);
    memcpy(&place_out->chat_id, bytes + 8, 8);
    metadata_cursor_write(place_out, again);
    return text_is(cursor, again);
}

void metadata_cursor_write(const struct metadata_place *place, char out[METADATA_CURSOR_SIZE])
{
    unsigned char bytes[BYTES];
    memcpy(bytes, &place->last_at_ms, 8);
    memcpy(bytes + 8, &place->chat_id, 8);
    sodium_bin2base64(out, METADATA_CURSOR_SIZE, bytes, sizeof bytes, VARIANT);
}
