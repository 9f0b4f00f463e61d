/* Blocks, and what the other daemons ask: changes, devices, who exists, who has blocked whom. */
#include "services/user/user_store_internal.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

/* --- blocks --- */

static void answer_blocks(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct user_block *blocks = mem_array((size_t)rows, sizeof *blocks);
    for (int row = 0; row < rows; row++)
        blocks[row] =
            (struct user_block){pg_number(result, 0, row, 0), pg_number(result, 0, row, 1)};
    question->answer.on_blocks(question->context, problem, blocks, (size_t)rows);
    mem_free(blocks);
    mem_free(question);
}

void user_store_blocks(struct user_store *store, int64_t user_id, struct user_position before,
                       int64_t limit, user_on_blocks on_blocks, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "blocks");
    pg_add_number(unit, user_id);
    pg_add_number(unit, before.at_ms);
    pg_add_number(unit, before.id);
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_blocks = on_blocks;
    pg_submit(unit, answer_blocks, question);
}

void user_store_put_block(struct user_store *store, int64_t user_id, int64_t other_id,
                          user_on_head on_head, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "put_block");
    pg_add_number(unit, user_id);
    pg_add_number(unit, other_id);
    pg_add_number(unit, clock_wall_ms());
    pg_add_number(unit, limits.max_blocks_per_user);
    store_submit_head(unit, on_head, context);
}

void user_store_delete_block(struct user_store *store, int64_t user_id, int64_t other_id,
                             user_on_head on_head, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "delete_block");
    pg_add_number(unit, user_id);
    pg_add_number(unit, other_id);
    store_submit_head(unit, on_head, context);
}

static void answer_pair(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    struct user_blocks_reply reply = {0};
    if (problem == PROBLEM_NONE) {
        reply.user_blocks_other = pg_number(result, 0, 0, 0);
        reply.other_blocks_user = pg_number(result, 0, 0, 1);
    }
    question->answer.on_pair(question->context, problem, &reply);
    mem_free(question);
}

void user_store_pair(struct user_store *store, int64_t user_id, int64_t other_id,
                     user_on_pair on_pair, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "pair");
    pg_add_number(unit, user_id);
    pg_add_number(unit, other_id);
    struct question *question = question_create(context);
    question->answer.on_pair = on_pair;
    pg_submit(unit, answer_pair, question);
}

/* --- the feed --- */

void user_store_head(struct user_store *store, user_on_head on_head, void *context)
{
    store_submit_head(store_unit(store->reads, "head"), on_head, context);
}

/* Rows that tell something: the statements answer one row of nulls beside the head when there is nothing to tell. */
static int telling_rows(const struct pg_result *result)
{
    return pg_is_null(result, 0, 0, 1) ? 0 : pg_rows(result, 0);
}

static struct user_change read_change(const struct pg_result *result, int row)
{
    return (struct user_change){
        .offset = pg_number(result, 0, row, 1),
        .kind = pg_number(result, 0, row, 2),
        .user_id = pg_number(result, 0, row, 3),
        .device_id = pg_number(result, 0, row, 4),
        .session_id = pg_number(result, 0, row, 5),
        .other_id = pg_number(result, 0, row, 6),
        .flags = pg_number(result, 0, row, 7),
    };
}

static void answer_changes(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    struct user_changes_reply reply = {0};
    if (problem == PROBLEM_NONE) {
        int rows = telling_rows(result);
        reply.head = pg_number(result, 0, 0, 0);
        reply.changes = mem_array((size_t)rows, sizeof *reply.changes);
        reply.changes_count = (size_t)rows;
        for (int row = 0; row < rows; row++)
            reply.changes[row] = read_change(result, row);
    }
    question->answer.on_changes(question->context, problem, &reply);
    mem_free(reply.changes);
    mem_free(question);
}

void user_store_changes(struct user_store *store, int64_t after, int64_t limit,
                        user_on_changes on_changes, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "changes");
    pg_add_number(unit, after);
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_changes = on_changes;
    pg_submit(unit, answer_changes, question);
}

static void answer_trimmed(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    question->answer.on_trimmed(question->context, problem,
                                problem == PROBLEM_NONE ? (size_t)pg_rows(result, 0) : 0);
    mem_free(question);
}

void user_store_trim(struct user_store *store, int64_t taken, int64_t days, int64_t limit,
                     user_on_trimmed on_trimmed, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "trim");
    pg_add_number(unit, taken);
    pg_add_number(unit, days);
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_trimmed = on_trimmed;
    pg_submit(unit, answer_trimmed, question);
}

/* --- devices, existing --- */

static void answer_devices(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    struct user_devices_reply reply = {0};
    if (problem == PROBLEM_NONE) {
        int rows = telling_rows(result);
        reply.changes_head = pg_number(result, 0, 0, 0);
        reply.devices = mem_array((size_t)rows, sizeof *reply.devices);
        reply.devices_count = (size_t)rows;
        for (int row = 0; row < rows; row++)
            reply.devices[row] =
                (struct user_device){.user_id = pg_number(result, 0, row, 1),
                                     .device_id = pg_number(result, 0, row, 2),
                                     .created_change = pg_number(result, 0, row, 3),
                                     .created_at_ms = pg_number(result, 0, row, 4),
                                     .name = pg_text(result, 0, row, 5)};
    }
    question->answer.on_devices(question->context, problem, &reply);
    mem_free(reply.devices);
    mem_free(question);
}

void user_store_devices(struct user_store *store, const int64_t *users, size_t count,
                        int64_t named_id, user_on_devices on_devices, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "devices");
    pg_add_numbers(unit, users, count);
    pg_add_number(unit, named_id);
    struct question *question = question_create(context);
    question->answer.on_devices = on_devices;
    pg_submit(unit, answer_devices, question);
}

static void answer_existing(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    int64_t *users = mem_array((size_t)rows, sizeof *users);
    for (int row = 0; row < rows; row++)
        users[row] = pg_number(result, 0, row, 0);
    struct user_existing_reply reply = {.users = users, .users_count = (size_t)rows};
    question->answer.on_existing(question->context, problem, &reply);
    mem_free(users);
    mem_free(question);
}

void user_store_existing(struct user_store *store, const int64_t *users, size_t count,
                         user_on_existing on_existing, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "existing");
    pg_add_numbers(unit, users, count);
    struct question *question = question_create(context);
    question->answer.on_existing = on_existing;
    pg_submit(unit, answer_existing, question);
}
