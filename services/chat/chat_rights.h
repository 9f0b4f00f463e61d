/* Who may do what to the messages of a chat: one table. docs/permissions.md shows it to people. */
#ifndef PARLEY_CHAT_RIGHTS_H
#define PARLEY_CHAT_RIGHTS_H

#include "services/chat/chat_state.h"

enum chat_right {
    CHAT_RIGHT_WRITE,
    CHAT_RIGHT_EDIT_OWN,
    CHAT_RIGHT_EDIT_OTHERS,
    CHAT_RIGHT_DELETE_OWN,
    CHAT_RIGHT_DELETE_OTHERS,
    CHAT_RIGHT_REACT,
    CHAT_RIGHTS
};

/* Finds the user among the chat's members: PROBLEM_NONE, PROBLEM_NOT_MEMBER (a former one), or PROBLEM_NOT_FOUND, for a
 * stranger as for a chat that is not there. *member_out may be used after PROBLEM_NONE. */
enum problem chat_rights_standing(const struct chat_state *state, int64_t user_id,
                                  const struct chat_member **member_out);
/* May this member of the chat do it? PROBLEM_NONE, PROBLEM_BLOCKED or PROBLEM_FORBIDDEN. */
enum problem chat_rights_judge(const struct chat_state *state, const struct chat_member *member,
                               enum chat_right right);

#endif
