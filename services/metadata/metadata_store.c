/* Typed questions to Postgres and their answers. One connection: the units of this daemon are short, and its order of
 * commits is then the order in which they were asked for. */
#include "services/metadata/metadata_store.h"

#include "services/metadata/metadata_settings.h"
#include "services/metadata/metadata_statements.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"
#include "shared/store/pg.h"

struct metadata_store {
    struct pg *pg;
};

/* Carries one question's callback to its answer. */
struct question {
    union {
        metadata_on_changed on_changed;
        metadata_on_own on_own;
        metadata_on_chat on_chat;
        metadata_on_ids on_ids;
        metadata_on_chats on_chats;
        metadata_on_members on_members;
        metadata_on_outbox on_outbox;
        metadata_on_cursor on_cursor;
        metadata_on_taken on_taken;
    } answer;
    void *context;
    int64_t chat_id;
    size_t count; /* statements of the unit, where it varies */
};

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

/* What a unit's outcome means to a client. A refusal is our bug or a limit of the server: logged here, once. */
static enum problem problem_of(const struct pg_result *result)
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

/* The word that a function of sql/0002_metadata.sql answered with. */
static enum problem problem_of_word(struct text word)
{
    if (word.length == 0)
        return PROBLEM_NONE;
    char *code = text_to_string(word);
    enum problem problem = problem_of_code(code);
    mem_free(code);
    return problem;
}

static struct question *question_create(void *context)
{
    struct question *question = mem_zalloc(sizeof *question);
    question->context = context;
    return question;
}

/* --- changes of a chat --- */

static void answer_changed(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct metadata_changed changed = {.problem = problem_of(result)};
    if (changed.problem == PROBLEM_NONE) {
        changed.problem = problem_of_word(pg_text(result, 0, 0, 0));
        changed.chat_id = pg_number(result, 0, 0, 1);
        changed.version = pg_number(result, 0, 0, 2);
        changed.role = pg_number(result, 0, 0, 3);
        changed.created = pg_number(result, 0, 0, 4) != 0;
    }
    question->answer.on_changed(question->context, &changed);
    mem_free(question);
}

static void submit_change(struct pg_unit *unit, metadata_on_changed on_changed, void *context)
{
    struct question *question = question_create(context);
    question->answer.on_changed = on_changed;
    pg_submit(unit, answer_changed, question);
}

static struct pg_unit *unit_of(struct metadata_store *store, const char *statement)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, statement);
    return unit;
}

void metadata_store_create_chat(struct metadata_store *store, int64_t chat_id, enum chat_kind kind,
                                const struct metadata_chat_fields *fields, int64_t by_id,
                                const int64_t *members, size_t member_count,
                                metadata_on_changed on_changed, void *context)
{
    struct pg_unit *unit = unit_of(store, "create_chat");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, kind);
    pg_add_text(unit, fields->title);
    pg_add_text(unit, fields->description);
    pg_add_text(unit, fields->avatar);
    pg_add_number(unit, fields->history);
    pg_add_number(unit, by_id);
    pg_add_number(unit, clock_wall_ms());
    pg_add_numbers(unit, members, member_count);
    pg_add_number(unit, kind == CHAT_CHANNEL ? CHAT_ROLE_READER : CHAT_ROLE_MEMBER);
    pg_add_number(unit, limits.max_chats_per_user);
    submit_change(unit, on_changed, context);
}

void metadata_store_create_direct(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                  int64_t other_id, int64_t blocked, metadata_on_changed on_changed,
                                  void *context)
{
    struct pg_unit *unit = unit_of(store, "create_direct");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, by_id);
    pg_add_number(unit, other_id);
    pg_add_number(unit, blocked);
    pg_add_number(unit, clock_wall_ms());
    pg_add_number(unit, limits.max_chats_per_user);
    submit_change(unit, on_changed, context);
}

void metadata_store_update_chat(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                const struct metadata_chat_fields *fields, struct text detail,
                                metadata_on_changed on_changed, void *context)
{
    struct pg_unit *unit = unit_of(store, "update_chat");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, by_id);
    pg_add_number(unit, fields->set);
    pg_add_text(unit, fields->title);
    pg_add_text(unit, fields->description);
    pg_add_text(unit, fields->avatar);
    pg_add_number(unit, fields->history);
    pg_add_text(unit, detail);
    submit_change(unit, on_changed, context);
}

void metadata_store_delete_chat(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                metadata_on_changed on_changed, void *context)
{
    struct pg_unit *unit = unit_of(store, "delete_chat");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, by_id);
    submit_change(unit, on_changed, context);
}

void metadata_store_put_member(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                               int64_t user_id, int64_t role, metadata_on_changed on_changed,
                               void *context)
{
    struct pg_unit *unit = unit_of(store, "put_member");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, by_id);
    pg_add_number(unit, user_id);
    pg_add_number(unit, role);
    pg_add_number(unit, limits.max_members);
    pg_add_number(unit, limits.max_chats_per_user);
    submit_change(unit, on_changed, context);
}

void metadata_store_remove_member(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                  int64_t user_id, metadata_on_changed on_changed, void *context)
{
    struct pg_unit *unit = unit_of(store, "remove_member");
    pg_add_number(unit, chat_id);
    pg_add_number(unit, by_id);
    pg_add_number(unit, user_id);
    submit_change(unit, on_changed, context);
}

/* --- own settings --- */

