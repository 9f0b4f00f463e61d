/* A session that ends while its token is being looked up must not slip through: the answer says how far the feed of
 * changes was, and what we have applied beyond that is searched for it. */
#include "services/delivery/delivery_auth.h"

#include <string.h>

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_revocation.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/authenticator.h"

#define BATCH_MAX     1024
#define IN_FLIGHT_MAX 8
#define ASK_AGAIN_MAX 3
#define QUEUE_MAX     100000

struct question {
    struct connection *connection; /* held */
    unsigned char hash[TOKEN_HASH_BYTES];
    int64_t resume_session, resume_n;
    int times_asked;
    struct question *next;
};

struct batch {
    struct delivery_auth *auth;
    size_t count;
    struct question *questions[BATCH_MAX];
};

struct delivery_auth {
    struct delivery_service *service;
    struct question *first;
    struct question **end;
    size_t queued;
    struct loop_deferred *flush;
    int in_flight;
};

static struct metric authenticated_total = {.name = "parley_delivery_authenticated_total",
                                            .labels = "",
                                            .help = "Connections that were authenticated.",
                                            .kind = METRIC_COUNTER};
static struct metric refused_total = {.name = "parley_delivery_tokens_refused_total",
                                      .labels = "",
                                      .help = "Tokens that were refused.",
                                      .kind = METRIC_COUNTER};

/* --- outcomes --- */

static void end_question(struct delivery_auth *auth, struct question *question)
{
    delivery_ws_let_go(auth->service->ws, question->connection);
    mem_free(question);
}

static void refuse(struct delivery_auth *auth, struct connection *connection)
{
    metric_add(&refused_total, 1);
    delivery_ws_close(auth->service->ws, connection, CLOSE_NOT_AUTHENTICATED,
                      "the token was refused");
}

static void say_unavailable(struct delivery_auth *auth, struct connection *connection)
{
    delivery_frames_error(connection, TEXT_NONE, PROBLEM_UNAVAILABLE,
                          "Who you are cannot be found out at the moment.", 1);
    delivery_ws_close(auth->service->ws, connection, CLOSE_GOING_AWAY, "not available");
}

static bool has_too_many(const struct device *device)
{
    return device->connection == NULL &&
           device->user->connected >= (uint32_t)limits.max_connections_per_user;
}

/* The flags of somebody who is connected already are kept current by the feed of changes. */
static void be_there(struct delivery_service *service, struct device *device,
                     const struct user_identity *identity, int64_t changes_head)
{
    delivery_people_connected(service->people, device);
    if (device->user->connected > 1)
        return;
    device->user->flags = (uint8_t)delivery_revocation_flags(service->revocation, identity->user_id,
                                                             identity->flags, changes_head);
    delivery_presence_came(service->presence, device->user);
}

static void put_device_on(struct delivery_auth *auth, struct question *question,
                          const struct user_identity *identity, int64_t changes_head)
{
    struct delivery_service *service = auth->service;
    struct connection *connection = question->connection;
    struct device *device = delivery_people_add(service->people, identity->user_id,
                                                identity->device_id, identity->created_change);
    if (has_too_many(device)) {
        delivery_frames_error(connection, TEXT_NONE, PROBLEM_RATE_LIMITED,
                              "This user has too many connections.", 30);
        delivery_ws_close(service->ws, connection, CLOSE_VIOLATIONS, "too many connections");
        return;
    }
    if (device->connection != NULL)
        delivery_ws_close(service->ws, device->connection, CLOSE_REPLACED,
                          "replaced by a newer connection");
    connection->state = CONNECTION_OPEN;
    connection->device = device;
    connection->user_id = identity->user_id;
    connection->session_id = identity->session_id;
    connection->expires_at_ms = identity->expires_at_ms;
    connection->authenticated_ms = clock_monotonic_ms();
    metric_add(&authenticated_total, 1);
    be_there(service, device, identity, changes_head);
    delivery_ws_check_later(service->ws, connection);
    device_connect(device, connection, question->resume_session, question->resume_n);
}

static void queue(struct delivery_auth *auth, struct question *question)
{
    question->next = NULL;
    *auth->end = question;
    auth->end = &question->next;
    auth->queued++;
    loop_deferred_request(auth->flush);
}

