/* A queue of messages; the first `asked` of them are in the request that is in flight or being retried. */
#include "services/delivery/delivery_send.h"

#include <sodium.h>
#include <string.h>

#include "services/delivery/delivery_bucket.h"
#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define MAX_BATCH_BYTES (4 << 20)
#define RETRY_MS        100
#define RANDOM_BYTES    16 /* of the client_id of what is done to a message */

struct message {
    struct connection *connection; /* held */
    enum chat_event_type type;
    int64_t chat_id, sender_id, target;
    int64_t deadline_ms;
    int64_t arrived_us;
    struct text id, client_id, body, detail; /* in `bytes` */
    struct message *next;
    char bytes[];
};

struct delivery_sends {
    struct delivery_service *service;
    struct message *first;
    struct message **end;
    size_t count;
    size_t asked;      /* messages in the request in flight */
    size_t most;       /* of the next request: fewer while one that chat refuses is looked for */
    uint32_t give_ups; /* rounds of giving up so far */
    struct loop_deferred *flush;
    struct loop_timer *retry; /* also sweeps the deadlines while chat does not answer */
};

static struct metric sends_total = {
    .name = "parley_delivery_sends_total",
    .labels = "",
    .help = "Messages of clients, and what they did to messages, that were taken.",
    .kind = METRIC_COUNTER};
static struct metric limited_total = {.name = "parley_delivery_sends_limited_total",
                                      .labels = "",
                                      .help = "Messages that came too fast.",
                                      .kind = METRIC_COUNTER};
static struct metric queue_gauge = {.name = "parley_delivery_sends_queued",
                                    .labels = "",
                                    .help = "Messages that wait for the log.",
                                    .kind = METRIC_GAUGE};
static struct metric retries_total = {.name = "parley_delivery_append_retries_total",
                                      .labels = "",
                                      .help = "Append requests that were not answered.",
                                      .kind = METRIC_COUNTER};
static struct metric refused_total = {
    .name = "parley_delivery_append_refused_total",
    .labels = "",
    .help = "Append requests that chat refused as a whole: one of their items is to blame.",
    .kind = METRIC_COUNTER};
static struct metric send_time = {.name = "parley_delivery_send_seconds",
                                  .labels = "",
                                  .help = "Time from a message to its ok.",
                                  .kind = METRIC_HISTOGRAM};

/* --- answers --- */

/* What is said to each kind; NULL: the problem's own words. */
struct refusal {
    const char *bad_request, *forbidden, *conflict, *unavailable;
};
#define SAY_IT_AGAIN "The log cannot be reached. It may have happened; say it again."
#define NO_MESSAGE   "/seq: is not that of a message of this chat"

static const struct refusal refusals[] = {
    [CHAT_EVENT_MESSAGE] = {"/reply_to: must not be above the chat's last",
                            "Readers do not write in this chat.",
                            "Another message was sent with this client_id.",
                            "The log cannot be reached. Send it again with the same client_id."},
    [CHAT_EVENT_EDIT] = {NO_MESSAGE, "Only who sent a message edits it, and readers do not write.",
                         "The message was deleted.", SAY_IT_AGAIN},
    [CHAT_EVENT_DELETE] = {NO_MESSAGE, "Only who sent a message and admins delete it.",
                           "The message was deleted before.", SAY_IT_AGAIN},
    [CHAT_EVENT_REACTION] = {NO_MESSAGE, "Readers do not react in this chat.",
                             "The message was deleted.", SAY_IT_AGAIN},
};

static const char *detail_of(enum chat_event_type type, enum problem problem)
{
    const struct refusal *refusal = &refusals[type];
    switch (problem) {
    case PROBLEM_BAD_REQUEST:
        return refusal->bad_request;
    case PROBLEM_CONFLICT:
        return refusal->conflict;
    case PROBLEM_FORBIDDEN:
        return refusal->forbidden;
    case PROBLEM_UNAVAILABLE:
        return refusal->unavailable;
    default:
        return NULL;
    }
}

static void end_message(struct delivery_sends *sends, struct message *message)
{
    message->connection->sends_in_flight--;
    delivery_ws_let_go(sends->service->ws, message->connection);
    mem_free(message);
    sends->count--;
    metric_set(&queue_gauge, (int64_t)sends->count);
}

