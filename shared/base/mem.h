/* Memory: allocation that never returns NULL.
 *
 * A daemon whose queues are bounded does not run out of memory in normal life; when it does, no half-finished
 * operation could be trusted, so it aborts and the supervisor starts it again. Nobody checks for NULL after these. */
#ifndef PARLEY_BASE_MEM_H
#define PARLEY_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);               /* uninitialised; release with mem_free */
void *mem_zalloc(size_t size);              /* zeroed */
void *mem_array(size_t count, size_t size); /* zeroed, aborts when count * size overflows */
void *mem_resize(void *block, size_t size); /* as realloc(3) */
void *mem_copy(const void *bytes, size_t size);
char *mem_string(const char *string); /* as strdup(3) */
void mem_free(void *block);           /* NULL is fine */
/* Overwrites a secret, and is not optimised away. It is compiled with the rest, so that sanitizers see a wipe of what is no
 * longer ours; those of libc and libsodium are not. */
void mem_wipe(void *bytes, size_t size);

#endif
