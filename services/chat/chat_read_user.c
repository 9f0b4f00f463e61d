/* Reading for a user: what they may see, and nothing else. */
#include "services/chat/chat_read_internal.h"
#include "services/chat/chat_settings.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"

#define MS_PER_DAY INT64_C(86400000)

static void add_chats(struct pg_unit *unit, const struct chat_read_store *store,
                      const int64_t *chats, size_t count)
{
    int64_t *partitions = mem_array(count + 1, sizeof *partitions);
    for (size_t i = 0; i < count; i++)
        partitions[i] = read_partition(store, chats[i]);
    pg_add_numbers(unit, partitions, count);
    pg_add_numbers(unit, chats, count);
    mem_free(partitions);
}

void read_add_standing(struct pg_unit *unit, const struct chat_read_store *store, int64_t user_id,
                       int64_t chat_id)
{
    pg_unit_add(unit, "standing");
    pg_add_number(unit, read_partition(store, chat_id));
    pg_add_number(unit, chat_id);
    pg_add_number(unit, user_id);
}

/* --- history --- */

static void on_history(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    struct chat_events_page page = {.problem = read_problem(result)};
    struct chat_log_event *events = NULL;
    if (page.problem == PROBLEM_NONE && pg_rows(result, 0) == 0) {
        page.problem = PROBLEM_NOT_FOUND;
    } else if (page.problem == PROBLEM_NONE) {
        page.standing =
            (struct chat_standing){question->chat_id, pg_number(result, 0, 0, 0) != 0,
                                   pg_number(result, 0, 0, 1), pg_number(result, 0, 0, 2)};
        page.events = events = read_event_rows(result, 1, &page.count);
    }
    question->answer.on_page(question->context, &page);
    mem_free(events);
    mem_free(question);
}

void chat_read_history(struct chat_read_store *store, int64_t user_id, int64_t chat_id,
                       const struct chat_range *range, chat_on_page on_page, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    question->answer.on_page = on_page;
    question->chat_id = chat_id;
    read_add_standing(unit, store, user_id, chat_id);
    pg_unit_add(unit, range->is_before ? "history_before" : "history_after");
    pg_add_number(unit, user_id);
    pg_add_number(unit, read_partition(store, chat_id));
    pg_add_number(unit, chat_id);
    pg_add_number(unit, range->seq);
    pg_add_number(unit, range->limit);
    pg_add_number(unit, chat_settings.max_reply_bytes);
    pg_submit(unit, on_history, question);
}

/* --- sync --- */

static void on_standings_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    int count = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct chat_standing *standings = mem_array((size_t)count + 1, sizeof *standings);
    for (int row = 0; row < count; row++)
        standings[row] =
            (struct chat_standing){pg_number(result, 0, row, 0), pg_number(result, 0, row, 1) != 0,
                                   pg_number(result, 0, row, 2), pg_number(result, 0, row, 3)};
    question->answer.on_standings(question->context, problem, standings, (size_t)count);
    mem_free(standings);
    mem_free(question);
}

void chat_read_standings(struct chat_read_store *store, int64_t user_id, const int64_t *named,
                         size_t count, chat_on_standings on_standings, void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    question->answer.on_standings = on_standings;
    pg_unit_add(unit, "standings");
    pg_add_number(unit, user_id);
    add_chats(unit, store, named, count);
    pg_add_number(unit, chat_settings.former_days * MS_PER_DAY);
    pg_add_number(unit, limits.max_sync_chats);
    pg_submit(unit, on_standings_rows, question);
}

static void on_event_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    enum problem problem = read_problem(result);
    struct chat_log_event *events = NULL;
    size_t count = 0;
    if (problem == PROBLEM_NONE)
        events = read_event_rows(result, 0, &count);
    question->answer.on_events(question->context, problem, events, count);
    mem_free(events);
    mem_free(question);
}

void chat_read_several(struct chat_read_store *store, int64_t user_id,
                       const struct chat_wanted *wanted, size_t count, chat_on_events on_events,
                       void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    int64_t *columns = mem_array(count * 3 + 1, sizeof *columns);
    question->answer.on_events = on_events;
    for (size_t i = 0; i < count; i++) {
        columns[i] = wanted[i].chat_id;
        columns[count + i] = wanted[i].after;
        columns[2 * count + i] = wanted[i].most;
    }
    pg_unit_add(unit, "several");
    pg_add_number(unit, user_id);
    add_chats(unit, store, columns, count);
    pg_add_numbers(unit, columns + count, count);
    pg_add_numbers(unit, columns + 2 * count, count);
    pg_add_number(unit, chat_settings.max_reply_bytes);
    pg_submit(unit, on_event_rows, question);
    mem_free(columns);
}

