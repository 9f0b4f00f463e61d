/* What chat_lane.c (queue, states, lease) and chat_lane_commit.c (the way of a batch) share. */
#ifndef PARLEY_CHAT_LANE_INTERNAL_H
#define PARLEY_CHAT_LANE_INTERNAL_H

#include "services/chat/chat_lane.h"

#define LANE_LOAD_CHATS 64 /* read by one statement */

struct chat_lane {
    struct chat_partitions *partitions;
    struct chat_lane_options options;
    struct chat_lane_ports ports;
    struct loop_deferred *turn_end;
    struct loop_timer *patience; /* RECOVERING: until what is queued is given up */
    struct chat_states *states;
    struct chat_batch *batch;
    struct chat_queue ready;
    size_t events, bytes; /* of everything that was taken in and not answered */
    enum chat_lane_state state;
    bool lease_lost; /* while an answer is awaited */
    bool is_draining;
    int64_t generation; /* counts recoveries: what was asked before one is not believed after it */
    int64_t *to_load;   /* chats to be read at the end of the turn */
    size_t to_load_count, to_load_capacity;
    struct chat_keys keys; /* being looked up */
    size_t key_capacity;
    size_t check_count;  /* CHECKING: how many items from the front of the queue it is about */
    size_t batch_limit;  /* items; halved after a poisoned batch until the bad one is alone */
    int known_key_count; /* commits in a row that failed by it */
    int64_t careful_until_ms;
    int64_t commit_started_us;
};

void lane_change_state(struct chat_lane *lane, enum chat_lane_state state);
/* The next batch, from IDLE; there is something ready. */
void lane_start_batch(struct chat_lane *lane);
void lane_build(struct chat_lane *lane, size_t most);
void lane_put_back(struct chat_lane *lane);
void lane_succeed(struct chat_lane *lane);
void lane_answer_unavailable(struct chat_lane *lane, struct chat_queue *items);
/* Reads the state at the end of the turn. */
void lane_want_load(struct chat_lane *lane, struct chat_state *state);
void lane_start_loads(struct chat_lane *lane);
void lane_fail_all(struct chat_lane *lane);
void lane_recover(struct chat_lane *lane);
#ifdef PARLEY_CHAOS
void lane_publish_early(struct chat_lane *lane);
void lane_answer_early(struct chat_lane *lane);
#else
#define lane_publish_early(lane) ((void)(lane))
#define lane_answer_early(lane)  ((void)(lane))
#endif
void lane_measure_commit(struct chat_lane *lane);
/* Sets what is known of the keys of the batch's messages; what is done to a message is always to be looked up anew. */
void lane_set_lookups(struct chat_lane *lane, enum chat_lookup lookup);

#endif
