/* What metadata's list of chats shows of each chat. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_read_store.h"

/* Texts point into `json`, which may move while it grows: they are set when all are written. */
static void render_events(const struct chat_summary_row *rows, size_t count, struct buffer *json,
                          struct chat_summary *summaries)
{
    for (size_t i = 0; i < count; i++) {
        size_t start = json->length;
        if (rows[i].has_event)
            chat_render_event(json, &rows[i].last_event);
        summaries[i].last_event.length = json->length - start;
    }
    const char *at = json->data;
    for (size_t i = 0; i < count; i++) {
        if (!rows[i].has_event)
            continue;
        summaries[i].last_event.data = at;
        at += summaries[i].last_event.length;
    }
}

static void on_summaries(void *context, enum problem problem, const struct chat_summary_row *rows,
                         size_t count)
{
    struct rpc_exchange *exchange = context;
    if (problem != PROBLEM_NONE) {
        rpc_fail(exchange, problem);
        return;
    }
    struct buffer json = BUFFER_EMPTY;
    struct chat_summaries_reply reply = {
        .summaries = arena_alloc(rpc_arena(exchange), (count + 1) * sizeof *reply.summaries),
        .summaries_count = count,
    };
    for (size_t i = 0; i < count; i++)
        reply.summaries[i] = (struct chat_summary){.last_seq = rows[i].last_seq,
                                                   .last_at_ms = rows[i].last_at_ms,
                                                   .read_seq = rows[i].read_seq,
                                                   .unread = rows[i].unread,
                                                   .mentions = rows[i].mentions};
    render_events(rows, count, &json, reply.summaries);
    rpc_reply(exchange, &reply);
    buffer_deinit(&json);
}

void chat_summaries_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                        const struct chat_summaries_request *request)
{
    chat_read_summaries(service->read, request->user_id, request->chats, request->chats_count,
                        request->with_events != 0, on_summaries, exchange);
}
