/* The lane against a naive log, with failures of every kind at random places: commits whose end nobody knows, other
 * owners, leases that are lost in the middle, reads that fail, items that cannot be stored. Whatever happens, the log is
 * gapless, a message is in it once, answers are true, and the order of a chat's items is kept. What is done to messages is
 * done by whom the log allows it at that place, to what is there, and never to what was deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/chat/chat_lane.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"

enum {
    CHATS = 6,
    USERS = 5,
    CLIENT_IDS = 40,
    PARTITIONS = 3,
    MAX_EVENTS = 200000,
    MAX_SENDS = 100000,
    MAX_LOADS = 64,
    EMOJIS = 5,
    MAX_EDITS = 3,
    MAX_EMOJIS = 3,
    MAX_REACTIONS = 6,
    ACTION_KEYS = 20
};

/* --- the naive log --- */

struct naive_event {
    int64_t partition, chat, seq, offset, type, sender, subject, role;
    char client_id[8], body[32];
    const char *source; /* the text that it was written from: tells which send it was */
    int64_t emoji, on;  /* of a reaction */

    /* Of a message. */
    int64_t edit_seq, edits;
    bool is_deleted;
    bool reacts[USERS + 1][EMOJIS];
};

struct naive_span {
    int64_t chat, user, from, to, role;
};

struct naive_chat {
    bool exists, deleted;
    int64_t kind, history, version, blocked;
};

static struct {
    struct naive_event *events;
    size_t event_count;
    uint32_t at[CHATS + 1][MAX_EVENTS]; /* of a chat and a seq: index in events + 1 */
    struct naive_span spans[MAX_EVENTS];
    size_t span_count;
    struct naive_chat chats[CHATS + 1];
    int64_t epoch[PARTITIONS], head[PARTITIONS];
} db;

static int64_t naive_head(int64_t chat)
{
    int64_t head = 0;
    while (db.at[chat][head + 1] != 0)
        head++;
    return head;
}

static struct naive_event *naive_at(int64_t chat, int64_t seq)
{
    uint32_t at = seq > 0 && seq < MAX_EVENTS ? db.at[chat][seq] : 0;
    return at == 0 ? NULL : &db.events[at - 1];
}

static const struct naive_event *naive_find_key(int64_t chat, int64_t sender, struct text client_id)
{
    for (size_t i = 0; i < db.event_count; i++) {
        const struct naive_event *event = &db.events[i];
        if (event->client_id[0] != '\0' && event->chat == chat && event->sender == sender &&
            text_is(client_id, event->client_id))
            return event;
    }
    return NULL;
}

static void copy_text(char *out, size_t size, struct text text)
{
    assert_true(text.length < size);
    if (text.length > 0)
        memcpy(out, text.data, text.length);
    out[text.length] = '\0';
}

static int64_t role_of_detail(struct text detail)
{
    static const char *const names[] = {"reader", "member", "admin", "owner"};
    for (int i = 0; i < 4; i++) {
        if (detail.data != NULL &&
            memmem(detail.data, detail.length, names[i], strlen(names[i])) != NULL)
            return i + 1;
    }
    return 0;
}

static enum chat_commit naive_judge(const struct chat_batch *batch)
{
    for (size_t i = 0; i < batch->fence.count; i++) {
        int64_t partition = batch->fence.numbers[FENCE_PARTITION][i];
        if (batch->fence.numbers[FENCE_EPOCH][i] != db.epoch[partition])
            return CHAT_COMMIT_FENCED;
        assert_int_equal(batch->fence.numbers[FENCE_BEFORE][i], db.head[partition]);
    }
    for (size_t i = 0; i < batch->events.count; i++) {
        struct text client_id = batch->events.texts[EVENT_CLIENT_ID][i];
        if (client_id.data == NULL)
            continue;
        if (text_is(batch->events.texts[EVENT_BODY][i], "poison"))
            return CHAT_COMMIT_POISONED;
        if (naive_find_key(batch->events.numbers[EVENT_CHAT][i],
                           batch->events.numbers[EVENT_SENDER][i], client_id))
            return CHAT_COMMIT_KNOWN_KEY;
    }
    return CHAT_COMMITTED;
}

static void naive_write_event(const struct chat_table *rows, size_t row)
{
    struct naive_event *event = &db.events[db.event_count];
    assert_true(db.event_count < MAX_EVENTS);
    *event = (struct naive_event){
        .partition = rows->numbers[EVENT_PARTITION][row],
        .chat = rows->numbers[EVENT_CHAT][row],
        .seq = rows->numbers[EVENT_SEQ][row],
        .offset = rows->numbers[EVENT_OFFSET][row],
        .type = rows->numbers[EVENT_TYPE][row],
        .sender = rows->numbers[EVENT_SENDER][row],
        .subject = rows->numbers[EVENT_SUBJECT][row],
        .role = role_of_detail(rows->texts[EVENT_DETAIL][row]),
    };
    event->source = rows->texts[EVENT_CLIENT_ID][row].data;
    copy_text(event->client_id, sizeof event->client_id, rows->texts[EVENT_CLIENT_ID][row]);
    copy_text(event->body, sizeof event->body, rows->texts[EVENT_BODY][row]);
    if (event->type == CHAT_EVENT_REACTION) { /* "emoji":"a","on":true */
        event->emoji = rows->texts[EVENT_DETAIL][row].data[9] - 'a';
        event->on = memmem(rows->texts[EVENT_DETAIL][row].data,
                           rows->texts[EVENT_DETAIL][row].length, "true", 4) != NULL;
    }
    assert_int_equal(event->seq, naive_head(event->chat) + 1);
    assert_int_equal(event->offset, ++db.head[event->partition]);
    db.at[event->chat][event->seq] = (uint32_t)++db.event_count;
}

