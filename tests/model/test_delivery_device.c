/* The device against a naive world: one device, a Redis and a log that are plain arrays, a client that remembers what it
 * was given. Operations come at random: events, acks, connections that come and go and resume, pushes that are done or lost
 * on the way, Redis lost, wiped or rolled back, the process killed. What is written to a connection may never be read: the
 * client has heard a resync only when it has read it. What must hold, always:
 *
 *   - on one connection a chat's seqs rise, and n counts up by one;
 *   - what the cursor has passed is acknowledged, or in the inbox, or the next connection will be told to resync;
 *   - when all has calmed down, every event was acknowledged, or followed by a resync, and so was each demand for one;
 *   - where a trace says that an event is, there it is;
 *   - what was deleted is not told with its content once the device knows, unless Redis was away then.
 *
 * Chats are pulled for a while, and pushed again: what is pulled is owed to nobody, but what the device takes of it keeps the
 * order, the numbers and the cursor right like all the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_device.h"
#include "shared/base/mem.h"
#include "shared/proto/chat_protocol.h"

#define SEEDS       400
#define STEPS       1500
#define PARTITIONS  2
#define CHATS       4 /* chat c lies in partition c % PARTITIONS */
#define MAX_EVENTS  4096
#define MAX_INBOX   60
#define WINDOW      8
#define COMMANDS    64
#define EVENT_WORDS 3 /* of the fake events' text: chat, seq, erased */

struct known_event {
    struct delivery_ref ref;
    bool covered; /* acknowledged, gone, older than a resync, or pulled */
    bool gone;
    bool is_pulled;
    int64_t target;   /* of an edit the seq of its message, else 0 */
    bool erased;      /* in the log: its message was deleted, its content is not told any more */
    bool erased_here; /* … and the device knows */
};

struct fake_redis {
    bool has_record, must_resync, unheard;
    struct delivery_ref list[MAX_EVENTS];
    size_t length;
    int64_t offsets[PARTITIONS];
    int64_t parked[PARTITIONS]; /* as p:parked */
};

enum command_kind { PUSH, TRIM, READ, OPEN, CLEAR, MARK, CONFIRM, LOOK };
struct command {
    enum command_kind kind;
    bool unheard; /* of CLEAR */
    uint32_t generation;
    int64_t from, count;
    struct delivery_ref refs[DEVICE_PUSH_MAX];
    size_t ref_count;
    struct device_trace_mark mark; /* of LOOK */
};

static struct world {
    uint64_t random;
    int64_t now_ms;
    struct device_hub hub;
    struct device *device;
    struct delivery_cursor *cursor;
    struct known_event events[MAX_EVENTS];
    size_t event_count;
    size_t by_partition[PARTITIONS][MAX_EVENTS]; /* offset - 1 → event */
    int64_t heads[PARTITIONS];
    int64_t positions[PARTITIONS]; /* of the feed as this process has read it */
    int64_t reread[PARTITIONS];
    int64_t seqs[CHATS];
    bool is_pulled[CHATS];
    int offers_taken, offers_passed_by;
    int64_t erased_sends;
    struct fake_redis redis, snapshot;
    bool wiped, rewritten;
    bool fresh; /* the device is younger than this Redis */
    struct command commands[COMMANDS];
    size_t command_count;
    bool fetching, blocked, park_wanted;
    uint32_t fetch_generation;
    struct delivery_ref fetch[DEVICE_PAGE];
    bool fetch_erased[DEVICE_PAGE]; /* as the log was when it was asked */
    size_t fetch_count;
    /* the client */
    bool connected, ready;
    int64_t session, last_n, acked_n;
    int64_t next_n;              /* on this connection */
    size_t of_n[MAX_EVENTS * 4]; /* what each n was */
    int64_t seen_seq[CHATS];
    bool resync_unread;      /* it lies in the connection */
    int64_t resync_unread_n; /* behind this event; -1: it is the ready */
    bool demanded;           /* a resync, which was not heard yet */
    bool demand_told;        /* the unread resync came after the demand */
    int resyncs, demands, verdicts[3];
    int traces[DEVICE_TRACE_RESYNC + 1];
} w;

static uint64_t next_random(void)
{
    w.random ^= w.random << 13;
    w.random ^= w.random >> 7;
    w.random ^= w.random << 17;
    return w.random;
}

static bool one_in(unsigned n)
{
    return next_random() % n == 0;
}

