/* One ring of counts per partition, indexed by offset: taking and giving back a reference is O(1), and the mark moves
 * over each offset once. */
#include "services/delivery/delivery_cursor.h"

#include <assert.h>
#include <string.h>

#include "shared/base/mem.h"

#define RING_START 64
#define RING_MAX   (1 << 20) /* unsettled events of one partition */

struct cursor_partition {
    uint32_t *counts; /* of offset o at o & (capacity - 1), for low < o <= begun */
    uint32_t capacity;
    int64_t low;
    int64_t begun;
    int64_t durable;
    int64_t owed;
    bool frozen;
};

struct delivery_cursor {
    struct cursor_partition *partitions;
    uint32_t partition_count;
};

struct delivery_cursor *delivery_cursor_create(uint32_t partition_count)
{
    struct delivery_cursor *cursor = mem_zalloc(sizeof *cursor);
    cursor->partitions = mem_array(partition_count, sizeof *cursor->partitions);
    cursor->partition_count = partition_count;
    return cursor;
}

void delivery_cursor_destroy(struct delivery_cursor **cursor)
{
    if (*cursor == NULL)
        return;
    for (uint32_t i = 0; i < (*cursor)->partition_count; i++)
        mem_free((*cursor)->partitions[i].counts);
    mem_free((*cursor)->partitions);
    mem_free(*cursor);
    *cursor = NULL;
}

uint32_t delivery_cursor_partitions(const struct delivery_cursor *cursor)
{
    return cursor->partition_count;
}

static struct cursor_partition *of(const struct delivery_cursor *cursor, uint32_t partition)
{
    assert(partition < cursor->partition_count);
    return &cursor->partitions[partition];
}

static uint32_t *count_at(struct cursor_partition *part, int64_t offset)
{
    return &part->counts[(uint64_t)offset & (part->capacity - 1)];
}

void delivery_cursor_start(struct delivery_cursor *cursor, uint32_t partition,
                           int64_t durable_offset)
{
    struct cursor_partition *part = of(cursor, partition);
    assert(part->low == part->begun && part->owed == 0);
    part->low = part->begun = part->durable = durable_offset;
}

bool delivery_cursor_has_room(const struct delivery_cursor *cursor, uint32_t partition)
{
    const struct cursor_partition *part = of(cursor, partition);
    return part->begun - part->low < RING_MAX;
}

static void grow(struct cursor_partition *part)
{
    uint32_t capacity = part->capacity == 0 ? RING_START : part->capacity * 2;
    uint32_t *counts = mem_array(capacity, sizeof *counts);
    for (int64_t offset = part->low + 1; offset <= part->begun; offset++)
        counts[(uint64_t)offset & (capacity - 1)] = *count_at(part, offset);
    mem_free(part->counts);
    part->counts = counts;
    part->capacity = capacity;
}

void delivery_cursor_begin(struct delivery_cursor *cursor, uint32_t partition, int64_t offset)
{
    struct cursor_partition *part = of(cursor, partition);
    assert(offset == part->begun + 1);
    if (part->begun - part->low == part->capacity)
        grow(part);
    part->begun = offset;
    *count_at(part, offset) = 1;
}

void delivery_cursor_hold(struct delivery_cursor *cursor, uint32_t partition, int64_t offset)
{
    struct cursor_partition *part = of(cursor, partition);
    assert(offset <= part->begun);
    if (offset <= part->low)
        part->owed++;
    else
        ++*count_at(part, offset);
}

/* An offset at or below the mark can only have been taken as owed: one in the ring keeps the mark below itself. */
void delivery_cursor_release(struct delivery_cursor *cursor, uint32_t partition, int64_t offset)
{
    struct cursor_partition *part = of(cursor, partition);
    if (offset <= part->low) {
        assert(part->owed > 0);
        part->owed--;
        return;
    }
    assert(offset <= part->begun && *count_at(part, offset) > 0);
    --*count_at(part, offset);
    while (part->low < part->begun && *count_at(part, part->low + 1) == 0)
        part->low++;
}

void delivery_cursor_freeze(struct delivery_cursor *cursor, uint32_t partition)
{
    of(cursor, partition)->frozen = true;
}

void delivery_cursor_thaw(struct delivery_cursor *cursor, uint32_t partition)
{
    of(cursor, partition)->frozen = false;
}

int64_t delivery_cursor_mark(const struct delivery_cursor *cursor, uint32_t partition)
{
    const struct cursor_partition *part = of(cursor, partition);
    return part->frozen || part->owed > 0 ? part->durable : part->low;
}

int64_t delivery_cursor_durable(const struct delivery_cursor *cursor, uint32_t partition)
{
    return of(cursor, partition)->durable;
}

int64_t delivery_cursor_begun(const struct delivery_cursor *cursor, uint32_t partition)
{
    return of(cursor, partition)->begun;
}

void delivery_cursor_saved(struct delivery_cursor *cursor, uint32_t partition, int64_t offset)
{
    struct cursor_partition *part = of(cursor, partition);
    if (offset > part->durable)
        part->durable = offset;
}
