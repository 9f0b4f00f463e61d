/* `read` goes out at the end of the turn; `delivered` is gathered for half a second, one entry per user and chat. Both
 * are idempotent. What cannot be written is tried again once; a watermark that is lost is made good by the next. */
#include "services/delivery/delivery_receipts.h"

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_watch.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/failpoint.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define BATCH_MAX          4096 /* as chat_receipts_request allows */
#define TOLD_MEMBERS_MAX   100  /* larger chats are not told who has read what */
#define READS_IN_FLIGHT    8
#define DELIVERED_ATTEMPTS 20 /* half-seconds that chat may be away before watermarks are let go */

struct read_question {
    struct connection *connection; /* held */
    struct chat_receipt receipt;
    struct text id; /* data NULL: no answer is wanted */
    struct read_question *next;
    char bytes[];
};

struct read_batch {
    struct delivery_receipts *receipts;
    size_t count;
    struct read_question *questions[BATCH_MAX];
};

/* A delivered watermark that is to be written. */
struct delivered {
    struct {
        int64_t user_id, chat_id;
    } key;
    int64_t seq;
    UT_hash_handle hh;
};

struct delivery_receipts {
    struct delivery_service *service;
    struct read_question *first;
    struct read_question **end;
    size_t queued;
    int in_flight;
    struct loop_deferred *flush;
    struct delivered *delivered;
    struct chat_receipt writing[BATCH_MAX]; /* the delivered ones in flight */
    size_t writing_count;
    int attempts;
    struct loop_timer *timer;
};

static struct metric dropped_total = {
    .name = "parley_delivery_receipts_dropped_total",
    .labels = "",
    .help = "Watermarks that were let go for want of room or of an answer.",
    .kind = METRIC_COUNTER};

/* --- read --- */

static void end_question(struct delivery_receipts *receipts, struct read_question *question)
{
    delivery_ws_let_go(receipts->service->ws, question->connection);
    mem_free(question);
}

static void answer_read(struct read_question *question, enum problem problem)
{
    const char *detail = problem == PROBLEM_BAD_REQUEST ? "/seq: must not be above the chat's last"
                         : problem == PROBLEM_UNAVAILABLE
                             ? "The log cannot be reached. Say it again."
                             : NULL;
    if (problem != PROBLEM_NONE)
        delivery_frames_error(question->connection, question->id, problem, detail, 0);
    else if (question->id.data != NULL)
        delivery_frames_ok(question->connection, question->id);
}

static void on_reads(void *context, const struct rpc_result *result)
{
    struct read_batch *batch = context;
    struct delivery_receipts *receipts = batch->receipts;
    const struct chat_receipts_reply *reply = result->reply;
    bool ok = result->outcome == RPC_OK && reply->results_count == batch->count;
    receipts->in_flight--;
    for (size_t i = 0; i < batch->count; i++) {
        answer_read(batch->questions[i],
                    ok ? (enum problem)reply->results[i].problem : PROBLEM_UNAVAILABLE);
        end_question(receipts, batch->questions[i]);
    }
    mem_free(batch);
    if (receipts->first != NULL)
        loop_deferred_request(receipts->flush);
}

static struct read_question *take_first(struct delivery_receipts *receipts)
{
    struct read_question *question = receipts->first;
    receipts->first = question->next;
    if (receipts->first == NULL)
        receipts->end = &receipts->first;
    receipts->queued--;
    return question;
}

static void on_flush(void *context)
{
    struct delivery_receipts *receipts = context;
    if (receipts->first == NULL || receipts->in_flight >= READS_IN_FLIGHT)
        return;
    struct chat_receipt *asked = mem_array(BATCH_MAX, sizeof *asked);
    struct read_batch *batch = mem_alloc(sizeof *batch);
    batch->receipts = receipts;
    batch->count = 0;
    while (receipts->first != NULL && batch->count < BATCH_MAX) {
        struct read_question *question = take_first(receipts);
        asked[batch->count] = question->receipt;
        batch->questions[batch->count++] = question;
    }
    receipts->in_flight++;
    struct chat_receipts_request request = {.receipts = asked, .receipts_count = batch->count};
    chat_client_receipts(receipts->service->chat, &request, daemon_settings.rpc_deadline_ms,
                         on_reads, batch);
    mem_free(asked);
}

