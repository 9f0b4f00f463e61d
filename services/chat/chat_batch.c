/* Building a batch. The order of decisions on a message is the contract's: whether it is in the log already comes before
 * whether its sender may write now, so that a message that was stored is never refused when it is sent again (I3, I7).
 * The same holds for what is done to a message. */
#include "services/chat/chat_batch.h"

#include <assert.h>
#include <string.h>

#include "services/chat/chat_rights.h"
#include "shared/base/id.h"
#include "shared/base/mem.h"
#include "shared/base/planted_bug.h"

#define KEYS_PER_ITEM 2 /* slots of the hash table */

struct chat_batch *chat_batch_create(struct chat_partitions *partitions,
                                     const struct chat_batch_limits *limits)
{
    struct chat_batch *batch = mem_zalloc(sizeof *batch);
    batch->partitions = partitions;
    batch->limits = *limits;
    chat_table_init(&batch->events, EVENT_NUMBERS, EVENT_TEXTS);
    chat_table_init(&batch->spans, SPAN_NUMBERS, 0);
    chat_table_init(&batch->chats, CHAT_NUMBERS, 0);
    chat_table_init(&batch->fence, FENCE_NUMBERS, 0);
    chat_table_init(&batch->edits, EDIT_NUMBERS, 0);
    chat_table_init(&batch->deletes, ACTION_NUMBERS, 0);
    chat_table_init(&batch->reactions, REACTION_NUMBERS, 1);
    batch->key_capacity = 64;
    while (batch->key_capacity < limits->max_events * KEYS_PER_ITEM)
        batch->key_capacity *= 2;
    batch->keys = mem_array(batch->key_capacity, sizeof *batch->keys);
    return batch;
}

void chat_batch_destroy(struct chat_batch **batch)
{
    if (*batch == NULL)
        return;
    chat_table_deinit(&(*batch)->events);
    chat_table_deinit(&(*batch)->spans);
    chat_table_deinit(&(*batch)->chats);
    chat_table_deinit(&(*batch)->fence);
    chat_table_deinit(&(*batch)->edits);
    chat_table_deinit(&(*batch)->deletes);
    chat_table_deinit(&(*batch)->reactions);
    arena_deinit(&(*batch)->arena);
    mem_free((*batch)->items);
    mem_free((*batch)->touched);
    mem_free((*batch)->keys);
    mem_free(*batch);
    *batch = NULL;
}

void chat_batch_begin(struct chat_batch *batch, int64_t at_ms)
{
    assert(batch->touched_count == 0);
    batch->at_ms = at_ms;
    batch->bytes = batch->item_count = batch->lookups_wanted = 0;
    batch->events.count = batch->spans.count = batch->chats.count = batch->fence.count = 0;
    batch->edits.count = batch->deletes.count = batch->reactions.count = 0;
    arena_deinit(&batch->arena);
    memset(batch->keys, 0, batch->key_capacity * sizeof *batch->keys);
}

void chat_batch_touch(struct chat_batch *batch, struct chat_state *state)
{
    if (state->touched)
        return;
    if (batch->touched_count == batch->touched_capacity) {
        batch->touched_capacity = batch->touched_capacity == 0 ? 64 : batch->touched_capacity * 2;
        batch->touched =
            mem_resize(batch->touched, batch->touched_capacity * sizeof(struct chat_state *));
    }
    batch->touched[batch->touched_count++] = state;
    state->touched = true;
    state->first_span = batch->spans.count;
}

size_t chat_batch_add_event(struct chat_batch *batch, struct chat_state *state,
                            enum chat_event_type type, int64_t sender_id, int64_t subject_id)
{
    uint32_t partition = id_partition(state->chat_id, batch->partitions->count);
    struct chat_table *events = &batch->events;
    size_t row = chat_table_add(events);
    chat_batch_touch(batch, state);
    events->numbers[EVENT_PARTITION][row] = partition;
    events->numbers[EVENT_CHAT][row] = state->chat_id;
    events->numbers[EVENT_SEQ][row] = ++state->head_seq;
    events->numbers[EVENT_OFFSET][row] = ++batch->partitions->items[partition].head_offset;
    events->numbers[EVENT_TYPE][row] = type;
    events->numbers[EVENT_SENDER][row] = sender_id;
    events->numbers[EVENT_SUBJECT][row] = subject_id;
    events->numbers[EVENT_AT][row] = batch->at_ms;
    for (size_t column = 0; column < EVENT_TEXTS; column++)
        events->texts[column][row] = TEXT_NONE;
    return row;
}

/* --- the keys of this batch's own messages --- */