static struct known_event *known(const struct delivery_ref *ref)
{
    return &w.events[w.by_partition[ref->partition][ref->offset - 1]];
}

static size_t number_of(const struct delivery_ref *ref)
{
    for (size_t i = 0; i < w.event_count; i++)
        if (w.events[i].ref.chat_id == ref->chat_id && w.events[i].ref.seq == ref->seq)
            return i;
    fail_msg("an event that never was");
    return 0;
}

static void cover_all(void)
{
    for (uint32_t p = 0; p < PARTITIONS; p++)
        for (int64_t o = 0; o < w.heads[p]; o++)
            w.events[w.by_partition[p][o]].covered = true;
}

/* --- what the client reads --- */

static void write_resync(int64_t behind_n)
{
    w.resyncs++;
    w.resync_unread = true;
    w.resync_unread_n = behind_n;
    w.demand_told = w.demanded;
}

/* It syncs at once: whatever is in the log by now needs no delivery. */
static void read_resync(void)
{
    if (w.resync_unread) {
        cover_all();
        w.demanded = w.demanded && !w.demand_told;
    }
    w.resync_unread = false;
}

/* What was not read is lost with the connection. */
static void lose_unread(void)
{
    if (w.resync_unread && w.resync_unread_n < 0)
        w.session = 0; /* the ready that named it was not read either */
}

/* The last number that the client can know of. */
static int64_t known_n(void)
{
    return w.resync_unread && w.resync_unread_n < w.last_n ? w.resync_unread_n : w.last_n;
}

/* --- the port --- */

static void on_send_ready(struct device *device, enum device_verdict verdict, int64_t inbox)
{
    assert_true(w.connected && !w.ready);
    assert_true(inbox >= 0);
    w.ready = true;
    w.verdicts[verdict]++;
    if (verdict == DEVICE_RESUMED) {
        assert_int_equal(device->session, w.session);
        w.next_n = device->n_acked + 1;
        return;
    }
    w.next_n = 1;
    w.session = device->session;
    w.last_n = w.acked_n = 0;
    w.resync_unread = false;
    if (verdict == DEVICE_RESYNC)
        write_resync(-1);
}

static int64_t sending_chat, sending_seq; /* found from the text: the fake events carry it */

static void on_send_event(struct device *device, int64_t n, struct text json)
{
    (void)device;
    assert_true(w.connected && w.ready);
    int64_t words[EVENT_WORDS];
    assert_int_equal(json.length, sizeof words);
    memcpy(words, json.data, sizeof words);
    sending_chat = words[0];
    sending_seq = words[1];
    assert_true(sending_seq > w.seen_seq[sending_chat]);
    w.seen_seq[sending_chat] = sending_seq;
    struct delivery_ref ref = {.chat_id = sending_chat, .seq = sending_seq};
    size_t number = number_of(&ref);
    w.erased_sends += words[2];
    assert_true(words[2] == 1 || !w.events[number].erased_here);
    while (w.next_n < n && w.next_n <= w.last_n &&
           (w.next_n <= w.acked_n || w.events[w.of_n[w.next_n]].gone))
        w.next_n++; /* acknowledged meanwhile, or gone: not sent again */
    assert_int_equal(n, w.next_n++);
    if (n <= w.last_n) { /* sent again after a resume */
        assert_int_equal(w.of_n[n], number);
        return;
    }
    assert_int_equal(n, w.last_n + 1);
    w.last_n = n;
    w.of_n[n] = number;
}

static void on_send_resync(struct device *device)
{
    assert_true(w.connected && w.ready);
    write_resync(device->n_sent);
}

static bool on_can_send(const struct device *device)
{
    (void)device;
    return !w.blocked;
}

static struct command *add_command(enum command_kind kind, uint32_t generation)
{
    assert_true(w.command_count < COMMANDS);
    assert_true(w.hub.inboxes != DEVICE_INBOXES_AWAY);
    struct command *command = &w.commands[w.command_count++];
    command->kind = kind;
    command->generation = generation;
    return command;
}

static void on_open(struct device *device, uint32_t generation)
{
    device->calls++;
    assert_true(w.hub.inboxes == DEVICE_INBOXES_UP);
    add_command(OPEN, generation);
}

static void on_read(struct device *device, uint32_t generation, int64_t from, int64_t count)
{
    device->calls++;
    struct command *command = add_command(READ, generation);
    command->from = from;
    command->count = count;
}

