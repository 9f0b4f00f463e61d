/* What the files metadata_store*.c share. */
#ifndef PARLEY_METADATA_STORE_INTERNAL_H
#define PARLEY_METADATA_STORE_INTERNAL_H

#include "services/metadata/metadata_store.h"
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

struct question *question_create(void *context);
/* A unit whose first statement is this one. */
struct pg_unit *unit_of(struct metadata_store *store, const char *statement);
/* What a unit's outcome means to a client. A refusal is our bug or a limit of the server: it is logged here, once. */
enum problem problem_of(const struct pg_result *result);
/* Three columns from `column` on: muted_until_ms, pinned, archived. */
struct metadata_own read_own(const struct pg_result *result, int row, int column);
/* The answer to a question for ids: the first column of each row. */
void answer_ids(void *context, const struct pg_result *result);

#endif
