/* Spans in an array, and for those who ask for single users a table of places in it: open addressing with linear probing, a
 * user stays in it until the spans are pruned. Ids are random numbers of ours, so nobody can choose them to collide. For how
 * many were members in the past, the steps in their number. */
#include "services/delivery/delivery_roster.h"

#include <stdlib.h>

#include "shared/base/mem.h"
#include "shared/base/planted_bug.h"

#define FIRST_CAPACITY 4
#define PRUNE_ENDED    64 /* ended spans that are kept for a second reading of the feed */
#define PRUNE_PART     8 /* … or this part of all: a large one is not walked for every few that leave */

bool delivery_span_covers(const struct chat_span *span, int64_t seq)
{
    return span->from_seq <= seq && (span->to_seq == 0 || seq <= span->to_seq);
}

/* --- places --- */

static uint32_t *slot_of(const struct delivery_roster *roster, int64_t user_id)
{
    uint64_t mixed = (uint64_t)user_id * 0x9E3779B97F4A7C15u; /* 2^64 / golden ratio */
    size_t slot = (size_t)(mixed >> 32) & (roster->place_capacity - 1);
    while (roster->places[slot] != 0 && roster->spans[roster->places[slot] - 1].user_id != user_id)
        slot = (slot + 1) & (roster->place_capacity - 1);
    return &roster->places[slot];
}

static void drop_places(struct delivery_roster *roster)
{
    mem_free(roster->places);
    roster->places = NULL;
    roster->place_capacity = 0;
}

/* The last of a user's spans wins, in whatever order they lie. */
static void note_place(struct delivery_roster *roster, size_t place)
{
    const struct chat_span *span = &roster->spans[place];
    uint32_t *slot = slot_of(roster, span->user_id);
    if (*slot == 0 || roster->spans[*slot - 1].from_seq <= span->from_seq)
        *slot = (uint32_t)place + 1;
}

/* Room for as many spans as there is memory for: a table that is at most half full. */
static void make_places(struct delivery_roster *roster)
{
    roster->place_capacity = 2 * FIRST_CAPACITY;
    while (roster->place_capacity < 2 * roster->span_capacity)
        roster->place_capacity *= 2;
    roster->places = mem_array(roster->place_capacity, sizeof *roster->places);
    for (size_t place = 0; place < roster->span_count; place++)
        note_place(roster, place);
}

static struct chat_span *last_span(struct delivery_roster *roster, int64_t user_id)
{
    if (roster->places == NULL)
        make_places(roster);
    uint32_t place = *slot_of(roster, user_id);
    return place == 0 ? NULL : &roster->spans[place - 1];
}

/* --- steps --- */

static void drop_steps(struct delivery_roster *roster)
{
    mem_free(roster->steps);
    roster->steps = NULL;
    roster->step_count = roster->step_capacity = 0;
}

static void push_step(struct delivery_roster *roster, int64_t seq, size_t members)
{
    if (roster->step_count == roster->step_capacity) {
        roster->step_capacity =
            roster->step_capacity == 0 ? FIRST_CAPACITY : roster->step_capacity * 2;
        roster->steps = mem_resize(roster->steps, roster->step_capacity * sizeof *roster->steps);
    }
    roster->steps[roster->step_count++] = (struct delivery_roster_step){seq, members};
}

/* At a seq that is not below that of any step. */
static void step_on(struct delivery_roster *roster, int64_t seq, bool is_up)
{
    struct delivery_roster_step *last = &roster->steps[roster->step_count - 1];
    size_t members = is_up ? last->members + 1 : last->members - 1;
    if (last->seq == seq)
        last->members = members;
    else
        push_step(roster, seq, members);
}

struct change {
    int64_t seq;
    bool is_up;
};

static int compare_changes(const void *a, const void *b)
{
    const struct change *one = a, *other = b;
    return (one->seq > other->seq) - (one->seq < other->seq);
}

/* Of most spans nothing is sorted: they began before from_seq, and last. Who is removed is a member still at that seq. */
static void make_steps(struct delivery_roster *roster)
{
    struct change *changes = mem_array(2 * roster->span_count + 1, sizeof *changes);
    size_t count = 0, members = 0;
    for (size_t i = 0; i < roster->span_count; i++) {
        const struct chat_span *span = &roster->spans[i];
        members += delivery_span_covers(span, roster->from_seq);
        if (span->from_seq > roster->from_seq)
            changes[count++] = (struct change){span->from_seq, true};
        if (span->to_seq != 0 && span->to_seq >= roster->from_seq)
            changes[count++] = (struct change){span->to_seq + 1, false};
    }
    qsort(changes, count, sizeof *changes, compare_changes);
    push_step(roster, roster->from_seq, members);
    for (size_t i = 0; i < count; i++)
        step_on(roster, changes[i].seq, changes[i].is_up);
    mem_free(changes);
}

