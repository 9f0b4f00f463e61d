/* The reading connections, and the states of chats for the lane. */
#include "services/chat/chat_read_store.h"

#include "services/chat/chat_poison.h"
#include "services/chat/chat_read_internal.h"
#include "services/chat/chat_settings.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

#define MAX_CONNECTIONS 16

struct chat_read_store {
    const struct chat_partitions *partitions;
    struct pg *connections[MAX_CONNECTIONS];
    size_t count;
};

static void on_state(void *context, bool connected)
{
    (void)context;
    if (connected)
        log_info("postgres_connected", LOG_STRING("connection", "read"));
}

static void on_noted(void *context, const struct pg_result *result)
{
    (void)context;
    if (pg_result_outcome(result) != PG_OK)
        log_warning("poison_not_noted", LOG_STRING("reason", pg_result_message(result)));
}

static void note_poison(void *context, const struct chat_log_event *event, const char *reason)
{
    struct pg_unit *unit = read_unit(context);
    pg_unit_add(unit, "note_poison");
    pg_add_number(unit, read_partition(context, event->chat_id));
    pg_add_number(unit, event->chat_id);
    pg_add_number(unit, event->seq);
    pg_add_text(unit, text_of(reason));
    pg_submit(unit, on_noted, NULL);
}

struct chat_read_store *chat_read_store_create(struct loop *loop,
                                               const struct chat_partitions *partitions)
{
    struct chat_read_store *store = mem_zalloc(sizeof *store);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-chat/read",
        .statements = chat_read_statements,
        .statement_count = chat_read_statement_count,
        .max_units = (size_t)chat_settings.max_store_units,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    store->partitions = partitions;
    store->count = (size_t)chat_settings.read_connections;
    for (size_t i = 0; i < store->count; i++)
        store->connections[i] = pg_create(loop, &options, on_state, store);
    chat_poison_report_to(note_poison, store);
    return store;
}

void chat_read_store_destroy(struct chat_read_store **store)
{
    if (*store == NULL)
        return;
    chat_poison_report_to(NULL, NULL);
    for (size_t i = 0; i < (*store)->count; i++)
        pg_destroy(&(*store)->connections[i]);
    mem_free(*store);
    *store = NULL;
}

static struct pg *broken_connection(const struct chat_read_store *store)
{
    for (size_t i = 0; i < store->count; i++) {
        if (!pg_is_connected(store->connections[i]))
            return store->connections[i];
    }
    return NULL;
}

bool chat_read_store_is_connected(const struct chat_read_store *store)
{
    return broken_connection(store) == NULL;
}

const char *chat_read_store_last_error(const struct chat_read_store *store)
{
    const struct pg *broken = broken_connection(store);
    return broken == NULL ? "" : pg_last_error(broken);
}

struct pg_unit *read_unit(struct chat_read_store *store)
{
    struct pg *best = store->connections[0];
    for (size_t i = 1; i < store->count; i++) {
        struct pg *other = store->connections[i];
        if (pg_is_connected(other) &&
            (!pg_is_connected(best) || pg_in_flight(other) < pg_in_flight(best)))
            best = other;
    }
    return pg_unit_create(best);
}

struct read_question *read_question_create(void *context)
{
    struct read_question *question = mem_zalloc(sizeof *question);
    question->context = context;
    return question;
}

enum problem read_problem(const struct pg_result *result)
{
    if (pg_result_outcome(result) == PG_OK)
        return PROBLEM_NONE;
    if (pg_result_outcome(result) != PG_REFUSED)
        return PROBLEM_UNAVAILABLE;
    log_warning("read_refused", LOG_STRING("sqlstate", pg_result_sqlstate(result)),
                LOG_STRING("reason", pg_result_message(result)));
    /* Class 57: a timeout, a server that stops; 53: it lacks something. The rest is a mistake of ours. */
    const char *sqlstate = pg_result_sqlstate(result);
    bool is_passing = sqlstate[0] == '5' && (sqlstate[1] == '3' || sqlstate[1] == '7');
    return is_passing ? PROBLEM_UNAVAILABLE : PROBLEM_INTERNAL;
}

