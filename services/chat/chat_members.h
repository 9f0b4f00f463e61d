/* Who is and who was in a chat: a small hash table from user to role and the start of the current span. */
#ifndef PARLEY_CHAT_MEMBERS_H
#define PARLEY_CHAT_MEMBERS_H

#include <stddef.h>
#include <stdint.h>

#define CHAT_ROLE_FORMER 0 /* was a member */

struct chat_member {
    int64_t user_id;  /* 0: a free slot */
    int64_t from_seq; /* of the current span */
    int64_t role;     /* enum chat_role, or CHAT_ROLE_FORMER */
};

struct chat_members {
    struct chat_member *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t count;    /* former members too */
};

/* NULL for a stranger. Valid until the next put. */
struct chat_member *chat_members_find(const struct chat_members *members, int64_t user_id);
void chat_members_put(struct chat_members *members, int64_t user_id, int64_t from_seq,
                      int64_t role);
void chat_members_clear(struct chat_members *members); /* frees */
/* Those who are members now, by rising id; the array is the caller's (mem_free). */
struct chat_member *chat_members_list(const struct chat_members *members, size_t *count_out);

#endif
