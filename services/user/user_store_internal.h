/* What the files of the store share. */
#ifndef PARLEY_USER_STORE_INTERNAL_H
#define PARLEY_USER_STORE_INTERNAL_H

#include "services/user/user_store.h"
#include "shared/store/pg.h"

struct user_store {
    struct pg *writes;
    struct pg *reads;
};

/* Carries one question's callback to its answer; freed by the function that answers (mem_free). */
struct question {
    union {
        user_on_head on_head;
        user_on_account on_account;
        user_on_updated on_updated;
        user_on_accounts on_accounts;
        user_on_done on_done;
        user_on_credentials on_credentials;
        user_on_logged_in on_logged_in;
        user_on_sessions on_sessions;
        user_on_devices_listed on_devices_listed;
        user_on_device on_device;
        user_on_token_owners on_token_owners;
        user_on_swept on_swept;
        user_on_blocks on_blocks;
        user_on_changes on_changes;
        user_on_trimmed on_trimmed;
        user_on_devices on_devices;
        user_on_existing on_existing;
        user_on_pair on_pair;
    } answer;
    void *context;
};

extern const struct pg_statement user_read_statements[];
extern const size_t user_read_statement_count;
extern const struct pg_statement user_write_statements[];
extern const size_t user_write_statement_count;

/* What a unit's outcome means to a client. */
enum problem store_problem(const struct pg_result *result);
/* The same, and if the unit happened, the word in the first column of its first row. */
enum problem store_verdict(const struct pg_result *result);
struct pg_unit *store_unit(struct pg *pg, const char *statement);
struct question *question_create(void *context);
/* A callback for pg_submit: problem word, head. */
void store_answer_head(void *context, const struct pg_result *result);
void store_submit_head(struct pg_unit *unit, user_on_head on_head, void *context);
/* The account in the six columns that begin at `column`. */
struct user_account store_account(const struct pg_result *result, int row, int column);

#endif
