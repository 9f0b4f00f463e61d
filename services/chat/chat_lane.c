/* The lane's queue and states. What is queued is in one of three places, and all items of a chat are in the same one:
 * `ready` (its state is known), the state's own `waiting` (it is being read), or the batch on its way. */
#include "services/chat/chat_lane.h"

#include <assert.h>

#include "services/chat/chat_lane_internal.h"
#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/base/planted_bug.h"

static struct metric appended = {.name = "parley_chat_appended_total",
                                 .labels = "",
                                 .help = "Events that were committed.",
                                 .kind = METRIC_COUNTER};
static struct metric duplicates = {.name = "parley_chat_duplicates_total",
                                   .labels = "",
                                   .help = "Messages that were in the log already.",
                                   .kind = METRIC_COUNTER};
static struct metric batches = {.name = "parley_chat_batches_total",
                                .labels = "",
                                .help = "Commits of events.",
                                .kind = METRIC_COUNTER};
static struct metric commit_seconds = {.name = "parley_chat_commit_seconds",
                                       .labels = "",
                                       .help = "From sending a batch to Postgres to its answer.",
                                       .kind = METRIC_HISTOGRAM};
static struct metric batch_events = {
    .name = "parley_chat_batch_events",
    .labels = "",
    .help = "Events in a commit; a bucket's bound of n microseconds means n events.",
    .kind = METRIC_HISTOGRAM};
static struct metric queued = {.name = "parley_chat_queue_events",
                               .labels = "",
                               .help = "Events that wait for a commit or are in one.",
                               .kind = METRIC_GAUGE};
static struct metric queued_bytes = {.name = "parley_chat_queue_bytes",
                                     .labels = "",
                                     .help = "Bytes of the events that are being worked on.",
                                     .kind = METRIC_GAUGE};
static struct metric refused = {
    .name = "parley_chat_refused_total",
    .labels = "",
    .help = "Requests that were not taken in: full, not connected, or stopping.",
    .kind = METRIC_COUNTER};
static struct metric recoveries = {.name = "parley_chat_recoveries_total",
                                   .labels = "",
                                   .help = "Times that all heads were read again.",
                                   .kind = METRIC_COUNTER};

static const char *state_name(enum chat_lane_state state)
{
    static const char *const names[] = {"recovering", "idle", "checking", "committing"};
    return names[state];
}

void lane_change_state(struct chat_lane *lane, enum chat_lane_state state)
{
    log_debug("lane_state", LOG_STRING("from", state_name(lane->state)),
              LOG_STRING("to", state_name(state)), LOG_NUMBER("ready", lane->ready.count));
    lane->state = state;
}

/* --- answers --- */

static void leave_queue(struct chat_lane *lane, struct chat_item *item)
{
    lane->events -= chat_item_events(item);
    lane->bytes -= chat_item_bytes(item);
    metric_set(&queued, (int64_t)lane->events);
    metric_set(&queued_bytes, (int64_t)lane->bytes);
    struct chat_state *state = item->state;
    item->state = NULL;
    if (state != NULL)
        chat_states_unpin(lane->states, state);
}

/* The item may be gone afterwards. */
static void answer(struct chat_lane *lane, struct chat_item *item)
{
    leave_queue(lane, item);
    if (item->outcome.duplicate)
        metric_add(&duplicates, 1);
    item->on_done(item);
}

void lane_answer_unavailable(struct chat_lane *lane, struct chat_queue *items)
{
    struct chat_item *item;
    while ((item = chat_queue_pop(items)) != NULL) {
        item->outcome = (struct chat_outcome){.problem = PROBLEM_UNAVAILABLE};
        answer(lane, item);
    }
}

/* Everything that waits, whatever for. The batch must have been put back. */
void lane_fail_all(struct chat_lane *lane)
{
    struct chat_queue failed = lane->ready;
    lane->ready = (struct chat_queue){NULL, NULL, 0};
    for (struct chat_state *state = NULL; (state = chat_states_next(lane->states, state)) != NULL;)
        chat_queue_append(&failed, &state->waiting);
    lane_answer_unavailable(lane, &failed);
}

/* --- the queue --- */

/* Puts an item where its chat's items are. Its state is pinned already. What the log said of it before its chat is read again
 * is asked again too: other batches come first, maybe even another owner's. */
static void dispatch(struct chat_lane *lane, struct chat_item *item)
{
    struct chat_state *state = item->state;
    if (state->phase == CHAT_STATE_READY) {
        chat_queue_push(&lane->ready, item);
        return;
    }
    if (item->lookup != CHAT_LOOKUP_NONE)
        item->lookup = CHAT_LOOKUP_WANTED;
    chat_queue_push(&state->waiting, item);
    if (state->phase == CHAT_STATE_UNKNOWN)
        lane_want_load(lane, state);
}

/* --- the batch --- */