int64_t read_partition(const struct chat_read_store *store, int64_t chat_id)
{
    return id_partition(chat_id, store->partitions->count);
}

struct chat_log_event read_event(const struct pg_result *result, int statement, int row, int column)
{
    struct chat_log_event event = {
        .chat_id = pg_number(result, statement, row, column),
        .seq = pg_number(result, statement, row, column + 1),
        .type = pg_number(result, statement, row, column + 2),
        .sender_id = pg_number(result, statement, row, column + 3),
        .subject_id = pg_number(result, statement, row, column + 4),
        .at_ms = pg_number(result, statement, row, column + 5),
        .client_id = pg_text(result, statement, row, column + 6),
        .body = pg_text(result, statement, row, column + 7),
        .detail = pg_text(result, statement, row, column + 8),
        .edited_at_ms = pg_number(result, statement, row, column + 9),
        .is_deleted = pg_number(result, statement, row, column + 10) != 0,
        .reactions = pg_text(result, statement, row, column + 11),
    };
    if (event.seq != 0)
        (void)chat_poison_mend(&event);
    return event;
}

struct chat_log_event *read_event_rows(const struct pg_result *result, int statement,
                                       size_t *count_out)
{
    int count = pg_rows(result, statement);
    struct chat_log_event *events = mem_array((size_t)count + 1, sizeof *events);
    for (int row = 0; row < count; row++)
        events[row] = read_event(result, statement, row, 0);
    *count_out = (size_t)count;
    return events;
}

/* --- states for the lane --- */

static struct chat_loaded_chat *loaded_chats(const struct pg_result *result, size_t *count_out)
{
    int count = pg_rows(result, 0);
    struct chat_loaded_chat *chats = mem_array((size_t)count + 1, sizeof *chats);
    for (int row = 0; row < count; row++) {
        chats[row] = (struct chat_loaded_chat){
            .chat_id = pg_number(result, 0, row, 0),
            .kind = pg_number(result, 0, row, 1),
            .history = pg_number(result, 0, row, 2),
            .version = pg_number(result, 0, row, 3),
            .blocked = pg_number(result, 0, row, 4),
            .deleted = pg_number(result, 0, row, 5),
            .head_seq = pg_number(result, 0, row, 6),
        };
    }
    *count_out = (size_t)count;
    return chats;
}

static struct chat_loaded_member *loaded_members(const struct pg_result *result, size_t *count_out)
{
    int count = pg_rows(result, 1);
    struct chat_loaded_member *members = mem_array((size_t)count + 1, sizeof *members);
    for (int row = 0; row < count; row++) {
        members[row] = (struct chat_loaded_member){
            .chat_id = pg_number(result, 1, row, 0),
            .user_id = pg_number(result, 1, row, 1),
            .from_seq = pg_number(result, 1, row, 2),
            .role = pg_number(result, 1, row, 3),
        };
    }
    *count_out = (size_t)count;
    return members;
}

static void on_loaded_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    struct chat_loaded loaded = {.ok = read_problem(result) == PROBLEM_NONE};
    struct chat_loaded_chat *chats = NULL;
    struct chat_loaded_member *members = NULL;
    if (loaded.ok) {
        loaded.chats = chats = loaded_chats(result, &loaded.chat_count);
        loaded.members = members = loaded_members(result, &loaded.member_count);
    }
    question->answer.on_loaded(question->context, &loaded);
    mem_free(chats);
    mem_free(members);
    mem_free(question);
}

void chat_read_load(struct chat_read_store *store, const int64_t *chats, size_t count,
                    chat_on_loaded on_loaded, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    int64_t *partitions = mem_array(count, sizeof *partitions);
    question->answer.on_loaded = on_loaded;
    for (size_t i = 0; i < count; i++)
        partitions[i] = read_partition(store, chats[i]);
    pg_unit_add(unit, "load_chats");
    pg_add_numbers(unit, partitions, count);
    pg_add_numbers(unit, chats, count);
    pg_unit_add(unit, "load_members");
    pg_add_numbers(unit, partitions, count);
    pg_add_numbers(unit, chats, count);
    pg_submit(unit, on_loaded_rows, question);
    mem_free(partitions);
}
