/* Credentials, logging in, sessions and the owners of tokens. */
#include "services/user/user_store_internal.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

static void answer_credentials(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    struct user_credentials credentials = {0};
    if (problem == PROBLEM_NONE && pg_rows(result, 0) == 0)
        problem = PROBLEM_NOT_FOUND;
    if (problem == PROBLEM_NONE) {
        credentials.account = store_account(result, 0, 0);
        credentials.password_hash = pg_text(result, 0, 0, 6);
        credentials.owns_device = pg_number(result, 0, 0, 7) != 0;
    }
    question->answer.on_credentials(question->context, problem,
                                    problem == PROBLEM_NONE ? &credentials : NULL);
    mem_free(question);
}

static void submit_credentials(struct pg_unit *unit, user_on_credentials on_credentials,
                               void *context)
{
    struct question *question = question_create(context);
    question->answer.on_credentials = on_credentials;
    pg_submit(unit, answer_credentials, question);
}

void user_store_credentials(struct user_store *store, struct text username, int64_t device_id,
                            user_on_credentials on_credentials, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "credentials");
    pg_add_text(unit, username);
    pg_add_number(unit, device_id);
    submit_credentials(unit, on_credentials, context);
}

void user_store_credentials_of(struct user_store *store, int64_t user_id,
                               user_on_credentials on_credentials, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "credentials_of");
    pg_add_number(unit, user_id);
    submit_credentials(unit, on_credentials, context);
}

static void answer_logged_in(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_verdict(result);
    struct user_logged_in logged_in = {0};
    if (problem == PROBLEM_NONE) {
        logged_in.device_id = pg_number(result, 0, 0, 1);
        logged_in.device_name = pg_text(result, 0, 0, 2);
        logged_in.head = pg_number(result, 0, 0, 3);
    }
    question->answer.on_logged_in(question->context, problem,
                                  problem == PROBLEM_NONE ? &logged_in : NULL);
    mem_free(question);
}

void user_store_login(struct user_store *store, const struct user_login *login,
                      user_on_logged_in on_logged_in, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "login");
    pg_add_number(unit, login->user_id);
    pg_add_text(unit, login->password_hash);
    pg_add_number(unit, login->device_id);
    pg_add_number(unit, login->new_device_id);
    pg_add_text(unit, login->device_name);
    pg_add_number(unit, login->session_id);
    pg_add_text(unit, login->token_hash);
    pg_add_number(unit, login->now_ms);
    pg_add_number(unit, login->expires_at_ms);
    pg_add_number(unit, limits.max_devices_per_user);
    struct question *question = question_create(context);
    question->answer.on_logged_in = on_logged_in;
    pg_submit(unit, answer_logged_in, question);
}

static void answer_sessions(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct user_session *sessions = mem_array((size_t)rows, sizeof *sessions);
    for (int row = 0; row < rows; row++) {
        sessions[row] = (struct user_session){
            .session_id = pg_number(result, 0, row, 0),
            .device_id = pg_number(result, 0, row, 1),
            .device_name = pg_text(result, 0, row, 2),
            .created_at_ms = pg_number(result, 0, row, 3),
            .last_used_at_ms = pg_is_null(result, 0, row, 4) ? 0 : pg_number(result, 0, row, 4),
        };
    }
    question->answer.on_sessions(question->context, problem, sessions, (size_t)rows);
    mem_free(sessions);
    mem_free(question);
}

void user_store_sessions(struct user_store *store, int64_t user_id, struct user_position before,
                         int64_t limit, user_on_sessions on_sessions, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "sessions");
    pg_add_number(unit, user_id);
    pg_add_number(unit, clock_wall_ms());
    pg_add_number(unit, before.at_ms);
    pg_add_number(unit, before.id);
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_sessions = on_sessions;
    pg_submit(unit, answer_sessions, question);
}

void user_store_end_session(struct user_store *store, int64_t user_id, int64_t session_id,
                            user_on_head on_head, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "end_session");
    pg_add_number(unit, user_id);
    pg_add_number(unit, session_id);
    store_submit_head(unit, on_head, context);
}

static struct user_token_owner read_owner(const struct pg_result *result, int row)
{
    if (pg_is_null(result, 0, row, 0))
        return (struct user_token_owner){0};
    return (struct user_token_owner){
        .identity = {.user_id = pg_number(result, 0, row, 0),
                     .session_id = pg_number(result, 0, row, 1),
                     .device_id = pg_number(result, 0, row, 2),
                     .expires_at_ms = pg_number(result, 0, row, 3),
                     .created_change = pg_number(result, 0, row, 4),
                     .flags = pg_number(result, 0, row, 5)},
        .last_used_at_ms = pg_is_null(result, 0, row, 6) ? 0 : pg_number(result, 0, row, 6),
    };
}

static void answer_token_owners(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    int64_t head = rows > 0 ? pg_number(result, 0, 0, 7) : 0;
    struct user_token_owner *owners = mem_array((size_t)rows, sizeof *owners);
    for (int row = 0; row < rows; row++)
        owners[row] = read_owner(result, row);
    question->answer.on_token_owners(question->context, problem, owners, (size_t)rows, head);
    mem_free(owners);
    mem_free(question);
}

void user_store_token_owners(struct user_store *store, const struct text *hashes, size_t count,
                             user_on_token_owners on_token_owners, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "token_owners");
    pg_add_bytes_list(unit, hashes, count);
    pg_add_number(unit, clock_wall_ms());
    struct question *question = question_create(context);
    question->answer.on_token_owners = on_token_owners;
    pg_submit(unit, answer_token_owners, question);
}

static void answer_marked(void *context, const struct pg_result *result)
{
    struct question *question = context;
    question->answer.on_done(question->context, store_problem(result));
    mem_free(question);
}

void user_store_mark_used(struct user_store *store, const int64_t *session_ids, size_t count,
                          int64_t now_ms, user_on_done on_done, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "mark_used");
    pg_add_numbers(unit, session_ids, count);
    pg_add_number(unit, now_ms);
    struct question *question = question_create(context);
    question->answer.on_done = on_done;
    pg_submit(unit, answer_marked, question);
}

static void answer_swept(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    bool done = problem == PROBLEM_NONE;
    question->answer.on_swept(question->context, problem, done ? pg_number(result, 0, 0, 0) : 0,
                              done ? pg_number(result, 0, 0, 1) : 0);
    mem_free(question);
}

void user_store_sweep(struct user_store *store, int64_t limit, user_on_swept on_swept,
                      void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "sweep");
    pg_add_number(unit, clock_wall_ms());
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_swept = on_swept;
    pg_submit(unit, answer_swept, question);
}
