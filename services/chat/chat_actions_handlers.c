/* What is done to a message by REST: edit, delete for everyone, react. Each is one item for the lane, with a key that is
 * made up here: it is for retries, and a REST client's retry is another request, which finds it done. */
#include <inttypes.h>
#include <stdio.h>

#include "services/chat/chat_handlers.h"
#include "services/chat/chat_lane.h"
#include "services/chat/chat_read_store.h"
#include "services/chat/chat_render.h"
#include "shared/base/id.h"
#include "shared/proto/chat_content.h"

/* In the request's arena. */
struct act {
    struct chat_service *service;
    struct http_request *request;
    struct chat_message message;
    struct chat_action action;
    struct chat_item item;
    char client_id[33];
};

/* --- the answer --- */

static const char *refusal(const struct act *act, enum problem problem)
{
    bool is_reaction = act->message.type == CHAT_EVENT_REACTION;
    if (problem == PROBLEM_CONFLICT && is_reaction)
        return "The message was deleted, or has as many reactions as it may have.";
    if (problem == PROBLEM_CONFLICT && act->message.type == CHAT_EVENT_EDIT)
        return "The message was deleted, or edited as often as it may be.";
    if (problem == PROBLEM_CONFLICT)
        return "The message was deleted.";
    if (problem == PROBLEM_FORBIDDEN && act->message.type == CHAT_EVENT_EDIT)
        return "Only whoever wrote a message and may still write may edit it.";
    if (problem == PROBLEM_FORBIDDEN && is_reaction)
        return "Readers do not react in this chat.";
    if (problem == PROBLEM_FORBIDDEN)
        return "Only admins delete the messages of others.";
    return NULL;
}

static void fail(struct act *act, enum problem problem)
{
    if (problem == PROBLEM_UNAVAILABLE)
        http_fail_retry(act->request, problem, "The log cannot be reached.", 1);
    else if (problem == PROBLEM_BAD_REQUEST)
        http_fail_field(act->request, "/body/body", "is too long");
    else
        http_fail(act->request, problem, refusal(act, problem));
}

static void reply_event(struct act *act, const struct chat_log_event *event)
{
    struct buffer body = BUFFER_EMPTY;
    chat_render_event(&body, event);
    http_reply_json(act->request, 200, &body);
    buffer_deinit(&body);
}

/* The chat may have been deleted in the meantime. */
static void on_head(void *context, enum problem problem, const struct chat_log_event *events,
                    size_t count)
{
    struct act *act = context;
    if (problem == PROBLEM_NONE && (count == 0 || events[0].seq == 0))
        problem = PROBLEM_NOT_FOUND;
    if (problem == PROBLEM_NONE)
        reply_event(act, &events[0]);
    else
        fail(act, problem);
}

static void reply(struct act *act)
{
    const struct chat_outcome *outcome = &act->item.outcome;
    struct chat_event_ref head = {act->message.chat_id, outcome->seq};
    struct chat_log_event event = {
        .chat_id = act->message.chat_id,
        .seq = outcome->seq,
        .type = act->message.type,
        .sender_id = act->message.sender_id,
        .subject_id = act->message.target,
        .at_ms = outcome->at_ms,
        .body = act->message.body,
        .detail = act->message.detail,
    };
    if (outcome->duplicate && act->message.type == CHAT_EVENT_REACTION)
        chat_read_events(act->service->read, &head, 1, on_head, act);
    else
        reply_event(act, &event);
}

static void on_done(struct chat_item *item)
{
    struct act *act = item->context;
    if (item->outcome.problem == PROBLEM_NONE)
        reply(act);
    else
        fail(act, item->outcome.problem);
}

/* --- the question --- */

static struct act *act_create(struct chat_service *service, struct http_request *request,
                              enum chat_event_type type)
{
    struct act *act = arena_alloc(http_arena(request), sizeof *act);
    act->service = service;
    act->request = request;
    snprintf(act->client_id, sizeof act->client_id, "%016" PRIx64 "%016" PRIx64,
             (uint64_t)id_random(), (uint64_t)id_random());
    act->message = (struct chat_message){
        .chat_id = http_path_id(request, "chat"),
        .sender_id = http_identity(request)->user_id,
        .type = type,
        .target = http_path_id(request, "seq"),
        .client_id = text_of(act->client_id),
    };
    act->item = (struct chat_item){.kind = CHAT_ITEM_MESSAGE,
                                   .message = &act->message,
                                   .action = &act->action,
                                   .on_done = on_done,
                                   .context = act};
    return act;
}

static void submit(struct act *act)
{
    if (!chat_lane_submit(act->service->lane, &act->item, 1))
        fail(act, PROBLEM_UNAVAILABLE);
}

void chat_edit_patch(struct chat_service *service, struct http_request *request)
{
    struct act *act = act_create(service, request, CHAT_EVENT_EDIT);
    struct json_reader reader = http_body(request);
    act->message.body = chat_content_take_body(&reader);
    if (http_body_finish(request, &reader))
        submit(act);
}

void chat_message_delete(struct chat_service *service, struct http_request *request)
{
    submit(act_create(service, request, CHAT_EVENT_DELETE));
}

static void react(struct chat_service *service, struct http_request *request, bool is_on)
{
    struct act *act = act_create(service, request, CHAT_EVENT_REACTION);
    struct buffer detail = BUFFER_EMPTY;
    act->action.emoji = http_path_text(request, "emoji");
    act->action.is_on = is_on;
    if (!chat_content_is_emoji(act->action.emoji)) {
        http_fail_field(request, "/path/emoji", "must be a short text without control characters");
        return;
    }
    chat_content_put_reaction(&detail, act->action.emoji, is_on);
    act->message.detail = arena_text(http_arena(request), buffer_text(&detail));
    buffer_deinit(&detail);
    submit(act);
}

void chat_reaction_put(struct chat_service *service, struct http_request *request)
{
    struct json_reader reader = http_body(request);
    if (http_body_finish(request, &reader))
        react(service, request, true);
}

void chat_reaction_delete(struct chat_service *service, struct http_request *request)
{
    react(service, request, false);
}
