/* Reading for what is not in the log: what a user is to a chat now, and who shares a chat with whom. */
#include "services/chat/chat_read_internal.h"
#include "shared/base/mem.h"

enum membership { MEMBERSHIP_NONE, MEMBERSHIP_FORMER, MEMBERSHIP_CURRENT }; /* as "roles" tells */

/* --- roles --- */

static struct chat_role_answer role_of(const struct pg_result *result, int row)
{
    struct chat_role_answer answer = {.problem = PROBLEM_NOT_FOUND};
    int64_t membership = pg_number(result, 0, row, 0);
    if (membership == MEMBERSHIP_FORMER)
        answer.problem = PROBLEM_NOT_MEMBER;
    if (membership != MEMBERSHIP_CURRENT)
        return answer;
    answer.problem = PROBLEM_NONE;
    if (pg_number(result, 0, row, 1) < CHAT_ROLE_MEMBER)
        answer.writing = PROBLEM_FORBIDDEN;
    else if (pg_number(result, 0, row, 2) != 0)
        answer.writing = PROBLEM_BLOCKED;
    return answer;
}

static void on_role_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    int count = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct chat_role_answer *answers = mem_array((size_t)count + 1, sizeof *answers);
    for (int row = 0; row < count; row++)
        answers[row] = role_of(result, row);
    question->answer.on_roles(question->context, problem, answers, (size_t)count);
    mem_free(answers);
    mem_free(question);
}

void chat_read_roles(struct chat_read_store *store, const struct chat_role_ask *asks, size_t count,
                     chat_on_roles on_roles, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    int64_t *columns = mem_array(count * 3 + 1, sizeof *columns);
    question->answer.on_roles = on_roles;
    for (size_t i = 0; i < count; i++) {
        columns[i] = read_partition(store, asks[i].chat_id);
        columns[count + i] = asks[i].chat_id;
        columns[2 * count + i] = asks[i].user_id;
    }
    pg_unit_add(unit, "roles");
    for (size_t column = 0; column < 3; column++)
        pg_add_numbers(unit, columns + column * count, count);
    pg_submit(unit, on_role_rows, question);
    mem_free(columns);
}

/* --- companions --- */

static void on_companion_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    int count = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    int64_t *shared = mem_array((size_t)count + 1, sizeof *shared);
    for (int row = 0; row < count; row++)
        shared[row] = pg_number(result, 0, row, 0);
    question->answer.on_companions(question->context, problem, shared, (size_t)count);
    mem_free(shared);
    mem_free(question);
}

void chat_read_companions(struct chat_read_store *store, const struct chat_pair *pairs,
                          size_t count, chat_on_companions on_companions, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    int64_t *columns = mem_array(count * 2 + 1, sizeof *columns);
    question->answer.on_companions = on_companions;
    for (size_t i = 0; i < count; i++) {
        columns[i] = pairs[i].user_id;
        columns[count + i] = pairs[i].other_id;
    }
    pg_unit_add(unit, "companions");
    pg_add_numbers(unit, columns, count);
    pg_add_numbers(unit, columns + count, count);
    pg_submit(unit, on_companion_rows, question);
    mem_free(columns);
}
