/* Accounts: make, read, change, search, erase. */
#include "services/user/user_store_internal.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"

static void answer_done(void *context, const struct pg_result *result)
{
    struct question *question = context;
    question->answer.on_done(question->context, store_verdict(result));
    mem_free(question);
}

void user_store_register(struct user_store *store, const struct user_account *account,
                         struct text password_hash, user_on_done on_done, void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "register");
    pg_add_number(unit, account->user_id);
    pg_add_text(unit, account->username);
    pg_add_text(unit, account->display_name);
    pg_add_text(unit, password_hash);
    pg_add_number(unit, account->created_at_ms);
    struct question *question = question_create(context);
    question->answer.on_done = on_done;
    pg_submit(unit, answer_done, question);
}

/* NOT_FOUND without a row. */
static enum problem read_one_account(const struct pg_result *result,
                                     struct user_account *account_out)
{
    enum problem problem = store_problem(result);
    if (problem == PROBLEM_NONE && pg_rows(result, 0) == 0)
        return PROBLEM_NOT_FOUND;
    if (problem == PROBLEM_NONE)
        *account_out = store_account(result, 0, 0);
    return problem;
}

static void answer_account(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct user_account account = {0};
    enum problem problem = read_one_account(result, &account);
    question->answer.on_account(question->context, problem,
                                problem == PROBLEM_NONE ? &account : NULL);
    mem_free(question);
}

void user_store_account(struct user_store *store, int64_t user_id, user_on_account on_account,
                        void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "account");
    pg_add_number(unit, user_id);
    struct question *question = question_create(context);
    question->answer.on_account = on_account;
    pg_submit(unit, answer_account, question);
}

static void answer_updated(void *context, const struct pg_result *result)
{
    struct question *question = context;
    struct user_account account = {0};
    enum problem problem = read_one_account(result, &account);
    bool done = problem == PROBLEM_NONE;
    question->answer.on_updated(question->context, problem, done ? &account : NULL,
                                done ? pg_number(result, 0, 0, 6) : 0);
    mem_free(question);
}

void user_store_update(struct user_store *store, int64_t user_id,
                       const struct user_profile_change *change, user_on_updated on_updated,
                       void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "update");
    pg_add_number(unit, user_id);
    pg_add_text(unit, change->display_name);
    pg_add_bool(unit, change->set_avatar);
    pg_add_text(unit, change->avatar);
    pg_add_number(unit, change->set_flags);
    pg_add_number(unit, change->flags);
    struct question *question = question_create(context);
    question->answer.on_updated = on_updated;
    pg_submit(unit, answer_updated, question);
}

static void answer_accounts(void *context, const struct pg_result *result)
{
    struct question *question = context;
    enum problem problem = store_problem(result);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct user_account *accounts = mem_array((size_t)rows, sizeof *accounts);
    for (int row = 0; row < rows; row++)
        accounts[row] = store_account(result, row, 0);
    question->answer.on_accounts(question->context, problem, accounts, (size_t)rows);
    mem_free(accounts);
    mem_free(question);
}

void user_store_search(struct user_store *store, struct text prefix, struct text after,
                       int64_t limit, user_on_accounts on_accounts, void *context)
{
    struct pg_unit *unit = store_unit(store->reads, "search");
    pg_add_text(unit, prefix);
    pg_add_text(unit, after.data != NULL ? after : TEXT_LITERAL(""));
    pg_add_number(unit, limit);
    struct question *question = question_create(context);
    question->answer.on_accounts = on_accounts;
    pg_submit(unit, answer_accounts, question);
}

void user_store_erase(struct user_store *store, int64_t user_id, user_on_head on_head,
                      void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "erase");
    pg_add_number(unit, user_id);
    pg_add_number(unit, clock_wall_ms());
    store_submit_head(unit, on_head, context);
}

void user_store_change_password(struct user_store *store, int64_t user_id, struct text old_hash,
                                struct text new_hash, int64_t keep_session, user_on_head on_head,
                                void *context)
{
    struct pg_unit *unit = store_unit(store->writes, "change_password");
    pg_add_number(unit, user_id);
    pg_add_text(unit, old_hash);
    pg_add_text(unit, new_hash);
    pg_add_number(unit, keep_session);
    store_submit_head(unit, on_head, context);
}
