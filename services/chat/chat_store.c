/* A commit is one unit, so one transaction: the fence first, then events, spans, chats, and what was done to messages, as
 * arrays; a statement without rows is left out. The commit is synchronous (a setting of every connection): an answer means
 * that it is on disk. */
#include "services/chat/chat_store.h"

#include <string.h>

#include "services/chat/chat_settings.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/planted_bug.h"
#include "shared/daemon/daemon.h"
#include "shared/store/pg.h"

struct chat_store {
    struct pg *pg;
};

/* One question at a time would do; the context of a callback is the question's. */
struct question {
    union {
        chat_on_commit on_commit;
        chat_on_known on_known;
    } answer;
    void *context;
};

/* clang-format off */
/* Of a row d that says which message: its row e, and the reactions r to it. Of a row i that says which edit: its row x. */
#define ROW_OF_D       "e.partition = d.partition and e.chat_id = d.chat_id and e.seq = d.target"
#define REACTIONS_OF_D "r.partition = d.partition and r.chat_id = d.chat_id and r.target = d.target"
#define EDIT_OF_I      "x.partition = i.partition and x.chat_id = i.chat_id and x.seq = i.seq"
/* clang-format on */

/* clang-format off: a table */
static const struct pg_statement statements[] = {
    {"fence", "select chat.fence($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[])"},
    {"events",
     "insert into chat.event (partition, chat_id, seq, feed_offset, type, sender_id, subject_id, "
     "at_ms, "
     "client_id, body, detail) "
     "select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], "
     "$6::bigint[], $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::text[])"},
    {"spans", "insert into chat.member as m (partition, chat_id, user_id, from_seq, to_seq, role) "
              "select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
              "$5::bigint[], $6::bigint[]) "
              "on conflict (partition, chat_id, user_id, from_seq) do update "
              "set to_seq = excluded.to_seq, role = excluded.role"},
    {"chats",
     "insert into chat.chat as c (partition, chat_id, kind, history, version, blocked, deleted) "
     "select p, i, k, h, v, b, d <> 0 from unnest($1::bigint[], $2::bigint[], $3::bigint[], "
     "$4::bigint[], "
     "$5::bigint[], $6::bigint[], $7::bigint[]) as given (p, i, k, h, v, b, d) "
     "on conflict (partition, chat_id) do update set history = excluded.history, version = "
     "excluded.version, "
     "blocked = excluded.blocked, deleted = excluded.deleted"},
    {"edits", "with d as materialized (select * from unnest($1::bigint[], $2::bigint[], "
              "$3::bigint[], $4::bigint[], $5::bigint[]) d (partition, chat_id, target, seq, "
              "previous_edit)), "
              "chained as (update chat.event x set previous_edit = i.previous_edit from d i "
              "where i.previous_edit > 0 and " EDIT_OF_I ") "
              "update chat.event e set edit_seq = d.seq, edits = coalesce(e.edits, 0) + 1 from d "
              "where " ROW_OF_D},
    /* The content goes from the message and from all its edits: what is deleted is in the log no more (I19). */
    {"deletes", "with recursive d as materialized (select * from unnest($1::bigint[], "
                "$2::bigint[], $3::bigint[], $4::bigint[]) d (partition, chat_id, target, seq)), "
                "i as (select d.partition, d.chat_id, e.edit_seq as seq from d join chat.event e "
                "on " ROW_OF_D " where e.edit_seq is not null "
                "union all select i.partition, i.chat_id, x.previous_edit from i "
                "join chat.event x on " EDIT_OF_I " where x.previous_edit is not null), "
                "emptied as (update chat.event x set body = null from i where " EDIT_OF_I "), "
                "taken_back as (delete from chat.reaction r using d where " REACTIONS_OF_D ") "
                "update chat.event e set body = null, detail = null, edit_seq = null, "
                "reactions = null, delete_seq = d.seq from d where " ROW_OF_D},
    {"reactions",
     "with g as materialized (select * from unnest($1::bigint[], $2::bigint[], "
     "$3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[]) "
     "g (partition, chat_id, target, seq, user_id, is_on, emoji)), "
     "added as (insert into chat.reaction (partition, chat_id, target, emoji, user_id, seq) "
     "select partition, chat_id, target, emoji, user_id, seq from g where is_on = 1), "
     "taken_back as (delete from chat.reaction r using g d where d.is_on = 0 "
     "and " REACTIONS_OF_D " and r.emoji = d.emoji and r.user_id = d.user_id) "
     "update chat.event e set reactions = coalesce(e.reactions, 0) + d.change "
     "from (select partition, chat_id, target, sum(2 * is_on - 1)::integer as change "
     "from g group by partition, chat_id, target) d where " ROW_OF_D},
    /* Under a key: the event. Of a target: what the one who acts may know of it. */
    {"known",
     "select k.ord - 1, e.seq, e.at_ms, e.type, e.subject_id, e.body, e.detail, "
     "t.is_there, t.is_deleted, t.sender_id, t.edit_seq, t.edits, t.detail_bytes, t.reactions, "
     "t.emojis, "
     "t.head_at_ms, t.same_edit_at_ms, t.has_emoji, t.is_on "
     "from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], "
     "$7::text[]) "
     "with ordinality k (partition, chat_id, sender_id, target, client_id, emoji, body, ord) "
     "left join chat.event e on e.partition = k.partition and e.chat_id = k.chat_id "
     "and e.sender_id = k.sender_id and e.client_id = k.client_id and e.client_id is not null "
     "left join lateral chat.target(k.sender_id, k.partition::integer, k.chat_id, k.target, "
     "k.emoji, k.body) t on k.target > 0 "
     "where e.seq is not null or t.is_there"},
};
/* clang-format on */