/* Back to the front of the queue in their order; then everything goes where its state says. */
void lane_put_back(struct chat_lane *lane)
{
    struct chat_queue all = {NULL, NULL, 0};
    for (size_t i = 0; i < lane->batch->item_count; i++)
        chat_queue_push(&all, lane->batch->items[i]);
    chat_batch_roll_back(lane->batch, lane->states);
    chat_batch_begin(lane->batch, 0);
    chat_queue_append(&all, &lane->ready);
    struct chat_item *item;
    while ((item = chat_queue_pop(&all)) != NULL)
        dispatch(lane, item);
}

/* Up to `most` items from the front of the queue. */
void lane_build(struct chat_lane *lane, size_t most)
{
    chat_batch_begin(lane->batch, clock_wall_ms());
    for (size_t i = 0; i < most && lane->ready.first != NULL; i++) {
        if (chat_batch_add(lane->batch, lane->ready.first) == CHAT_BATCH_FULL)
            break;
        chat_queue_pop(&lane->ready);
    }
    chat_batch_seal(lane->batch);
}

/* The batch's outcomes are true: tell them, then the news. */
void lane_succeed(struct chat_lane *lane)
{
    struct chat_batch *batch = lane->batch;
    size_t events = batch->events.count;
    chat_batch_accept(batch);
    if (events > 0 && batch->item_count > 0) /* 0: a planted bug has answered them already */
        lane->ports.prepare_news(lane->ports.context, batch);
    for (size_t i = 0; i < batch->item_count; i++) {
        struct chat_item *item = batch->items[i];
        if (item->kind == CHAT_ITEM_CHANGE && item->state->phase == CHAT_STATE_READY)
            chat_states_count(lane->states, item->state);
        answer(lane, item);
    }
    chat_batch_begin(batch, 0);
    if (events > 0) {
        FAILPOINT(answered_not_published);
        lane->ports.send_news(lane->ports.context);
    }
    metric_add(&appended, (int64_t)events);
    lane_change_state(lane, CHAT_LANE_IDLE);
    loop_deferred_request(lane->turn_end);
}

#ifdef PARLEY_CHAOS
/* Planted bugs: what lane_succeed does after the commit, or a part of it, done before. */
void lane_publish_early(struct chat_lane *lane)
{
    if (lane->batch->events.count == 0)
        return;
    lane->ports.prepare_news(lane->ports.context, lane->batch);
    lane->ports.send_news(lane->ports.context);
}

void lane_answer_early(struct chat_lane *lane)
{
    struct chat_batch *batch = lane->batch;
    for (size_t i = 0; i < batch->item_count; i++)
        if (batch->items[i]->kind != CHAT_ITEM_MESSAGE)
            return;
    if (batch->events.count > 0)
        lane->ports.prepare_news(lane->ports.context, batch);
    for (size_t i = 0; i < batch->item_count; i++)
        answer(lane, batch->items[i]);
    batch->item_count = 0;
}
#endif

void lane_measure_commit(struct chat_lane *lane)
{
    metric_add(&batches, 1);
    metric_observe_us(&batch_events, (int64_t)lane->batch->events.count);
    metric_observe_us(&commit_seconds, clock_monotonic_us() - lane->commit_started_us);
}

static void on_turn_end(void *context)
{
    struct chat_lane *lane = context;
    if (lane->state == CHAT_LANE_RECOVERING)
        return;
    lane_start_loads(lane);
    if (lane->state == CHAT_LANE_IDLE && lane->ready.first != NULL)
        lane_start_batch(lane);
}

/* --- taking in --- */

static bool is_held(const struct chat_lane *lane, int64_t chat_id)
{
    return lane->partitions->count > 0 &&
           lane->partitions->items[id_partition(chat_id, lane->partitions->count)].held;
}

static bool has_room(const struct chat_lane *lane, const struct chat_item *items, size_t count)
{
    size_t events = lane->events, bytes = lane->bytes;
    for (size_t i = 0; i < count; i++) {
        events += chat_item_events(&items[i]);
        bytes += chat_item_bytes(&items[i]);
    }
    return events <= lane->options.max_queue_events && bytes <= lane->options.max_queue_bytes;
}

/* While the heads are being read again, for as long as that may be worth waiting for. */
static bool takes_in(const struct chat_lane *lane)
{
    if (lane->is_draining || !lane->ports.is_connected(lane->ports.context))
        return false;
    return lane->state != CHAT_LANE_RECOVERING || loop_timer_is_running(lane->patience);
}

static void take_in(struct chat_lane *lane, struct chat_item *item)
{
    int64_t chat_id = chat_item_chat(item);
    if (lane->state != CHAT_LANE_RECOVERING && !is_held(lane, chat_id)) {
        item->outcome = (struct chat_outcome){.problem = PROBLEM_UNAVAILABLE};
        item->on_done(item);
        return;
    }
    lane->events += chat_item_events(item);
    lane->bytes += chat_item_bytes(item);
    item->state = chat_states_pin(lane->states, chat_id);
    if (item->action != NULL)
        item->lookup = CHAT_LOOKUP_WANTED;
    dispatch(lane, item);
}

