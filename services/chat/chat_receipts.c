/* The queue of receipts and its statement; the handlers are in chat_receipts_handlers.c. */
#include "services/chat/chat_receipts.h"

#include "services/chat/chat_partitions.h"
#include "services/chat/chat_settings.h"
#include "shared/base/clock.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/base/planted_bug.h"
#include "shared/daemon/daemon.h"
#include "shared/proto/user_protocol.h"
#include "shared/store/pg.h"

#define MAX_WRITE 4096 /* receipts in one statement; a larger request goes alone */

enum {
    RECEIPT_PARTITION,
    RECEIPT_CHAT,
    RECEIPT_USER,
    RECEIPT_DELIVERED,
    RECEIPT_READ,
    RECEIPT_HIDES,
    RECEIPT_COLUMNS
};

struct chat_receipts {
    const struct chat_partitions *partitions;
    chat_on_moved on_moved;
    void *context;
    struct pg *pg;
    struct loop_deferred *turn_end;
    struct chat_receipts_item *first, *last; /* waiting */
    struct chat_receipts_item *writing;      /* on their way, linked by next */
    size_t writing_count;
    size_t waiting_count; /* receipts of the waiting */
};

static const struct pg_statement statements[] = {
    {"move",
     "select problem, field, now_delivered, now_read, now_shown, moved, shown_moved from "
     "chat.move_receipts($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], "
     "$6::bigint[], $7::bigint)"},
};

static struct metric moved_total = {.name = "parley_chat_receipts_moved_total",
                                    .labels = "",
                                    .help = "Watermarks that went up.",
                                    .kind = METRIC_COUNTER};
static struct metric waiting = {.name = "parley_chat_receipts_waiting",
                                .labels = "",
                                .help = "Receipts that wait to be written.",
                                .kind = METRIC_GAUGE};

/* --- answers --- */

static struct chat_receipt_outcome outcome_of(const struct pg_result *result, int row)
{
    struct text code = pg_text(result, 0, row, 0);
    struct chat_receipt_outcome outcome = {.delivered = pg_number(result, 0, row, 2),
                                           .read = pg_number(result, 0, row, 3)};
    if (text_is(code, "not_found"))
        outcome.problem = PROBLEM_NOT_FOUND;
    else if (text_is(code, "not_member"))
        outcome.problem = PROBLEM_NOT_MEMBER;
    else if (text_is(code, "bad_request"))
        outcome.problem = PROBLEM_BAD_REQUEST;
    outcome.is_read_at_fault = text_is(pg_text(result, 0, row, 1), "read");
    return outcome;
}

/* What is told of a row: see the receipts of shared/proto/chat_protocol.h. */
static struct chat_receipt news_of(const struct pg_result *result, int row,
                                   const struct chat_receipt *asked)
{
    bool shown_moved = pg_number(result, 0, row, 6) != 0;
    return (struct chat_receipt){.chat_id = asked->chat_id,
                                 .user_id = asked->user_id,
                                 .delivered = pg_number(result, 0, row, 2),
                                 .read = pg_number(result, 0, row, 3),
                                 .read_shown = pg_number(result, 0, row, 4),
                                 .flags = shown_moved ? 0 : USER_HIDES_READS};
}

static void tell_moved(struct chat_receipts *receipts, const struct pg_result *result)
{
    struct chat_receipt *moved = mem_array(receipts->writing_count + 1, sizeof *moved);
    size_t count = 0;
    int row = 0;
    for (const struct chat_receipts_item *item = receipts->writing; item != NULL;
         item = item->next) {
        for (size_t i = 0; i < item->count; i++, row++) {
            if (pg_number(result, 0, row, 5) != 0)
                moved[count++] = news_of(result, row, &item->receipts[i]);
        }
    }
    metric_add(&moved_total, (int64_t)count);
    if (count > 0)
        receipts->on_moved(receipts->context, moved, count);
    mem_free(moved);
}

static void fill_outcomes(struct chat_receipts_item *item, const struct pg_result *result, int *row,
                          bool ok)
{
    for (size_t i = 0; i < item->count; i++) {
        if (!ok) {
            item->outcomes[i] = (struct chat_receipt_outcome){.problem = PROBLEM_UNAVAILABLE};
            continue;
        }
        item->outcomes[i] = outcome_of(result, (*row)++);
        if (BUG(receipts_go_back)) {
            const struct chat_receipt *asked = &item->receipts[i];
            item->outcomes[i].read = asked->read;
            item->outcomes[i].delivered =
                asked->delivered > asked->read ? asked->delivered : asked->read;
        }
    }
}

static void on_moved_rows(void *context, const struct pg_result *result)
{
    struct chat_receipts *receipts = context;
    struct chat_receipts_item *item = receipts->writing;
    bool ok = pg_result_outcome(result) == PG_OK;
    int row = 0;
    if (ok)
        tell_moved(receipts, result);
    else if (pg_result_outcome(result) == PG_REFUSED)
        log_warning("receipts_refused", LOG_STRING("sqlstate", pg_result_sqlstate(result)),
                    LOG_STRING("reason", pg_result_message(result)));
    receipts->writing = NULL;
    receipts->writing_count = 0;
    while (item != NULL) {
        struct chat_receipts_item *next = item->next;
        fill_outcomes(item, result, &row, ok);
        item->on_done(item);
        item = next;
    }
    loop_deferred_request(receipts->turn_end);
}