/* --- what is done to messages, in the naive log --- */

static struct naive_event *naive_target(const struct chat_table *rows, size_t row)
{
    struct naive_event *target =
        naive_at(rows->numbers[ACTION_CHAT][row], rows->numbers[ACTION_TARGET][row]);
    assert_non_null(target);
    assert_int_equal(target->type, CHAT_EVENT_MESSAGE);
    assert_false(target->is_deleted);
    return target;
}

static void naive_edit(const struct chat_table *rows, size_t row)
{
    struct naive_event *target = naive_target(rows, row);
    assert_int_equal(rows->numbers[EDIT_PREVIOUS][row], target->edit_seq);
    assert_true(rows->numbers[ACTION_SEQ][row] > target->edit_seq);
    target->edit_seq = rows->numbers[ACTION_SEQ][row];
    assert_true(++target->edits <= MAX_EDITS);
}

static void naive_react(const struct chat_table *rows, size_t row)
{
    struct naive_event *target = naive_target(rows, row);
    bool *reacts =
        &target->reacts[rows->numbers[REACTION_USER][row]][rows->texts[0][row].data[0] - 'a'];
    assert_int_equal(*reacts, rows->numbers[REACTION_ON][row] == 0);
    *reacts = rows->numbers[REACTION_ON][row] != 0;
}

static void naive_empty(struct naive_event *target)
{
    target->is_deleted = true;
    target->body[0] = '\0';
    memset(target->reacts, 0, sizeof target->reacts);
    for (size_t i = 0; i < db.event_count; i++) {
        struct naive_event *event = &db.events[i];
        if (event->type == CHAT_EVENT_EDIT && event->chat == target->chat &&
            event->subject == target->seq)
            event->body[0] = '\0';
    }
}

static void naive_delete(const struct chat_table *rows, size_t row)
{
    naive_empty(naive_target(rows, row));
}

static void naive_act(const struct chat_batch *batch)
{
    for (size_t i = 0; i < batch->edits.count; i++)
        naive_edit(&batch->edits, i);
    for (size_t i = 0; i < batch->deletes.count; i++)
        naive_delete(&batch->deletes, i);
    for (size_t i = 0; i < batch->reactions.count; i++)
        naive_react(&batch->reactions, i);
}

static void count_reactions(const struct naive_event *message, int64_t *reactions_out,
                            int64_t *emojis_out)
{
    *reactions_out = *emojis_out = 0;
    for (int emoji = 0; emoji < EMOJIS; emoji++) {
        int64_t before = *reactions_out;
        for (int user = 1; user <= USERS; user++)
            *reactions_out += message->reacts[user][emoji];
        *emojis_out += *reactions_out > before;
    }
}

static bool naive_sees(int64_t user, int64_t chat, int64_t seq)
{
    for (size_t i = 0; i < db.span_count; i++) {
        const struct naive_span *span = &db.spans[i];
        if (span->chat == chat && span->user == user && span->from <= seq &&
            (span->to == 0 || span->to >= seq))
            return true;
    }
    return false;
}

/* 0: no member now. */
static int64_t naive_role(int64_t user, int64_t chat)
{
    for (size_t i = 0; i < db.span_count; i++) {
        const struct naive_span *span = &db.spans[i];
        if (span->chat == chat && span->user == user && span->to == 0)
            return span->role;
    }
    return 0;
}

static struct chat_target naive_look_up(const struct chat_table *rows, size_t row)
{
    int64_t chat = rows->numbers[KEY_CHAT][row], user = rows->numbers[KEY_SENDER][row];
    const struct naive_event *message = naive_at(chat, rows->numbers[KEY_TARGET][row]);
    struct chat_target target = {.is_there = false};
    if (message == NULL || message->type != CHAT_EVENT_MESSAGE || db.chats[chat].deleted ||
        !naive_sees(user, chat, message->seq))
        return target;
    target.is_there = true;
    target.is_deleted = message->is_deleted;
    target.edit_seq = message->edit_seq;
    target.edits = message->edits;
    target.sender_id = message->sender;
    count_reactions(message, &target.reactions, &target.emojis);
    if (message->edit_seq != 0 && rows->texts[KEY_BODY][row].data != NULL &&
        text_is(rows->texts[KEY_BODY][row], naive_at(chat, message->edit_seq)->body))
        target.same_edit_at_ms = 1;
    if (rows->texts[KEY_EMOJI][row].data == NULL)
        return target;
    int emoji = rows->texts[KEY_EMOJI][row].data[0] - 'a';
    target.is_on = message->reacts[user][emoji];
    for (int other = 1; other <= USERS; other++)
        target.has_emoji = target.has_emoji || message->reacts[other][emoji];
    return target;
}