void delivery_receipts_read(struct delivery_receipts *receipts, struct connection *connection,
                            struct text id, int64_t chat_id, int64_t seq)
{
    if (receipts->queued >= (size_t)delivery_settings.max_queued_receipts) {
        metric_add(&dropped_total, 1);
        delivery_frames_error(connection, id, PROBLEM_UNAVAILABLE, NULL, 1);
        return;
    }
    struct read_question *question = mem_zalloc(sizeof *question + id.length);
    question->connection = connection;
    question->receipt = (struct chat_receipt){.chat_id = chat_id,
                                              .user_id = connection->user_id,
                                              .read = seq,
                                              .flags = connection->device->user->flags};
    if (id.data != NULL) {
        memcpy(question->bytes, id.data, id.length);
        question->id = (struct text){question->bytes, id.length};
    }
    delivery_ws_hold(connection);
    *receipts->end = question;
    receipts->end = &question->next;
    receipts->queued++;
    loop_deferred_request(receipts->flush);
}

/* --- delivered --- */

void delivery_receipts_delivered(struct delivery_receipts *receipts, int64_t user_id,
                                 int64_t chat_id, int64_t seq)
{
    struct delivered *entry, probe = {.key = {user_id, chat_id}};
    HASH_FIND(hh, receipts->delivered, &probe.key, sizeof probe.key, entry);
    if (entry != NULL) {
        entry->seq = seq > entry->seq ? seq : entry->seq;
        return;
    }
    if (HASH_COUNT(receipts->delivered) >= (size_t)delivery_settings.max_queued_receipts) {
        metric_add(&dropped_total, 1);
        return;
    }
    entry = mem_zalloc(sizeof *entry);
    entry->key = probe.key;
    entry->seq = seq;
    HASH_ADD(hh, receipts->delivered, key, sizeof entry->key, entry);
    if (!loop_timer_is_running(receipts->timer))
        loop_timer_start(receipts->timer, delivery_settings.receipts_interval_ms);
}

static void on_delivered_written(void *context, const struct rpc_result *result)
{
    struct delivery_receipts *receipts = context;
    bool give_up = ++receipts->attempts >= DELIVERED_ATTEMPTS;
    if (result->outcome == RPC_OK || result->outcome == RPC_REFUSED || give_up) {
        metric_add(&dropped_total,
                   result->outcome == RPC_OK ? 0 : (int64_t)receipts->writing_count);
        receipts->writing_count = 0;
        receipts->attempts = 0;
    }
    if (receipts->writing_count > 0 || receipts->delivered != NULL)
        loop_timer_start(receipts->timer, delivery_settings.receipts_interval_ms);
}

static void choose_delivered(struct delivery_receipts *receipts)
{
    struct delivered *entry, *next;
    HASH_ITER (hh, receipts->delivered, entry, next) {
        if (receipts->writing_count == BATCH_MAX)
            return;
        receipts->writing[receipts->writing_count++] = (struct chat_receipt){
            .chat_id = entry->key.chat_id, .user_id = entry->key.user_id, .delivered = entry->seq};
        HASH_DEL(receipts->delivered, entry);
        mem_free(entry);
    }
}

static void on_timer(void *context)
{
    struct delivery_receipts *receipts = context;
    if (receipts->writing_count == 0)
        choose_delivered(receipts);
    if (receipts->writing_count == 0)
        return;
    FAILPOINT(trimmed_watermark_not_written);
    struct chat_receipts_request request = {.receipts = receipts->writing,
                                            .receipts_count = receipts->writing_count};
    chat_client_receipts(receipts->service->chat, &request, daemon_settings.rpc_deadline_ms,
                         on_delivered_written, receipts);
}

