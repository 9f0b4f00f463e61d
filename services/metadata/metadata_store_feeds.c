/* What is on its way into the logs, and what was taken over from the user daemon's feed. */
#include "services/metadata/metadata_store_internal.h"
#include "shared/base/mem.h"

/* --- the outbox --- */

static void answer_outbox(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct chat_apply_request change = {.chat_id = question->chat_id};
    enum problem problem = problem_of(result);
    bool is_parked = false;
    if (problem == PROBLEM_NONE && pg_rows(result, 0) == 1) {
        is_parked = pg_number(result, 0, 0, 7) != 0;
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
    question->answer.on_outbox(question->context, problem, &change, is_parked);
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

void metadata_store_change_park(struct metadata_store *store, int64_t chat_id, int64_t version,
                                const char *code, metadata_on_changed on_changed, void *context)
{
    struct question *question = question_create(context);
    struct pg_unit *unit = unit_of(store, "change_park");
    question->answer.on_changed = on_changed;
    question->chat_id = chat_id;
    pg_add_number(unit, chat_id);
    pg_add_number(unit, version);
    pg_add_text(unit, text_of(code));
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

void metadata_store_parked_count(struct metadata_store *store, metadata_on_cursor on_count,
                                 void *context)
{
    struct question *question = question_create(context);
    question->answer.on_cursor = on_count;
    pg_submit(unit_of(store, "parked_count"), answer_cursor, question);
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
