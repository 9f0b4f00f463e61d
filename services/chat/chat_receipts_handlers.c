/* Receipts from clients (REST) and from delivery (internal), and the list of a chat's. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"
#include "services/chat/chat_receipts.h"
#include "shared/base/id.h"
#include "shared/base/json.h"

#define MAX_SEQ (((int64_t)1 << 53) - 1) /* what a JSON number holds exactly */

static void render_receipt(struct buffer *out, const struct chat_receipt *receipt)
{
    buffer_append_string(out, "{\"user\":");
    json_write_id(out, receipt->user_id);
    buffer_append_string(out, ",\"delivered\":");
    buffer_append_number(out, receipt->delivered);
    buffer_append_string(out, ",\"read\":");
    buffer_append_number(out, receipt->read);
    buffer_append_string(out, "}");
}

static void fail(struct http_request *request, enum problem problem)
{
    if (problem == PROBLEM_UNAVAILABLE)
        http_fail_retry(request, problem, "The log cannot be reached.", 1);
    else
        http_fail(request, problem, NULL);
}

/* --- PUT --- */

/* In the request's arena. */
struct put {
    struct http_request *request;
    struct chat_receipt receipt;
    struct chat_receipt_outcome outcome;
    struct chat_receipts_item item;
};

static void on_put(struct chat_receipts_item *item)
{
    struct put *put = item->context;
    const struct chat_receipt_outcome *outcome = &put->outcome;
    struct chat_receipt receipt = {.chat_id = put->receipt.chat_id,
                                   .user_id = put->receipt.user_id,
                                   .delivered = outcome->delivered,
                                   .read = outcome->read};
    struct buffer body = BUFFER_EMPTY;
    if (outcome->problem == PROBLEM_NONE) {
        render_receipt(&body, &receipt);
        http_reply_json(put->request, 200, &body);
    } else if (outcome->problem == PROBLEM_BAD_REQUEST) {
        http_fail_field(put->request, outcome->is_read_at_fault ? "/body/read" : "/body/delivered",
                        "is above the head of the chat");
    } else {
        fail(put->request, outcome->problem);
    }
    buffer_deinit(&body);
}

void chat_receipts_put(struct chat_service *service, struct http_request *request)
{
    struct put *put = arena_alloc(http_arena(request), sizeof *put);
    struct json_reader reader = http_body(request);
    put->request = request;
    put->receipt.delivered = json_take_number(&reader, "delivered", JSON_OPTIONAL, 0, MAX_SEQ);
    put->receipt.read = json_take_number(&reader, "read", JSON_OPTIONAL, 0, MAX_SEQ);
    if (!http_body_finish(request, &reader))
        return;
    put->receipt.chat_id = http_path_id(request, "chat");
    put->receipt.user_id = http_identity(request)->user_id;
    put->receipt.flags = http_identity(request)->flags;
    put->item = (struct chat_receipts_item){.receipts = &put->receipt,
                                            .count = 1,
                                            .outcomes = &put->outcome,
                                            .on_done = on_put,
                                            .context = put};
    if (!chat_receipts_submit(service->receipts, &put->item))
        fail(request, PROBLEM_UNAVAILABLE);
}

/* --- internal --- */

/* In the exchange's arena. */
struct move {
    struct rpc_exchange *exchange;
    struct chat_receipts_item item;
};

static void on_moved(struct chat_receipts_item *item)
{
    struct move *move = item->context;
    struct chat_receipts_reply reply = {
        .results =
            arena_alloc(rpc_arena(move->exchange), (item->count + 1) * sizeof *reply.results),
        .results_count = item->count,
    };
    for (size_t i = 0; i < item->count; i++)
        reply.results[i] =
            (struct chat_receipt_result){(int64_t)item->outcomes[i].problem,
                                         item->outcomes[i].delivered, item->outcomes[i].read};
    rpc_reply(move->exchange, &reply);
}

void chat_receipts_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                       const struct chat_receipts_request *request)
{
    struct move *move = arena_alloc(rpc_arena(exchange), sizeof *move);
    size_t count = request->receipts_count;
    move->exchange = exchange;
    move->item = (struct chat_receipts_item){
        .receipts = request->receipts,
        .count = count,
        .outcomes =
            arena_alloc(rpc_arena(exchange), (count + 1) * sizeof(struct chat_receipt_outcome)),
        .on_done = on_moved,
        .context = move};
    if (count == 0)
        on_moved(&move->item);
    else if (!chat_receipts_submit(service->receipts, &move->item))
        rpc_fail(exchange, PROBLEM_UNAVAILABLE);
}

/* --- GET --- */

/* In the request's arena. */
struct list {
    struct http_request *request;
    int64_t limit;
};

/* The cursor is the last user's id: receipts are listed by it. */
static void on_receipts(void *context, const struct chat_receipts_page *page)
{
    struct list *list = context;
    if (page->problem != PROBLEM_NONE) {
        fail(list->request, page->problem);
        return;
    }
    size_t count = page->count < (size_t)list->limit ? page->count : (size_t)list->limit;
    struct buffer body = BUFFER_EMPTY;
    buffer_append_string(&body, "{\"items\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_string(&body, ",");
        render_receipt(&body, &page->receipts[i]);
    }
    buffer_append_string(&body, "],\"next_cursor\":");
    if (page->count > count)
        json_write_id(&body, page->receipts[count - 1].user_id);
    else
        buffer_append_string(&body, "null");
    buffer_append_string(&body, "}");
    http_reply_json(list->request, 200, &body);
    buffer_deinit(&body);
}

void chat_receipts_get(struct chat_service *service, struct http_request *request)
{
    struct list *list = arena_alloc(http_arena(request), sizeof *list);
    struct text cursor = http_query(request, "cursor");
    int64_t after_user = 0;
    list->request = request;
    if (!http_query_number(request, "limit", 1, limits.max_page, limits.default_page, &list->limit))
        return;
    if (cursor.data != NULL && !id_parse(cursor, &after_user)) {
        http_fail_field(request, "/query/cursor", "is not a cursor of this list");
        return;
    }
    chat_read_receipts(service->read, http_identity(request)->user_id,
                       http_path_id(request, "chat"), after_user, list->limit + 1, on_receipts,
                       list);
}
