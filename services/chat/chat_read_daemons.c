/* Reading for the other daemons: the feed of a partition, events by reference, who was a member when. */
#include "services/chat/chat_read_internal.h"
#include "services/chat/chat_settings.h"
#include "shared/base/mem.h"

/* --- the feed --- */

static void on_feed_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    struct chat_feed_page page = {.problem = read_problem(result)};
    struct chat_log_event *events = NULL;
    if (page.problem == PROBLEM_NONE && pg_rows(result, 1) == 0) {
        page.problem = PROBLEM_NOT_FOUND;
    } else if (page.problem == PROBLEM_NONE) {
        page.epoch = pg_number(result, 1, 0, 0);
        page.head_offset = pg_number(result, 1, 0, 1);
        page.first_offset =
            pg_rows(result, 0) > 0 ? pg_number(result, 0, 0, READ_EVENT_COLUMNS) : 0;
        page.events = events = read_event_rows(result, 0, &page.count);
    }
    question->answer.on_feed(question->context, &page);
    mem_free(events);
    mem_free(question);
}

/* The head is read after the events, so that it is not below them. */
void chat_read_feed(struct chat_read_store *store, int64_t partition, int64_t after_offset,
                    int64_t limit, chat_on_feed on_feed, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    question->answer.on_feed = on_feed;
    pg_unit_add(unit, "feed");
    pg_add_number(unit, partition);
    pg_add_number(unit, after_offset);
    pg_add_number(unit, limit);
    pg_add_number(unit, chat_settings.max_reply_bytes);
    pg_unit_add(unit, "partition");
    pg_add_number(unit, partition);
    pg_submit(unit, on_feed_rows, question);
}

static void on_head_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    int count = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct chat_head *heads = mem_array((size_t)count + 1, sizeof *heads);
    for (int row = 0; row < count; row++)
        heads[row] = (struct chat_head){pg_number(result, 0, row, 0), pg_number(result, 0, row, 1),
                                        pg_number(result, 0, row, 2)};
    question->answer.on_heads(question->context, problem, heads, (size_t)count);
    mem_free(heads);
    mem_free(question);
}

void chat_read_heads(struct chat_read_store *store, chat_on_heads on_heads, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    question->answer.on_heads = on_heads;
    pg_unit_add(unit, "heads");
    pg_submit(unit, on_head_rows, question);
}

/* --- events by reference --- */

static void on_referred(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    struct chat_log_event *events = mem_array(question->count + 1, sizeof *events);
    int rows = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    for (int row = 0; row < rows; row++)
        events[pg_number(result, 0, row, 0)] = read_event(result, 0, row, 1);
    question->answer.on_events(question->context, problem, events, question->count);
    mem_free(events);
    mem_free(question);
}

void chat_read_events(struct chat_read_store *store, const struct chat_event_ref *refs,
                      size_t count, chat_on_events on_events, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    int64_t *columns = mem_array(count * 3 + 1, sizeof *columns);
    question->answer.on_events = on_events;
    question->count = count;
    for (size_t i = 0; i < count; i++) {
        columns[i] = read_partition(store, refs[i].chat_id);
        columns[count + i] = refs[i].chat_id;
        columns[2 * count + i] = refs[i].seq;
    }
    pg_unit_add(unit, "events");
    for (size_t column = 0; column < 3; column++)
        pg_add_numbers(unit, columns + column * count, count);
    pg_submit(unit, on_referred, question);
    mem_free(columns);
}

/* --- members --- */

static void on_roster_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    int count = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct chat_roster_row *rows = mem_array((size_t)count + 1, sizeof *rows);
    for (int row = 0; row < count; row++) {
        rows[row] = (struct chat_roster_row){
            .index = (size_t)pg_number(result, 0, row, 0),
            .as_of_seq = pg_number(result, 0, row, 1),
            .span = {pg_number(result, 0, row, 2), pg_number(result, 0, row, 3),
                     pg_number(result, 0, row, 4)},
        };
    }
    question->answer.on_rosters(question->context, problem, rows, (size_t)count);
    mem_free(rows);
    mem_free(question);
}

void chat_read_rosters(struct chat_read_store *store, const struct chat_roster_ask *asks,
                       size_t count, int64_t max_rows, chat_on_rosters on_rosters, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    int64_t *columns = mem_array(count * 3 + 1, sizeof *columns);
    question->answer.on_rosters = on_rosters;
    for (size_t i = 0; i < count; i++) {
        columns[i] = read_partition(store, asks[i].chat_id);
        columns[count + i] = asks[i].chat_id;
        columns[2 * count + i] = asks[i].from_seq;
    }
    pg_unit_add(unit, "rosters");
    for (size_t column = 0; column < 3; column++)
        pg_add_numbers(unit, columns + column * count, count);
    pg_add_number(unit, max_rows);
    pg_submit(unit, on_roster_rows, question);
    mem_free(columns);
}
