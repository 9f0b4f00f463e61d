/* GET /v1/chats/{chat}/messages/{seq}/trace: first what the log knows, then what delivery knows of the devices. When
 * delivery cannot be asked the answer goes without them. */
#include <string.h>

#include "services/chat/chat_handlers.h"
#include "services/chat/chat_trace.h"
#include "shared/base/id.h"

#define MAX_PAGE 1000 /* of limits.max_page; the sender's devices are asked for as well */

/* In the request's arena. */
struct tracing {
    struct chat_service *service;
    struct http_request *request;
    struct chat_event_ref message;
    int64_t limit;
    struct chat_trace_page page; /* its members are a copy */
};

static void answer(struct tracing *tracing, const struct chat_trace_devices *devices)
{
    struct buffer body = BUFFER_EMPTY;
    chat_trace_render(&body, tracing->message.chat_id, &tracing->page, (size_t)tracing->limit,
                      devices);
    http_reply_json(tracing->request, 200, &body);
    buffer_deinit(&body);
}

static void on_delivery(void *context, const struct rpc_result *result)
{
    const struct delivery_trace_reply *reply = result->reply;
    const struct tracing *tracing = context;
    struct chat_trace_devices devices = {.known = result->outcome == RPC_OK,
                                         .is_pulled = tracing->page.is_pulled};
    if (devices.known) {
        devices.devices = reply->devices;
        devices.count = reply->devices_count;
    }
    answer(context, &devices);
}

static void ask_delivery(struct tracing *tracing)
{
    const struct chat_trace_page *page = &tracing->page;
    int64_t users[MAX_PAGE + 1];
    struct delivery_trace_request request = {.chat_id = tracing->message.chat_id,
                                             .seq = page->seq,
                                             .partition = page->partition,
                                             .offset = page->offset,
                                             .at_ms = page->at_ms,
                                             .named_id = page->sender_id,
                                             .users = users};
    users[request.users_count++] = page->sender_id;
    for (size_t i = 0; i < page->count && i < (size_t)tracing->limit; i++)
        users[request.users_count++] = page->members[i].user_id;
    delivery_client_trace(tracing->service->delivery, &request, daemon_settings.rpc_deadline_ms,
                          on_delivery, tracing);
}

static void on_trace(void *context, const struct chat_trace_page *page)
{
    struct tracing *tracing = context;
    struct arena *arena = http_arena(tracing->request);
    if (page->problem == PROBLEM_UNAVAILABLE) {
        http_fail_retry(tracing->request, page->problem, "The log cannot be reached.", 1);
        return;
    }
    if (page->problem != PROBLEM_NONE) {
        http_fail(tracing->request, page->problem,
                  page->problem == PROBLEM_FORBIDDEN ? "Only its sender may ask where a message is."
                                                     : NULL);
        return;
    }
    size_t size = page->count * sizeof *page->members;
    struct chat_trace_member *members = arena_alloc(arena, size + 1);
    if (size > 0)
        memcpy(members, page->members, size);
    tracing->page = *page;
    tracing->page.members = members;
    ask_delivery(tracing);
}

void chat_trace_get(struct chat_service *service, struct http_request *request)
{
    struct tracing *tracing = arena_alloc(http_arena(request), sizeof *tracing);
    struct text cursor = http_query(request, "cursor");
    int64_t after_user = 0;
    *tracing = (struct tracing){
        .service = service,
        .request = request,
        .message = {.chat_id = http_path_id(request, "chat"), .seq = http_path_id(request, "seq")}};
    if (!http_query_number(request, "limit", 1, limits.max_page, limits.default_page,
                           &tracing->limit))
        return;
    if (cursor.data != NULL && !id_parse(cursor, &after_user)) {
        http_fail_field(request, "/query/cursor", "is not a cursor of this list");
        return;
    }
    chat_read_trace(service->read, http_identity(request)->user_id, &tracing->message, after_user,
                    tracing->limit + 1, on_trace, tracing);
}
