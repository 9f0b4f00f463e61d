/* The devices of a user, as they look at them: list, rename, remove. */
#include "services/user/user_store_internal.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

static struct user_own_device read_device(const struct pg_result *result, int row)
{
    return (struct user_own_device){
        .device_id = pg_number(result, 0, row, 0),
        .name = pg_text(result, 0, row, 1),
        .created_at_ms = pg_number(result, 0, row, 2),
        .last_used_at_ms = pg_number(result, 0, row, 3),
        .session_id = pg_is_null(result, 0, row, 4) ? 0 : pg_number(result, 0, row, 4),
    };
}

static void answer_listed(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct user_own_device *devices = mem_array((size_t)rows, sizeof *devices);
    for (int row = 0; row < rows; row++)
        devices[row] = read_device(result, row);
    question->answer.on_devices_listed(question->context, problem, devices, (size_t)rows);
    mem_free(devices);
    mem_free(question);
}

void user_store_own_devices(struct user_store *store, int64_t user_id, struct user_position before,
                            int64_t limit, user_on_devices_listed on_devices_listed, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "own_devices");
    pg_add_number(unit, user_id);
    pg_add_number(unit, clock_wall_ms());
    pg_add_number(unit, before.at_ms);
    pg_add_number(unit, before.id);
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_devices_listed = on_devices_listed;
    pg_submit(unit, answer_listed, question);
}

static void answer_device(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    struct user_own_device device = {0};
    if (problem == PROBLEM_NONE && pg_rows(result, 0) == 0)
        problem = PROBLEM_NOT_FOUND;
    if (problem == PROBLEM_NONE)
        device = read_device(result, 0);
    question->answer.on_device(question->context, problem,
                               problem == PROBLEM_NONE ? &device : NULL);
    mem_free(question);
}

void user_store_rename_device(struct user_store *store, int64_t user_id, int64_t device_id,
                              struct text name, user_on_device on_device, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "rename_device");
    pg_add_number(unit, user_id);
    pg_add_number(unit, device_id);
    pg_add_text(unit, name);
    pg_add_number(unit, clock_wall_ms());
    struct question *question = question_create(context);
    question->answer.on_device = on_device;
    pg_submit(unit, answer_device, question);
}

void user_store_remove_device(struct user_store *store, int64_t user_id, int64_t device_id,
                              user_on_head on_head, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "remove_device");
    pg_add_number(unit, user_id);
    pg_add_number(unit, device_id);
    store_submit_head(unit, on_head, context);
}