static void answer(struct delivery_sends *sends, struct message *message,
                   const struct chat_append_result *result)
{
    struct connection *connection = message->connection;
    enum problem problem = (enum problem)result->problem;
    if (problem != PROBLEM_NONE)
        delivery_frames_error(connection, message->id, problem, detail_of(message->type, problem),
                              0);
    else if (message->id.data != NULL)
        delivery_frames_ok_send(connection, message->id, message->chat_id, result->seq,
                                result->at_ms);
    metric_observe_us(&send_time, clock_monotonic_us() - message->arrived_us);
    end_message(sends, message);
}

static void answer_problem(struct delivery_sends *sends, struct message *message,
                           enum problem problem)
{
    struct chat_append_result result = {.problem = problem};
    answer(sends, message, &result);
}

static struct message *take_first(struct delivery_sends *sends)
{
    struct message *message = sends->first;
    sends->first = message->next;
    if (sends->first == NULL)
        sends->end = &sends->first;
    return message;
}

/* --- the request --- */

static bool is_retryable(const struct chat_append_result *result)
{
    return result->problem == PROBLEM_UNAVAILABLE;
}

/* Those that were not decided go back in front, in their order. */
static void take_results(struct delivery_sends *sends, const struct chat_append_reply *reply)
{
    struct message *again = NULL, **end = &again;
    for (size_t i = 0; i < reply->results_count; i++) {
        struct message *message = take_first(sends);
        if (is_retryable(&reply->results[i])) {
            *end = message;
            end = &message->next;
        } else {
            answer(sends, message, &reply->results[i]);
        }
    }
    if (again == NULL)
        return;
    *end = sends->first;
    if (sends->first == NULL)
        sends->end = end;
    sends->first = again;
    loop_timer_start(sends->retry, RETRY_MS);
}

/* Nothing of the request has happened, and one of its items is to blame: it must not keep the others waiting. */
static void take_refusal(struct delivery_sends *sends, size_t asked, enum problem problem)
{
    metric_add(&refused_total, 1);
    if (asked == 1)
        answer_problem(sends, take_first(sends), problem);
    else
        sends->most = asked / 2;
}

static void on_appended(void *context, const struct rpc_result *result)
{
    struct delivery_sends *sends = context;
    const struct chat_append_reply *reply = result->reply;
    size_t asked = sends->asked;
    sends->asked = 0;
    if (result->outcome == RPC_OK && reply->results_count == asked) {
        sends->most = sends->most < CHAT_MAX_BATCH / 2 ? 2 * sends->most : CHAT_MAX_BATCH;
        take_results(sends, reply);
    } else if (result->outcome == RPC_REFUSED && asked > 0) {
        take_refusal(sends, asked, result->problem);
    } else {
        metric_add(&retries_total, 1);
        loop_timer_start(sends->retry, RETRY_MS);
    }
    loop_deferred_request(sends->flush);
}

static size_t fill_request(struct delivery_sends *sends, struct chat_message *messages)
{
    size_t count = 0, bytes = 0;
    for (struct message *message = sends->first; message != NULL && count < sends->most;
         message = message->next) {
        bytes += message->body.length + message->detail.length;
        if (count > 0 && bytes > MAX_BATCH_BYTES)
            break;
        messages[count++] = (struct chat_message){.chat_id = message->chat_id,
                                                  .sender_id = message->sender_id,
                                                  .type = message->type,
                                                  .target = message->target,
                                                  .client_id = message->client_id,
                                                  .body = message->body,
                                                  .detail = message->detail};
    }
    return count;
}

static void on_flush(void *context)
{
    struct delivery_sends *sends = context;
    struct chat_message messages[CHAT_MAX_BATCH];
    if (sends->asked > 0 || sends->first == NULL || loop_timer_is_running(sends->retry))
        return;
    sends->asked = fill_request(sends, messages);
    struct chat_append_request request = {.messages = messages, .messages_count = sends->asked};
    chat_client_append(sends->service->chat, &request, daemon_settings.rpc_deadline_ms, on_appended,
                       sends);
}

/* A message is given up at its deadline, and with it all that its connection has sent after it: otherwise those would be
 * stored now, and come before what the client sends again (contract I8). */
static void give_up_expired(struct delivery_sends *sends, int64_t now_ms)
{
    struct message **link = &sends->first;
    sends->give_ups++;
    while (*link != NULL) {
        struct message *message = *link;
        struct connection *connection = message->connection;
        if (message->deadline_ms > now_ms && connection->given_up_round != sends->give_ups) {
            link = &message->next;
            continue;
        }
        connection->given_up_round = sends->give_ups;
        *link = message->next;
        answer_problem(sends, message, PROBLEM_UNAVAILABLE);
    }
    sends->end = link;
}

