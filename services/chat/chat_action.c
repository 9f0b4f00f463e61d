/* Deciding on what is done to a message: an edit, a delete, a reaction.
 *
 * What is known of the message (struct chat_target) was asked before the batch, and is true of the log without it. So
 * whatever in the batch could have changed it ends the batch, and the next one asks anew. Different reactions to one
 * message do not disturb each other: a hot message must not make batches of one. */
#include "services/chat/chat_batch.h"
#include "services/chat/chat_rights.h"
#include "shared/base/id.h"

/* --- what the batch has done already --- */

static bool is_about(const struct chat_table *table, size_t row, const struct chat_message *message)
{
    return table->numbers[ACTION_TARGET][row] == message->target &&
           table->numbers[ACTION_CHAT][row] == message->chat_id;
}

static size_t count_about(const struct chat_table *table, const struct chat_message *message)
{
    size_t count = 0;
    for (size_t row = 0; row < table->count; row++)
        count += is_about(table, row, message);
    return count;
}

/* How many reactions to this message the batch switches on. */
static int64_t count_added(const struct chat_batch *batch, const struct chat_message *message)
{
    const struct chat_table *reactions = &batch->reactions;
    int64_t count = 0;
    for (size_t row = 0; row < reactions->count; row++)
        count += is_about(reactions, row, message) && reactions->numbers[REACTION_ON][row] != 0;
    return count;
}

/* The same reaction, on or off, by the same user. */
static bool has_reaction(const struct chat_batch *batch, const struct chat_item *item)
{
    const struct chat_table *reactions = &batch->reactions;
    for (size_t row = 0; row < reactions->count; row++) {
        if (is_about(reactions, row, item->message) &&
            reactions->numbers[REACTION_USER][row] == item->message->sender_id &&
            text_equal(reactions->texts[0][row], item->action->emoji))
            return true;
    }
    return false;
}

/* --- bounds --- */

/* Would one more be too many? Counted with those of the batch as if each were of an emoji that is new: where that matters
 * the item waits for the next batch, which knows. */
static bool is_above_bounds(const struct chat_batch *batch, const struct chat_item *item)
{
    const struct chat_target *target = &item->action->target;
    if (!item->action->is_on || target->is_on)
        return false;
    int64_t added = count_added(batch, item->message);
    if (target->reactions + added >= batch->limits.max_reactions)
        return true;
    return !target->has_emoji && target->emojis + added >= batch->limits.max_emojis;
}

static bool must_reaction_wait(const struct chat_batch *batch, const struct chat_item *item)
{
    return has_reaction(batch, item) ||
           (is_above_bounds(batch, item) && count_about(&batch->reactions, item->message) > 0);
}

bool chat_action_must_wait(const struct chat_batch *batch, const struct chat_item *item)
{
    const struct chat_message *message = item->message;
    const struct chat_state *state = item->state;
    /* Membership or history may have changed what the sender sees; the message may be one of this batch. */
    if (state->dirty ||
        (message->target > state->committed_seq && message->target <= state->head_seq))
        return true;
    if (count_about(&batch->deletes, message) > 0)
        return true;
    switch ((enum chat_event_type)message->type) {
    case CHAT_EVENT_EDIT:
        return count_about(&batch->edits, message) > 0;
    case CHAT_EVENT_REACTION:
        return must_reaction_wait(batch, item);
    default: /* a delete comes after nothing else */
        return count_about(&batch->edits, message) > 0 ||
               count_about(&batch->reactions, message) > 0;
    }
}

/* --- writing --- */

static size_t add_row(const struct chat_batch *batch, struct chat_table *table,
                      const struct chat_item *item)
{
    size_t row = chat_table_add(table);
    table->numbers[ACTION_PARTITION][row] =
        id_partition(item->message->chat_id, batch->partitions->count);
    table->numbers[ACTION_CHAT][row] = item->message->chat_id;
    table->numbers[ACTION_TARGET][row] = item->message->target;
    table->numbers[ACTION_SEQ][row] = item->state->head_seq;
    return row;
}

static void write_event(struct chat_batch *batch, struct chat_item *item)
{
    const struct chat_message *message = item->message;
    struct text *const *texts = batch->events.texts;
    size_t row = chat_batch_add_event(batch, item->state, (enum chat_event_type)message->type,
                                      message->sender_id, message->target);
    texts[EVENT_CLIENT_ID][row] = message->client_id;
    if (message->type == CHAT_EVENT_EDIT)
        texts[EVENT_BODY][row] = message->body;
    if (message->type == CHAT_EVENT_REACTION)
        texts[EVENT_DETAIL][row] = message->detail;
    item->outcome = (struct chat_outcome){PROBLEM_NONE, item->state->head_seq, batch->at_ms, false};
}