static void on_fetch(struct device *device, uint32_t generation, const struct delivery_ref *refs,
                     size_t count)
{
    (void)device;
    assert_true(count > 0 && count <= DEVICE_PAGE);
    w.fetching = true;
    w.fetch_generation = generation;
    w.fetch_count = count;
    for (size_t i = 0; i < count; i++)
        w.fetch_erased[i] = known(&refs[i])->erased;
    memcpy(w.fetch, refs, count * sizeof *refs);
}

static void on_trim(struct device *device, int64_t count)
{
    (void)device;
    assert_true(count > 0);
    add_command(TRIM, 0)->count = count;
}

static void on_clear(struct device *device)
{
    add_command(CLEAR, 0)->unheard = device->unheard;
}

static void on_confirm(struct device *device)
{
    (void)device;
    add_command(CONFIRM, 0);
}

static void on_mark(struct device *device)
{
    (void)device;
    add_command(MARK, 0);
}

static void on_park_soon(struct device *device, int64_t delay_ms)
{
    (void)device, (void)delay_ms;
    w.park_wanted = true;
}

static void on_window_opened(struct device *device)
{
    device->is_windowed = true;
}

static void on_hold(const struct delivery_ref *ref)
{
    delivery_cursor_hold(w.cursor, ref->partition, ref->offset);
}

static void on_release(const struct delivery_ref *ref)
{
    delivery_cursor_release(w.cursor, ref->partition, ref->offset);
}

static void on_acked(struct device *device, int64_t chat_id, int64_t seq)
{
    (void)device, (void)chat_id, (void)seq;
}

static int64_t on_now_ms(void)
{
    return w.now_ms;
}

static const struct device_port port = {
    .send_ready = on_send_ready,
    .send_event = on_send_event,
    .send_resync = on_send_resync,
    .can_send = on_can_send,
    .open = on_open,
    .read = on_read,
    .fetch = on_fetch,
    .trim = on_trim,
    .clear = on_clear,
    .confirm = on_confirm,
    .mark = on_mark,
    .park_soon = on_park_soon,
    .window_opened = on_window_opened,
    .hold = on_hold,
    .release = on_release,
    .acked = on_acked,
    .now_ms = on_now_ms,
};

/* --- Redis --- */

/* From 1 on; 0: it is not there. */
static size_t place_in_inbox(const struct delivery_ref *ref)
{
    for (size_t i = 0; i < w.redis.length; i++)
        if (w.redis.list[i].chat_id == ref->chat_id && w.redis.list[i].seq == ref->seq)
            return i + 1;
    return 0;
}

static bool check_record(bool expected)
{
    if (w.redis.has_record)
        return !w.redis.must_resync;
    w.redis =
        (struct fake_redis){.has_record = true, .parked = {w.redis.parked[0], w.redis.parked[1]}};
    w.redis.must_resync = !w.fresh || expected;
    return !w.redis.must_resync;
}

static size_t redis_push(const struct command *command)
{
    size_t added = 0;
    for (size_t i = 0; i < command->ref_count; i++) {
        const struct delivery_ref *ref = &command->refs[i];
        if (ref->offset <= w.redis.offsets[ref->partition])
            continue;
        w.redis.offsets[ref->partition] = ref->offset;
        w.redis.list[w.redis.length++] = *ref;
        added++;
    }
    return added;
}

static void redis_mark(void)
{
    w.redis.length = 0;
    w.redis.has_record = w.redis.must_resync = true;
    w.redis.unheard = false;
}

static void redis_trim(int64_t count)
{
    size_t drop = w.redis.length < (size_t)count ? w.redis.length : (size_t)count;
    memmove(w.redis.list, w.redis.list + drop, (w.redis.length - drop) * sizeof w.redis.list[0]);
    w.redis.length -= drop;
}

static void redis_clear(bool unheard)
{
    w.redis.length = 0;
    w.redis.has_record = true;
    w.redis.must_resync = false;
    w.redis.unheard = unheard;
    memset(w.redis.offsets, 0, sizeof w.redis.offsets);
}

