/* Questions wait in a queue; a request takes as many whole ones as fit. */
#include "services/delivery/delivery_roles.h"

#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define ASKS_MAX      4096 /* of one request, as chat_roles_request allows */
#define IN_FLIGHT_MAX 4
#define RECENT        256 /* changes that are remembered */
#define TIMES_MAX     3   /* that a question is asked for the sake of changes */

struct question {
    int64_t user_id;
    delivery_on_roles callback;
    void *context;
    uint64_t asked_at; /* changes seen by then */
    int times;
    size_t count;
    struct question *next;
    int64_t chats[];
};

struct request {
    struct delivery_roles *roles;
    struct question *first;
};

struct change {
    int64_t chat_id, user_id;
};

struct delivery_roles {
    struct delivery_service *service;
    struct question *first, **end;
    size_t waiting; /* questions, those in flight too */
    int in_flight;
    struct loop_deferred *flush;
    struct change recent[RECENT];
    uint64_t changes; /* ever */
};

static struct metric waiting_gauge = {.name = "parley_delivery_role_questions",
                                      .labels = "",
                                      .help = "Questions what a user is to chats, not answered.",
                                      .kind = METRIC_GAUGE};

static void queue(struct delivery_roles *roles, struct question *question)
{
    question->next = NULL;
    *roles->end = question;
    roles->end = &question->next;
    loop_deferred_request(roles->flush);
}

static void end_question(struct delivery_roles *roles, struct question *question,
                         const struct chat_role_answer *answers)
{
    metric_set(&waiting_gauge, (int64_t)--roles->waiting);
    question->callback(question->context, answers);
    mem_free(question);
}

static bool concerns(const struct question *question, const struct change *change)
{
    if (change->user_id != question->user_id)
        return false;
    for (size_t i = 0; i < question->count; i++)
        if (question->chats[i] == change->chat_id)
            return true;
    return false;
}

/* Has something changed since it was asked that the answer may not know of? */
static bool is_outdated(const struct delivery_roles *roles, const struct question *question)
{
    if (roles->changes - question->asked_at > RECENT)
        return true;
    for (uint64_t i = question->asked_at; i < roles->changes; i++)
        if (concerns(question, &roles->recent[i % RECENT]))
            return true;
    return false;
}

static void take_answer(struct delivery_roles *roles, struct question *question,
                        const struct chat_role_answer *answers)
{
    if (answers == NULL || !is_outdated(roles, question))
        end_question(roles, question, answers);
    else if (++question->times < TIMES_MAX)
        queue(roles, question);
    else
        end_question(roles, question, NULL);
}

static size_t count_asks(const struct request *request)
{
    size_t count = 0;
    for (const struct question *each = request->first; each != NULL; each = each->next)
        count += each->count;
    return count;
}

static void on_roles(void *context, const struct rpc_result *result)
{
    struct request *request = context;
    struct delivery_roles *roles = request->roles;
    const struct chat_roles_reply *reply = result->reply;
    bool ok = result->outcome == RPC_OK && reply->answers_count == count_asks(request);
    const struct chat_role_answer *answers = ok ? reply->answers : NULL;
    roles->in_flight--;
    while (request->first != NULL) {
        struct question *question = request->first;
        size_t count = question->count;
        request->first = question->next;
        take_answer(roles, question, answers);
        answers = answers == NULL ? NULL : answers + count;
    }
    mem_free(request);
    if (roles->first != NULL)
        loop_deferred_request(roles->flush);
}

/* The next questions, as many as fit, each with what it asks. */
static size_t fill(struct delivery_roles *roles, struct request *request,
                   struct chat_role_ask *asks)
{
    struct question **end = &request->first;
    size_t count = 0;
    while (roles->first != NULL && count + roles->first->count <= ASKS_MAX) {
        struct question *question = roles->first;
        roles->first = question->next;
        question->next = NULL;
        question->asked_at = roles->changes;
        *end = question;
        end = &question->next;
        for (size_t i = 0; i < question->count; i++)
            asks[count++] = (struct chat_role_ask){question->chats[i], question->user_id};
    }
    if (roles->first == NULL)
        roles->end = &roles->first;
    return count;
}

static void on_flush(void *context)
{
    struct delivery_roles *roles = context;
    while (roles->first != NULL && roles->in_flight < IN_FLIGHT_MAX) {
        struct request *request = mem_zalloc(sizeof *request);
        struct chat_role_ask *asks = mem_array(ASKS_MAX, sizeof *asks);
        request->roles = roles;
        size_t count = fill(roles, request, asks);
        struct chat_roles_request message = {.asks = asks, .asks_count = count};
        roles->in_flight++;
        chat_client_roles(roles->service->chat, &message, daemon_settings.rpc_deadline_ms, on_roles,
                          request);
        mem_free(asks);
    }
}

bool delivery_roles_ask(struct delivery_roles *roles, int64_t user_id, const int64_t *chats,
                        size_t count, delivery_on_roles callback, void *context)
{
    if (roles->waiting >= (size_t)delivery_settings.max_role_questions)
        return false;
    struct question *question = mem_alloc(sizeof *question + count * sizeof *chats);
    *question = (struct question){
        .user_id = user_id, .callback = callback, .context = context, .count = count};
    for (size_t i = 0; i < count; i++)
        question->chats[i] = chats[i];
    metric_set(&waiting_gauge, (int64_t)++roles->waiting);
    queue(roles, question);
    return true;
}

void delivery_roles_changed(struct delivery_roles *roles, int64_t chat_id, int64_t user_id)
{
    roles->recent[roles->changes++ % RECENT] = (struct change){chat_id, user_id};
}

struct delivery_roles *delivery_roles_create(struct delivery_service *service)
{
    struct delivery_roles *roles = mem_zalloc(sizeof *roles);
    roles->service = service;
    roles->end = &roles->first;
    roles->flush = loop_deferred_create(service->loop, on_flush, roles);
    metrics_register(&waiting_gauge);
    return roles;
}

void delivery_roles_destroy(struct delivery_roles **roles)
{
    if (*roles == NULL)
        return;
    while ((*roles)->first != NULL) {
        struct question *question = (*roles)->first;
        (*roles)->first = question->next;
        end_question(*roles, question, NULL);
    }
    loop_deferred_destroy(&(*roles)->flush);
    mem_free(*roles);
    *roles = NULL;
}