/* --- writing --- */

static void take_for_writing(struct chat_receipts *receipts)
{
    struct chat_receipts_item **end = &receipts->writing;
    while (receipts->first != NULL) {
        struct chat_receipts_item *item = receipts->first;
        if (receipts->writing != NULL && receipts->writing_count + item->count > MAX_WRITE)
            break;
        receipts->first = item->next;
        item->next = NULL;
        *end = item;
        end = &item->next;
        receipts->writing_count += item->count;
        receipts->waiting_count -= item->count;
    }
    if (receipts->first == NULL)
        receipts->last = NULL;
    metric_set(&waiting, (int64_t)receipts->waiting_count);
}

static void write_row(int64_t *columns, size_t row, size_t count,
                      const struct chat_receipts *receipts, const struct chat_receipt *receipt)
{
    columns[RECEIPT_PARTITION * count + row] =
        id_partition(receipt->chat_id, receipts->partitions->count);
    columns[RECEIPT_CHAT * count + row] = receipt->chat_id;
    columns[RECEIPT_USER * count + row] = receipt->user_id;
    columns[RECEIPT_DELIVERED * count + row] = receipt->delivered;
    columns[RECEIPT_READ * count + row] = receipt->read;
    columns[RECEIPT_HIDES * count + row] = (receipt->flags & USER_HIDES_READS) != 0;
}

static void on_turn_end(void *context)
{
    struct chat_receipts *receipts = context;
    if (receipts->writing != NULL || receipts->first == NULL)
        return;
    take_for_writing(receipts);
    size_t row = 0, count = receipts->writing_count;
    int64_t *columns = mem_array(count * RECEIPT_COLUMNS + 1, sizeof *columns);
    for (const struct chat_receipts_item *item = receipts->writing; item != NULL;
         item = item->next) {
        for (size_t i = 0; i < item->count; i++)
            write_row(columns, row++, count, receipts, &item->receipts[i]);
    }
    struct pg_unit *unit = pg_unit_create(receipts->pg);
    pg_unit_add(unit, "move");
    for (size_t column = 0; column < RECEIPT_COLUMNS; column++)
        pg_add_numbers(unit, columns + column * count, count);
    pg_add_number(unit, clock_wall_ms());
    pg_submit(unit, on_moved_rows, receipts);
    mem_free(columns);
}

bool chat_receipts_submit(struct chat_receipts *receipts, struct chat_receipts_item *item)
{
    if (!pg_is_connected(receipts->pg) ||
        receipts->waiting_count + item->count > (size_t)chat_settings.max_receipts)
        return false;
    item->next = NULL;
    if (receipts->last == NULL)
        receipts->first = item;
    else
        receipts->last->next = item;
    receipts->last = item;
    receipts->waiting_count += item->count;
    metric_set(&waiting, (int64_t)receipts->waiting_count);
    loop_deferred_request(receipts->turn_end);
    return true;
}

/* --- life --- */

static void on_state(void *context, bool connected)
{
    (void)context;
    if (connected)
        log_info("postgres_connected", LOG_STRING("connection", "receipts"));
}

struct chat_receipts *chat_receipts_create(struct loop *loop,
                                           const struct chat_partitions *partitions,
                                           chat_on_moved on_moved, void *context)
{
    struct chat_receipts *receipts = mem_zalloc(sizeof *receipts);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = daemon_settings.postgres_user,
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-chat/receipts",
        .statements = statements,
        .statement_count = sizeof statements / sizeof statements[0],
        .max_units = 4,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    receipts->partitions = partitions;
    receipts->on_moved = on_moved;
    receipts->context = context;
    receipts->turn_end = loop_deferred_create(loop, on_turn_end, receipts);
    receipts->pg = pg_create(loop, &options, on_state, receipts);
    metrics_register(&moved_total);
    metrics_register(&waiting);
    return receipts;
}

/* What still waits is answered `unavailable`. */
static void abandon_waiting(struct chat_receipts *receipts)
{
    while (receipts->first != NULL) {
        struct chat_receipts_item *item = receipts->first;
        int row = 0;
        receipts->first = item->next;
        fill_outcomes(item, NULL, &row, false);
        item->on_done(item);
    }
}

void chat_receipts_destroy(struct chat_receipts **receipts)
{
    if (*receipts == NULL)
        return;
    pg_destroy(&(*receipts)->pg);
    abandon_waiting(*receipts);
    loop_deferred_destroy(&(*receipts)->turn_end);
    mem_free(*receipts);
    *receipts = NULL;
}

bool chat_receipts_is_connected(const struct chat_receipts *receipts)
{
    return pg_is_connected(receipts->pg);
}

const char *chat_receipts_last_error(const struct chat_receipts *receipts)
{
    return pg_last_error(receipts->pg);
}

bool chat_receipts_is_empty(const struct chat_receipts *receipts)
{
    return receipts->first == NULL && receipts->writing == NULL;
}