static void reply_open(const struct command *command, bool answered)
{
    bool ok = check_record(w.device->recorded) && !w.redis.unheard;
    struct device_skip skips[PARTITIONS];
    size_t skip_count = 0;
    for (uint32_t p = 0; ok && p < PARTITIONS; p++)
        if (w.redis.offsets[p] > w.positions[p])
            skips[skip_count++] = (struct device_skip){p, w.redis.offsets[p]};
    if (answered)
        device_on_opened(w.device, command->generation, ok ? DEVICE_INBOX_OK : DEVICE_INBOX_RESYNC,
                         (int64_t)w.redis.length, skips, skip_count);
}

static void reply_push(const struct command *command, bool answered)
{
    bool ok = check_record(w.device->recorded);
    size_t added = ok ? redis_push(command) : 0;
    if (ok && w.redis.length > MAX_INBOX) {
        redis_mark();
        ok = false;
    }
    if (answered)
        device_on_pushed(w.device, command->generation, ok ? DEVICE_INBOX_OK : DEVICE_INBOX_RESYNC,
                         (int64_t)added);
}

static void reply_read(const struct command *command, bool answered)
{
    bool ok = check_record(w.device->recorded);
    size_t from = (size_t)command->from, count = (size_t)command->count;
    assert_true(command->from >= 0);
    if (from + count > w.redis.length)
        count = from < w.redis.length ? w.redis.length - from : 0;
    if (answered)
        device_on_page(w.device, command->generation, ok ? DEVICE_INBOX_OK : DEVICE_INBOX_RESYNC,
                       w.redis.list + from, ok ? count : 0);
}

static void check_trace(const struct delivery_ref *ref, enum device_trace trace, int64_t position)
{
    const struct known_event *event = known(ref);
    bool in_window = false, was_acked = false;
    w.traces[trace]++;
    for (int64_t n = 1; n <= w.last_n; n++) {
        bool is_it = w.connected && w.ready && &w.events[w.of_n[n]] == event;
        was_acked = was_acked || (is_it && n <= w.acked_n);
        in_window = in_window || (is_it && n > w.acked_n);
    }
    switch (trace) {
    case DEVICE_TRACE_LOOK:
        break;
    case DEVICE_TRACE_WAITING:
        assert_true(delivery_cursor_mark(w.cursor, ref->partition) < ref->offset);
        break;
    case DEVICE_TRACE_PARKED:
        assert_int_not_equal(place_in_inbox(ref), 0);
        assert_false(was_acked || in_window);
        assert_false(w.redis.unheard && !w.connected);
        assert_true(position >= 1 && position <= (int64_t)place_in_inbox(ref));
        break;
    case DEVICE_TRACE_SENT:
        assert_true(in_window);
        break;
    case DEVICE_TRACE_ACKNOWLEDGED:
        assert_true(event->covered || event->gone);
        assert_false(in_window);
        break;
    case DEVICE_TRACE_RESYNC:
        assert_true(w.redis.must_resync || w.redis.unheard || w.device->unheard ||
                    w.device->resync_due || (!w.redis.has_record && !w.fresh));
        break;
    }
}

/* An event that was fanned out: at once when memory tells, otherwise when Redis has answered. */
static void trace_some(void)
{
    uint32_t p = (uint32_t)(next_random() % PARTITIONS);
    if (w.hub.inboxes != DEVICE_INBOXES_UP || w.positions[p] == 0 || w.command_count > COMMANDS / 2)
        return;
    int64_t back = (int64_t)(next_random() % 40);
    int64_t offset = w.positions[p] > back ? w.positions[p] - back : 1;
    const struct delivery_ref *ref = &w.events[w.by_partition[p][offset - 1]].ref;
    struct device_trace_mark mark;
    enum device_trace trace = device_trace(w.device, ref, &mark);
    check_trace(ref, trace, 0);
    if (trace != DEVICE_TRACE_LOOK)
        return;
    struct command *command = add_command(LOOK, 0);
    command->refs[0] = *ref;
    command->mark = mark;
}

static void reply_look(const struct command *command, bool answered)
{
    const struct delivery_ref *ref = &command->refs[0];
    struct device_look look = {.is_lost =
                                   w.redis.must_resync ||
                                   (!w.redis.has_record && !(w.fresh && !w.device->recorded)),
                               .is_unheard = w.redis.unheard,
                               .place = (int64_t)place_in_inbox(ref)};
    int64_t position = 0;
    if (!answered)
        return;
    enum device_trace trace = device_trace_looked(w.device, ref, &look, &command->mark, &position);
    check_trace(ref, trace, position);
}