static void naive_write_span(const struct chat_table *rows, size_t row)
{
    struct naive_span span = {rows->numbers[SPAN_CHAT][row], rows->numbers[SPAN_USER][row],
                              rows->numbers[SPAN_FROM][row], rows->numbers[SPAN_TO][row],
                              rows->numbers[SPAN_ROLE][row]};
    size_t at = 0;
    while (at < db.span_count && (db.spans[at].chat != span.chat ||
                                  db.spans[at].user != span.user || db.spans[at].from != span.from))
        at++;
    db.spans[at] = span;
    if (at == db.span_count)
        db.span_count++;
}

static void naive_write(const struct chat_batch *batch)
{
    for (size_t i = 0; i < batch->events.count; i++)
        naive_write_event(&batch->events, i);
    naive_act(batch);
    for (size_t i = 0; i < batch->fence.count; i++)
        assert_int_equal(batch->fence.numbers[FENCE_HEAD][i],
                         db.head[batch->fence.numbers[FENCE_PARTITION][i]]);
    for (size_t i = 0; i < batch->spans.count; i++)
        naive_write_span(&batch->spans, i);
    for (size_t i = 0; i < batch->chats.count; i++)
        db.chats[batch->chats.numbers[CHAT_ID][i]] =
            (struct naive_chat){true,
                                batch->chats.numbers[CHAT_DELETED][i] != 0,
                                batch->chats.numbers[CHAT_KIND][i],
                                batch->chats.numbers[CHAT_HISTORY][i],
                                batch->chats.numbers[CHAT_VERSION][i],
                                batch->chats.numbers[CHAT_BLOCKED][i]};
}

/* --- the lane's world --- */

struct pending_load {
    int64_t chats[64];
    size_t count;
    chat_on_loaded on_loaded;
    void *context;
};

static struct {
    struct loop *loop;
    struct loop_deferred *stop;
    struct chat_partitions partitions;
    struct chat_lane *lane;
    bool connected, lease_wanted;
    struct pending_load loads[MAX_LOADS];
    size_t load_count;
    const struct chat_keys *keys;
    chat_on_known on_known;
    void *known_context;
    const struct chat_batch *batch;
    chat_on_commit on_commit;
    void *commit_context;
    bool has_news;
    int64_t published[PARTITIONS];
    int failures; /* per cent of answers */
} world;

/* A message or change that was submitted. */
struct send {
    struct chat_item item;
    struct chat_message message;
    struct chat_action action;
    struct chat_apply_request change;
    struct chat_change_member members[2];
    char client_id[8], body[32], detail[32], emoji[2];
    size_t number;
    size_t answered_at; /* how many had been submitted by then */
    bool answered;
};

static struct send *sends[MAX_SENDS];
static size_t send_count, answered_count, fresh_count, duplicate_count, refused_count;
static size_t acted_count, nothing_count; /* what was done to messages, and what changed nothing */
static struct send *change_of[CHATS + 1]; /* on its way, as metadata would have it */
static int64_t version_of[CHATS + 1];
static uint32_t seed;

static int below(int bound)
{
    return rand_r((unsigned *)&seed) % bound;
}

static bool port_is_connected(void *context)
{
    (void)context;
    return world.connected;
}

static void port_load(void *context, const int64_t *chats, size_t count, chat_on_loaded on_loaded,
                      void *loaded)
{
    (void)context;
    assert_true(world.load_count < MAX_LOADS);
    struct pending_load *load = &world.loads[world.load_count++];
    memcpy(load->chats, chats, count * sizeof *chats);
    load->count = count;
    load->on_loaded = on_loaded;
    load->context = loaded;
}

static void port_look_up(void *context, const struct chat_keys *keys, chat_on_known on_known,
                         void *known)
{
    (void)context;
    assert_null(world.keys);
    world.keys = keys;
    world.on_known = on_known;
    world.known_context = known;
}

static void port_commit(void *context, const struct chat_batch *batch, chat_on_commit on_commit,
                        void *commit)
{
    (void)context;
    assert_null(world.batch);
    world.batch = batch;
    world.on_commit = on_commit;
    world.commit_context = commit;
}

/* Another owner deletes one of the last messages. Nothing that was known of it before is true any more. */
static void other_owner_deletes(void)
{
    int64_t chat = 1 + below(CHATS);
    int64_t seq = naive_head(chat) - below(10);
    struct naive_event *message = naive_at(chat, seq);
    if (message == NULL || message->type != CHAT_EVENT_MESSAGE || message->is_deleted ||
        db.chats[chat].deleted || naive_role(message->sender, chat) == 0)
        return;
    int64_t partition = message->partition;
    db.epoch[partition]++;
    db.events[db.event_count] = (struct naive_event){.partition = partition,
                                                     .chat = chat,
                                                     .seq = naive_head(chat) + 1,
                                                     .offset = ++db.head[partition],
                                                     .type = CHAT_EVENT_DELETE,
                                                     .sender = message->sender,
                                                     .subject = seq};
    db.at[chat][naive_head(chat) + 1] = (uint32_t)++db.event_count;
    naive_empty(message);
}

