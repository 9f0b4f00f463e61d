/* The way of a batch: look up what may be known, build, commit, and what each outcome of a commit means. */
#include <assert.h>

#include "services/chat/chat_lane_internal.h"
#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/base/planted_bug.h"

#define MAX_KNOWN_KEY_COMMITS \
    3 /* in a row; the second look finds them, so more is a mistake of ours */

static struct metric poison_refused = {.name = "parley_chat_poison_refused_total",
                                       .labels = "",
                                       .help = "Items that alone made a commit fail.",
                                       .kind = METRIC_COUNTER};

static void build_and_commit(struct chat_lane *lane, size_t most);

void lane_set_lookups(struct chat_lane *lane, enum chat_lookup lookup)
{
    for (size_t i = 0; i < lane->batch->item_count; i++) {
        struct chat_item *item = lane->batch->items[i];
        if (item->kind == CHAT_ITEM_MESSAGE)
            item->lookup = item->action != NULL ? CHAT_LOOKUP_WANTED : lookup;
    }
}

/* --- looking up --- */

static void add_key(struct chat_lane *lane, struct chat_item *item)
{
    struct chat_table *rows = &lane->keys.rows;
    size_t row = chat_table_add(rows);
    if (rows->capacity > lane->key_capacity) {
        lane->key_capacity = rows->capacity;
        lane->keys.items =
            mem_resize(lane->keys.items, lane->key_capacity * sizeof(struct chat_item *));
    }
    rows->numbers[KEY_PARTITION][row] =
        id_partition(item->message->chat_id, lane->partitions->count);
    rows->numbers[KEY_CHAT][row] = item->message->chat_id;
    rows->numbers[KEY_SENDER][row] = item->message->sender_id;
    rows->numbers[KEY_TARGET][row] = item->action != NULL ? item->message->target : 0;
    rows->texts[KEY_CLIENT_ID][row] = item->message->client_id;
    rows->texts[KEY_EMOJI][row] = item->action != NULL ? item->action->emoji : TEXT_NONE;
    rows->texts[KEY_BODY][row] =
        item->message->type == CHAT_EVENT_EDIT ? item->message->body : TEXT_NONE;
    lane->keys.items[row] = item;
}

/* What is wanted among the first `count` of the queue; with `all`, also of those that nobody asked about. */
static void collect_keys(struct chat_lane *lane, size_t count, bool all)
{
    struct chat_item *item = lane->ready.first;
    lane->keys.rows.count = 0;
    for (size_t i = 0; i < count && item != NULL; i++, item = item->next) {
        if (item->kind != CHAT_ITEM_MESSAGE)
            continue;
        if (item->lookup == CHAT_LOOKUP_WANTED || (all && item->lookup == CHAT_LOOKUP_NONE))
            add_key(lane, item);
    }
}

/* Of a message that was deleted, and of its edits, there is nothing left to compare: the key alone decides. */
static bool is_same(const struct chat_item *item, const struct chat_known *known)
{
    const struct chat_message *message = item->message;
    if (message->type != known->type ||
        (item->action != NULL && message->target != known->subject_id))
        return false;
    if (message->body.length > 0 && known->body.data == NULL)
        return true;
    return text_equal(message->body, known->body) && text_equal(message->detail, known->detail);
}

static void take_known(struct chat_lane *lane, const struct chat_known *known, size_t count)
{
    for (size_t i = 0; i < lane->keys.rows.count; i++) {
        struct chat_item *item = lane->keys.items[i];
        item->lookup = CHAT_LOOKUP_FRESH;
        if (item->action != NULL)
            item->action->target = (struct chat_target){.is_there = false};
    }
    for (size_t i = 0; i < count; i++) {
        struct chat_item *item = lane->keys.items[known[i].index];
        if (item->action != NULL)
            item->action->target = known[i].target;
        if (known[i].seq == 0)
            continue;
        item->lookup = is_same(item, &known[i]) ? CHAT_LOOKUP_SAME : CHAT_LOOKUP_OTHER;
        item->known_seq = known[i].seq;
        item->known_at_ms = known[i].at_ms;
    }
}

static void on_known(void *context, bool ok, const struct chat_known *known, size_t count)
{
    struct chat_lane *lane = context;
    if (lane->lease_lost) {
        lane_recover(lane);
    } else if (!ok) {
        lane_change_state(lane, CHAT_LANE_IDLE);
        lane_fail_all(lane);
    } else {
        take_known(lane, known, count);
        build_and_commit(lane, lane->check_count);
    }
}