static void run_command(bool answered)
{
    if (w.command_count == 0)
        return;
    struct command command = w.commands[0];
    memmove(w.commands, w.commands + 1, --w.command_count * sizeof command);
    if (command.kind <= READ && command.kind != TRIM)
        w.device->calls -= w.device->calls > 0 && answered;
    switch (command.kind) {
    case PUSH:
        reply_push(&command, answered);
        break;
    case TRIM:
        if (check_record(w.device->recorded))
            redis_trim(command.count);
        break;
    case READ:
        reply_read(&command, answered);
        break;
    case OPEN:
        reply_open(&command, answered);
        break;
    case CLEAR:
        redis_clear(command.unheard);
        break;
    case CONFIRM:
        if (check_record(w.device->recorded))
            w.redis.unheard = false;
        break;
    case MARK:
        redis_mark();
        break;
    case LOOK:
        reply_look(&command, answered);
        break;
    }
}

static void park(void)
{
    struct delivery_ref refs[DEVICE_PUSH_MAX];
    w.park_wanted = false;
    size_t count = device_take_push(w.device, refs);
    if (count == 0)
        return;
    struct command *command = add_command(PUSH, w.device->push_generation);
    memcpy(command->refs, refs, count * sizeof *refs);
    command->ref_count = count;
}

/* --- the feed --- */

/* One of the last of a chat, if that can be edited. */
static const struct known_event *draw_message(int64_t chat)
{
    int64_t seq = w.seqs[chat] - (int64_t)(next_random() % 8);
    if (seq < 1)
        return NULL;
    const struct delivery_ref ref = {.chat_id = chat, .seq = seq};
    const struct known_event *event = &w.events[number_of(&ref)];
    return event->target != 0 || event->erased ? NULL : event;
}

static void append_event(void)
{
    if (w.event_count == MAX_EVENTS)
        return;
    int64_t chat = (int64_t)(next_random() % CHATS);
    uint32_t partition = (uint32_t)chat % PARTITIONS;
    int64_t offset = ++w.heads[partition];
    struct known_event *event = &w.events[w.event_count];
    if (one_in(20))
        w.is_pulled[chat] = !w.is_pulled[chat];
    const struct known_event *edited = one_in(3) ? draw_message(chat) : NULL;
    *event = (struct known_event){.ref = {chat, ++w.seqs[chat], offset, partition, 1},
                                  .target = edited == NULL ? 0 : edited->ref.seq,
                                  .covered = w.is_pulled[chat],
                                  .is_pulled = w.is_pulled[chat]};
    w.by_partition[partition][offset - 1] = w.event_count++;
}

/* The device watches now and then: what comes meanwhile is offered to it, but not what is read again for the absent. */
static void offer(struct delivery_event *event, enum delivery_mode mode)
{
    if (mode == DELIVERY_PARK_ONLY || one_in(5))
        return;
    int64_t n = w.device->n_sent;
    bool is_taken = device_offer(w.device, event);
    assert_int_equal(w.device->n_sent, n + is_taken);
    assert_int_equal(w.device->passed_by_ms == w.now_ms, !is_taken);
    w.offers_taken += is_taken;
    w.offers_passed_by += !is_taken;
}

static void deliver(uint32_t partition, int64_t offset, enum delivery_mode mode)
{
    struct known_event *event = &w.events[w.by_partition[partition][offset - 1]];
    int64_t words[EVENT_WORDS] = {event->ref.chat_id, event->ref.seq, event->erased};
    struct chat_event source = {.chat_id = event->ref.chat_id,
                                .seq = event->ref.seq,
                                .type = event->target == 0 ? CHAT_EVENT_MESSAGE : CHAT_EVENT_EDIT,
                                .subject_id = event->target,
                                .json = {(const char *)words, sizeof words}};
    struct delivery_event *shared = delivery_event_create(partition, offset, &source, mode);
    shared->arrived_ms = w.now_ms;
    shared->erasures = w.hub.erasures.count;
    if (mode == DELIVERY_PARK_ONLY)
        delivery_cursor_hold(w.cursor, partition, offset);
    else
        delivery_cursor_begin(w.cursor, partition, offset);
    w.device->passed_by_ms = 0;
    if (event->is_pulled)
        offer(shared, mode);
    else
        device_deliver(w.device, shared);
    delivery_cursor_release(w.cursor, partition, offset);
    delivery_event_drop(&shared);
}