static void give_up_lease(void)
{
    for (int i = 0; i < PARTITIONS; i++)
        world.partitions.items[i].held = false;
}

static void port_renew(void *context)
{
    (void)context;
    give_up_lease();
    world.lease_wanted = true;
}

/* Only what is in the log is published, in the order of the offsets. */
static void port_prepare_news(void *context, const struct chat_batch *batch)
{
    (void)context;
    assert_false(world.has_news);
    world.has_news = true;
    for (size_t i = 0; i < batch->events.count; i++) {
        int64_t partition = batch->events.numbers[EVENT_PARTITION][i];
        int64_t offset = batch->events.numbers[EVENT_OFFSET][i];
        assert_true(offset > world.published[partition]);
        assert_true(offset <= db.head[partition]);
        world.published[partition] = offset;
    }
}

static void port_send_news(void *context)
{
    (void)context;
    assert_true(world.has_news);
    world.has_news = false;
}

/* --- what the world answers --- */

static bool fails(void)
{
    return below(100) < world.failures;
}

static void take_lease(void)
{
    world.lease_wanted = false;
    for (int i = 0; i < PARTITIONS; i++)
        world.partitions.items[i] =
            (struct chat_partition){true, ++db.epoch[i], db.head[i], db.head[i]};
    chat_lane_lease_taken(world.lane);
}

static void lose_lease(void)
{
    give_up_lease();
    other_owner_deletes();
    world.lease_wanted = true;
    chat_lane_lease_lost(world.lane);
}

static void answer_load(void)
{
    struct pending_load load = world.loads[0];
    memmove(world.loads, world.loads + 1, --world.load_count * sizeof world.loads[0]);
    struct chat_loaded_chat chats[64];
    struct chat_loaded_member members[64 * USERS];
    struct chat_loaded loaded = {.ok = !fails(), .chats = chats, .members = members};
    for (size_t i = 0; loaded.ok && i < load.count; i++) {
        const struct naive_chat *chat = &db.chats[load.chats[i]];
        if (!chat->exists)
            continue;
        chats[loaded.chat_count++] = (struct chat_loaded_chat){load.chats[i],
                                                               chat->kind,
                                                               chat->history,
                                                               chat->version,
                                                               chat->blocked,
                                                               chat->deleted,
                                                               naive_head(load.chats[i])};
        for (int64_t user = 1; user <= USERS; user++) {
            struct chat_loaded_member member = {load.chats[i], user, 0, CHAT_ROLE_FORMER};
            bool is_known = false;
            for (size_t j = 0; j < db.span_count; j++) {
                if (db.spans[j].chat != load.chats[i] || db.spans[j].user != user)
                    continue;
                is_known = true;
                if (db.spans[j].to == 0)
                    member = (struct chat_loaded_member){load.chats[i], user, db.spans[j].from,
                                                         db.spans[j].role};
            }
            if (is_known)
                members[loaded.member_count++] = member;
        }
    }
    load.on_loaded(load.context, &loaded);
}

static void answer_known(void)
{
#define DETAILS(emoji)                                          \
    {                                                           \
        TEXT_LITERAL("\"emoji\":\"" emoji "\",\"on\":false"),   \
            TEXT_LITERAL("\"emoji\":\"" emoji "\",\"on\":true") \
    }
    static const struct text details[EMOJIS][2] = {DETAILS("a"), DETAILS("b"), DETAILS("c"),
                                                   DETAILS("d"), DETAILS("e")};
    const struct chat_keys *keys = world.keys;
    struct chat_known *known = mem_array(keys->rows.count + 1, sizeof *known);
    size_t count = 0;
    for (size_t i = 0; i < keys->rows.count; i++) {
        const struct naive_event *event =
            naive_find_key(keys->rows.numbers[KEY_CHAT][i], keys->rows.numbers[KEY_SENDER][i],
                           keys->rows.texts[KEY_CLIENT_ID][i]);
        struct chat_known fact = {.index = i, .target = naive_look_up(&keys->rows, i)};
        if (event != NULL) {
            fact.seq = event->seq;
            fact.type = event->type;
            fact.subject_id = event->subject;
            fact.body = event->body[0] != '\0' ? text_of(event->body) : TEXT_NONE;
            if (event->type == CHAT_EVENT_REACTION)
                fact.detail = details[event->emoji][event->on];
        }
        if (event != NULL || fact.target.is_there)
            known[count++] = fact;
    }
    world.keys = NULL;
    world.on_known(world.known_context, !fails(), known, count);
    mem_free(known);
}

static enum chat_commit commit_in_some_way(const struct chat_batch *batch)
{
    enum chat_commit commit = naive_judge(batch);
    int way = fails() ? below(4) : 4;
    if (way == 0)
        return CHAT_COMMIT_FAILED;
    if (way == 1)
        return CHAT_COMMIT_UNCERTAIN; /* it did not happen */
    if (way == 2) {
        db.epoch[batch->fence.numbers[FENCE_PARTITION][0]]++; /* somebody else was here */
        return CHAT_COMMIT_FENCED;
    }
    if (commit == CHAT_COMMITTED)
        naive_write(batch);
    return way == 3 ? CHAT_COMMIT_UNCERTAIN : commit;
}

