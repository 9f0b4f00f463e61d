/* Remembers across the deaths of a process what it had in hand when it died: a crash that the same item causes each time
 * shows as deaths of that item.
 *
 * The note is a mapped file: taking and putting down are stores to memory, and the kernel keeps the page when the process
 * dies. It is lost with the machine, where counting begins again. An item is named by two numbers. The deaths of an item
 * are counted from the last time that it was put down; of the 16 items that killed last they are remembered.
 * Not for several threads, nor for two processes at once. */
#ifndef PARLEY_BASE_IN_HAND_H
#define PARLEY_BASE_IN_HAND_H

#include <stdint.h>

struct in_hand;

/* Makes the file when it is not there or not ours. If it says that something was in hand, that item has one more death.
 * NULL: it cannot be mapped, errno says why; the functions below take NULL and then do and know nothing. */
struct in_hand *in_hand_open(const char *path);
void in_hand_close(struct in_hand **hand);

void in_hand_take(struct in_hand *hand, int64_t key1, int64_t key2);
void in_hand_put_down(struct in_hand *hand); /* all went well: its deaths are forgotten */
int64_t in_hand_deaths(const struct in_hand *hand, int64_t key1, int64_t key2);
void in_hand_forgive(struct in_hand *hand, int64_t key1, int64_t key2); /* forgets its deaths */

#endif
