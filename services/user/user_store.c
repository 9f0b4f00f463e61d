/* The two connections, what their outcomes mean, and what the rest of the store's files share. */
#include "services/user/user_settings.h"
#include "services/user/user_store_internal.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

#include <string.h>

static void on_state(void *context, bool connected)
{
    const char *connection = context;
    if (connected)
        log_info("postgres_connected", LOG_STRING("connection", connection));
}

static struct pg *connection_create(struct loop *loop, const char *application_name,
                                    const struct pg_statement *statements, size_t statement_count,
                                    const char *connection)
{
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = application_name,
        .statements = statements,
        .statement_count = statement_count,
        .max_units = (size_t)user_settings.max_store_units,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    return pg_create(loop, &options, on_state, (void *)(uintptr_t)connection);
}

struct user_store *user_store_create(struct loop *loop)
{
    struct user_store *store = mem_zalloc(sizeof *store);
    store->writes = connection_create(loop, "parley-user/writes", user_write_statements,
                                      user_write_statement_count, "writes");
    store->reads = connection_create(loop, "parley-user/reads", user_read_statements,
                                     user_read_statement_count, "reads");
    return store;
}

bool user_store_is_ready(const struct user_store *store)
{
    return pg_is_connected(store->writes) && pg_is_connected(store->reads);
}

const char *user_store_last_error(const struct user_store *store)
{
    return pg_last_error(pg_is_connected(store->writes) ? store->reads : store->writes);
}

size_t user_store_in_flight(const struct user_store *store)
{
    return pg_in_flight(store->writes) + pg_in_flight(store->reads);
}

void user_store_destroy(struct user_store **store)
{
    if (*store == NULL)
        return;
    pg_destroy(&(*store)->writes);
    pg_destroy(&(*store)->reads);
    mem_free(*store);
    *store = NULL;
}

/* Refusals that pass by themselves: a rolled back transaction (40), no resources (53), an operator's hand or a
 * statement's deadline (57). Others are our bug. Appendix A of the PostgreSQL manual. */
static bool is_passing(const char *sqlstate)
{
    return strncmp(sqlstate, "40", 2) == 0 || strncmp(sqlstate, "53", 2) == 0 ||
           strncmp(sqlstate, "57", 2) == 0;
}

enum problem store_problem(const struct pg_result *result)
{
    enum pg_outcome outcome = pg_result_outcome(result);
    if (outcome == PG_OK)
        return PROBLEM_NONE;
    if (outcome != PG_REFUSED)
        return PROBLEM_UNAVAILABLE;
    const char *sqlstate = pg_result_sqlstate(result);
    if (is_passing(sqlstate)) {
        log_warning("statement_refused", LOG_STRING("sqlstate", sqlstate));
        return PROBLEM_UNAVAILABLE;
    }
    log_error("statement_refused", LOG_STRING("sqlstate", sqlstate),
              LOG_STRING("reason", pg_result_message(result)));
    return PROBLEM_INTERNAL;
}

enum problem store_verdict(const struct pg_result *result)
{
    enum problem problem = store_problem(result);
    if (problem != PROBLEM_NONE)
        return problem;
    struct text word = pg_text(result, 0, 0, 0);
    if (word.length == 0)
        return PROBLEM_NONE;
    char *code = text_to_string(word);
    problem = problem_of_code(code);
    mem_free(code);
    return problem != PROBLEM_NONE ? problem : PROBLEM_INTERNAL;
}

struct pg_unit *store_unit(struct pg *pg, const char *statement)
{
    struct pg_unit *unit = pg_unit_create(pg);
    pg_unit_add(unit, statement);
    return unit;
}

struct question *question_create(void *context)
{
    struct question *question = mem_zalloc(sizeof *question);
    question->context = context;
    return question;
}

void store_answer_head(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_verdict(result);
    int64_t head = problem == PROBLEM_NONE ? pg_number(result, 0, 0, 1) : 0;
    question->answer.on_head(question->context, problem, head);
    mem_free(question);
}

void store_submit_head(struct pg_unit *unit, user_on_head on_head, void *context)
{
    struct question *question = question_create(context);
    question->answer.on_head = on_head;
    pg_submit(unit, store_answer_head, question);
}

struct user_account store_account(const struct pg_result *result, int row, int column)
{
    return (struct user_account){
        .user_id = pg_number(result, 0, row, column),
        .username = pg_text(result, 0, row, column + 1),
        .display_name = pg_text(result, 0, row, column + 2),
        .avatar = pg_text(result, 0, row, column + 3),
        .created_at_ms = pg_number(result, 0, row, column + 4),
        .flags = pg_number(result, 0, row, column + 5),
    };
}
