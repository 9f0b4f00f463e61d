/* Random ids, their text, and the partition of a chat. */
#include "shared/base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int64_t id_random(void)
{
    for (;;) {
        uint64_t bits;
        ssize_t got = getrandom(&bits, sizeof bits, 0);
        if (got < 0 && errno != EINTR)
            abort(); /* a kernel without getrandom(2) is not one we run on */
        /* A request of at most 256 bytes is answered whole (getrandom(2)). */
        if (got == (ssize_t)sizeof bits && (bits & INT64_MAX) != 0)
            return (int64_t)(bits & INT64_MAX);
    }
}

void id_format(int64_t id, char out[ID_TEXT_SIZE])
{
    char digits[TEXT_NUMBER_SIZE];
    size_t length = text_format_number(id, digits);
    if (length >= ID_TEXT_SIZE)
        abort(); /* ids are positive: this one never was an id */
    memcpy(out, digits, length + 1);
}

bool id_parse(struct text text, int64_t *id_out)
{
    if (text.length == 0 || text.length >= ID_TEXT_SIZE || text.data[0] == '0')
        return false;
    uint64_t value = 0; /* 19 digits fit an unsigned 64-bit number */
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > INT64_MAX)
        return false;
    *id_out = (int64_t)value;
    return true;
}

/* Rows lie in Postgres by this number: changing the mix would orphan every chat. The mix is the
 * finaliser of splitmix64 (Steele, Lea and Flood, 2014). */
uint32_t id_partition(int64_t chat_id, uint32_t partition_count)
{
    uint64_t mixed = (uint64_t)chat_id;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    mixed ^= mixed >> 31;
    return (uint32_t)(mixed % partition_count);
}
