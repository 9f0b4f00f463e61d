/* One connection, few statements. */
#include "services/delivery/delivery_store.h"

#include "services/delivery/delivery_event.h"
#include "services/delivery/delivery_settings.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/daemon/daemon.h"
#include "shared/store/pg.h"

struct delivery_store {
    struct pg *pg;
};

struct question {
    delivery_on_shard on_shard;
    delivery_on_stored on_stored;
    delivery_on_poison on_poison;
    void *context;
};

static const struct pg_statement statements[] = {
    {"take_shard",
     "select epoch, redis_epoch, started_change from delivery.take_shard($1::bigint)"},
    {"cursors", "select c.partition::bigint, c.feed_offset from delivery.cursor c "
                "where c.shard = $1::bigint order by c.partition"},
    {"save_redis_epoch", "select delivery.save_redis_epoch($1::bigint, $2::bigint, $3::bigint, "
                         "$4::bigint)"},
    {"save_cursors", "select delivery.save_cursors($1::bigint, $2::bigint, $3::bigint[], "
                     "$4::bigint[])"},
    {"note_poison",
     "insert into delivery.poison (shard, partition, feed_offset, chat_id, seq, deaths, reason) "
     "values ($1::bigint, $2::bigint, $3::bigint, $4::bigint, $5::bigint, $6::bigint, "
     "'its fan-out ended the process') on conflict (shard, partition, feed_offset) do update "
     "set deaths = excluded.deaths, at = now(), released_at = null returning 1::bigint"},
    {"count_poison", "select count(*) from delivery.poison where shard = $1::bigint"},
    {"released_poison",
     "select partition::bigint, feed_offset, chat_id, seq from delivery.poison where "
     "shard = $1::bigint and released_at is not null order by released_at limit 1"},
    {"drop_poison",
     "with gone as (delete from delivery.poison where shard = $1::bigint and "
     "partition = $2::bigint and feed_offset = $3::bigint and released_at is not null) "
     "select 1::bigint"},
};

static struct question *ask(delivery_on_shard on_shard, delivery_on_stored on_stored, void *context)
{
    struct question *question = mem_alloc(sizeof *question);
    *question = (struct question){.on_shard = on_shard, .on_stored = on_stored, .context = context};
    return question;
}

static bool is_ok(const struct pg_result *result)
{
    if (pg_result_outcome(result) == PG_REFUSED)
        log_warning("statement_refused", LOG_STRING("sqlstate", pg_result_sqlstate(result)),
                    LOG_STRING("reason", pg_result_message(result)));
    return pg_result_outcome(result) == PG_OK;
}

static void on_shard(void *context, const struct pg_result *result)
{
    struct question question = *(struct question *)context;
    mem_free(context);
    if (!is_ok(result) || pg_rows(result, 0) != 1) {
        question.on_shard(question.context, NULL);
        return;
    }
    size_t count = (size_t)pg_rows(result, 1);
    int64_t *partitions = mem_array(count + 1, sizeof *partitions);
    int64_t *offsets = mem_array(count + 1, sizeof *offsets);
    for (size_t i = 0; i < count; i++) {
        partitions[i] = pg_number(result, 1, (int)i, 0);
        offsets[i] = pg_number(result, 1, (int)i, 1);
    }
    struct delivery_shard shard = {
        .epoch = pg_number(result, 0, 0, 0),
        .redis_epoch = pg_number(result, 0, 0, 1),
        .started_change = pg_number(result, 0, 0, 2),
        .partitions = partitions,
        .offsets = offsets,
        .cursor_count = count,
    };
    question.on_shard(question.context, &shard);
    mem_free(partitions);
    mem_free(offsets);
}

void delivery_store_take_shard(struct delivery_store *store, delivery_on_shard callback,
                               void *context)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, "take_shard");
    pg_add_number(unit, delivery_settings.shard);
    pg_unit_add(unit, "cursors");
    pg_add_number(unit, delivery_settings.shard);
    pg_submit(unit, on_shard, ask(callback, NULL, context));
}

static void on_stored(void *context, const struct pg_result *result)
{
    struct question question = *(struct question *)context;
    mem_free(context);
    enum delivery_stored outcome = DELIVERY_NOT_STORED;
    if (is_ok(result) && pg_rows(result, 0) == 1)
        outcome = pg_number(result, 0, 0, 0) != 0 ? DELIVERY_STORED : DELIVERY_SUPERSEDED;
    question.on_stored(question.context, outcome);
}