static void read_feed(void)
{
    uint32_t p = (uint32_t)(next_random() % PARTITIONS);
    if (w.positions[p] == w.heads[p])
        return;
    bool parks = w.hub.inboxes == DEVICE_INBOXES_UP ||
                 (w.hub.inboxes == DEVICE_INBOXES_FILLING && w.reread[p] == w.positions[p]);
    int64_t offset = ++w.positions[p];
    if (parks)
        w.reread[p] = offset;
    deliver(p, offset, parks ? DELIVERY_NORMAL : DELIVERY_LIVE_ONLY);
}

static void read_feed_again(void)
{
    bool level = true;
    if (!w.rewritten && one_in(2))
        return; /* other devices come first */
    device_rewrite(w.device);
    w.rewritten = true;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        if (w.reread[p] < w.positions[p])
            deliver(p, ++w.reread[p], DELIVERY_PARK_ONLY);
        if (w.reread[p] == w.positions[p])
            delivery_cursor_thaw(w.cursor, p);
        level = level && w.reread[p] == w.positions[p];
    }
    if (!level)
        return;
    w.hub.inboxes = DEVICE_INBOXES_UP;
    device_on_up(w.device);
}

/* --- the cursor and faults --- */

/* I16: what the cursor passes needs this process no more. */
static void save_cursor(void)
{
    bool will_resync =
        w.redis.must_resync || w.redis.unheard || (!w.redis.has_record && !w.fresh) || w.wiped;
    for (uint32_t p = 0; p < PARTITIONS && w.hub.inboxes != DEVICE_INBOXES_AWAY; p++) {
        int64_t mark = delivery_cursor_mark(w.cursor, p);
        for (int64_t o = delivery_cursor_durable(w.cursor, p) + 1; o <= mark; o++) {
            struct known_event *event = &w.events[w.by_partition[p][o - 1]];
            assert_true(event->covered || event->gone || will_resync ||
                        place_in_inbox(&event->ref) > 0);
        }
        w.redis.parked[p] = mark;
        delivery_cursor_saved(w.cursor, p, mark);
    }
}

static void lose_redis(void)
{
    if (w.hub.inboxes == DEVICE_INBOXES_AWAY)
        return;
    for (size_t done = next_random() % (w.command_count + 1); done > 0; done--)
        run_command(false);
    w.command_count = 0;
    w.demanded = false; /* whoever demands does so again after a loss */
    w.device->calls = 0;
    w.hub.inboxes = DEVICE_INBOXES_AWAY;
    for (uint32_t p = 0; p < PARTITIONS; p++)
        delivery_cursor_freeze(w.cursor, p);
    device_on_lost(w.device);
    if (one_in(3)) {
        w.redis = (struct fake_redis){0};
        w.wiped = true;
    } else if (one_in(3)) {
        w.redis = w.snapshot;
    }
}

static void regain_redis(void)
{
    if (w.hub.inboxes != DEVICE_INBOXES_AWAY)
        return;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        int64_t durable = delivery_cursor_durable(w.cursor, p);
        w.wiped = w.wiped || w.redis.parked[p] < durable;
        w.reread[p] = durable < w.positions[p] ? durable : w.positions[p];
    }
    if (w.wiped) { /* a new epoch: no record counts any more */
        w.redis = (struct fake_redis){0};
        w.snapshot = w.redis;
        w.fresh = false;
        for (uint32_t p = 0; p < PARTITIONS; p++)
            w.redis.parked[p] = delivery_cursor_durable(w.cursor, p);
    }
    w.hub.inboxes = DEVICE_INBOXES_FILLING;
    w.rewritten = false;
    w.wiped = false;
}

static void start_process(void)
{
    w.hub = (struct device_hub){.port = &port,
                                .window_max = WINDOW,
                                .park_offline_ms = 1,
                                .park_connected_ms = 3,
                                .park_window_ms = 9,
                                .inboxes = w.hub.inboxes};
    w.device = mem_zalloc(sizeof *w.device);
    device_init(w.device, &w.hub, 1, 1);
    w.command_count = 0;
    w.fetching = w.blocked = false;
}

static void close_connection(void)
{
    if (!w.connected)
        return;
    w.connected = w.ready = w.blocked = false;
    lose_unread();
    device_disconnect(w.device);
}

