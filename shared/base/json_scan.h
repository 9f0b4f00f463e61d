/* The strict half of JSON (RFC 8259): one pass over the bytes that decides whether they may go on
 * to cJSON, and walks over bytes that have passed. */
#ifndef PARLEY_BASE_JSON_SCAN_H
#define PARLEY_BASE_JSON_SCAN_H

#include <string.h>

#include "shared/base/arena.h"
#include "shared/base/json.h"

/* Bytes in a row, from `at`, that stand for themselves in a JSON string: ASCII without controls,
 * quote and backslash. Eight at a time: in each byte of the word the top bit is set when it is
 * below 0x20, equal to one of the two, or above 0x7F (borrows may set it for a later byte too,
 * which the byte loop then looks at). */
static inline size_t json_plain_length(const char *at, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    size_t length = 0;
    for (uint64_t word; length + sizeof word <= size; length += sizeof word) {
        memcpy(&word, at + length, sizeof word);
        uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
        if (((word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & tops) != 0)
            break;
    }
    while (length < size && (unsigned char)at[length] >= 0x20 && (unsigned char)at[length] < 0x80 &&
           at[length] != '"' && at[length] != '\\')
        length++;
    return length;
}

int json_hex_unit(const char *digits, size_t size); /* the four digits after \u, or -1 */
static inline bool json_is_high_surrogate(int unit)
{
    return unit >= 0xD800 && unit <= 0xDBFF;
}

/* What the scan learns about a text that passes. */
struct json_scan {
    /* The numbers (counted from 0 in the order of the text) that are not plain whole ones which a
     * double holds exactly, in rising order: cJSON keeps only the double, and cannot tell 1.0
     * from 1. The caller's (mem_free). */
    uint32_t *odd_numbers;
    size_t odd_number_count;
};

/* False with fault_out filled. The top level must be an object. */
bool json_scan(struct text bytes, struct json_scan *scan_out, struct json_fault *fault_out);

/* Of the bytes of an object that has passed the scan: the bytes of a member's value. False when
 * there is none. */
bool json_scan_member(struct text object, const char *member, struct text *value_out);

/* What the inside of a valid string token (without its quotes) stands for: the token itself when it
 * has no escapes, else a copy in the arena. */
struct text json_unescape(struct text token, struct arena *arena);

/* Appends "/member" to a JSON pointer, escaped as RFC 6901 section 3 says; one that is too long is
 * cut between two characters. */
void json_pointer_add(char pointer[JSON_POINTER_SIZE], struct text member);

#endif
