/* Ids of users, chats, devices and sessions: random positive 63-bit numbers, written as decimal strings. They tell
 * nothing about how many there are, need no sequence and no clock, and do not fit a double: clients see strings. */
#ifndef PARLEY_BASE_ID_H
#define PARLEY_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "shared/base/text.h"

#define ID_TEXT_SIZE 20 /* 19 digits and the terminator */

int64_t id_random(void); /* from the kernel's generator, 1 to 2^63-1 */
void id_format(int64_t id, char out[ID_TEXT_SIZE]);
/* Strict: digits only, no sign, no leading zero, 1 to 2^63-1. False leaves *id_out alone. */
bool id_parse(struct text text, int64_t *id_out);
/* The partition of a chat: a fixed mix of the id, so that every process and every restart agrees. */
uint32_t id_partition(int64_t chat_id, uint32_t partition_count);

#endif