static void answer_commit(void)
{
    const struct chat_batch *batch = world.batch;
    world.batch = NULL;
    enum chat_commit commit = commit_in_some_way(batch);
    world.on_commit(world.commit_context, commit);
}

static void turn(void)
{
    loop_deferred_request(world.stop);
    loop_run(world.loop);
}

static void on_stop(void *context)
{
    loop_stop(context);
}

/* --- answers --- */

static void check_message(const struct send *send)
{
    const struct chat_outcome *outcome = &send->item.outcome;
    const struct naive_event *event =
        naive_find_key(send->message.chat_id, send->message.sender_id, send->message.client_id);
    switch (outcome->problem) {
    case PROBLEM_NONE:
        assert_non_null(event);
        assert_int_equal(event->seq, outcome->seq);
        if (!event->is_deleted)
            assert_string_equal(event->body, send->body);
        break;
    case PROBLEM_CONFLICT:
        assert_non_null(event);
        assert_string_not_equal(event->body, send->body);
        break;
    default: /* see check_refusals */
        break;
    }
}

/* Whether the reaction was on when the log had come to this seq. */
static bool was_on(const struct send *send, int64_t seq)
{
    for (; seq > send->message.target; seq--) {
        const struct naive_event *event = naive_at(send->message.chat_id, seq);
        if (event->type == CHAT_EVENT_REACTION && event->subject == send->message.target &&
            event->sender == send->message.sender_id && event->emoji == send->emoji[0] - 'a')
            return event->on;
    }
    return false;
}

/* It was done already: the answer is the edit that did it, or the head of the chat. */
static void check_nothing(const struct send *send)
{
    const struct chat_outcome *outcome = &send->item.outcome;
    const struct naive_event *event = naive_at(send->message.chat_id, outcome->seq);
    nothing_count++;
    if (send->message.type == CHAT_EVENT_EDIT) {
        assert_int_equal(event->type, CHAT_EVENT_EDIT);
        assert_int_equal(event->subject, send->message.target);
        if (event->body[0] != '\0') /* deleted behind it in the same batch */
            assert_string_equal(event->body, send->body);
    } else {
        assert_int_equal(send->message.type, CHAT_EVENT_REACTION);
        assert_int_equal(was_on(send, outcome->seq), send->action.is_on);
    }
}

static void check_action(const struct send *send)
{
    const struct chat_outcome *outcome = &send->item.outcome;
    const struct naive_event *event =
        naive_find_key(send->message.chat_id, send->message.sender_id, send->message.client_id);
    const struct naive_event *target = naive_at(send->message.chat_id, send->message.target);
    if (outcome->problem == PROBLEM_NONE && event != NULL && event->seq == outcome->seq) {
        assert_int_equal(event->type, send->message.type);
        assert_int_equal(event->subject, send->message.target);
        acted_count++;
    } else if (outcome->problem == PROBLEM_NONE) {
        assert_true(outcome->duplicate);
        check_nothing(send);
    } else if (outcome->problem == PROBLEM_CONFLICT && event == NULL && !target->is_deleted) {
        int64_t reactions, emojis;
        count_reactions(target, &reactions, &emojis);
        assert_true(reactions >= MAX_REACTIONS || emojis >= MAX_EMOJIS ||
                    target->edits == MAX_EDITS);
    }
}

static void on_done(struct chat_item *item)
{
    struct send *send = item->context;
    assert_false(send->answered);
    send->answered = true;
    send->answered_at = send_count;
    answered_count++;
    if (item->kind == CHAT_ITEM_MESSAGE) {
        if (item->action != NULL)
            check_action(send);
        else
            check_message(send);
        fresh_count += item->outcome.problem == PROBLEM_NONE && !item->outcome.duplicate;
        duplicate_count += item->outcome.duplicate;
        refused_count +=
            item->outcome.problem != PROBLEM_NONE && item->outcome.problem != PROBLEM_UNAVAILABLE;
        return;
    }
    int64_t chat = send->change.chat_id;
    change_of[chat] = NULL;
    if (item->outcome.problem == PROBLEM_NONE) {
        assert_true(db.chats[chat].version >= send->change.version);
        version_of[chat] = send->change.version;
    } else {
        assert_int_equal(item->outcome.problem, PROBLEM_UNAVAILABLE);
    }
}

/* --- what is sent --- */

static struct send *new_send(void)
{
    struct send *send = mem_zalloc(sizeof *send);
    assert_true(send_count < MAX_SENDS);
    send->number = send_count;
    sends[send_count++] = send;
    send->item.on_done = on_done;
    send->item.context = send;
    return send;
}

static void submit(struct send *send)
{
    if (chat_lane_submit(world.lane, &send->item, 1))
        return;
    send->item.outcome.problem = PROBLEM_UNAVAILABLE;
    on_done(&send->item);
}

static void send_message(void)
{
    struct send *send = new_send();
    int client_id = below(CLIENT_IDS) + (int)(send_count / 200) * CLIENT_IDS / 2;
    snprintf(send->client_id, sizeof send->client_id, "c%d", client_id);
    snprintf(send->body, sizeof send->body, "{%d}", below(20) == 0 ? -client_id : client_id);
    if (below(60) == 0)
        strcpy(send->body, "poison");
    send->message = (struct chat_message){.chat_id = 1 + below(CHATS),
                                          .sender_id = 1 + below(USERS),
                                          .type = CHAT_EVENT_MESSAGE,
                                          .client_id = text_of(send->client_id),
                                          .body = text_of(send->body)};
    send->item.kind = CHAT_ITEM_MESSAGE;
    send->item.message = &send->message;
    submit(send);
}