static void kill_process(void)
{
    for (size_t done = next_random() % (w.command_count + 1); done > 0; done--)
        run_command(false);
    struct delivery_cursor *fresh = delivery_cursor_create(PARTITIONS);
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        w.positions[p] = w.reread[p] = delivery_cursor_durable(w.cursor, p);
        delivery_cursor_start(fresh, p, w.positions[p]);
        if (w.hub.inboxes != DEVICE_INBOXES_UP)
            delivery_cursor_freeze(fresh, p);
    }
    if (w.connected)
        lose_unread();
    w.connected = w.ready = w.demanded = false;
    device_deinit(w.device);
    mem_free(w.device);
    delivery_cursor_destroy(&w.cursor);
    w.cursor = fresh;
    start_process();
}

/* --- the client --- */

static void connect_client(void)
{
    if (w.connected)
        return;
    w.connected = true;
    memset(w.seen_seq, 0, sizeof w.seen_seq);
    int64_t most = known_n() > w.acked_n ? known_n() : w.acked_n;
    int64_t n = w.acked_n + (int64_t)(next_random() % (uint64_t)(most - w.acked_n + 1));
    device_connect(w.device, (struct connection *)&w, one_in(3) ? 0 : w.session, n);
    for (; w.ready && w.acked_n < w.device->n_acked; w.acked_n++)
        w.events[w.of_n[w.acked_n + 1]].covered = true;
}

static void ack(void)
{
    if (!w.ready)
        return;
    int64_t n = w.acked_n + (int64_t)(next_random() % (uint64_t)(w.last_n - w.acked_n + 1));
    if (n > w.resync_unread_n)
        read_resync(); /* it stands before event n */
    for (int64_t i = w.acked_n + 1; i <= n; i++)
        w.events[w.of_n[i]].covered = true;
    w.acked_n = n > w.acked_n ? n : w.acked_n;
    assert_true(device_ack(w.device, n));
    assert_false(device_ack(w.device, w.device->n_sent + 1));
}

static void answer_fetch(void)
{
    if (!w.fetching)
        return;
    w.fetching = false;
    static int64_t words[DEVICE_PAGE][EVENT_WORDS];
    struct text jsons[DEVICE_PAGE];
    for (size_t i = 0; i < w.fetch_count; i++) {
        struct known_event *event = known(&w.fetch[i]);
        event->gone = event->gone || one_in(50);
        words[i][0] = event->ref.chat_id;
        words[i][1] = event->ref.seq;
        words[i][2] = w.fetch_erased[i];
        jsons[i] = event->gone ? TEXT_NONE : (struct text){(char *)words[i], sizeof words[i]};
    }
    device_on_contents(w.device, w.fetch_generation, jsons);
}

/* Mostly what the device is about to send. */
static struct known_event *draw_deleted(void)
{
    const struct device *device = w.device;
    if (device->page_count > 0 && one_in(2))
        return known(&device->page[next_random() % device->page_count]);
    if (device->waiting.count > 0 && one_in(2))
        return known(
            &delivery_ring_at(&device->waiting, (uint32_t)(next_random() % device->waiting.count))
                 ->ref);
    return w.event_count == 0 ? NULL : &w.events[next_random() % w.event_count];
}

/* A message is deleted in the log, with its edits, and at once or later the device is told. */
static void erase(void)
{
    const struct known_event *drawn = draw_deleted();
    if (drawn == NULL)
        return;
    int64_t chat = drawn->ref.chat_id, seq = drawn->target == 0 ? drawn->ref.seq : drawn->target;
    bool is_told = !one_in(3);
    for (size_t i = 0; i < w.event_count; i++) {
        struct known_event *event = &w.events[i];
        if (event->ref.chat_id != chat || (event->ref.seq != seq && event->target != seq))
            continue;
        event->erased = true;
        event->erased_here = event->erased_here || is_told;
    }
    if (is_told)
        delivery_erasures_add(&w.hub.erasures, chat, seq);
}

/* An event that was passed over is released: whatever the device does, it must be told. */
static void demand_resync(void)
{
    struct chat_event source = {.chat_id = 0};
    struct delivery_event *event = delivery_event_create(0, 1, &source, DELIVERY_RESYNC);
    if (w.hub.inboxes == DEVICE_INBOXES_UP) {
        w.demanded = true;
        w.demands++;
        device_deliver(w.device, event);
    }
    delivery_event_drop(&event);
}

