/* Who was a member of one chat when, as spans of membership. What is asked for each event is answered without a walk over all
 * of them, for a chat may have a hundred thousand: how many are members, and whether this user is one. */
#ifndef PARLEY_DELIVERY_ROSTER_H
#define PARLEY_DELIVERY_ROSTER_H

#include "shared/proto/chat_protocol.h"

/* From this seq on there were so many members. */
struct delivery_roster_step {
    int64_t seq;
    size_t members;
};

struct delivery_roster {
    int64_t chat_id;
    int64_t from_seq; /* spans that ended before it are not there */
    int64_t as_of_seq;
    uint64_t load_number; /* the cache's: places of spans are of one load */
    struct chat_span *spans;
    size_t span_count, span_capacity;
    size_t member_count; /* of today, which is as_of_seq */
    size_t ended_count;  /* spans that have ended since it was loaded or pruned */
    int64_t ended_seq;   /* of the last member_removed, whose subject is still counted at it */
    uint32_t *places; /* user → place of their last span, plus one; NULL until it is asked for */
    size_t place_capacity;
    /* From from_seq on, by seq; NULL until the past is asked for. */
    struct delivery_roster_step *steps;
    size_t step_count, step_capacity;
};

/* Copies the spans. */
void delivery_roster_fill(struct delivery_roster *roster, const struct chat_span *spans,
                          size_t count, int64_t from_seq, int64_t as_of_seq);
void delivery_roster_clear(struct delivery_roster *roster); /* frees what it holds */

/* What a membership event above as_of_seq says; as_of_seq moves there. */
void delivery_roster_apply(struct delivery_roster *roster, int64_t type, int64_t user_id,
                           int64_t seq);

bool delivery_span_covers(const struct chat_span *span, int64_t seq);
/* Members at a seq that is not below from_seq. The first question about the past walks over all, and sorts what has changed
 * since from_seq; from then on it is a search. */
size_t delivery_roster_members_at(struct delivery_roster *roster, int64_t seq);
/* By the user's last span: of one who has left and come again since, the earlier time is not looked at. */
bool delivery_roster_has(struct delivery_roster *roster, int64_t user_id, int64_t seq);

#endif
