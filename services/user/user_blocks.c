/* Blocks: list, block, unblock. Both verbs are safe to repeat, and each waits until the chats know. */
#include "services/user/user_answer.h"
#include "services/user/user_catch_up.h"
#include "services/user/user_handlers.h"

static void write_block(struct buffer *out, const struct identity *caller, const void *item)
{
    const struct user_block *block = item;
    (void)caller;
    buffer_append_string(out, "{\"user\":");
    json_write_id(out, block->other_id);
    buffer_append_string(out, "}");
}

static void write_cursor(const void *item, char out[USER_CURSOR_SIZE])
{
    const struct user_block *block = item;
    user_cursor_write_time((struct user_position){block->at_ms, block->other_id}, out);
}

static void on_blocks(void *context, enum problem problem, const struct user_block *blocks,
                      size_t count)
{
    static const struct user_list list = {sizeof *blocks, write_block, write_cursor};
    user_page_answer(context, problem, &list, blocks, count);
}

void user_blocks_list(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    struct user_page *page = arena_alloc(http_arena(request), sizeof *page);
    if (!user_page_by_time(request, page))
        return;
    user_store_blocks(service->store, http_identity(request)->user_id, page->before,
                      page->limit + 1, on_blocks, page);
}

static void on_block_changed(void *context, enum problem problem, int64_t head)
{
    struct http_request *request = context;
    if (problem == PROBLEM_NONE)
        user_catch_up(http_service(request), request, head);
    else if (problem == PROBLEM_NOT_FOUND)
        http_fail(request, problem, "There is no such user.");
    else if (problem == PROBLEM_CONFLICT)
        http_fail(request, problem, "Too many users are blocked. Unblock one first.");
    else
        user_answer_problem(request, problem);
}

void user_blocks_put(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    int64_t user_id = http_identity(request)->user_id;
    int64_t other_id = http_path_id(request, "user");
    if (user_id == other_id) {
        http_fail_field(request, "/path/user", "must be somebody else");
        return;
    }
    user_store_put_block(service->store, user_id, other_id, on_block_changed, request);
}

void user_blocks_delete(void *service_, struct http_request *request)
{
    struct user_service *service = service_;
    user_store_delete_block(service->store, http_identity(request)->user_id,
                            http_path_id(request, "user"), on_block_changed, request);
}
