/* metadata's changes of chats into the log, through the same lane as messages: that is what gives them their place. */
#include "services/chat/chat_handlers.h"
#include "services/chat/chat_lane.h"

/* In the exchange's arena. */
struct apply {
    struct rpc_exchange *exchange;
    struct chat_item item;
};

static void on_applied(struct chat_item *item)
{
    struct apply *apply = item->context;
    struct chat_apply_reply reply = {.last_seq = item->outcome.seq};
    if (item->outcome.problem == PROBLEM_NONE)
        rpc_reply(apply->exchange, &reply);
    else
        rpc_fail(apply->exchange, item->outcome.problem);
}

void chat_apply_rpc(struct chat_service *service, struct rpc_exchange *exchange,
                    const struct chat_apply_request *request)
{
    if (request->chat_id <= 0) {
        rpc_fail(exchange, PROBLEM_BAD_REQUEST);
        return;
    }
    struct apply *apply = arena_alloc(rpc_arena(exchange), sizeof *apply);
    apply->exchange = exchange;
    apply->item = (struct chat_item){
        .kind = CHAT_ITEM_CHANGE, .change = request, .on_done = on_applied, .context = apply};
    if (!chat_lane_submit(service->lane, &apply->item, 1))
        rpc_fail(exchange, PROBLEM_UNAVAILABLE);
}