static uint64_t key_hash(const struct chat_message *message)
{
    uint64_t hash = (uint64_t)message->chat_id * 0x9E3779B97F4A7C15u ^ (uint64_t)message->sender_id;
    for (size_t i = 0; i < message->client_id.length; i++)
        hash = (hash ^ (unsigned char)message->client_id.data[i]) * 0x100000001B3u; /* FNV-1a */
    return hash ^ hash >> 32;
}

static bool same_key(const struct chat_message *a, const struct chat_message *b)
{
    return a->chat_id == b->chat_id && a->sender_id == b->sender_id &&
           text_equal(a->client_id, b->client_id);
}

/* The slot of the message's key: it holds the index + 1 of the first message with this key, or 0. */
static uint32_t *key_slot(const struct chat_batch *batch, const struct chat_message *message)
{
    size_t mask = batch->key_capacity - 1;
    size_t slot = (size_t)key_hash(message) & mask;
    while (batch->keys[slot] != 0 &&
           !same_key(batch->items[batch->keys[slot] - 1]->message, message))
        slot = (slot + 1) & mask;
    return &batch->keys[slot];
}

/* --- messages --- */

static enum problem judge(const struct chat_state *state, const struct chat_message *message)
{
    const struct chat_member *sender;
    enum problem problem = chat_rights_standing(state, message->sender_id, &sender);
    if (problem == PROBLEM_NONE)
        problem = chat_rights_judge(state, sender, CHAT_RIGHT_WRITE);
    if (problem == PROBLEM_NONE && message->target > state->head_seq)
        problem = PROBLEM_BAD_REQUEST; /* a reply to what is not there */
    return problem;
}

static struct text text_or_none(struct text text)
{
    return text.length == 0 ? TEXT_NONE : text;
}

static void write_message(struct chat_batch *batch, struct chat_item *item)
{
    const struct chat_message *message = item->message;
    size_t row =
        chat_batch_add_event(batch, item->state, CHAT_EVENT_MESSAGE, message->sender_id, 0);
    batch->events.texts[EVENT_CLIENT_ID][row] = message->client_id;
    batch->events.texts[EVENT_BODY][row] = message->body;
    batch->events.texts[EVENT_DETAIL][row] = text_or_none(message->detail);
    item->outcome = (struct chat_outcome){PROBLEM_NONE, item->state->head_seq, batch->at_ms, false};
}

static struct chat_outcome known_outcome(const struct chat_item *item)
{
    if (item->lookup == CHAT_LOOKUP_OTHER)
        return (struct chat_outcome){.problem = PROBLEM_CONFLICT};
    return (struct chat_outcome){PROBLEM_NONE, item->known_seq, item->known_at_ms, true};
}

static struct chat_outcome twin_outcome(const struct chat_item *item, const struct chat_item *twin)
{
    if (item->message->type != twin->message->type ||
        item->message->target != twin->message->target ||
        !text_equal(item->message->body, twin->message->body) ||
        !text_equal(text_or_none(item->message->detail), text_or_none(twin->message->detail)))
        return (struct chat_outcome){.problem = PROBLEM_CONFLICT};
    return (struct chat_outcome){PROBLEM_NONE, twin->outcome.seq, twin->outcome.at_ms, true};
}

/* Somebody who never was a member has nothing in the log; everybody else may be sending again what is there. */
static bool may_be_known(const struct chat_item *item)
{
    return item->state->exists &&
           chat_members_find(&item->state->members, item->message->sender_id) != NULL;
}

static void add_new_message(struct chat_batch *batch, struct chat_item *item)
{
    enum problem problem = judge(item->state, item->message);
    if (problem == PROBLEM_NONE) {
        write_message(batch, item);
        return;
    }
    item->outcome = (struct chat_outcome){.problem = problem};
    if (item->lookup != CHAT_LOOKUP_FRESH && may_be_known(item)) {
        item->lookup = CHAT_LOOKUP_WANTED;
        batch->lookups_wanted++;
    }
}

/* The item is the last of batch->items. */
static void add_message(struct chat_batch *batch, struct chat_item *item)
{
    size_t events = batch->events.count;
    if (BUG(no_dedupe) && item->lookup == CHAT_LOOKUP_SAME && item->action == NULL) {
        write_message(batch, item);
        batch->events.texts[EVENT_CLIENT_ID][batch->events.count - 1] = TEXT_NONE;
        return;
    }
    if (item->lookup == CHAT_LOOKUP_SAME || item->lookup == CHAT_LOOKUP_OTHER) {
        item->outcome = known_outcome(item);
        return;
    }
    uint32_t *slot = key_slot(batch, item->message);
    if (*slot != 0) {
        item->outcome = twin_outcome(item, batch->items[*slot - 1]);
        return;
    }
    if (item->action == NULL)
        add_new_message(batch, item);
    else
        chat_action_add(batch, item);
    if (batch->events.count > events)
        *slot = (uint32_t)batch->item_count;
}