static void check(struct chat_lane *lane, size_t count)
{
    lane_change_state(lane, CHAT_LANE_CHECKING);
    lane->check_count = count;
    lane->ports.look_up(lane->ports.context, &lane->keys, on_known, lane);
}

/* --- committing --- */

/* Something in the batch cannot be stored: halve the batches until it is alone, then refuse it and nothing else. */
static void isolate_poison(struct chat_lane *lane)
{
    size_t count = lane->batch->item_count;
    lane_set_lookups(lane, CHAT_LOOKUP_NONE);
    if (count == 1) {
        lane->batch->items[0]->is_poison = true;
        metrics_register(&poison_refused);
        metric_add(&poison_refused, 1);
        log_error("poison_refused", LOG_ID("chat", chat_item_chat(lane->batch->items[0])));
    }
    lane->batch_limit = (count + 1) / 2;
    lane_put_back(lane);
    lane_change_state(lane, CHAT_LANE_IDLE);
    loop_deferred_request(lane->turn_end);
}

static void ask_again(struct chat_lane *lane)
{
    size_t count = lane->batch->item_count;
    lane->careful_until_ms = clock_monotonic_ms() + lane->options.careful_ms;
    lane_set_lookups(lane, CHAT_LOOKUP_WANTED);
    lane_put_back(lane);
    if (++lane->known_key_count >= MAX_KNOWN_KEY_COMMITS) {
        log_error("known_key_not_found", LOG_NUMBER("items", count));
        lane->known_key_count = 0;
        lane_fail_all(lane);
    }
    lane_change_state(lane, CHAT_LANE_IDLE);
    loop_deferred_request(lane->turn_end);
}

static void give_up(struct chat_lane *lane)
{
    lane_put_back(lane);
    lane_change_state(lane, CHAT_LANE_IDLE);
    lane_fail_all(lane);
}

static void take_again(struct chat_lane *lane)
{
    bool is_lost = lane->lease_lost;
    lane_recover(lane);
    if (!is_lost)
        lane->ports.renew(lane->ports.context);
}

static void on_committed(void *context, enum chat_commit commit)
{
    struct chat_lane *lane = context;
    switch (commit) {
    case CHAT_COMMITTED:
        FAILPOINT(committed_not_answered);
        lane_measure_commit(lane);
        lane->known_key_count = 0;
        lane->batch_limit = lane->batch_limit * 2 < lane->options.batch.max_events
                                ? lane->batch_limit * 2
                                : lane->options.batch.max_events;
        lane_succeed(lane);
        break;
    case CHAT_COMMIT_KNOWN_KEY:
        ask_again(lane);
        break;
    case CHAT_COMMIT_POISONED:
        isolate_poison(lane);
        break;
    case CHAT_COMMIT_FAILED:
        give_up(lane);
        break;
    case CHAT_COMMIT_FENCED:
    case CHAT_COMMIT_UNCERTAIN:
        take_again(lane);
        return;
    }
    if (lane->lease_lost)
        lane_recover(lane);
}

/* What was looked up and did not fit into the batch must be looked up again: the batch may hold the same message. */
static void forget_leftover(struct chat_lane *lane, size_t most)
{
    struct chat_item *item = lane->ready.first;
    for (size_t i = lane->batch->item_count; i < most && item != NULL; i++, item = item->next) {
        if (item->lookup != CHAT_LOOKUP_NONE)
            item->lookup = CHAT_LOOKUP_WANTED;
    }
}

static void build_and_commit(struct chat_lane *lane, size_t most)
{
    lane_build(lane, most);
    if (lane->batch->lookups_wanted > 0) {
        lane_put_back(lane);
        lane_change_state(lane, CHAT_LANE_IDLE);
        loop_deferred_request(lane->turn_end); /* they are marked: it begins by looking them up */
        return;
    }
    forget_leftover(lane, most);
    if (!chat_batch_writes(lane->batch)) {
        lane_succeed(lane);
        return;
    }
    lane_change_state(lane, CHAT_LANE_COMMITTING);
    lane->commit_started_us = clock_monotonic_us();
    if (BUG(publish_before_commit))
        lane_publish_early(lane);
    lane->ports.commit(lane->ports.context, lane->batch, on_committed, lane);
    if (BUG(answer_before_commit))
        lane_answer_early(lane);
}

void lane_start_batch(struct chat_lane *lane)
{
    assert(lane->state == CHAT_LANE_IDLE);
    size_t count = lane->ready.count < lane->batch_limit ? lane->ready.count : lane->batch_limit;
    collect_keys(lane, count, clock_monotonic_ms() < lane->careful_until_ms);
    if (lane->keys.rows.count > 0)
        check(lane, count);
    else
        build_and_commit(lane, count);
}