/* True: the question is queued again. */
static bool judge(struct delivery_auth *auth, struct question *question,
                  const struct user_identity *identity, int64_t changes_head)
{
    struct connection *connection = question->connection;
    if (connection->state != CONNECTION_AUTHENTICATING)
        return false; /* it has gone */
    if (identity->user_id == 0) {
        refuse(auth, connection);
        return false;
    }
    switch (delivery_revocation_session(auth->service->revocation, identity->session_id,
                                        changes_head)) {
    case DELIVERY_SESSION_ENDED:
        delivery_ws_close(auth->service->ws, connection, CLOSE_SESSION_ENDED,
                          "the session was ended");
        return false;
    case DELIVERY_SESSION_UNKNOWN:
        if (++question->times_asked >= ASK_AGAIN_MAX) {
            say_unavailable(auth, connection);
            return false;
        }
        queue(auth, question);
        return true;
    case DELIVERY_SESSION_VALID:
        break;
    }
    put_device_on(auth, question, identity, changes_head);
    delivery_ws_resume(auth->service->ws, connection);
    return false;
}

/* --- asking --- */

static void on_answer(void *context, const struct rpc_result *result)
{
    struct batch *batch = context;
    struct delivery_auth *auth = batch->auth;
    const struct user_authenticate_reply *reply = result->reply;
    bool ok = result->outcome == RPC_OK && reply->identities_count == batch->count;
    auth->in_flight--;
    for (size_t i = 0; i < batch->count; i++) {
        struct question *question = batch->questions[i];
        if (ok && judge(auth, question, &reply->identities[i], reply->changes_head))
            continue;
        if (!ok && question->connection->state == CONNECTION_AUTHENTICATING)
            say_unavailable(auth, question->connection);
        end_question(auth, question);
    }
    mem_free(batch);
    if (auth->first != NULL)
        loop_deferred_request(auth->flush);
}

static struct question *take_first(struct delivery_auth *auth)
{
    struct question *question = auth->first;
    auth->first = question->next;
    if (auth->first == NULL)
        auth->end = &auth->first;
    auth->queued--;
    return question;
}

static void on_flush(void *context)
{
    struct delivery_auth *auth = context;
    while (auth->first != NULL && auth->in_flight < IN_FLIGHT_MAX) {
        struct user_token tokens[BATCH_MAX];
        struct batch *batch = mem_alloc(sizeof *batch);
        batch->auth = auth;
        batch->count = 0;
        while (auth->first != NULL && batch->count < BATCH_MAX) {
            struct question *question = take_first(auth);
            tokens[batch->count].hash =
                (struct text){(const char *)question->hash, sizeof question->hash};
            batch->questions[batch->count++] = question;
        }
        auth->in_flight++;
        struct user_authenticate_request request = {.tokens = tokens, .tokens_count = batch->count};
        user_client_authenticate(auth->service->user, &request, daemon_settings.rpc_deadline_ms,
                                 on_answer, batch);
    }
}

void delivery_auth_ask(struct delivery_auth *auth, struct connection *connection,
                       const struct delivery_auth_request *request)
{
    unsigned char hash[TOKEN_HASH_BYTES];
    if (!token_hash(request->token, hash)) {
        refuse(auth, connection);
        return;
    }
    if (auth->queued >= QUEUE_MAX || !delivery_revocation_is_ready(auth->service->revocation)) {
        say_unavailable(auth, connection);
        return;
    }
    struct question *question = mem_zalloc(sizeof *question);
    memcpy(question->hash, hash, sizeof hash);
    question->connection = connection;
    question->resume_session = request->resume_session;
    question->resume_n = request->resume_n;
    delivery_ws_hold(connection);
    connection->state = CONNECTION_AUTHENTICATING;
    queue(auth, question);
}

/* --- sessions that end --- */

void delivery_auth_end_session(struct delivery_auth *auth, struct device *device,
                               int64_t session_id)
{
    if (device->connection != NULL && device->connection->session_id == session_id)
        delivery_auth_end_device(auth, device);
}

void delivery_auth_end_device(struct delivery_auth *auth, struct device *device)
{
    if (device->connection != NULL)
        delivery_ws_close(auth->service->ws, device->connection, CLOSE_SESSION_ENDED,
                          "the session was ended");
}

struct delivery_auth *delivery_auth_create(struct delivery_service *service)
{
    struct delivery_auth *auth = mem_zalloc(sizeof *auth);
    auth->service = service;
    auth->end = &auth->first;
    auth->flush = loop_deferred_create(service->loop, on_flush, auth);
    metrics_register(&authenticated_total);
    metrics_register(&refused_total);
    return auth;
}

void delivery_auth_destroy(struct delivery_auth **auth)
{
    if (*auth == NULL)
        return;
    while ((*auth)->first != NULL)
        end_question(*auth, take_first(*auth));
    loop_deferred_destroy(&(*auth)->flush);
    mem_free(*auth);
    *auth = NULL;
}