/* --- lists of chats --- */

static struct chat_summary_row summary_of(const struct pg_result *result, int row, bool with_events)
{
    struct chat_summary_row summary = {.last_seq = pg_number(result, 0, row, 0),
                                       .last_at_ms = pg_number(result, 0, row, 1)};
    if (!with_events || summary.last_seq == 0)
        return summary;
    summary.read_seq = pg_number(result, 0, row, 2);
    summary.unread = pg_number(result, 0, row, 3);
    summary.mentions = pg_number(result, 0, row, 4);
    summary.has_event = true;
    summary.last_event = read_event(result, 0, row, 5);
    return summary;
}

static void answer_summaries(struct read_question *question, const struct pg_result *result,
                             bool with_events)
{
    enum problem problem = read_problem(result);
    int count = problem == PROBLEM_NONE ? pg_rows(result, 0) : 0;
    struct chat_summary_row *rows = mem_array((size_t)count + 1, sizeof *rows);
    for (int row = 0; row < count; row++)
        rows[row] = summary_of(result, row, with_events);
    question->answer.on_summaries(question->context, problem, rows, (size_t)count);
    mem_free(rows);
    mem_free(question);
}

static void on_last_seqs(void *context, const struct pg_result *result)
{
    answer_summaries(context, result, false);
}

static void on_summary_rows(void *context, const struct pg_result *result)
{
    answer_summaries(context, result, true);
}

void chat_read_summaries(struct chat_read_store *store, int64_t user_id, const int64_t *chats,
                         size_t count, bool with_events, chat_on_summaries on_summaries,
                         void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    question->answer.on_summaries = on_summaries;
    pg_unit_add(unit, with_events ? "summaries" : "last_seqs");
    pg_add_number(unit, user_id);
    add_chats(unit, store, chats, count);
    pg_submit(unit, with_events ? on_summary_rows : on_last_seqs, question);
}

/* --- receipts --- */

static enum problem receipts_problem(const struct pg_result *result)
{
    enum problem problem = read_problem(result);
    if (problem != PROBLEM_NONE)
        return problem;
    if (pg_rows(result, 0) == 0)
        return PROBLEM_NOT_FOUND;
    return pg_number(result, 0, 0, 0) != 0 ? PROBLEM_NONE : PROBLEM_NOT_MEMBER;
}

static void on_receipt_rows(void *context, const struct pg_result *result)
{
    struct read_question *question = context;
    struct chat_receipts_page page = {.problem = receipts_problem(result)};
    int count = page.problem == PROBLEM_NONE ? pg_rows(result, 1) : 0;
    struct chat_receipt *receipts = mem_array((size_t)count + 1, sizeof *receipts);
    for (int row = 0; row < count; row++)
        receipts[row] = (struct chat_receipt){.chat_id = question->chat_id,
                                              .user_id = pg_number(result, 1, row, 0),
                                              .delivered = pg_number(result, 1, row, 1),
                                              .read = pg_number(result, 1, row, 2)};
    page.receipts = receipts;
    page.count = (size_t)count;
    question->answer.on_receipts(question->context, &page);
    mem_free(receipts);
    mem_free(question);
}

void chat_read_receipts(struct chat_read_store *store, int64_t user_id, int64_t chat_id,
                        int64_t after_user, int64_t limit, chat_on_receipts on_receipts,
                        void *context)
{
    struct read_question *question = read_question_create(context);
    struct pg_unit *unit = read_unit(store);
    question->answer.on_receipts = on_receipts;
    question->chat_id = chat_id;
    read_add_standing(unit, store, user_id, chat_id);
    pg_unit_add(unit, "receipts");
    pg_add_number(unit, read_partition(store, chat_id));
    pg_add_number(unit, chat_id);
    pg_add_number(unit, after_user);
    pg_add_number(unit, limit);
    pg_add_number(unit, user_id);
    pg_submit(unit, on_receipt_rows, question);
}
