/* Chats and members as their members may read them. */
#include "services/metadata/metadata_store_internal.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

/* A row of CHAT_COLUMNS, after the member's `active`. */
static struct metadata_chat read_chat(const struct pg_result *result, int row)
{
    return (struct metadata_chat){
        .chat_id = pg_number(result, 0, row, 1),
        .kind = pg_number(result, 0, row, 2),
        .history = pg_number(result, 0, row, 3),
        .created_at_ms = pg_number(result, 0, row, 4),
        .member_count = pg_number(result, 0, row, 5),
        .title = pg_text(result, 0, row, 6),
        .description = pg_text(result, 0, row, 7),
        .avatar = pg_text(result, 0, row, 8),
        .own = read_own(result, row, 9),
    };
}

/* How the caller stands to the chat, from statement 0, whose first column is the member's `active`. */
static enum problem standing_of(const struct pg_result *result)
{
    enum problem problem = problem_of(result);
    if (problem != PROBLEM_NONE)
        return problem;
    if (pg_rows(result, 0) == 0)
        return PROBLEM_NOT_FOUND;
    return pg_number(result, 0, 0, 0) != 0 ? PROBLEM_NONE : PROBLEM_NOT_MEMBER;
}

static void answer_chat(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct metadata_chat chat = {0};
    enum problem problem = standing_of(result);
    if (problem == PROBLEM_NONE)
        chat = read_chat(result, 0);
    question->answer.on_chat(question->context, problem, &chat);
    mem_free(question);
}

void metadata_store_chat(struct metadata_store *store, int64_t chat_id, int64_t user_id,
                         metadata_on_chat on_chat, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "chat");
    question->answer.on_chat = on_chat;
    pg_add_number(unit, chat_id);
    pg_add_number(unit, user_id);
    pg_submit(unit, answer_chat, question);
}

void metadata_store_chats_of(struct metadata_store *store, int64_t user_id, metadata_on_ids on_ids,
                             void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "chats_of");
    question->answer.on_ids = on_ids;
    pg_add_number(unit, user_id);
    pg_add_number(unit, limits.max_chats_per_user);
    pg_submit(unit, answer_ids, question);
}

static void answer_chats(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = problem_of(result);
    size_t count = problem == PROBLEM_NONE ? (size_t)pg_rows(result, 0) : 0;
    struct metadata_chat *chats = mem_array(count + 1, sizeof *chats);
    for (size_t i = 0; i < count; i++)
        chats[i] = read_chat(result, (int)i);
    question->answer.on_chats(question->context, problem, chats, count);
    mem_free(chats);
    mem_free(question);
}

void metadata_store_own_chats(struct metadata_store *store, int64_t user_id, const int64_t *chats,
                              size_t count, metadata_on_chats on_chats, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "own_chats");
    question->answer.on_chats = on_chats;
    pg_add_number(unit, user_id);
    pg_add_numbers(unit, chats, count);
    pg_submit(unit, answer_chats, question);
}

static void answer_members(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = standing_of(result);
    size_t count = problem == PROBLEM_NONE ? (size_t)pg_rows(result, 1) : 0;
    struct metadata_member *members = mem_array(count + 1, sizeof *members);
    for (size_t i = 0; i < count; i++)
        members[i] = (struct metadata_member){pg_number(result, 1, (int)i, 0),
                                              pg_number(result, 1, (int)i, 1)};
    question->answer.on_members(question->context, problem, members, count);
    mem_free(members);
    mem_free(question);
}

void metadata_store_members(struct metadata_store *store, int64_t chat_id, int64_t caller_id,
                            int64_t after, int64_t limit, metadata_on_members on_members,
                            void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "standing");
    question->answer.on_members = on_members;
    pg_add_number(unit, chat_id);
    pg_add_number(unit, caller_id);
    pg_unit_add(unit, "members");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, after);
    pg_add_number(unit, limit);
    pg_submit(unit, answer_members, question);
}