/* Deadlines rise along the queue, but for what was put back in front. */
static void on_retry(void *context)
{
    struct delivery_sends *sends = context;
    int64_t now_ms = clock_monotonic_ms();
    if (sends->asked == 0 && sends->first != NULL && sends->first->deadline_ms <= now_ms)
        give_up_expired(sends, now_ms);
    on_flush(sends);
}

/* --- a message --- */

static struct text put(char **at, struct text source)
{
    struct text copy = {*at, source.length};
    if (source.length > 0)
        memcpy(*at, source.data, source.length);
    *at += source.length;
    return copy;
}

/* So that it is done once, however often it is asked for. `space` must outlive the text. */
static struct text client_id_of(const struct delivery_submission *submission,
                                char space[2 * RANDOM_BYTES + 1])
{
    unsigned char bytes[RANDOM_BYTES];
    if (submission->type == CHAT_EVENT_MESSAGE)
        return submission->client_id;
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(space, 2 * RANDOM_BYTES + 1, bytes, sizeof bytes);
    return (struct text){space, 2 * RANDOM_BYTES};
}

static struct message *make_message(struct connection *connection,
                                    const struct delivery_submission *submission)
{
    char space[2 * RANDOM_BYTES + 1];
    struct text client_id = client_id_of(submission, space);
    size_t bytes = submission->id.length + client_id.length + submission->body.length +
                   submission->detail.length;
    struct message *message = mem_alloc(sizeof *message + bytes);
    char *at = message->bytes;
    *message =
        (struct message){.connection = connection,
                         .type = submission->type,
                         .chat_id = submission->chat_id,
                         .sender_id = connection->user_id,
                         .target = submission->target,
                         .deadline_ms = clock_monotonic_ms() + delivery_settings.send_deadline_ms,
                         .arrived_us = clock_monotonic_us()};
    if (submission->id.data != NULL)
        message->id = put(&at, submission->id);
    message->client_id = put(&at, client_id);
    message->body = put(&at, submission->body);
    message->detail = put(&at, submission->detail);
    return message;
}

static void queue_message(struct delivery_sends *sends, struct message *message)
{
    delivery_ws_hold(message->connection);
    message->connection->sends_in_flight++;
    *sends->end = message;
    sends->end = &message->next;
    sends->count++;
    metric_add(&sends_total, 1);
    metric_set(&queue_gauge, (int64_t)sends->count);
    loop_deferred_request(sends->flush);
}

void delivery_send(struct delivery_sends *sends, struct connection *connection,
                   const struct delivery_submission *submission)
{
    if (sends->count >= (size_t)delivery_settings.max_queued_sends) {
        delivery_frames_error(connection, submission->id, PROBLEM_UNAVAILABLE,
                              "Too many messages wait for the log.", 1);
        return;
    }
    int64_t wait_s = 1;
    if (connection->sends_in_flight < (uint32_t)limits.max_sends_in_flight)
        wait_s = delivery_bucket_wait_s(&connection->device->sends_full_us, clock_monotonic_us(),
                                        limits.sends_per_second, limits.sends_burst);
    if (wait_s > 0) {
        metric_add(&limited_total, 1);
        delivery_frames_error(connection, submission->id, PROBLEM_RATE_LIMITED,
                              "You are sending too fast.", wait_s);
        return;
    }
    queue_message(sends, make_message(connection, submission));
}

bool delivery_sends_are_empty(const struct delivery_sends *sends)
{
    return sends->count == 0;
}

struct delivery_sends *delivery_sends_create(struct delivery_service *service)
{
    struct delivery_sends *sends = mem_zalloc(sizeof *sends);
    sends->service = service;
    sends->end = &sends->first;
    sends->most = CHAT_MAX_BATCH;
    sends->flush = loop_deferred_create(service->loop, on_flush, sends);
    sends->retry = loop_timer_create(service->loop, on_retry, sends);
    metrics_register(&sends_total);
    metrics_register(&limited_total);
    metrics_register(&queue_gauge);
    metrics_register(&retries_total);
    metrics_register(&refused_total);
    metrics_register(&send_time);
    return sends;
}

void delivery_sends_destroy(struct delivery_sends **sends)
{
    if (*sends == NULL)
        return;
    while ((*sends)->first != NULL)
        end_message(*sends, take_first(*sends));
    loop_deferred_destroy(&(*sends)->flush);
    loop_timer_destroy(&(*sends)->retry);
    mem_free(*sends);
    *sends = NULL;
}