bool chat_lane_submit(struct chat_lane *lane, struct chat_item *items, size_t count)
{
    if (!takes_in(lane) || !has_room(lane, items, count)) {
        metric_add(&refused, 1);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        take_in(lane, &items[i]);
    metric_set(&queued, (int64_t)lane->events);
    metric_set(&queued_bytes, (int64_t)lane->bytes);
    loop_deferred_request(lane->turn_end);
    return true;
}

/* --- the lease --- */

/* What belongs to a partition that somebody else has is not ours to write. */
static void drop_foreign(struct chat_lane *lane)
{
    struct chat_queue foreign = {NULL, NULL, 0};
    struct chat_state *state = NULL;
    while ((state = chat_states_next(lane->states, state)) != NULL) {
        if (!is_held(lane, state->chat_id))
            chat_queue_append(&foreign, &state->waiting);
        else if (state->waiting.count > 0)
            lane_want_load(lane, state);
    }
    lane_answer_unavailable(lane, &foreign);
}

void chat_lane_lease_taken(struct chat_lane *lane)
{
    if (lane->state != CHAT_LANE_RECOVERING)
        return;
    loop_timer_stop(lane->patience);
    lane_change_state(lane, CHAT_LANE_IDLE);
    drop_foreign(lane);
    loop_deferred_request(lane->turn_end);
}

/* Forgets every head; what is queued waits until the partitions were taken again. */
void lane_recover(struct chat_lane *lane)
{
    metric_add(&recoveries, 1);
    lane_set_lookups(lane, CHAT_LOOKUP_WANTED);
    lane_put_back(lane);
    struct chat_queue all = lane->ready;
    lane->ready = (struct chat_queue){NULL, NULL, 0};
    lane->generation++;
    lane->lease_lost = false;
    chat_states_forget_all(lane->states);
    struct chat_item *item;
    while ((item = chat_queue_pop(&all)) != NULL)
        dispatch(lane, item);
    lane_change_state(lane, CHAT_LANE_RECOVERING);
    loop_timer_start(lane->patience, lane->options.patience_ms);
}

void chat_lane_lease_lost(struct chat_lane *lane)
{
    if (lane->state == CHAT_LANE_IDLE)
        lane_recover(lane);
    else if (lane->state != CHAT_LANE_RECOVERING)
        lane->lease_lost = true; /* the answer that is awaited decides about the batch first */
}

static void on_patience_over(void *context)
{
    struct chat_lane *lane = context;
    if (lane->events > 0)
        log_warning("queue_given_up", LOG_NUMBER("events", lane->events));
    lane_fail_all(lane);
}

/* --- life --- */

static void register_metrics(void)
{
    struct metric *const metrics[] = {&appended, &queued_bytes,   &duplicates,
                                      &batches,  &commit_seconds, &batch_events,
                                      &queued,   &refused,        &recoveries};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++)
        metrics_register(metrics[i]);
}

struct chat_lane *chat_lane_create(struct loop *loop, struct chat_partitions *partitions,
                                   const struct chat_lane_options *options,
                                   const struct chat_lane_ports *ports)
{
    struct chat_lane *lane = mem_zalloc(sizeof *lane);
    lane->partitions = partitions;
    lane->options = *options;
    lane->ports = *ports;
    lane->batch_limit = options->batch.max_events;
    lane->batch = chat_batch_create(partitions, &options->batch);
    lane->states = chat_states_create(options->max_cached_chats, options->max_cached_members);
    lane->turn_end = loop_deferred_create(loop, on_turn_end, lane);
    lane->patience = loop_timer_create(loop, on_patience_over, lane);
    chat_table_init(&lane->keys.rows, KEY_NUMBERS, KEY_TEXTS);
    register_metrics();
    return lane;
}

void chat_lane_destroy(struct chat_lane **lane)
{
    if (*lane == NULL)
        return;
    lane_put_back(*lane);
    lane_fail_all(*lane);
    loop_timer_destroy(&(*lane)->patience);
    loop_deferred_destroy(&(*lane)->turn_end);
    chat_states_destroy(&(*lane)->states);
    chat_batch_destroy(&(*lane)->batch);
    chat_table_deinit(&(*lane)->keys.rows);
    mem_free((*lane)->keys.items);
    mem_free((*lane)->to_load);
    mem_free(*lane);
    *lane = NULL;
}

void chat_lane_drain(struct chat_lane *lane)
{
    lane->is_draining = true;
}

bool chat_lane_is_empty(const struct chat_lane *lane)
{
    return lane->events == 0;
}

enum chat_lane_state chat_lane_state(const struct chat_lane *lane)
{
    return lane->state;
}
