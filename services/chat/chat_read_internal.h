/* What the files of the reading side share. */
#ifndef PARLEY_CHAT_READ_INTERNAL_H
#define PARLEY_CHAT_READ_INTERNAL_H

#include "services/chat/chat_read_store.h"
#include "shared/store/pg.h"

extern const struct pg_statement chat_read_statements[];
extern const size_t chat_read_statement_count;

/* Carries a question's callback to its answer. */
struct read_question {
    union {
        chat_on_loaded on_loaded;
        chat_on_page on_page;
        chat_on_standings on_standings;
        chat_on_events on_events;
        chat_on_summaries on_summaries;
        chat_on_receipts on_receipts;
        chat_on_trace on_trace;
        chat_on_feed on_feed;
        chat_on_heads on_heads;
        chat_on_rosters on_rosters;
        chat_on_roles on_roles;
        chat_on_companions on_companions;
    } answer;
    void *context;
    int64_t chat_id;
    size_t count;
};

/* On the connection that has the least to do. */
struct pg_unit *read_unit(struct chat_read_store *store);
struct read_question *read_question_create(void *context); /* freed with mem_free by its callback */
enum problem read_problem(const struct pg_result *result);
int64_t read_partition(const struct chat_read_store *store, int64_t chat_id);
#define READ_EVENT_COLUMNS 12
/* The columns of an event as all statements name them, from `column` on. */
struct chat_log_event read_event(const struct pg_result *result, int statement, int row,
                                 int column);
/* What the user is to the chat: one row, is_member and the ends of what they may see; none for a stranger. */
void read_add_standing(struct pg_unit *unit, const struct chat_read_store *store, int64_t user_id,
                       int64_t chat_id);
/* All rows of a statement; the array is the caller's (mem_free). */
struct chat_log_event *read_event_rows(const struct pg_result *result, int statement,
                                       size_t *count_out);

#endif