/* What an act of a number is, from its first use on: sent again, it is the same act. */
static struct {
    int64_t target;
    int64_t chat, sender, type, is_on, emoji, body;
} acts[MAX_SENDS];

static bool is_message_at(int64_t chat, int64_t seq)
{
    const struct naive_event *event = naive_at(chat, seq);
    return event != NULL && event->type == CHAT_EVENT_MESSAGE;
}

/* To one of the last messages, mostly. */
static void make_act(size_t number)
{
    static const int64_t types[] = {CHAT_EVENT_EDIT,     CHAT_EVENT_REACTION, CHAT_EVENT_REACTION,
                                    CHAT_EVENT_REACTION, CHAT_EVENT_DELETE,   CHAT_EVENT_EDIT};
    acts[number].chat = 1 + below(CHATS);
    int64_t target = naive_head(acts[number].chat) + 2 - below(6);
    for (int i = below(10); i > 0 && !is_message_at(acts[number].chat, target); i--)
        target--;
    bool is_message = is_message_at(acts[number].chat, target);
    acts[number].target = target > 0 ? target : 1;
    acts[number].sender = is_message && below(2) == 0 ? naive_at(acts[number].chat, target)->sender
                                                      : 1 + below(USERS);
    acts[number].type = types[below(6)];
    acts[number].is_on = below(3) != 0;
    acts[number].emoji = below(EMOJIS);
    acts[number].body = below(3);
    if (number == 0 || acts[number - 1].target == 0 || below(2) == 0)
        return;
    acts[number].chat = acts[number - 1].chat; /* so that acts get into each other's way */
    acts[number].target = acts[number - 1].target;
    acts[number].sender = acts[number - 1].sender;
    acts[number].emoji = acts[number - 1].emoji;
}

static void choose_act(struct send *send, size_t number)
{
    if (acts[number].target == 0)
        make_act(number);
    send->message = (struct chat_message){.chat_id = acts[number].chat,
                                          .sender_id = acts[number].sender,
                                          .type = acts[number].type,
                                          .target = acts[number].target};
    send->action.is_on = acts[number].is_on != 0;
    send->emoji[0] = (char)('a' + acts[number].emoji);
    snprintf(send->body, sizeof send->body, "{%d}", (int)acts[number].body);
}

static void send_action(void)
{
    struct send *send = new_send();
    size_t number = (size_t)below(ACTION_KEYS) + send_count / 4;
    choose_act(send, number);
    snprintf(send->client_id, sizeof send->client_id, "a%zu", number);
    if (below(50) == 0)
        send->message.target++; /* under a key that has another one, maybe */
    if (send->message.type == CHAT_EVENT_EDIT)
        send->message.body = text_of(send->body);
    if (send->message.type == CHAT_EVENT_REACTION) {
        snprintf(send->detail, sizeof send->detail, "\"emoji\":\"%s\",\"on\":%s", send->emoji,
                 send->action.is_on ? "true" : "false");
        send->message.detail = text_of(send->detail);
        send->action.emoji = text_of(send->emoji);
    }
    send->message.client_id = text_of(send->client_id);
    send->item.kind = CHAT_ITEM_MESSAGE;
    send->item.message = &send->message;
    send->item.action = &send->action;
    submit(send);
}

static void choose_change(struct send *send, int64_t version)
{
    static const int64_t kinds[] = {CHAT_CHANGE_MEMBERS, CHAT_CHANGE_REMOVED, CHAT_CHANGE_MEMBERS,
                                    CHAT_CHANGE_UPDATED, CHAT_CHANGE_BLOCKS};
    send->change.change_kind = version == 1 ? CHAT_CHANGE_CREATED : kinds[below(5)];
    if (version > 30 && below(40) == 0)
        send->change.change_kind = CHAT_CHANGE_DELETED;
    send->change.blocked = below(4);
    send->members[0] = (struct chat_change_member){1 + below(USERS), 1 + below(4)};
    send->members[1] = (struct chat_change_member){1 + below(USERS), 1 + below(4)};
    send->change.members_count = (size_t)below(3);
}

/* The next change of a chat, or the same again that was not answered. */
static void send_change(void)
{
    int64_t chat = 1 + below(CHATS);
    if (change_of[chat] != NULL)
        return;
    struct send *send = new_send();
    uint32_t kept = seed;
    seed = (uint32_t)(chat * 1000 + version_of[chat] +
                      1); /* the same version is always the same change */
    choose_change(send, version_of[chat] + 1);
    seed = kept;
    send->change.chat_id = chat;
    send->change.version = version_of[chat] + 1;
    send->change.kind = chat == 1 ? CHAT_DIRECT : CHAT_GROUP;
    send->change.history = CHAT_HISTORY_JOINED;
    send->change.by_id = 1;
    send->change.members = send->members;
    send->item.kind = CHAT_ITEM_CHANGE;
    send->item.change = &send->change;
    change_of[chat] = send;
    submit(send);
}