static void on_state(void *context, bool connected)
{
    (void)context;
    if (connected)
        log_info("postgres_connected", LOG_STRING("connection", "append"));
}

struct chat_store *chat_store_create(struct loop *loop)
{
    struct chat_store *store = mem_zalloc(sizeof *store);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-chat/append",
        .statements = statements,
        .statement_count = sizeof statements / sizeof statements[0],
        .max_units = 16,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
        .plans_once = true,    /* else Postgres plans again for each length of the arrays */
        .dies_in_units = true, /* these are the commits: what is known is asked in one statement */
    };
    store->pg = pg_create(loop, &options, on_state, store);
    return store;
}

void chat_store_destroy(struct chat_store **store)
{
    if (*store == NULL)
        return;
    pg_destroy(&(*store)->pg);
    mem_free(*store);
    *store = NULL;
}

bool chat_store_is_connected(const struct chat_store *store)
{
    return pg_is_connected(store->pg);
}

const char *chat_store_last_error(const struct chat_store *store)
{
    return pg_last_error(store->pg);
}

/* --- commit --- */

/* Classes of SQLSTATE (PostgreSQL, appendix A). 22, 23, 54: the values cannot be stored. Everything else (a timeout, a
 * deadlock, a full disk, a server that stops) is not the batch's fault. */
static enum chat_commit commit_of_refusal(const struct pg_result *result)
{
    const char *sqlstate = pg_result_sqlstate(result);
    const char *constraint = pg_result_constraint(result);
    if (strcmp(sqlstate, "23505") == 0 && strcmp(constraint, "event_client") == 0)
        return CHAT_COMMIT_KNOWN_KEY; /* somebody has sent a message again: nothing wrong */
    log_warning("commit_refused", LOG_STRING("sqlstate", sqlstate),
                LOG_STRING("constraint", constraint));
    if (strcmp(sqlstate, "PF001") == 0 || strcmp(sqlstate, "23505") == 0)
        return CHAT_COMMIT_FENCED; /* a seq or an offset that is there: our heads are not the log's */
    if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
        strncmp(sqlstate, "54", 2) == 0)
        return CHAT_COMMIT_POISONED;
    return CHAT_COMMIT_FAILED;
}

