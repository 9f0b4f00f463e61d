/* A Postgres connection with a few statements, on a server of the test's own; and what its units came back with. */
#ifndef PARLEY_TESTS_UNIT_PG_FIXTURE_H
#define PARLEY_TESTS_UNIT_PG_FIXTURE_H

#include "shared/store/pg.h"

#define PG_FIXTURE_MAX_UNITS   16
#define PG_FIXTURE_MAX_ANSWERS 128
#define PG_FIXTURE_TIMEOUT_MS  1000

struct pg_fixture {
    struct loop *loop;
    struct pg *pg;
    int connected_count, lost_count; /* what on_state told */
    /* In the order in which they came: the outcome, and the first value of the first statement. */
    struct {
        enum pg_outcome outcome;
        char sqlstate[6], constraint[32];
        int64_t number;
    } answers[PG_FIXTURE_MAX_ANSWERS];
    size_t answer_count;
};

extern struct pg_fixture pg_fixture;

/* For cmocka: of the group, and of each test (an empty table, a connection that is ready). */
int pg_fixture_make_server(void **state);
int pg_fixture_end_server(void **state);
int pg_fixture_set_up(void **state);
int pg_fixture_tear_down(void **state);

void pg_fixture_connect_with(const struct pg_statement *list, size_t count);
void pg_fixture_on_state(void *context, bool connected);
bool pg_fixture_is_connected(void);
bool pg_fixture_is_lost(void);

/* Units. Table `item`: a primary key, and a twin that must be there when the transaction ends (0: none). */
void pg_fixture_submit_number(const char *statement, int64_t number);
void pg_fixture_submit_plain(const char *statement);
void pg_fixture_submit_insert(int64_t id, int64_t twin);
void pg_fixture_submit_length(size_t length); /* "length" of a text so long */
void pg_fixture_add_insert(struct pg_unit *unit, int64_t id, int64_t twin);

void pg_fixture_on_answer(void *context, const struct pg_result *result);
/* context: how many are left (int); submits "count" as long as there are. */
void pg_fixture_on_answer_submit_more(void *context, const struct pg_result *result);
void pg_fixture_await_answers(size_t count);
void pg_fixture_assert_answer(size_t index, enum pg_outcome outcome, const char *sqlstate);

#endif
