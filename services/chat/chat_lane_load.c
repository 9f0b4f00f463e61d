/* Reading the states that queued items need: many chats in one statement, gathered over a turn of the loop. An answer that
 * was asked for before a recovery is not believed after it. */
#include "services/chat/chat_lane_internal.h"
#include "shared/base/mem.h"

void lane_want_load(struct chat_lane *lane, struct chat_state *state)
{
    if (state->load_listed)
        return;
    state->load_listed = true;
    if (lane->to_load_count == lane->to_load_capacity) {
        lane->to_load_capacity = lane->to_load_capacity == 0 ? 64 : lane->to_load_capacity * 2;
        lane->to_load = mem_resize(lane->to_load, lane->to_load_capacity * sizeof *lane->to_load);
    }
    lane->to_load[lane->to_load_count++] = state->chat_id;
}

struct load {
    struct chat_lane *lane;
    int64_t generation; /* of the lease that it was asked under */
    size_t count;
    int64_t chats[LANE_LOAD_CHATS];
};

static struct chat_state *loading_state(struct chat_lane *lane, int64_t chat_id)
{
    struct chat_state *state = chat_states_find(lane->states, chat_id);
    return state != NULL && state->phase == CHAT_STATE_LOADING ? state : NULL;
}

static void fill_state(struct chat_state *state, const struct chat_loaded_chat *chat)
{
    state->exists = true;
    state->deleted = chat->deleted != 0;
    state->kind = chat->kind;
    state->history = chat->history;
    state->version = chat->version;
    state->blocked = chat->blocked;
    state->head_seq = state->committed_seq = chat->head_seq;
}

static void fill_states(struct chat_lane *lane, const struct chat_loaded *loaded)
{
    struct chat_state *state = NULL;
    for (size_t i = 0; i < loaded->chat_count; i++) {
        state = loading_state(lane, loaded->chats[i].chat_id);
        if (state != NULL)
            fill_state(state, &loaded->chats[i]);
    }
    for (size_t i = 0; i < loaded->member_count; i++) {
        const struct chat_loaded_member *member = &loaded->members[i];
        if (state == NULL || state->chat_id != member->chat_id)
            state = loading_state(lane, member->chat_id);
        if (state != NULL)
            chat_members_put(&state->members, member->user_id, member->from_seq, member->role);
    }
}

static void finish_load(struct chat_lane *lane, struct chat_state *state, bool ok)
{
    if (!ok) {
        struct chat_queue failed = state->waiting;
        state->waiting = (struct chat_queue){NULL, NULL, 0};
        chat_states_forget(lane->states, state);
        lane_answer_unavailable(lane, &failed);
        return;
    }
    state->phase = CHAT_STATE_READY;
    chat_queue_append(&lane->ready, &state->waiting);
    chat_states_count(lane->states, state);
}

static void on_loaded(void *context, const struct chat_loaded *loaded)
{
    struct load *load = context;
    struct chat_lane *lane = load->lane;
    if (load->generation == lane->generation) {
        if (loaded->ok)
            fill_states(lane, loaded);
        for (size_t i = 0; i < load->count; i++) {
            struct chat_state *state = loading_state(lane, load->chats[i]);
            if (state != NULL)
                finish_load(lane, state, loaded->ok);
        }
        loop_deferred_request(lane->turn_end);
    }
    mem_free(load);
}

/* What is still to be read of the list's entry; NULL when that has been settled otherwise. */
static struct chat_state *listed_state(struct chat_lane *lane, int64_t chat_id)
{
    struct chat_state *state = chat_states_find(lane->states, chat_id);
    if (state == NULL || !state->load_listed)
        return NULL;
    state->load_listed = false;
    return state->phase == CHAT_STATE_UNKNOWN && state->waiting.count > 0 ? state : NULL;
}

static struct load *load_create(struct chat_lane *lane)
{
    struct load *load = mem_alloc(sizeof *load);
    load->lane = lane;
    load->generation = lane->generation;
    load->count = 0;
    return load;
}

void lane_start_loads(struct chat_lane *lane)
{
    struct load *load = NULL;
    for (size_t i = 0; i < lane->to_load_count; i++) {
        struct chat_state *state = listed_state(lane, lane->to_load[i]);
        if (state == NULL)
            continue;
        if (load == NULL)
            load = load_create(lane);
        state->phase = CHAT_STATE_LOADING;
        load->chats[load->count++] = state->chat_id;
        if (load->count == LANE_LOAD_CHATS) {
            lane->ports.load(lane->ports.context, load->chats, load->count, on_loaded, load);
            load = NULL;
        }
    }
    lane->to_load_count = 0;
    if (load != NULL)
        lane->ports.load(lane->ports.context, load->chats, load->count, on_loaded, load);
}
