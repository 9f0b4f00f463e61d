/* Spans in an array, and for those who ask for single users a table of places in it: open addressing with linear probing, a
 * user stays in it until the spans are pruned. Ids are random numbers of ours, so nobody can choose them to collide. */
#include "services/delivery/delivery_roster.h"

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

/* --- loading --- */

void delivery_roster_clear(struct delivery_roster *roster)
{
    drop_places(roster);
    mem_free(roster->spans);
    roster->spans = NULL;
    roster->span_count = roster->span_capacity = 0;
    roster->member_count = roster->ended_count = 0;
    roster->counted_from = roster->counted_to = 0;
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
}

static void end(struct delivery_roster *roster, int64_t user_id, int64_t seq)
{
    struct chat_span *span = last_span(roster, user_id);
    if (span == NULL || span->to_seq != 0)
        return;
    span->to_seq = roster->ended_seq = seq;
    roster->member_count--;
    roster->ended_count++;
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

/* The stretch around a seq in which nobody came or went, and how many were members in it. */
static void count_at(struct delivery_roster *roster, int64_t seq)
{
    roster->counted = 0;
    roster->counted_from = roster->from_seq;
    roster->counted_to = roster->as_of_seq;
    for (size_t i = 0; i < roster->span_count; i++) {
        const struct chat_span *span = &roster->spans[i];
        int64_t changes[] = {span->from_seq, span->to_seq == 0 ? INT64_MAX : span->to_seq + 1};
        roster->counted += delivery_span_covers(span, seq);
        for (size_t j = 0; j < 2; j++) {
            if (changes[j] <= seq && changes[j] > roster->counted_from)
                roster->counted_from = changes[j];
            if (changes[j] > seq && changes[j] < roster->counted_to)
                roster->counted_to = changes[j];
        }
    }
}

size_t delivery_roster_members_at(struct delivery_roster *roster, int64_t seq)
{
    if (seq >= roster->as_of_seq)
        return roster->member_count + (seq == roster->ended_seq);
    if (seq < roster->counted_from || seq >= roster->counted_to)
        count_at(roster, seq);
    return roster->counted;
}

bool delivery_roster_has(struct delivery_roster *roster, int64_t user_id, int64_t seq)
{
    const struct chat_span *span = last_span(roster, user_id);
    return span != NULL && delivery_span_covers(span, seq);
}