static struct metadata_own read_own(const struct pg_result *result, int row, int column)
{
    return (struct metadata_own){
        .muted_until_ms =
            pg_is_null(result, 0, row, column) ? 0 : pg_number(result, 0, row, column),
        .pinned = pg_number(result, 0, row, column + 1) != 0,
        .archived = pg_number(result, 0, row, column + 2) != 0,
    };
}

static void answer_own(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct metadata_own own = {0};
    enum problem problem = problem_of(result);
    if (problem == PROBLEM_NONE)
        problem = problem_of_word(pg_text(result, 0, 0, 0));
    if (problem == PROBLEM_NONE)
        own = read_own(result, 0, 1);
    question->answer.on_own(question->context, problem, &own);
    mem_free(question);
}

void metadata_store_update_own(struct metadata_store *store, int64_t chat_id, int64_t user_id,
                               const struct metadata_own *own, metadata_on_own on_own,
                               void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "update_own");
    question->answer.on_own = on_own;
    pg_add_number(unit, chat_id);
    pg_add_number(unit, user_id);
    pg_add_number(unit, own->set);
    if (own->muted_until_ms == 0)
        pg_add_null(unit);
    else
        pg_add_number(unit, own->muted_until_ms);
    pg_add_bool(unit, own->pinned);
    pg_add_bool(unit, own->archived);
    pg_submit(unit, answer_own, question);
}

/* --- reading --- */

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

static void answer_ids(void *context, const struct pg_result *result)
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

/* --- the outbox --- */

static void answer_outbox(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct chat_apply_request change = {.chat_id = question->chat_id};
    enum problem problem = problem_of(result);
    if (problem == PROBLEM_NONE && pg_rows(result, 0) == 1) {
        change.version = pg_number(result, 0, 0, 0);
        change.change_kind = pg_number(result, 0, 0, 1);
        change.by_id = pg_number(result, 0, 0, 2);
        change.kind = pg_number(result, 0, 0, 3);
        change.history = pg_number(result, 0, 0, 4);
        change.blocked = pg_number(result, 0, 0, 5);
        change.detail = pg_text(result, 0, 0, 6);
        change.members_count = (size_t)pg_rows(result, 1);
        change.members = mem_array(change.members_count + 1, sizeof *change.members);
        for (size_t i = 0; i < change.members_count; i++)
            change.members[i] = (struct chat_change_member){pg_number(result, 1, (int)i, 0),
                                                            pg_number(result, 1, (int)i, 1)};
    }
    question->answer.on_outbox(question->context, problem, &change);
    mem_free(change.members);
    mem_free(question);
}

void metadata_store_oldest_change(struct metadata_store *store, int64_t chat_id,
                                  metadata_on_outbox on_outbox, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "oldest_change");
    question->answer.on_outbox = on_outbox;
    question->chat_id = chat_id;
    pg_add_number(unit, chat_id);
    pg_unit_add(unit, "oldest_members");
    pg_add_number(unit, chat_id);
    pg_submit(unit, answer_outbox, question);
}

static void answer_done(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct metadata_changed changed = {.problem = problem_of(result), .chat_id = question->chat_id};
    question->answer.on_changed(question->context, &changed);
    mem_free(question);
}

void metadata_store_change_done(struct metadata_store *store, int64_t chat_id, int64_t version,
                                metadata_on_changed on_changed, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "change_done");
    question->answer.on_changed = on_changed;
    question->chat_id = chat_id;
    pg_add_number(unit, chat_id);
    pg_add_number(unit, version);
    pg_submit(unit, answer_done, question);
}

void metadata_store_waiting_chats(struct metadata_store *store, int64_t limit,
                                  metadata_on_ids on_ids, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "waiting_chats");
    question->answer.on_ids = on_ids;
    pg_add_number(unit, limit);
    pg_submit(unit, answer_ids, question);
}

/* --- the user daemon's changes --- */

static void answer_cursor(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = problem_of(result);
    question->answer.on_cursor(question->context, problem,
                               problem == PROBLEM_NONE ? pg_number(result, 0, 0, 0) : 0);
    mem_free(question);
}

void metadata_store_cursor(struct metadata_store *store, metadata_on_cursor on_cursor,
                           void *context)
{
    struct question *question = question_create(context);
    question->answer.on_cursor = on_cursor;
    pg_submit(unit_of(store, "cursor"), answer_cursor, question);
}

static void answer_taken(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = problem_of(result);
    size_t count = 0;
    for (int statement = 0; problem == PROBLEM_NONE && statement < (int)question->count;
         statement++)
        count += (size_t)pg_rows(result, statement);
    struct metadata_taken *taken = mem_array(count + 1, sizeof *taken);
    size_t filled = 0;
    for (int statement = 0; filled < count; statement++)
        for (int row = 0; row < pg_rows(result, statement); row++)
            taken[filled++] = (struct metadata_taken){pg_number(result, statement, row, 0),
                                                      pg_number(result, statement, row, 1)};
    question->answer.on_taken(question->context, problem, taken, count);
    mem_free(taken);
    mem_free(question);
}

void metadata_store_take(struct metadata_store *store, const struct user_change *changes,
                         size_t count, metadata_on_taken on_taken, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = pg_unit_create(store->pg);
    question->answer.on_taken = on_taken;
    question->count = count;
    for (size_t i = 0; i < count; i++) {
        pg_unit_add(unit, "take");
        pg_add_number(unit, changes[i].offset);
        pg_add_number(unit, changes[i].kind);
        pg_add_number(unit, changes[i].user_id);
        pg_add_number(unit, changes[i].other_id);
    }
    pg_submit(unit, answer_taken, question);
}
