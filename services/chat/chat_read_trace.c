/* Reading for a trace: the message, and who was a member when it was written. */
#include "services/chat/chat_read_internal.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

enum { STANDING, MESSAGE, MEMBERS };

struct trace_question {
    struct read_question *question;
    int64_t user_id, seq;
};

static enum problem trace_problem(const struct pg_result *result, int64_t user_id)
{
    enum problem problem = read_problem(result);
    if (problem != PROBLEM_NONE)
        return problem;
    if (pg_rows(result, STANDING) == 0)
        return PROBLEM_NOT_FOUND;
    if (pg_number(result, STANDING, 0, 0) == 0)
        return PROBLEM_NOT_MEMBER;
    if (pg_rows(result, MESSAGE) == 0)
        return PROBLEM_NOT_FOUND;
    return pg_number(result, MESSAGE, 0, 0) == user_id ? PROBLEM_NONE : PROBLEM_FORBIDDEN;
}

static struct chat_trace_member member_of(const struct pg_result *result, int row)
{
    return (struct chat_trace_member){
        .user_id = pg_number(result, MEMBERS, row, 0),
        .delivered = pg_number(result, MEMBERS, row, 1),
        .delivered_at_ms = pg_number(result, MEMBERS, row, 2),
        .read = pg_number(result, MEMBERS, row, 3),
        .read_at_ms = pg_number(result, MEMBERS, row, 4),
    };
}

static void on_trace_rows(void *context, const struct pg_result *result)
{
    struct trace_question *asked = context;
    struct chat_trace_page page = {.problem = trace_problem(result, asked->user_id)};
    int count = page.problem == PROBLEM_NONE ? pg_rows(result, MEMBERS) : 0;
    struct chat_trace_member *members = mem_array((size_t)count + 1, sizeof *members);
    for (int row = 0; row < count; row++)
        members[row] = member_of(result, row);
    if (page.problem == PROBLEM_NONE) {
        page.seq = asked->seq;
        page.sender_id = asked->user_id;
        page.at_ms = pg_number(result, MESSAGE, 0, 1);
        page.partition = pg_number(result, MESSAGE, 0, 2);
        page.offset = pg_number(result, MESSAGE, 0, 3);
        page.is_pulled = pg_number(result, MESSAGE, 0, 4) > limits.pushed_members;
        page.members = members;
        page.count = (size_t)count;
    }
    asked->question->answer.on_trace(asked->question->context, &page);
    mem_free(members);
    mem_free(asked->question);
    mem_free(asked);
}

void chat_read_trace(struct chat_read_store *store, int64_t user_id,
                     const struct chat_event_ref *message, int64_t after_user, int64_t limit,
                     chat_on_trace on_trace, void *context)
{
    int64_t partition = read_partition(store, message->chat_id);
    struct pg_unit *unit = read_unit(store);
    struct trace_question *asked = mem_alloc(sizeof *asked);
    *asked = (struct trace_question){read_question_create(context), user_id, message->seq};
    asked->question->answer.on_trace = on_trace;
    read_add_standing(unit, store, user_id, message->chat_id);
    pg_unit_add(unit, "traced");
    pg_add_number(unit, user_id);
    pg_add_number(unit, partition);
    pg_add_number(unit, message->chat_id);
    pg_add_number(unit, message->seq);
    pg_add_number(unit, limits.pushed_members + 1); /* more need not be counted */
    pg_unit_add(unit, "traced_members");
    pg_add_number(unit, partition);
    pg_add_number(unit, message->chat_id);
    pg_add_number(unit, after_user);
    pg_add_number(unit, user_id);
    pg_add_number(unit, message->seq);
    pg_add_number(unit, limit);
    pg_submit(unit, on_trace_rows, asked);
}
