/* Messages into the log, one from REST or many from another daemon, there also what is done to messages. All are items for
 * the lane. What is done to messages by REST is in chat_actions_handlers.c. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_lane.h"
#include "services/chat/chat_render.h"
#include "shared/proto/chat_content.h"

/* --- REST --- */

/* In the request's arena. */
struct post {
    struct http_request *request;
    struct chat_content content;
    struct chat_message message;
    struct chat_item item;
};

static void reply_event(struct post *post)
{
    const struct chat_outcome *outcome = &post->item.outcome;
    struct chat_log_event event = {
        .chat_id = post->message.chat_id,
        .seq = outcome->seq,
        .type = CHAT_EVENT_MESSAGE,
        .sender_id = post->message.sender_id,
        .at_ms = outcome->at_ms,
        .client_id = post->message.client_id,
        .body = post->message.body,
        .detail = post->message.detail,
    };
    struct buffer body = BUFFER_EMPTY;
    chat_render_event(&body, &event);
    http_reply_json(post->request, outcome->duplicate ? 200 : 201, &body);
    buffer_deinit(&body);
}

static const char *refusal(enum problem problem)
{
    switch (problem) {
    case PROBLEM_CONFLICT:
        return "Another message was sent with this client_id.";
    case PROBLEM_FORBIDDEN:
        return "Readers do not write in this chat.";
    case PROBLEM_UNAVAILABLE:
        return "The log cannot be reached. Send it again with the same client_id.";
    default:
        return NULL;
    }
}

static void on_posted(struct chat_item *item)
{
    struct post *post = item->context;
    struct chat_content content = post->content;
    if (item->outcome.problem == PROBLEM_NONE)
        reply_event(post);
    else if (item->outcome.problem == PROBLEM_BAD_REQUEST)
        http_fail_field(post->request, "/body/reply_to", "is above the head of the chat");
    else if (item->outcome.problem == PROBLEM_UNAVAILABLE)
        http_fail_retry(post->request, PROBLEM_UNAVAILABLE, refusal(PROBLEM_UNAVAILABLE), 1);
    else
        http_fail(post->request, item->outcome.problem, refusal(item->outcome.problem));
    chat_content_deinit(&content);
}

void chat_append_post(struct chat_service *service, struct http_request *request)
{
    struct post *post = arena_alloc(http_arena(request), sizeof *post);
    struct json_reader reader = http_body(request);
    chat_content_take(&reader, &post->content);
    struct chat_content content = post->content;
    if (!http_body_finish(request, &reader)) {
        chat_content_deinit(&content);
        return;
    }
    post->request = request;
    post->message = (struct chat_message){
        .chat_id = http_path_id(request, "chat"),
        .sender_id = http_identity(request)->user_id,
        .type = CHAT_EVENT_MESSAGE,
        .target = content.reply_to,
        .client_id = content.client_id,
        .body = content.body,
        .detail = buffer_text(&post->content.detail),
    };
    post->item = (struct chat_item){.kind = CHAT_ITEM_MESSAGE,
                                    .message = &post->message,
                                    .on_done = on_posted,
                                    .context = post};
    if (!chat_lane_submit(service->lane, &post->item, 1)) {
        post->item.outcome.problem = PROBLEM_UNAVAILABLE;
        on_posted(&post->item);
    }
}

/* --- internal --- */

/* In the exchange's arena. */
struct append {
    struct rpc_exchange *exchange;
    struct chat_item *items;
    struct chat_action *actions; /* beside the items; NULL when they are all messages */
    size_t count, pending;
};

static void reply_all(struct append *append)
{
    struct chat_append_reply reply = {
        .results = arena_alloc(rpc_arena(append->exchange), append->count * sizeof *reply.results),
        .results_count = append->count,
    };
    for (size_t i = 0; i < append->count; i++) {
        const struct chat_outcome *outcome = &append->items[i].outcome;
        reply.results[i] = (struct chat_append_result){(int64_t)outcome->problem, outcome->seq,
                                                       outcome->at_ms, outcome->duplicate};
    }
    rpc_reply(append->exchange, &reply);
}

static void settle(struct append *append)
{
    if (--append->pending == 0)
        reply_all(append);
}

static void on_appended(struct chat_item *item)
{
    settle(item->context);
}

static bool has_actions(const struct chat_append_request *request)
{
    for (size_t i = 0; i < request->messages_count; i++) {
        if (request->messages[i].type != CHAT_EVENT_MESSAGE)
            return true;
    }
    return false;
}

/* Which values go together; fills the action of a reaction. */
static bool is_sound_action(const struct chat_message *message, struct arena *arena,
                            struct chat_action *action)
{
    bool has_body = message->body.length > 0, has_detail = message->detail.length > 0;
    if (message->target <= 0)
        return false;
    if (message->type == CHAT_EVENT_EDIT)
        return has_body && !has_detail;
    if (message->type == CHAT_EVENT_DELETE)
        return !has_body && !has_detail;
    return message->type == CHAT_EVENT_REACTION && !has_body &&
           chat_content_read_reaction(message->detail, arena, &action->emoji, &action->is_on);
}

/* What a peer's codec lets through and no chat can hold is refused as a whole. */
static bool is_sound(const struct append *append, const struct chat_append_request *request)
{
    for (size_t i = 0; i < request->messages_count; i++) {
        const struct chat_message *message = &request->messages[i];
        if (message->chat_id <= 0 || message->sender_id <= 0 || message->client_id.length == 0 ||
            message->body.length + message->detail.length > CHAT_BODY_BYTES)
            return false;
        if (message->type == CHAT_EVENT_MESSAGE &&
            (message->body.length == 0 || message->target < 0))
            return false;
        if (message->type != CHAT_EVENT_MESSAGE &&
            !is_sound_action(message, rpc_arena(append->exchange), &append->actions[i]))
            return false;
    }
    return true;
}

static void make_items(struct append *append, const struct chat_append_request *request)
{
    for (size_t i = 0; i < append->count; i++) {
        const struct chat_message *message = &request->messages[i];
        append->items[i] = (struct chat_item){.kind = CHAT_ITEM_MESSAGE,
                                              .message = message,
                                              .on_done = on_appended,
                                              .context = append};
        if (message->type != CHAT_EVENT_MESSAGE)
            append->items[i].action = &append->actions[i];
    }
}

void chat_append_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                     const struct chat_append_request *request)
{
    struct arena *arena = rpc_arena(exchange);
    size_t count = request->messages_count;
    struct append *append = arena_alloc(arena, sizeof *append);
    append->exchange = exchange;
    append->count = count;
    append->pending =
        count + 1; /* one for this function, since items may be done before it returns */
    if (has_actions(request))
        append->actions = arena_alloc(arena, count * sizeof *append->actions);
    if (!is_sound(append, request)) {
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    append->items = arena_alloc(arena, (count + 1) * sizeof *append->items);
    make_items(append, request);
    if (chat_lane_submit(service->lane, append->items, count))
        settle(append);
    else
        rpc_fail(exchange, PROBLEM_UNAVAILABLE);
}