/* --- telling --- */

static void tell_user(struct delivery_receipts *receipts, int64_t user_id,
                      const struct chat_receipt *moved)
{
    int64_t read = user_id == moved->user_id ? moved->read : moved->read_shown;
    const struct delivery_user *user = delivery_people_find(receipts->service->people, user_id);
    if (user == NULL || user->connected == 0)
        return;
    for (const struct device *device = user->devices; device != NULL; device = device->next_of_user)
        if (device_is_ready(device))
            delivery_frames_receipt(device->connection, moved->chat_id, moved->user_id,
                                    moved->delivered, read);
}

/* Of a chat that is pulled. */
static void tell_watchers(struct delivery_receipts *receipts, struct delivery_roster *roster,
                          const struct chat_receipt *moved)
{
    const struct delivery_watching *watching =
        delivery_watch_first(receipts->service->watch, moved->chat_id);
    for (; watching != NULL; watching = watching->next) {
        const struct device *device = watching->connection->device;
        if (device != NULL && device_is_ready(device) && device->user->user_id != moved->user_id &&
            delivery_roster_has(roster, device->user->user_id, INT64_MAX))
            delivery_frames_receipt(device->connection, moved->chat_id, moved->user_id,
                                    moved->delivered, moved->read_shown);
    }
}

static void tell_others(struct delivery_receipts *receipts, struct delivery_roster *roster,
                        const struct chat_receipt *moved)
{
    for (size_t i = 0; i < roster->span_count; i++) {
        const struct chat_span *span = &roster->spans[i];
        if (span->to_seq == 0 && span->user_id != moved->user_id)
            tell_user(receipts, span->user_id, moved);
    }
}

/* One's own `read` is news to one's other devices, whatever the chat: that one has read it on another device. The others
 * are told of nothing that they may not see. */
static void tell(struct delivery_receipts *receipts, const struct chat_receipt *moved)
{
    struct delivery_roster *roster =
        delivery_rosters_peek(receipts->service->rosters, moved->chat_id);
    if (moved->read > 0)
        tell_user(receipts, moved->user_id, moved);
    if ((moved->flags & USER_HIDES_READS) != 0 || roster == NULL ||
        roster->member_count > TOLD_MEMBERS_MAX)
        return;
    if (roster->member_count > (size_t)limits.pushed_members)
        tell_watchers(receipts, roster, moved);
    else
        tell_others(receipts, roster, moved);
}

void delivery_receipts_publish(struct delivery_receipts *receipts, const struct chat_receipt *moved,
                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (moved[i].delivered > 0 || moved[i].read > 0)
            tell(receipts, &moved[i]);
}

/* --- life --- */

struct delivery_receipts *delivery_receipts_create(struct delivery_service *service)
{
    struct delivery_receipts *receipts = mem_zalloc(sizeof *receipts);
    receipts->service = service;
    receipts->end = &receipts->first;
    receipts->flush = loop_deferred_create(service->loop, on_flush, receipts);
    receipts->timer = loop_timer_create(service->loop, on_timer, receipts);
    metrics_register(&dropped_total);
    return receipts;
}

void delivery_receipts_destroy(struct delivery_receipts **receipts)
{
    if (*receipts == NULL)
        return;
    struct delivered *entry, *next;
    while ((*receipts)->first != NULL)
        end_question(*receipts, take_first(*receipts));
    HASH_ITER (hh, (*receipts)->delivered, entry, next) {
        HASH_DEL((*receipts)->delivered, entry);
        mem_free(entry);
    }
    loop_deferred_destroy(&(*receipts)->flush);
    loop_timer_destroy(&(*receipts)->timer);
    mem_free(*receipts);
    *receipts = NULL;
}
