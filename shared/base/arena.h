/* An arena gives memory that is freed all at once: for the lists of one decoded message or one request. */
#ifndef PARLEY_BASE_ARENA_H
#define PARLEY_BASE_ARENA_H

#include "shared/base/text.h"

struct arena {
    struct arena_block *blocks;
};

#define ARENA_EMPTY ((struct arena){NULL})

void *arena_alloc(struct arena *arena, size_t size); /* zeroed, aligned for any type */
/* A copy that lives as long as the arena; also terminated. */
struct text arena_text(struct arena *arena, struct text source);
void arena_deinit(struct arena *arena);

#endif