/* --- loading --- */

void delivery_roster_clear(struct delivery_roster *roster)
{
    drop_places(roster);
    drop_steps(roster);
    mem_free(roster->spans);
    roster->spans = NULL;
    roster->span_count = roster->span_capacity = 0;
    roster->member_count = roster->ended_count = 0;
}

void delivery_roster_fill(struct delivery_roster *roster, const struct chat_span *spans,
                          size_t count, int64_t from_seq, int64_t as_of_seq)
{
    delivery_roster_clear(roster);
    roster->from_seq = from_seq;
    roster->as_of_seq = as_of_seq;
    roster->ended_seq = 0;
    if (count > 0)
        roster->spans = mem_copy(spans, count * sizeof *spans);
    roster->span_count = roster->span_capacity = count;
    for (size_t i = 0; i < count; i++) {
        roster->member_count += spans[i].to_seq == 0;
        if (spans[i].to_seq > roster->ended_seq)
            roster->ended_seq = spans[i].to_seq;
    }
}

/* --- keeping current --- */

static void add(struct delivery_roster *roster, int64_t user_id, int64_t seq)
{
    if (roster->span_count == roster->span_capacity) {
        roster->span_capacity =
            roster->span_capacity == 0 ? FIRST_CAPACITY : roster->span_capacity * 2;
        roster->spans = mem_resize(roster->spans, roster->span_capacity * sizeof *roster->spans);
        drop_places(roster);
    }
    roster->spans[roster->span_count++] = (struct chat_span){user_id, seq, 0};
    roster->member_count++;
    if (roster->places != NULL)
        note_place(roster, roster->span_count - 1);
    if (roster->steps != NULL)
        step_on(roster, seq, true);
}

static void end(struct delivery_roster *roster, int64_t user_id, int64_t seq)
{
    struct chat_span *span = last_span(roster, user_id);
    if (span == NULL || span->to_seq != 0)
        return;
    span->to_seq = roster->ended_seq = seq;
    roster->member_count--;
    roster->ended_count++;
    if (roster->steps != NULL)
        step_on(roster, seq + 1, false);
}

/* Without it, a chat that people join and leave all day would be walked ever more slowly. Spans keep their order. */
static void prune(struct delivery_roster *roster, int64_t seq)
{
    size_t kept = 0;
    for (size_t i = 0; i < roster->span_count; i++)
        if (roster->spans[i].to_seq == 0 || roster->spans[i].to_seq >= seq)
            roster->spans[kept++] = roster->spans[i];
    roster->span_count = kept;
    roster->from_seq = seq;
    roster->ended_count = 0;
    drop_places(roster);
    drop_steps(roster);
}

void delivery_roster_apply(struct delivery_roster *roster, int64_t type, int64_t user_id,
                           int64_t seq)
{
    roster->as_of_seq = seq;
    if (type == CHAT_EVENT_MEMBER_ADDED)
        add(roster, user_id, seq);
    else if (type == CHAT_EVENT_MEMBER_REMOVED && !BUG(stale_membership))
        end(roster, user_id, seq);
    if (roster->ended_count > PRUNE_ENDED && roster->ended_count > roster->span_count / PRUNE_PART)
        prune(roster, seq);
}

/* --- questions --- */

size_t delivery_roster_members_at(struct delivery_roster *roster, int64_t seq)
{
    if (seq >= roster->as_of_seq)
        return roster->member_count + (seq == roster->ended_seq);
    if (roster->steps == NULL)
        make_steps(roster);
    /* The step that holds is not before `low`, and before `high`. */
    size_t low = 0, high = roster->step_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        *(roster->steps[middle].seq <= seq ? &low : &high) = middle;
    }
    return roster->steps[low].members;
}

bool delivery_roster_has(struct delivery_roster *roster, int64_t user_id, int64_t seq)
{
    const struct chat_span *span = last_span(roster, user_id);
    return span != NULL && delivery_span_covers(span, seq);
}
