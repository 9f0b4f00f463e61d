/* A hash table of chained buckets, and a list from the most to the least recently used. */
#include "services/chat/chat_state.h"

#include <assert.h>

#include "shared/base/mem.h"
#include "shared/base/metrics.h"

struct chat_states {
    struct chat_state **buckets;
    size_t bucket_count; /* a power of two */
    size_t count, max_chats;
    size_t members, max_members;
    struct chat_state *newest, *oldest;
};

static struct metric cached_members = {.name = "parley_chat_cached_members",
                                       .labels = "",
                                       .help = "Members of the chats that are in memory.",
                                       .kind = METRIC_GAUGE};
static struct metric cached = {.name = "parley_chat_cached_chats",
                               .labels = "",
                               .help = "Chats whose head and members are held in memory.",
                               .kind = METRIC_GAUGE};

struct chat_states *chat_states_create(size_t max_chats, size_t max_members)
{
    struct chat_states *states = mem_zalloc(sizeof *states);
    states->max_chats = max_chats;
    states->max_members = max_members;
    states->bucket_count = 16;
    while (states->bucket_count < max_chats)
        states->bucket_count *= 2;
    states->buckets = mem_array(states->bucket_count, sizeof(struct chat_state *));
    metrics_register(&cached);
    metrics_register(&cached_members);
    return states;
}

static struct chat_state **bucket_of(struct chat_states *states, int64_t chat_id)
{
    uint64_t mixed = (uint64_t)chat_id * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio */
    return &states->buckets[(size_t)(mixed >> 32) & (states->bucket_count - 1)];
}

static void unlink_recent(struct chat_states *states, struct chat_state *state)
{
    if (state->recent_previous == NULL)
        states->newest = state->recent_next;
    else
        state->recent_previous->recent_next = state->recent_next;
    if (state->recent_next == NULL)
        states->oldest = state->recent_previous;
    else
        state->recent_next->recent_previous = state->recent_previous;
}

static void link_newest(struct chat_states *states, struct chat_state *state)
{
    state->recent_previous = NULL;
    state->recent_next = states->newest;
    if (states->newest == NULL)
        states->oldest = state;
    else
        states->newest->recent_previous = state;
    states->newest = state;
}

static void destroy(struct chat_states *states, struct chat_state *state)
{
    struct chat_state **link = bucket_of(states, state->chat_id);
    while (*link != state)
        link = &(*link)->bucket_next;
    *link = state->bucket_next;
    unlink_recent(states, state);
    states->count--;
    states->members -= state->counted_members;
    metric_set(&cached_members, (int64_t)states->members);
    chat_members_clear(&state->members);
    mem_free(state);
    metric_set(&cached, (int64_t)states->count);
}

void chat_states_destroy(struct chat_states **states)
{
    if (*states == NULL)
        return;
    while ((*states)->newest != NULL)
        destroy(*states, (*states)->newest);
    mem_free((*states)->buckets);
    mem_free(*states);
    *states = NULL;
}

struct chat_state *chat_states_find(struct chat_states *states, int64_t chat_id)
{
    struct chat_state *state = *bucket_of(states, chat_id);
    while (state != NULL && state->chat_id != chat_id)
        state = state->bucket_next;
    return state;
}

/* Pinned ones are passed over: there are no more of them than items in the queue, which is bounded. */
static void evict(struct chat_states *states)
{
    struct chat_state *state = states->oldest;
    while (state != NULL &&
           (states->count > states->max_chats || states->members > states->max_members)) {
        struct chat_state *newer = state->recent_previous;
        if (state->pins == 0)
            destroy(states, state);
        state = newer;
    }
}

struct chat_state *chat_states_pin(struct chat_states *states, int64_t chat_id)
{
    struct chat_state *state = chat_states_find(states, chat_id);
    if (state == NULL) {
        struct chat_state **bucket = bucket_of(states, chat_id);
        state = mem_zalloc(sizeof *state);
        state->chat_id = chat_id;
        state->bucket_next = *bucket;
        *bucket = state;
        states->count++;
        metric_set(&cached, (int64_t)states->count);
    } else {
        unlink_recent(states, state);
    }
    link_newest(states, state);
    state->pins++;
    evict(states);
    return state;
}

void chat_states_unpin(struct chat_states *states, struct chat_state *state)
{
    assert(state->pins > 0);
    state->pins--;
    if (state->pins == 0 && !state->exists && state->phase == CHAT_STATE_READY)
        destroy(states,
                state); /* a chat that is not there: no reason to remember whoever asks for it */
}

void chat_states_forget(struct chat_states *states, struct chat_state *state)
{
    states->members -= state->counted_members;
    metric_set(&cached_members, (int64_t)states->members);
    state->counted_members = 0;
    chat_members_clear(&state->members);
    state->phase = CHAT_STATE_UNKNOWN;
    state->exists = state->deleted = state->dirty = state->touched = false;
    state->kind = state->history = state->blocked = state->version = 0;
    state->head_seq = state->committed_seq = 0;
}

void chat_states_forget_all(struct chat_states *states)
{
    struct chat_state *state = states->newest;
    while (state != NULL) {
        struct chat_state *older = state->recent_next;
        if (state->pins == 0)
            destroy(states, state);
        else
            chat_states_forget(states, state);
        state = older;
    }
}

void chat_states_count(struct chat_states *states, struct chat_state *state)
{
    states->members += state->members.count - state->counted_members;
    metric_set(&cached_members, (int64_t)states->members);
    state->counted_members = state->members.count;
    evict(states);
}

size_t chat_states_size(const struct chat_states *states)
{
    return states->count;
}

struct chat_state *chat_states_next(struct chat_states *states, struct chat_state *previous)
{
    return previous == NULL ? states->newest : previous->recent_next;
}
