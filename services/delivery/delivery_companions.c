/* Questions wait in a queue; a request takes as many whole ones as fit. A pair costs chat more than most questions do, so
 * that few requests are in flight. */
#include "services/delivery/delivery_companions.h"

#include <assert.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define IN_FLIGHT_MAX 2

struct question {
    delivery_on_companions callback;
    void *context;
    size_t count;
    struct question *next;
    struct chat_pair pairs[];
};

struct request {
    struct delivery_companions *companions;
    struct question *first;
    size_t count;
};

struct delivery_companions {
    struct delivery_service *service;
    struct question *first, **end;
    size_t waiting; /* questions, those in flight too */
    int in_flight;
    struct loop_deferred *flush;
};

static struct metric waiting_gauge = {.name = "parley_delivery_companion_questions",
                                      .labels = "",
                                      .help =
                                          "Questions who shares a chat with whom, not answered.",
                                      .kind = METRIC_GAUGE};

static void end_question(struct delivery_companions *companions, struct question *question,
                         const int64_t *shared)
{
    metric_set(&waiting_gauge, (int64_t)--companions->waiting);
    question->callback(question->context, shared);
    mem_free(question);
}

static void on_companions(void *context, const struct rpc_result *result)
{
    struct request *request = context;
    struct delivery_companions *companions = request->companions;
    const struct chat_companions_reply *reply = result->reply;
    bool ok = result->outcome == RPC_OK && reply->shared_count == request->count;
    const int64_t *shared = ok ? reply->shared : NULL;
    companions->in_flight--;
    while (request->first != NULL) {
        struct question *question = request->first;
        size_t count = question->count;
        request->first = question->next;
        end_question(companions, question, shared);
        shared = shared == NULL ? NULL : shared + count;
    }
    mem_free(request);
    if (companions->first != NULL)
        loop_deferred_request(companions->flush);
}

static void fill(struct delivery_companions *companions, struct request *request,
                 struct chat_pair *pairs)
{
    struct question **end = &request->first;
    while (companions->first != NULL &&
           request->count + companions->first->count <= COMPANIONS_PAIRS_MAX) {
        struct question *question = companions->first;
        companions->first = question->next;
        question->next = NULL;
        *end = question;
        end = &question->next;
        memcpy(pairs + request->count, question->pairs, question->count * sizeof *pairs);
        request->count += question->count;
    }
    if (companions->first == NULL)
        companions->end = &companions->first;
}

static void on_flush(void *context)
{
    struct delivery_companions *companions = context;
    struct chat_pair pairs[COMPANIONS_PAIRS_MAX];
    while (companions->first != NULL && companions->in_flight < IN_FLIGHT_MAX) {
        struct request *request = mem_zalloc(sizeof *request);
        request->companions = companions;
        fill(companions, request, pairs);
        struct chat_companions_request message = {.pairs = pairs, .pairs_count = request->count};
        companions->in_flight++;
        chat_client_companions(companions->service->chat, &message, daemon_settings.rpc_deadline_ms,
                               on_companions, request);
    }
}

bool delivery_companions_ask(struct delivery_companions *companions, const struct chat_pair *pairs,
                             size_t count, delivery_on_companions callback, void *context)
{
    assert(count > 0 && count <= COMPANIONS_PAIRS_MAX);
    if (companions->waiting >= (size_t)delivery_settings.max_companion_questions)
        return false;
    struct question *question = mem_alloc(sizeof *question + count * sizeof *pairs);
    *question = (struct question){.callback = callback, .context = context, .count = count};
    memcpy(question->pairs, pairs, count * sizeof *pairs);
    *companions->end = question;
    companions->end = &question->next;
    metric_set(&waiting_gauge, (int64_t)++companions->waiting);
    loop_deferred_request(companions->flush);
    return true;
}

struct delivery_companions *delivery_companions_create(struct delivery_service *service)
{
    struct delivery_companions *companions = mem_zalloc(sizeof *companions);
    companions->service = service;
    companions->end = &companions->first;
    companions->flush = loop_deferred_create(service->loop, on_flush, companions);
    metrics_register(&waiting_gauge);
    return companions;
}

void delivery_companions_destroy(struct delivery_companions **companions)
{
    if (*companions == NULL)
        return;
    while ((*companions)->first != NULL) {
        struct question *question = (*companions)->first;
        (*companions)->first = question->next;
        end_question(*companions, question, NULL);
    }
    loop_deferred_destroy(&(*companions)->flush);
    mem_free(*companions);
    *companions = NULL;
}
