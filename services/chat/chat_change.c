/* Deciding on a change of metadata's: membership takes effect at its own place in the log, and only there.
 *
 * metadata has decided whether the change is allowed, and counts its changes of a chat up by one. Here it only matters
 * whether this one is the next: an older one has been answered before, a later one must wait for those between. */
#include <stdio.h>

#include "services/chat/chat_batch.h"
#include "services/chat/chat_render.h"
#include "shared/base/id.h"
#include "shared/base/mem.h"

static void finish(struct chat_item *item, enum problem problem)
{
    item->outcome = (struct chat_outcome){.problem = problem, .seq = item->state->head_seq};
}

/* The row of this span in the batch if it has one: one statement cannot write a row twice. */
static size_t span_row(struct chat_batch *batch, const struct chat_state *state,
                       const struct chat_member *member)
{
    struct chat_table *spans = &batch->spans;
    for (size_t row = state->first_span; row < spans->count; row++) {
        if (spans->numbers[SPAN_CHAT][row] == state->chat_id &&
            spans->numbers[SPAN_USER][row] == member->user_id &&
            spans->numbers[SPAN_FROM][row] == member->from_seq)
            return row;
    }
    return chat_table_add(spans);
}

/* `is_new`: no row of this batch can be about it. */
static void write_span(struct chat_batch *batch, const struct chat_state *state,
                       const struct chat_member *member, int64_t to_seq, bool is_new)
{
    struct chat_table *spans = &batch->spans;
    size_t row = is_new ? chat_table_add(spans) : span_row(batch, state, member);
    spans->numbers[SPAN_PARTITION][row] = id_partition(state->chat_id, batch->partitions->count);
    spans->numbers[SPAN_CHAT][row] = state->chat_id;
    spans->numbers[SPAN_USER][row] = member->user_id;
    spans->numbers[SPAN_FROM][row] = member->from_seq;
    spans->numbers[SPAN_TO][row] = to_seq;
    spans->numbers[SPAN_ROLE][row] = member->role;
}

static struct text role_detail(struct chat_batch *batch, int64_t role)
{
    char detail[32];
    int length = snprintf(detail, sizeof detail, "\"role\":\"%s\"", chat_role_name(role));
    return arena_text(&batch->arena, (struct text){detail, (size_t)length});
}

/* The first members see the log from its beginning, each other's member_added too; others from their own on. */
static int64_t span_start(const struct chat_item *item)
{
    return item->change->change_kind == CHAT_CHANGE_CREATED ? 1 : item->state->head_seq;
}

/* Adds a member or changes a role; nothing when it is so already. */
static void put_member(struct chat_batch *batch, struct chat_item *item,
                       const struct chat_change_member *wanted)
{
    struct chat_state *state = item->state;
    const struct chat_member *present = chat_members_find(&state->members, wanted->user_id);
    bool is_new = present == NULL || present->role == CHAT_ROLE_FORMER;
    if (!is_new && present->role == wanted->role)
        return;
    size_t row = chat_batch_add_event(batch, state,
                                      is_new ? CHAT_EVENT_MEMBER_ADDED : CHAT_EVENT_ROLE_CHANGED,
                                      item->change->by_id, wanted->user_id);
    batch->events.texts[EVENT_DETAIL][row] = role_detail(batch, wanted->role);
    struct chat_member member = {wanted->user_id, is_new ? span_start(item) : present->from_seq,
                                 wanted->role};
    write_span(batch, state, &member, 0, is_new);
    chat_members_put(&state->members, member.user_id, member.from_seq, member.role);
}

/* `is_first`: this batch has no row about any of the chat's members yet, or none about this one. */
static void remove_member(struct chat_batch *batch, struct chat_item *item, int64_t user_id,
                          bool is_first)
{
    struct chat_state *state = item->state;
    const struct chat_member *present = chat_members_find(&state->members, user_id);
    if (present == NULL || present->role == CHAT_ROLE_FORMER)
        return;
    struct chat_member member = *present;
    chat_batch_add_event(batch, state, CHAT_EVENT_MEMBER_REMOVED, item->change->by_id, user_id);
    write_span(batch, state, &member, state->head_seq, is_first);
    chat_members_put(&state->members, user_id, 0, CHAT_ROLE_FORMER);
}

