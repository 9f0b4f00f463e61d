/* An arena is a chain of blocks. The first block is the one being filled; a request too large for a
 * usual block gets one of its own behind the first, so that the room left in the first is not lost.
 */
#include "shared/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"

#define SMALLEST_BLOCK 1024
#define LARGEST_BLOCK  65536

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    alignas(max_align_t) char bytes[];
};

static struct arena_block *block_create(size_t capacity)
{
    struct arena_block *block = mem_zalloc(sizeof *block + capacity);
    block->capacity = capacity;
    return block;
}

static void *take(struct arena_block *block, size_t size)
{
    void *taken = block->bytes + block->used;
    block->used += size;
    return taken;
}

static void *alloc_own_block(struct arena *arena, size_t size)
{
    struct arena_block *block = block_create(size);
    struct arena_block **link = arena->blocks == NULL ? &arena->blocks : &arena->blocks->next;
    block->next = *link;
    *link = block;
    return take(block, size);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        abort(); /* a length went wrong */
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *first = arena->blocks;
    if (first != NULL && first->capacity - first->used >= size)
        return take(first, size);
    size_t capacity = first == NULL ? SMALLEST_BLOCK : first->capacity * 2;
    if (capacity > LARGEST_BLOCK)
        capacity = LARGEST_BLOCK;
    if (size > capacity / 2)
        return alloc_own_block(arena, size);
    struct arena_block *block = block_create(capacity);
    block->next = first;
    arena->blocks = block;
    return take(block, size);
}

struct text arena_text(struct arena *arena, struct text source)
{
    char *copy = arena_alloc(arena, source.length + 1);
    if (source.length > 0)
        memcpy(copy, source.data, source.length);
    return (struct text){copy, source.length};
}

void arena_deinit(struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block != NULL) {
        struct arena_block *next = block->next;
        mem_free(block);
        block = next;
    }
    *arena = ARENA_EMPTY;
}