static void write_action(struct chat_batch *batch, struct chat_item *item)
{
    size_t row;
    write_event(batch, item);
    switch ((enum chat_event_type)item->message->type) {
    case CHAT_EVENT_EDIT:
        row = add_row(batch, &batch->edits, item);
        batch->edits.numbers[EDIT_PREVIOUS][row] = item->action->target.edit_seq;
        break;
    case CHAT_EVENT_REACTION:
        row = add_row(batch, &batch->reactions, item);
        batch->reactions.numbers[REACTION_USER][row] = item->message->sender_id;
        batch->reactions.numbers[REACTION_ON][row] = item->action->is_on;
        batch->reactions.texts[0][row] = item->action->emoji;
        break;
    default:
        add_row(batch, &batch->deletes, item);
        break;
    }
}

/* --- deciding --- */

static enum chat_right right_of(const struct chat_item *item)
{
    bool is_own = item->action->target.sender_id == item->message->sender_id;
    switch ((enum chat_event_type)item->message->type) {
    case CHAT_EVENT_EDIT:
        return is_own ? CHAT_RIGHT_EDIT_OWN : CHAT_RIGHT_EDIT_OTHERS;
    case CHAT_EVENT_REACTION:
        return CHAT_RIGHT_REACT;
    default:
        return is_own ? CHAT_RIGHT_DELETE_OWN : CHAT_RIGHT_DELETE_OTHERS;
    }
}

/* Its bounds: of the bytes of the message, and of how many edits a delete has to empty. */
static enum problem judge_edit(const struct chat_batch *batch, const struct chat_item *item)
{
    const struct chat_target *target = &item->action->target;
    if (item->message->body.length + (size_t)target->detail_bytes > CHAT_BODY_BYTES)
        return PROBLEM_BAD_REQUEST;
    bool is_one_more = target->same_edit_at_ms == 0;
    return is_one_more && target->edits >= batch->limits.max_edits ? PROBLEM_CONFLICT
                                                                   : PROBLEM_NONE;
}

static enum problem judge(const struct chat_batch *batch, const struct chat_item *item)
{
    const struct chat_target *target = &item->action->target;
    const struct chat_member *member;
    enum problem problem = chat_rights_standing(item->state, item->message->sender_id, &member);
    if (problem != PROBLEM_NONE)
        return problem;
    if (!target->is_there)
        return PROBLEM_NOT_FOUND;
    if (target->is_deleted)
        return PROBLEM_CONFLICT;
    problem = chat_rights_judge(item->state, member, right_of(item));
    if (problem != PROBLEM_NONE)
        return problem;
    if (item->message->type == CHAT_EVENT_EDIT)
        return judge_edit(batch, item);
    if (item->message->type == CHAT_EVENT_REACTION && is_above_bounds(batch, item))
        return PROBLEM_CONFLICT;
    return PROBLEM_NONE;
}

/* An edit to what the message says already is the edit that made it say so; a reaction that is on or off already has no
 * event, and is answered with the head of the chat. */
static bool is_done_already(const struct chat_batch *batch, struct chat_item *item)
{
    const struct chat_target *target = &item->action->target;
    const struct chat_state *state = item->state;
    if (item->message->type == CHAT_EVENT_EDIT && target->same_edit_at_ms != 0) {
        item->outcome =
            (struct chat_outcome){PROBLEM_NONE, target->edit_seq, target->same_edit_at_ms, true};
        return true;
    }
    if (item->message->type == CHAT_EVENT_REACTION && item->action->is_on == target->is_on) {
        bool is_head_new = state->head_seq > state->committed_seq;
        item->outcome = (struct chat_outcome){
            PROBLEM_NONE, state->head_seq, is_head_new ? batch->at_ms : target->head_at_ms, true};
        return true;
    }
    return false;
}

void chat_action_add(struct chat_batch *batch, struct chat_item *item)
{
    enum problem problem = judge(batch, item);
    if (problem != PROBLEM_NONE)
        item->outcome = (struct chat_outcome){.problem = problem};
    else if (!is_done_already(batch, item))
        write_action(batch, item);
}
