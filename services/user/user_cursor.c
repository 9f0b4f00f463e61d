#include "services/user/user_cursor.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

#define MAX_BYTES 64 /* decoded */
#define VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

static_assert(sodium_base64_ENCODED_LEN(MAX_BYTES, VARIANT) <= USER_CURSOR_SIZE, "too small");
static_assert(USERNAME_MAX_BYTES <= MAX_BYTES, "a name must fit");

/* How many bytes it stands for; 0 when it is none. libsodium takes some bytes above ASCII for letters: whoever reads a
 * cursor writes it again, and takes it only when that is the same. */
static size_t decode(struct text cursor, char bytes[MAX_BYTES])
{
    const char *end = NULL;
    size_t length;
    if (sodium_base642bin((unsigned char *)bytes, MAX_BYTES, cursor.data, cursor.length, NULL,
                          &length, &end, VARIANT) != 0 ||
        end != cursor.data + cursor.length)
        return 0;
    return length;
}

bool user_cursor_read_time(struct text cursor, struct user_position *before_out)
{
    char bytes[MAX_BYTES];
    char again[USER_CURSOR_SIZE];
    uint64_t position[2];
    if (decode(cursor, bytes) != sizeof position)
        return false;
    memcpy(position, bytes, sizeof position);
    before_out->at_ms = (int64_t)be64toh(position[0]);
    before_out->id = (int64_t)be64toh(position[1]);
    user_cursor_write_time(*before_out, again);
    return text_is(cursor, again);
}

bool user_cursor_read_name(struct text cursor, char after_out[USERNAME_SIZE])
{
    char bytes[MAX_BYTES], again[USER_CURSOR_SIZE];
    size_t length = decode(cursor, bytes);
    if (length == 0 || !username_normalise((struct text){bytes, length}, after_out))
        return false;
    user_cursor_write_name(text_of(after_out), again);
    return text_is(cursor, again);
}

void user_cursor_write_time(struct user_position last, char out[USER_CURSOR_SIZE])
{
    uint64_t position[2] = {htobe64((uint64_t)last.at_ms), htobe64((uint64_t)last.id)};
    sodium_bin2base64(out, USER_CURSOR_SIZE, (const unsigned char *)position, sizeof position,
                      VARIANT);
}

void user_cursor_write_name(struct text last, char out[USER_CURSOR_SIZE])
{
    sodium_bin2base64(out, USER_CURSOR_SIZE, (const unsigned char *)last.data, last.length,
                      VARIANT);
}