/* --- the batch --- */

static bool is_full(const struct chat_batch *batch, const struct chat_item *item)
{
    if (batch->item_count == 0)
        return false;
    return batch->item_count >= batch->limits.max_events ||
           batch->events.count + chat_item_events(item) > batch->limits.max_events ||
           batch->bytes + chat_item_bytes(item) > batch->limits.max_bytes;
}

static bool must_wait(const struct chat_batch *batch, const struct chat_item *item)
{
    assert(item->lookup != CHAT_LOOKUP_NONE && item->lookup != CHAT_LOOKUP_WANTED);
    return batch->item_count > 0 && chat_action_must_wait(batch, item);
}

enum chat_batch_add chat_batch_add(struct chat_batch *batch, struct chat_item *item)
{
    assert(item->state->phase == CHAT_STATE_READY);
    if (is_full(batch, item) || (item->action != NULL && must_wait(batch, item)))
        return CHAT_BATCH_FULL;
    if (batch->item_count == batch->item_capacity) {
        batch->item_capacity = batch->item_capacity == 0 ? 64 : batch->item_capacity * 2;
        batch->items = mem_resize(batch->items, batch->item_capacity * sizeof(struct chat_item *));
    }
    batch->items[batch->item_count++] = item;
    batch->bytes += chat_item_bytes(item);
    if (item->is_poison)
        item->outcome = (struct chat_outcome){.problem = PROBLEM_INTERNAL};
    else if (item->kind == CHAT_ITEM_MESSAGE)
        add_message(batch, item);
    else
        chat_change_add(batch, item);
    return CHAT_BATCH_TAKEN;
}

static void seal_chat(struct chat_batch *batch, const struct chat_state *state)
{
    struct chat_table *chats = &batch->chats;
    size_t row = chat_table_add(chats);
    chats->numbers[CHAT_PARTITION][row] = id_partition(state->chat_id, batch->partitions->count);
    chats->numbers[CHAT_ID][row] = state->chat_id;
    chats->numbers[CHAT_KIND][row] = state->kind;
    chats->numbers[CHAT_HISTORY][row] = state->history;
    chats->numbers[CHAT_VERSION][row] = state->version;
    chats->numbers[CHAT_BLOCKED][row] = state->blocked;
    chats->numbers[CHAT_DELETED][row] = state->deleted;
}

/* Also for a change without an event (blocks): the epoch is checked, the head stays. */
static void seal_fence(struct chat_batch *batch, const bool *written)
{
    struct chat_table *fence = &batch->fence;
    for (uint32_t i = 0; i < batch->partitions->count; i++) {
        const struct chat_partition *partition = &batch->partitions->items[i];
        if (!written[i])
            continue;
        size_t row = chat_table_add(fence);
        fence->numbers[FENCE_PARTITION][row] = i;
        fence->numbers[FENCE_EPOCH][row] = partition->epoch;
        fence->numbers[FENCE_BEFORE][row] = partition->committed_offset;
        fence->numbers[FENCE_HEAD][row] = partition->head_offset;
    }
}

void chat_batch_seal(struct chat_batch *batch)
{
    bool written[CHAT_MAX_PARTITIONS] = {false};
    for (size_t i = 0; i < batch->touched_count; i++) {
        const struct chat_state *state = batch->touched[i];
        written[id_partition(state->chat_id, batch->partitions->count)] = true;
        if (state->dirty)
            seal_chat(batch, state);
    }
    seal_fence(batch, written);
}

bool chat_batch_writes(const struct chat_batch *batch)
{
    return batch->fence.count > 0;
}

void chat_batch_accept(struct chat_batch *batch)
{
    for (size_t i = 0; i < batch->fence.count; i++) {
        struct chat_partition *partition =
            &batch->partitions->items[batch->fence.numbers[FENCE_PARTITION][i]];
        partition->committed_offset = batch->fence.numbers[FENCE_HEAD][i];
    }
    for (size_t i = 0; i < batch->touched_count; i++) {
        struct chat_state *state = batch->touched[i];
        state->committed_seq = state->head_seq;
        state->touched = state->dirty = false;
    }
    batch->touched_count = 0;
}

void chat_batch_roll_back(struct chat_batch *batch, struct chat_states *states)
{
    for (size_t i = 0; i < batch->touched_count; i++) {
        struct chat_state *state = batch->touched[i];
        struct chat_partition *partition =
            &batch->partitions->items[id_partition(state->chat_id, batch->partitions->count)];
        partition->head_offset = partition->committed_offset;
        if (!BUG(seq_not_rolled_back))
            state->head_seq = state->committed_seq;
        state->touched = false;
        if (state->dirty)
            chat_states_forget(states, state);
    }
    batch->touched_count = 0;
}