static void step(void)
{
    int what = below(100);
    if (what < 20)
        send_message();
    else if (what < 34)
        send_action();
    else if (what < 38)
        send_change();
    else if (what < 55 && world.load_count > 0)
        answer_load();
    else if (what < 75 && world.keys != NULL)
        answer_known();
    else if (what < 90 && world.batch != NULL)
        answer_commit();
    else if (what < 92 && below(400) < world.failures)
        lose_lease();
    else if (what < 94 && (!world.connected || below(400) < world.failures))
        world.connected = !world.connected;
    else if (what < 98 && world.lease_wanted)
        take_lease();
    else if (what == 99 && below(400) < world.failures)
        usleep(3000); /* patience is over */
    turn();
}

static void settle_all(void)
{
    world.failures = 0;
    world.connected = true;
    for (int i = 0; i < 100000 && (!chat_lane_is_empty(world.lane) || world.load_count > 0); i++) {
        if (world.lease_wanted)
            take_lease();
        else if (world.load_count > 0)
            answer_load();
        else if (world.keys != NULL)
            answer_known();
        else if (world.batch != NULL)
            answer_commit();
        turn();
    }
    assert_true(chat_lane_is_empty(world.lane));
    assert_int_equal(answered_count, send_count);
}

/* --- the checks of the whole --- */

/* What a replay of the log knows of a message. */
struct replayed {
    int64_t sender;
    bool is_message, is_deleted, seen[USERS + 1];
    struct naive_event shown; /* its reactions */
    const struct naive_event *edit;
};

static struct replayed *replayed;
static int64_t roles[CHATS + 1][USERS + 1];

static void replay_reaction(const struct naive_event *event, struct replayed *target)
{
    bool *reacts = &target->shown.reacts[event->sender][event->emoji];
    int64_t reactions, emojis;
    assert_int_equal(*reacts, !event->on);
    *reacts = event->on;
    count_reactions(&target->shown, &reactions, &emojis);
    assert_true(reactions <= MAX_REACTIONS && emojis <= MAX_EMOJIS);
}

/* Who did it may at that place; it changes something; and nothing is done to what was deleted. */
static void replay_action(const struct naive_event *event)
{
    const struct naive_event *row = naive_at(event->chat, event->subject);
    assert_true(event->subject < event->seq);
    struct replayed *target = &replayed[row - db.events];
    int64_t role = roles[event->chat][event->sender];
    bool is_own = target->sender == event->sender;
    assert_true(target->is_message && !target->is_deleted && target->seen[event->sender]);
    switch ((enum chat_event_type)event->type) {
    case CHAT_EVENT_EDIT:
        assert_true(is_own && role >= CHAT_ROLE_MEMBER);
        assert_true(target->edit == NULL || row->is_deleted ||
                    strcmp(target->edit->body, event->body) != 0);
        assert_int_equal(event->body[0] == '\0', row->is_deleted);
        target->edit = event;
        break;
    case CHAT_EVENT_REACTION:
        assert_true(role >= CHAT_ROLE_MEMBER);
        replay_reaction(event, target);
        break;
    default:
        assert_true(role >= (is_own ? CHAT_ROLE_READER : CHAT_ROLE_ADMIN));
        target->is_deleted = true;
        memset(target->shown.reacts, 0, sizeof target->shown.reacts);
        break;
    }
}

static void replay_message(const struct naive_event *event)
{
    struct replayed *message = &replayed[event - db.events];
    assert_true(roles[event->chat][event->sender] >= CHAT_ROLE_MEMBER);
    message->is_message = true;
    message->sender = event->sender;
    for (int user = 1; user <= USERS; user++)
        message->seen[user] = roles[event->chat][user] > 0;
}

static void replay_change(const struct naive_event *event)
{
    if (event->type == CHAT_EVENT_MEMBER_REMOVED)
        roles[event->chat][event->subject] = 0;
    else if (event->type != CHAT_EVENT_CHAT_UPDATED)
        roles[event->chat][event->subject] = event->role;
    if (event->type == CHAT_EVENT_MEMBER_ADDED || event->type == CHAT_EVENT_ROLE_CHANGED)
        assert_true(event->role > 0);
}

/* What a message's row says of it is what the log as a whole says. */
static void check_rows(void)
{
    for (size_t i = 0; i < db.event_count; i++) {
        const struct naive_event *event = &db.events[i];
        if (event->type != CHAT_EVENT_MESSAGE)
            continue;
        assert_int_equal(event->is_deleted, replayed[i].is_deleted);
        assert_int_equal(event->body[0] == '\0', event->is_deleted);
        assert_memory_equal(event->reacts, replayed[i].shown.reacts, sizeof event->reacts);
        if (!event->is_deleted)
            assert_int_equal(event->edit_seq, replayed[i].edit != NULL ? replayed[i].edit->seq : 0);
    }
}

/* Replays the log: who did something could do it at that place. */
static void check_the_log(void)
{
    replayed = mem_array(db.event_count + 1, sizeof *replayed);
    memset(roles, 0, sizeof roles);
    for (size_t i = 0; i < db.event_count; i++) {
        const struct naive_event *event = &db.events[i];
        if (event->type == CHAT_EVENT_MESSAGE)
            replay_message(event);
        else if (event->type >= CHAT_EVENT_EDIT)
            replay_action(event);
        else
            replay_change(event);
    }
    check_rows();
    mem_free(replayed);
}

