/* The lane against a naive log, with failures of every kind at random places: commits whose end nobody knows, other
 * owners, leases that are lost in the middle, reads that fail, items that cannot be stored. Whatever happens, the log is
 * gapless, a message is in it once, answers are true, and the order of a chat's items is kept. */
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
    MAX_LOADS = 64
};

/* --- the naive log --- */

struct naive_event {
    int64_t partition, chat, seq, offset, type, sender, subject, role;
    char client_id[8], body[32];
    const char *source; /* the text that it was written from: tells which send it was */
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
    struct naive_span spans[MAX_EVENTS];
    size_t span_count;
    struct naive_chat chats[CHATS + 1];
    int64_t epoch[PARTITIONS], head[PARTITIONS];
} db;

static int64_t naive_head(int64_t chat)
{
    int64_t head = 0;
    for (size_t i = 0; i < db.event_count; i++)
        head = db.events[i].chat == chat && db.events[i].seq > head ? db.events[i].seq : head;
    return head;
}

static const struct naive_event *naive_find_key(int64_t chat, int64_t sender, struct text client_id)
{
    for (size_t i = 0; i < db.event_count; i++) {
        const struct naive_event *event = &db.events[i];
        if (event->type == CHAT_EVENT_MESSAGE && event->chat == chat && event->sender == sender &&
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
    assert_int_equal(event->seq, naive_head(event->chat) + 1);
    assert_int_equal(event->offset, ++db.head[event->partition]);
    db.event_count++;
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
    struct chat_apply_request change;
    struct chat_change_member members[2];
    char client_id[8], body[32];
    size_t number;
    size_t answered_at; /* how many had been submitted by then */
    bool answered;
};

static struct send *sends[MAX_SENDS];
static size_t send_count, answered_count, fresh_count, duplicate_count, refused_count;
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
    const struct chat_keys *keys = world.keys;
    struct chat_known *known = mem_array(keys->rows.count + 1, sizeof *known);
    size_t count = 0;
    for (size_t i = 0; i < keys->rows.count; i++) {
        const struct naive_event *event =
            naive_find_key(keys->rows.numbers[KEY_CHAT][i], keys->rows.numbers[KEY_SENDER][i],
                           keys->rows.texts[KEY_CLIENT_ID][i]);
        if (event != NULL)
            known[count++] = (struct chat_known){
                .index = i, .seq = event->seq, .type = event->type, .body = text_of(event->body)};
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

static void on_done(struct chat_item *item)
{
    struct send *send = item->context;
    assert_false(send->answered);
    send->answered = true;
    send->answered_at = send_count;
    answered_count++;
    if (item->kind == CHAT_ITEM_MESSAGE) {
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
    if (what < 30)
        send_message();
    else if (what < 36)
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

/* Replays the log: who wrote a message could write at that place. */
static void check_membership(void)
{
    static int64_t role[CHATS + 1][USERS + 1];
    memset(role, 0, sizeof role);
    for (size_t i = 0; i < db.event_count; i++) {
        const struct naive_event *event = &db.events[i];
        if (event->type == CHAT_EVENT_MESSAGE)
            assert_true(role[event->chat][event->sender] >= CHAT_ROLE_MEMBER);
        else if (event->type == CHAT_EVENT_MEMBER_REMOVED)
            role[event->chat][event->subject] = 0;
        else if (event->type != CHAT_EVENT_CHAT_UPDATED)
            role[event->chat][event->subject] = event->role;
        if (event->type == CHAT_EVENT_MEMBER_ADDED || event->type == CHAT_EVENT_ROLE_CHANGED)
            assert_true(event->role > 0);
    }
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
    memset(change_of, 0, sizeof change_of);
    memset(version_of, 0, sizeof version_of);
    send_count = answered_count = fresh_count = duplicate_count = refused_count = 0;
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
    struct chat_lane_options options = {.batch = {12, 2000},
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
    check_membership();
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
}

static void the_log_is_right_whatever_fails(void **state)
{
    (void)state;
    const char *first = getenv("SEED");
    uint32_t from = first != NULL ? (uint32_t)atoi(first) : 2;
    size_t fresh = 0, duplicates = 0, refused = 0;
    for (uint32_t with_seed = from; with_seed < from + 12; with_seed++) {
        run(with_seed, 5 + (int)with_seed % 4 * 10, 5000);
        fresh += fresh_count;
        duplicates += duplicate_count;
        refused += refused_count;
    }
    assert_true(fresh > 1000 && duplicates > 100 && refused > 100);
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
