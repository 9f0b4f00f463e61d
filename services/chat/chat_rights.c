/* Who may do what to the messages of a chat. */
#include "services/chat/chat_rights.h"

#include "shared/base/planted_bug.h"

#define NOBODY (CHAT_ROLE_OWNER + 1)

/* The lowest role that may, and whether it may be done in a direct chat by whom the other has blocked. Taking back what
 * one has said is always allowed. */
static const struct {
    int64_t lowest_role;
    bool despite_block;
} rights[CHAT_RIGHTS] = {
    [CHAT_RIGHT_WRITE] = {CHAT_ROLE_MEMBER, false},
    [CHAT_RIGHT_EDIT_OWN] = {CHAT_ROLE_MEMBER, false},
    [CHAT_RIGHT_EDIT_OTHERS] = {NOBODY, false},
    [CHAT_RIGHT_DELETE_OWN] = {CHAT_ROLE_READER, true},
    [CHAT_RIGHT_DELETE_OTHERS] = {CHAT_ROLE_ADMIN, true},
    [CHAT_RIGHT_REACT] = {CHAT_ROLE_MEMBER, false},
};

/* A direct chat's flag says for each of the two, the smaller id first, whether they may not write. */
static bool is_blocked(const struct chat_state *state, int64_t user_id)
{
    if (state->kind != CHAT_DIRECT || state->blocked == 0)
        return false;
    int64_t other_id = 0;
    for (size_t i = 0; i < state->members.capacity; i++) {
        if (state->members.slots[i].user_id != 0 && state->members.slots[i].user_id != user_id)
            other_id = state->members.slots[i].user_id;
    }
    return (state->blocked & (user_id < other_id ? 1 : 2)) != 0;
}

enum problem chat_rights_standing(const struct chat_state *state, int64_t user_id,
                                  const struct chat_member **member_out)
{
    *member_out = state->exists ? chat_members_find(&state->members, user_id) : NULL;
    if (*member_out == NULL || state->deleted)
        return PROBLEM_NOT_FOUND;
    if ((*member_out)->role == CHAT_ROLE_FORMER && !BUG(removed_may_write))
        return PROBLEM_NOT_MEMBER;
    return PROBLEM_NONE;
}

enum problem chat_rights_judge(const struct chat_state *state, const struct chat_member *member,
                               enum chat_right right)
{
    if (member->role == CHAT_ROLE_FORMER && BUG(removed_may_write))
        return PROBLEM_NONE;
    if (!rights[right].despite_block && is_blocked(state, member->user_id))
        return PROBLEM_BLOCKED;
    return member->role >= rights[right].lowest_role ? PROBLEM_NONE : PROBLEM_FORBIDDEN;
}
