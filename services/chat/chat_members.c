/* Open addressing with linear probing; nobody is ever taken out: a former member is still known as one. Ids are random
 * numbers of ours, so nobody can choose them to collide. */
#include "services/chat/chat_members.h"

#include <stdlib.h>

#include "shared/base/mem.h"

#define FIRST_CAPACITY 4

static size_t slot_of(const struct chat_members *members, int64_t user_id)
{
    uint64_t mixed = (uint64_t)user_id * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio */
    size_t slot = (size_t)(mixed >> 32) & (members->capacity - 1);
    while (members->slots[slot].user_id != 0 && members->slots[slot].user_id != user_id)
        slot = (slot + 1) & (members->capacity - 1);
    return slot;
}

struct chat_member *chat_members_find(const struct chat_members *members, int64_t user_id)
{
    if (members->capacity == 0)
        return NULL;
    struct chat_member *member = &members->slots[slot_of(members, user_id)];
    return member->user_id == 0 ? NULL : member;
}

static void grow(struct chat_members *members)
{
    struct chat_members grown = {.capacity = members->capacity == 0 ? FIRST_CAPACITY
                                                                    : members->capacity * 2,
                                 .count = members->count};
    grown.slots = mem_array(grown.capacity, sizeof *grown.slots);
    for (size_t i = 0; i < members->capacity; i++) {
        if (members->slots[i].user_id != 0)
            grown.slots[slot_of(&grown, members->slots[i].user_id)] = members->slots[i];
    }
    mem_free(members->slots);
    *members = grown;
}

void chat_members_put(struct chat_members *members, int64_t user_id, int64_t from_seq, int64_t role)
{
    if (members->count * 4 >= members->capacity * 3)
        grow(members);
    struct chat_member *member = &members->slots[slot_of(members, user_id)];
    if (member->user_id == 0)
        members->count++;
    *member = (struct chat_member){user_id, from_seq, role};
}

void chat_members_clear(struct chat_members *members)
{
    mem_free(members->slots);
    *members = (struct chat_members){NULL, 0, 0};
}

static int compare(const void *a, const void *b)
{
    const struct chat_member *left = a, *right = b;
    return left->user_id < right->user_id ? -1 : left->user_id > right->user_id;
}

struct chat_member *chat_members_list(const struct chat_members *members, size_t *count_out)
{
    struct chat_member *list = mem_array(members->count + 1, sizeof *list);
    *count_out = 0;
    for (size_t i = 0; i < members->capacity; i++) {
        if (members->slots[i].user_id != 0 && members->slots[i].role != CHAT_ROLE_FORMER)
            list[(*count_out)++] = members->slots[i];
    }
    qsort(list, *count_out, sizeof *list, compare);
    return list;
}