static bool is_fresh(const struct send *send)
{
    return send->item.kind == CHAT_ITEM_MESSAGE && send->item.outcome.problem == PROBLEM_NONE &&
           !send->item.outcome.duplicate;
}

/* Of two items of a chat the one that was submitted first comes first; and when it was answered `unavailable`, nothing
 * that stood behind it was written. */
static void check_order(void)
{
    for (size_t i = 0; i < send_count; i++) {
        const struct send *first = sends[i];
        if (first->item.kind != CHAT_ITEM_MESSAGE)
            continue;
        for (size_t j = i + 1; j < send_count && j < i + 400; j++) {
            const struct send *second = sends[j];
            if (!is_fresh(second) || second->message.chat_id != first->message.chat_id)
                continue;
            if (is_fresh(first))
                assert_true(first->item.outcome.seq < second->item.outcome.seq);
            else if (first->item.outcome.problem == PROBLEM_UNAVAILABLE)
                assert_true(second->number >= first->answered_at);
        }
    }
}

/* What was refused is not in the log, nor is it refused when it has been there before: if there is an event under its
 * key, then because it was sent once more afterwards. */
static void check_refusals(void)
{
    for (size_t i = 0; i < send_count; i++) {
        const struct send *send = sends[i];
        enum problem problem = send->item.outcome.problem;
        if (send->item.kind != CHAT_ITEM_MESSAGE || problem == PROBLEM_NONE ||
            problem == PROBLEM_UNAVAILABLE || problem == PROBLEM_CONFLICT ||
            problem == PROBLEM_INTERNAL)
            continue;
        const struct naive_event *event =
            naive_find_key(send->message.chat_id, send->message.sender_id, send->message.client_id);
        for (size_t j = 0; event != NULL && j <= i; j++)
            assert_ptr_not_equal(event->source, sends[j]->client_id);
    }
}

static void reset(uint32_t with_seed)
{
    memset(&world, 0, sizeof world);
    struct naive_event *events =
        db.events != NULL ? db.events : mem_array(MAX_EVENTS, sizeof *events);
    memset(&db, 0, sizeof db);
    db.events = events;
    memset(acts, 0, sizeof acts);
    memset(change_of, 0, sizeof change_of);
    memset(version_of, 0, sizeof version_of);
    send_count = answered_count = fresh_count = duplicate_count = refused_count = 0;
    acted_count = nothing_count = 0;
    seed = with_seed;
}

static void run(uint32_t with_seed, int failures, int steps)
{
    reset(with_seed);
    world.loop = loop_create();
    world.stop = loop_deferred_create(world.loop, on_stop, world.loop);
    world.partitions.count = PARTITIONS;
    world.connected = world.lease_wanted = true;
    world.failures = failures;
    struct chat_lane_options options = {.batch = {12, 2000, MAX_EDITS, MAX_REACTIONS, MAX_EMOJIS},
                                        .max_queue_events = 60,
                                        .max_queue_bytes = 100000,
                                        .max_cached_chats = 3,
                                        .max_cached_members = 12,
                                        .patience_ms = 2,
                                        .careful_ms = 1};
    struct chat_lane_ports ports = {
        NULL,        port_is_connected, port_load,         port_look_up,
        port_commit, port_renew,        port_prepare_news, port_send_news};
    world.lane = chat_lane_create(world.loop, &world.partitions, &options, &ports);
    for (int i = 0; i < steps; i++)
        step();
    settle_all();
    check_the_log();
    check_order();
    check_refusals();
    chat_lane_destroy(&world.lane);
    loop_deferred_destroy(&world.stop);
    loop_destroy(&world.loop);
    for (size_t i = 0; i < send_count; i++)
        mem_free(sends[i]);
}

static void the_log_is_right_when_nothing_fails(void **state)
{
    (void)state;
    run(1, 0, 20000);
    assert_true(fresh_count > 1000 && duplicate_count > 100 && refused_count > 100);
    assert_true(acted_count > 100 && nothing_count > 20);
}

static void the_log_is_right_whatever_fails(void **state)
{
    (void)state;
    const char *first = getenv("SEED");
    uint32_t from = first != NULL ? (uint32_t)atoi(first) : 2;
    size_t fresh = 0, duplicates = 0, refused = 0, acted = 0, nothing = 0;
    for (uint32_t with_seed = from; with_seed < from + 12; with_seed++) {
        run(with_seed, 5 + (int)with_seed % 4 * 10, 5000);
        fresh += fresh_count;
        duplicates += duplicate_count;
        refused += refused_count;
        acted += acted_count;
        nothing += nothing_count;
    }
    assert_true(fresh > 1000 && duplicates > 100 && refused > 100 && acted > 100 && nothing > 20);
    mem_free(db.events);
    db.events = NULL;
}

int main(void)
{
    log_init("test", LOG_LEVEL_ERROR + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_is_right_when_nothing_fails),
        cmocka_unit_test(the_log_is_right_whatever_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
