/* Changes of chats and of own settings: each is one function of sql/0002_metadata.sql. */
#include "services/metadata/metadata_store_internal.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

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
    pg_add_number(unit, limits.max_channel_members);
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