static void step(void)
{
    w.now_ms++;
    if (w.now_ms % 2 == 0)
        device_tick(w.device, w.now_ms);
    switch (next_random() % 24) {
    case 0 ... 5:
        append_event();
        break;
    case 6 ... 8:
        ack();
        break;
    case 9 ... 10:
        answer_fetch();
        break;
    case 11:
        connect_client();
        break;
    case 12:
        if (one_in(3))
            close_connection();
        break;
    case 13:
        w.blocked = w.connected && one_in(3);
        if (!w.blocked)
            device_on_writable(w.device);
        break;
    case 14:
        if (one_in(6))
            lose_redis();
        break;
    case 15:
        regain_redis();
        break;
    case 16:
        if (w.command_count == 0) /* commands run in order, and p:parked is one of them */
            save_cursor();
        break;
    case 17:
        if (one_in(10))
            kill_process();
        break;
    case 18:
        if (one_in(10))
            w.snapshot = w.redis;
        if (one_in(4))
            device_give_up_waiting(w.device);
        break;
    case 19:
        if (one_in(20))
            demand_resync();
        erase();
        break;
    default:
        run_command(true);
        break;
    }
    if (w.ready && one_in(4))
        read_resync();
    read_feed();
    if (w.hub.inboxes == DEVICE_INBOXES_FILLING)
        read_feed_again();
    if (w.park_wanted && one_in(3))
        park();
    trace_some();
}

static bool all_covered(void)
{
    for (size_t i = 0; i < w.event_count; i++)
        if (!w.events[i].covered && !w.events[i].gone)
            return false;
    return true;
}

/* Everything works again: what is left must come out. */
static void calm_down(void)
{
    w.blocked = false;
    device_on_writable(w.device);
    for (int i = 0; i < 20000; i++) {
        w.now_ms++;
        regain_redis();
        if (w.hub.inboxes == DEVICE_INBOXES_FILLING)
            read_feed_again();
        read_feed();
        connect_client();
        run_command(true);
        answer_fetch();
        if (w.ready)
            read_resync();
        ack();
        device_tick(w.device, w.now_ms);
        if (w.park_wanted)
            park();
        bool level = w.positions[0] == w.heads[0] && w.positions[1] == w.heads[1];
        if (level && w.hub.inboxes == DEVICE_INBOXES_UP && all_covered() && !w.demanded &&
            w.device->state == DEVICE_LIVE && w.command_count == 0)
            return;
    }
    fail_msg(
        "an event was neither acknowledged nor followed by a resync, or one demanded was not said");
}

static void finish(void)
{
    close_connection();
    for (int i = 0; i < 200; i++) {
        run_command(true);
        park();
    }
    assert_int_equal(w.hub.waiting, 0);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        assert_int_equal(delivery_cursor_mark(w.cursor, p), w.heads[p]);
    device_deinit(w.device);
    mem_free(w.device);
    delivery_cursor_destroy(&w.cursor);
}

static void nothing_is_lost_reordered_or_held_back_whatever_happens(void **state)
{
    (void)state;
    int verdicts[3] = {0}, resyncs = 0, demands = 0, taken = 0, passed_by = 0;
    int64_t erased = 0;
    int traces[DEVICE_TRACE_RESYNC + 1] = {0};
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        memset(&w, 0, sizeof w);
        w.random = seed * 0x9e3779b97f4a7c15u;
        w.fresh = true;
        w.hub.inboxes = DEVICE_INBOXES_UP;
        w.cursor = delivery_cursor_create(PARTITIONS);
        start_process();
        for (int i = 0; i < STEPS; i++)
            step();
        calm_down();
        finish();
        for (int i = 0; i < 3; i++)
            verdicts[i] += w.verdicts[i];
        for (int i = 0; i <= DEVICE_TRACE_RESYNC; i++)
            traces[i] += w.traces[i];
        resyncs += w.resyncs;
        demands += w.demands;
        taken += w.offers_taken;
        erased += w.erased_sends;
        passed_by += w.offers_passed_by;
    }
    assert_true(verdicts[DEVICE_RESUMED] > SEEDS); /* the walk went everywhere */
    assert_true(verdicts[DEVICE_INBOX] > SEEDS);
    assert_true(resyncs > SEEDS);
    assert_true(demands > SEEDS);
    for (int i = 0; i <= DEVICE_TRACE_RESYNC; i++)
        assert_true(traces[i] > SEEDS);
    assert_true(taken > SEEDS);
    assert_true(erased > SEEDS);
    assert_true(passed_by > SEEDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_reordered_or_held_back_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