static enum chat_commit commit_of(const struct pg_result *result)
{
    switch (pg_result_outcome(result)) {
    case PG_OK:
        return CHAT_COMMITTED;
    case PG_REFUSED:
        return commit_of_refusal(result);
    case PG_UNCERTAIN:
        return CHAT_COMMIT_UNCERTAIN;
    case PG_UNAVAILABLE:
    case PG_BUSY:
        break;
    }
    return CHAT_COMMIT_FAILED;
}

static void on_committed(void *context, const struct pg_result *result)
{
    struct question *question = context;
    question->answer.on_commit(question->context, commit_of(result));
    mem_free(question);
}

static void add_table(struct pg_unit *unit, const char *statement, const struct chat_table *table)
{
    if (table->count == 0)
        return;
    pg_unit_add(unit, statement);
    for (size_t i = 0; i < table->number_columns; i++)
        pg_add_numbers(unit, table->numbers[i], table->count);
    for (size_t i = 0; i < table->text_columns; i++)
        pg_add_texts(unit, table->texts[i], table->count);
}

void chat_store_commit(struct chat_store *store, const struct chat_batch *batch,
                       chat_on_commit on_commit, void *context)
{
    struct question *question = mem_zalloc(sizeof *question);
    struct pg_unit *unit = pg_unit_create(store->pg);
    question->answer.on_commit = on_commit;
    question->context = context;
    add_table(unit, "fence", &batch->fence);
    add_table(unit, "events", &batch->events);
    add_table(unit, "spans", &batch->spans);
    add_table(unit, "chats", &batch->chats);
    add_table(unit, "edits", &batch->edits);
    if (!BUG(deleted_body_kept))
        add_table(unit, "deletes", &batch->deletes);
    add_table(unit, "reactions", &batch->reactions);
    pg_submit(unit, on_committed, question);
}

/* --- what is known --- */

static struct chat_target target_of(const struct pg_result *result, int row)
{
    return (struct chat_target){
        .is_there = pg_number(result, 0, row, 7) != 0,
        .is_deleted = pg_number(result, 0, row, 8) != 0,
        .sender_id = pg_number(result, 0, row, 9),
        .edit_seq = pg_number(result, 0, row, 10),
        .edits = pg_number(result, 0, row, 11),
        .detail_bytes = pg_number(result, 0, row, 12),
        .reactions = pg_number(result, 0, row, 13),
        .emojis = pg_number(result, 0, row, 14),
        .head_at_ms = pg_number(result, 0, row, 15),
        .same_edit_at_ms = pg_number(result, 0, row, 16),
        .has_emoji = pg_number(result, 0, row, 17) != 0,
        .is_on = pg_number(result, 0, row, 18) != 0,
    };
}

static void on_known(void *context, const struct pg_result *result)
{
    struct question *question = context;
    bool ok = pg_result_outcome(result) == PG_OK;
    int count = ok ? pg_rows(result, 0) : 0;
    struct chat_known *known = mem_array((size_t)count + 1, sizeof *known);
    for (int row = 0; row < count; row++) {
        known[row] = (struct chat_known){
            .index = (size_t)pg_number(result, 0, row, 0),
            .seq = pg_number(result, 0, row, 1),
            .at_ms = pg_number(result, 0, row, 2),
            .type = pg_number(result, 0, row, 3),
            .subject_id = pg_number(result, 0, row, 4),
            .body = pg_text(result, 0, row, 5),
            .detail = pg_text(result, 0, row, 6),
            .target = target_of(result, row),
        };
    }
    question->answer.on_known(question->context, ok, known, (size_t)count);
    mem_free(known);
    mem_free(question);
}

void chat_store_look_up(struct chat_store *store, const struct chat_keys *keys,
                        chat_on_known on_known_answer, void *context)
{
    struct question *question = mem_zalloc(sizeof *question);
    struct pg_unit *unit = pg_unit_create(store->pg);
    question->answer.on_known = on_known_answer;
    question->context = context;
    add_table(unit, "known", &keys->rows);
    pg_submit(unit, on_known, question);
}
