/* The connection. There is one: the units of this daemon are short, and its order of commits is then the order in which
 * they were asked for. */
#include "services/metadata/metadata_settings.h"
#include "services/metadata/metadata_statements.h"
#include "services/metadata/metadata_store_internal.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

static void on_state(void *context, bool connected)
{
    (void)context;
    if (connected)
        log_info("postgres_connected");
}

struct metadata_store *metadata_store_create(struct loop *loop)
{
    struct metadata_store *store = mem_zalloc(sizeof *store);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-metadata",
        .statements = metadata_statements,
        .statement_count = metadata_statement_count,
        .max_units = (size_t)metadata_settings.max_store_units,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    store->pg = pg_create(loop, &options, on_state, store);
    return store;
}

bool metadata_store_is_ready(const struct metadata_store *store)
{
    return pg_is_connected(store->pg);
}

const char *metadata_store_last_error(const struct metadata_store *store)
{
    return pg_last_error(store->pg);
}

void metadata_store_destroy(struct metadata_store **store)
{
    if (*store == NULL)
        return;
    pg_destroy(&(*store)->pg);
    mem_free(*store);
    *store = NULL;
}

enum problem problem_of(const struct pg_result *result)
{
    switch (pg_result_outcome(result)) {
    case PG_OK:
        return PROBLEM_NONE;
    case PG_REFUSED:
        log_error("statement_refused", LOG_STRING("sqlstate", pg_result_sqlstate(result)),
                  LOG_STRING("reason", pg_result_message(result)));
        return PROBLEM_INTERNAL;
    case PG_UNAVAILABLE:
    case PG_BUSY:
    case PG_UNCERTAIN:
        break;
    }
    return PROBLEM_UNAVAILABLE;
}

struct question *question_create(void *context)
{
    struct question *question = mem_zalloc(sizeof *question);
    question->context = context;
    return question;
}

struct pg_unit *unit_of(struct metadata_store *store, const char *statement)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, statement);
    return unit;
}

struct metadata_own read_own(const struct pg_result *result, int row, int column)
{
    return (struct metadata_own){
        .muted_until_ms =
            pg_is_null(result, 0, row, column) ? 0 : pg_number(result, 0, row, column),
        .pinned = pg_number(result, 0, row, column + 1) != 0,
        .archived = pg_number(result, 0, row, column + 2) != 0,
    };
}

void answer_ids(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = problem_of(result);
    size_t count = problem == PROBLEM_NONE ? (size_t)pg_rows(result, 0) : 0;
    int64_t *ids = mem_array(count + 1, sizeof *ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = pg_number(result, 0, (int)i, 0);
    question->answer.on_ids(question->context, problem, ids, count);
    mem_free(ids);
    mem_free(question);
}