void delivery_store_save_redis_epoch(struct delivery_store *store, int64_t epoch,
                                     int64_t redis_epoch, int64_t started_change,
                                     delivery_on_stored callback, void *context)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, "save_redis_epoch");
    pg_add_number(unit, delivery_settings.shard);
    pg_add_number(unit, epoch);
    pg_add_number(unit, redis_epoch);
    pg_add_number(unit, started_change);
    pg_submit(unit, on_stored, ask(NULL, callback, context));
}

void delivery_store_save_cursors(struct delivery_store *store, int64_t epoch,
                                 const int64_t *partitions, const int64_t *offsets, size_t count,
                                 delivery_on_stored callback, void *context)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, "save_cursors");
    pg_add_number(unit, delivery_settings.shard);
    pg_add_number(unit, epoch);
    pg_add_numbers(unit, partitions, count);
    pg_add_numbers(unit, offsets, count);
    pg_submit(unit, on_stored, ask(NULL, callback, context));
}

static void add_place(struct pg_unit *unit, const struct delivery_ref *ref)
{
    pg_add_number(unit, delivery_settings.shard);
    pg_add_number(unit, ref->partition);
    pg_add_number(unit, ref->offset);
}

void delivery_store_note_poison(struct delivery_store *store, const struct delivery_ref *ref,
                                int64_t deaths, delivery_on_stored callback, void *context)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, "note_poison");
    add_place(unit, ref);
    pg_add_number(unit, ref->chat_id);
    pg_add_number(unit, ref->seq);
    pg_add_number(unit, deaths);
    pg_submit(unit, on_stored, ask(NULL, callback, context));
}

void delivery_store_drop_poison(struct delivery_store *store, const struct delivery_ref *ref,
                                delivery_on_stored callback, void *context)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    pg_unit_add(unit, "drop_poison");
    add_place(unit, ref);
    pg_submit(unit, on_stored, ask(NULL, callback, context));
}

static void on_poison(void *context, const struct pg_result *result)
{
    struct question question = *(struct question *)context;
    mem_free(context);
    if (!is_ok(result) || pg_rows(result, 0) != 1) {
        question.on_poison(question.context, -1, NULL);
        return;
    }
    bool has_released = pg_rows(result, 1) == 1;
    struct delivery_ref released = {.span = 1};
    if (has_released) {
        released.partition = (uint32_t)pg_number(result, 1, 0, 0);
        released.offset = pg_number(result, 1, 0, 1);
        released.chat_id = pg_number(result, 1, 0, 2);
        released.seq = pg_number(result, 1, 0, 3);
    }
    question.on_poison(question.context, pg_number(result, 0, 0, 0),
                       has_released ? &released : NULL);
}

void delivery_store_read_poison(struct delivery_store *store, delivery_on_poison callback,
                                void *context)
{
    struct pg_unit *unit = pg_unit_create(store->pg);
    struct question *question = ask(NULL, NULL, context);
    question->on_poison = callback;
    pg_unit_add(unit, "count_poison");
    pg_add_number(unit, delivery_settings.shard);
    pg_unit_add(unit, "released_poison");
    pg_add_number(unit, delivery_settings.shard);
    pg_submit(unit, on_poison, question);
}

bool delivery_store_is_connected(const struct delivery_store *store)
{
    return pg_is_connected(store->pg);
}

const char *delivery_store_last_error(const struct delivery_store *store)
{
    return pg_last_error(store->pg);
}

static void on_state(void *context, bool connected)
{
    (void)context; /* whoever needs it tries again by a timer */
    (void)connected;
}

struct delivery_store *delivery_store_create(struct loop *loop)
{
    struct delivery_store *store = mem_zalloc(sizeof *store);
    struct pg_options options = {
        .conninfo = daemon_settings.postgres,
        .user = *daemon_settings.postgres_user != '\0' ? daemon_settings.postgres_user
                                                       : "parley_delivery",
        .password_file = daemon_settings.postgres_password_file,
        .application_name = "parley-delivery",
        .statements = statements,
        .statement_count = sizeof statements / sizeof statements[0],
        .max_units = (size_t)delivery_settings.max_store_units,
        .statement_timeout_ms = daemon_settings.statement_timeout_ms,
    };
    store->pg = pg_create(loop, &options, on_state, store);
    return store;
}

void delivery_store_destroy(struct delivery_store **store)
{
    if (*store == NULL)
        return;
    pg_destroy(&(*store)->pg);
    mem_free(*store);
    *store = NULL;
}
