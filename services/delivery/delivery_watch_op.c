/* When a connection says it again before the first answer has come, the last one counts. */
#include "services/delivery/delivery_watch_op.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "services/delivery/delivery_frames.h"
#include "services/delivery/delivery_roles.h"
#include "services/delivery/delivery_watch.h"
#include "services/delivery/delivery_ws.h"
#include "shared/base/mem.h"

struct watch_question {
    struct delivery_service *service;
    struct connection *connection; /* held */
    uint32_t number;               /* of the connection's questions */
    size_t count;
    struct text id; /* in `chats`, behind the last; data NULL: no `ok` is wanted */
    int64_t chats[];
};

static void answer(struct watch_question *question, enum problem problem, const char *detail)
{
    if (problem != PROBLEM_NONE)
        delivery_frames_error(question->connection, question->id, problem, detail, 0);
    else if (question->id.data != NULL)
        delivery_frames_ok(question->connection, question->id);
}

/* Names the first chat that is not the user's. */
static bool are_all_theirs(struct watch_question *question, const struct chat_role_answer *answers)
{
    char detail[80];
    for (size_t i = 0; i < question->count; i++) {
        enum problem problem = (enum problem)answers[i].problem;
        if (problem == PROBLEM_NONE)
            continue;
        snprintf(detail, sizeof detail, "/chats/%zu: %" PRId64 " is not a chat of yours", i,
                 question->chats[i]);
        answer(question, problem, detail);
        return false;
    }
    return true;
}

static void watch(struct watch_question *question)
{
    struct connection *connection = question->connection;
    bool is_current =
        question->number == connection->watch_questions && connection->state == CONNECTION_OPEN;
    if (is_current && !delivery_watch_replace(question->service->watch, connection, question->chats,
                                              question->count)) {
        answer(question, PROBLEM_UNAVAILABLE, "Too many chats are being watched.");
        return;
    }
    if (is_current)
        device_pass_by(connection->device); /* what came before of large chats has */
    answer(question, PROBLEM_NONE, NULL);
}

static void on_roles(void *context, const struct chat_role_answer *answers)
{
    struct watch_question *question = context;
    if (answers == NULL)
        answer(question, PROBLEM_UNAVAILABLE, "The log cannot be reached. Say it again.");
    else if (are_all_theirs(question, answers))
        watch(question);
    delivery_ws_let_go(question->service->ws, question->connection);
    mem_free(question);
}

static struct watch_question *make_question(struct delivery_service *service,
                                            struct connection *connection, struct text id,
                                            const int64_t *chats, size_t count)
{
    struct watch_question *question =
        mem_alloc(sizeof *question + count * sizeof *chats + id.length);
    *question = (struct watch_question){.service = service,
                                        .connection = connection,
                                        .number = ++connection->watch_questions,
                                        .count = count};
    if (count > 0)
        memcpy(question->chats, chats, count * sizeof *chats);
    if (id.data != NULL) {
        memcpy(&question->chats[count], id.data, id.length);
        question->id = (struct text){(const char *)&question->chats[count], id.length};
    }
    delivery_ws_hold(connection);
    return question;
}

void delivery_watch_ask(struct delivery_service *service, struct connection *connection,
                        struct text id, const int64_t *chats, size_t count)
{
    static const struct chat_role_answer nothing_asked[1];
    struct watch_question *question = make_question(service, connection, id, chats, count);
    if (count == 0)
        on_roles(question, nothing_asked);
    else if (!delivery_roles_ask(service->roles, connection->user_id, chats, count, on_roles,
                                 question))
        on_roles(question, NULL);
}
