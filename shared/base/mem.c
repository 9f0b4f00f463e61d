/* Memory: every function here either succeeds or ends the process (see mem.h for why). */
#include "shared/base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Not through the log: that allocates. */
static _Noreturn void die_of_no_memory(void)
{
    static const char line[] = "{\"level\":\"error\",\"event\":\"out_of_memory\"}\n";
    ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
    (void)written;
    abort();
}

static void *checked(void *block)
{
    if (block == NULL)
        die_of_no_memory();
    return block;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size == 0 ? 1 : size));
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size == 0 ? 1 : size));
}

void *mem_array(size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size)
        die_of_no_memory();
    return mem_zalloc(count * size);
}

void *mem_resize(void *block, size_t size)
{
    return checked(realloc(block, size == 0 ? 1 : size));
}

void *mem_copy(const void *bytes, size_t size)
{
    void *copy = mem_alloc(size);
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *mem_string(const char *string)
{
    return mem_copy(string, strlen(string) + 1);
}

void mem_free(void *block)
{
    free(block);
}

void mem_wipe(void *bytes, size_t size)
{
    memset(bytes, 0, size);
    __asm__ volatile("" : : "r"(bytes) : "memory"); /* the bytes may be read after this */
}