static void remove_all(struct chat_batch *batch, struct chat_item *item, bool is_first_change)
{
    size_t count;
    struct chat_member *members = chat_members_list(&item->state->members, &count);
    for (size_t i = 0; i < count; i++)
        remove_member(batch, item, members[i].user_id, is_first_change);
    mem_free(members);
    item->state->deleted = true;
}

static void update_chat(struct chat_batch *batch, struct chat_item *item)
{
    const struct chat_apply_request *change = item->change;
    size_t row =
        chat_batch_add_event(batch, item->state, CHAT_EVENT_CHAT_UPDATED, change->by_id, 0);
    if (change->detail.length > 0)
        batch->events.texts[EVENT_DETAIL][row] = change->detail;
    if (change->history != 0)
        item->state->history = change->history;
}

static bool are_sound(const struct chat_change_member *members, size_t count, bool with_roles)
{
    for (size_t i = 0; i < count; i++) {
        if (members[i].user_id <= 0)
            return false;
        if (with_roles && (members[i].role < CHAT_ROLE_READER || members[i].role > CHAT_ROLE_OWNER))
            return false;
    }
    return true;
}

/* What the codec cannot know: which values go together. */
static bool is_sound(const struct chat_apply_request *change)
{
    bool history_known =
        change->history >= CHAT_HISTORY_JOINED && change->history <= CHAT_HISTORY_SHARED;
    if (change->chat_id <= 0 || change->version <= 0)
        return false;
    switch ((enum chat_change_kind)change->change_kind) {
    case CHAT_CHANGE_CREATED:
        return change->kind >= CHAT_DIRECT && change->kind <= CHAT_CHANNEL && history_known &&
               are_sound(change->members, change->members_count, true);
    case CHAT_CHANGE_MEMBERS:
        return are_sound(change->members, change->members_count, true);
    case CHAT_CHANGE_REMOVED:
        return are_sound(change->members, change->members_count, false);
    case CHAT_CHANGE_UPDATED:
        return history_known || change->history == 0;
    case CHAT_CHANGE_DELETED:
        return true;
    case CHAT_CHANGE_BLOCKS:
        return change->blocked >= 0 && change->blocked <= 3;
    }
    return false;
}

static void create_chat(struct chat_state *state, const struct chat_apply_request *change)
{
    state->exists = true;
    state->kind = change->kind;
    state->history = change->history;
    state->blocked = change->blocked & 3;
}

static void apply(struct chat_batch *batch, struct chat_item *item, bool is_first_change)
{
    const struct chat_apply_request *change = item->change;
    switch ((enum chat_change_kind)change->change_kind) {
    case CHAT_CHANGE_CREATED:
        create_chat(item->state, change);
        /* fall through */
    case CHAT_CHANGE_MEMBERS:
        for (size_t i = 0; i < change->members_count; i++)
            put_member(batch, item, &change->members[i]);
        break;
    case CHAT_CHANGE_REMOVED:
        for (size_t i = 0; i < change->members_count; i++)
            remove_member(batch, item, change->members[i].user_id, is_first_change && i == 0);
        break;
    case CHAT_CHANGE_UPDATED:
        update_chat(batch, item);
        break;
    case CHAT_CHANGE_DELETED:
        remove_all(batch, item, is_first_change);
        break;
    case CHAT_CHANGE_BLOCKS:
        item->state->blocked = change->blocked;
        break;
    }
}

void chat_change_add(struct chat_batch *batch, struct chat_item *item)
{
    struct chat_state *state = item->state;
    const struct chat_apply_request *change = item->change;
    bool creates = change->change_kind == CHAT_CHANGE_CREATED;
    if (!is_sound(change)) {
        finish(item, PROBLEM_BAD_REQUEST);
    } else if (state->exists && change->version <= state->version) {
        finish(item, PROBLEM_NONE); /* it is in the log */
    } else if (change->version != state->version + 1 || creates == state->exists) {
        finish(item, PROBLEM_CONFLICT);
    } else {
        bool is_first_change = !state->dirty;
        chat_batch_touch(batch, state);
        state->dirty = true;
        state->version = change->version;
        apply(batch, item, is_first_change);
        finish(item, PROBLEM_NONE);
    }
}
