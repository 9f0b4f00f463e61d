/* A new direct chat and the blocks of its two members, which are known from another daemon's answer and from its feed.
 * Postgres, the user daemon and the request are fakes of this file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/metadata/metadata_changes.h"
#include "services/metadata/metadata_chats.h"
#include "services/metadata/metadata_outbox.h"
#include "services/metadata/metadata_settings.h"
#include "shared/net/http_internal.h"

#define ANN 1
#define BOB 2

static struct {
    struct metadata_service service;
    struct http_request request;
    rpc_callback on_blocks, on_changes; /* of questions that are not answered yet */
    void *blocks_context, *changes_context;
    int asked; /* who has blocked whom */
    bool created;
    int64_t blocked; /* of the chat that was created */
    enum problem failed;
} w;

/* --- the request --- */

struct arena *http_arena(struct http_request *request)
{
    return &request->arena;
}

const struct identity *http_identity(const struct http_request *request)
{
    return &request->identity;
}

struct json_reader http_body(struct http_request *request)
{
    return json_reader_start(request->document, "/body");
}

bool http_body_finish(struct http_request *request, struct json_reader *reader)
{
    struct json_fault fault;
    (void)request;
    return json_reader_finish(reader, &fault);
}

void http_fail(struct http_request *request, enum problem problem, const char *detail)
{
    (void)request, (void)detail;
    w.failed = problem;
}

void http_fail_field(struct http_request *request, const char *pointer, const char *reason)
{
    (void)request, (void)pointer, (void)reason;
    w.failed = PROBLEM_BAD_REQUEST;
}

void *http_service(const struct http_request *request)
{
    (void)request;
    return &w.service;
}

int64_t http_path_id(const struct http_request *request, const char *name)
{
    (void)request, (void)name;
    return 0;
}

void http_reply_json(struct http_request *request, int status, const struct buffer *body)
{
    (void)request, (void)status, (void)body;
}

void http_reply_empty(struct http_request *request)
{
    (void)request;
}

/* --- the other daemons --- */

void user_client_existing(struct rpc_client *client, const struct user_existing_request *request,
                          int64_t deadline_ms, rpc_callback callback, void *context)
{
    struct user_existing_reply reply = {.users = request->users,
                                        .users_count = request->users_count};
    (void)client, (void)deadline_ms;
    callback(context, &(struct rpc_result){.outcome = RPC_OK, .reply = &reply});
}

void user_client_blocks(struct rpc_client *client, const struct user_blocks_request *request,
                        int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)deadline_ms;
    assert_int_equal(request->user_id, ANN);
    assert_int_equal(request->other_id, BOB);
    w.on_blocks = callback;
    w.blocks_context = context;
    w.asked++;
}

void user_client_changes(struct rpc_client *client, const struct user_changes_request *request,
                         int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)request, (void)deadline_ms;
    w.on_changes = callback;
    w.changes_context = context;
}

void chat_client_summaries(struct rpc_client *client, const struct chat_summaries_request *request,
                           int64_t deadline_ms, rpc_callback callback, void *context)
{
    (void)client, (void)request, (void)deadline_ms, (void)callback, (void)context;
}

/* --- the store --- */

bool metadata_store_is_ready(const struct metadata_store *store)
{
    (void)store;
    return true;
}

void metadata_store_cursor(struct metadata_store *store, metadata_on_cursor on_cursor,
                           void *context)
{
    (void)store;
    on_cursor(context, PROBLEM_NONE, 0);
}

void metadata_store_waiting_chats(struct metadata_store *store, int64_t limit,
                                  metadata_on_ids on_ids, void *context)
{
    (void)store, (void)limit;
    on_ids(context, PROBLEM_NONE, NULL, 0);
}

/* No chat is there yet, so nothing follows from a change. */
void metadata_store_take(struct metadata_store *store, const struct user_change *changes,
                         size_t count, metadata_on_taken on_taken, void *context)
{
    (void)store, (void)changes, (void)count;
    assert_false(w.created);
    on_taken(context, PROBLEM_NONE, NULL, 0);
}

void metadata_store_create_direct(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                  int64_t other_id, int64_t blocked, metadata_on_changed on_changed,
                                  void *context)
{
    (void)store, (void)chat_id, (void)by_id, (void)other_id, (void)on_changed, (void)context;
    w.created = true;
    w.blocked = blocked;
}

void metadata_store_create_chat(struct metadata_store *store, int64_t chat_id, enum chat_kind kind,
                                const struct metadata_chat_fields *fields, int64_t by_id,
                                const int64_t *members, size_t member_count,
                                metadata_on_changed on_changed, void *context)
{
    (void)store, (void)chat_id, (void)kind, (void)fields, (void)by_id, (void)members;
    (void)member_count, (void)on_changed, (void)context;
}

void metadata_store_update_chat(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                const struct metadata_chat_fields *fields, struct text detail,
                                metadata_on_changed on_changed, void *context)
{
    (void)store, (void)chat_id, (void)by_id, (void)fields, (void)detail, (void)on_changed;
    (void)context;
}

void metadata_store_delete_chat(struct metadata_store *store, int64_t chat_id, int64_t by_id,
                                metadata_on_changed on_changed, void *context)
{
    (void)store, (void)chat_id, (void)by_id, (void)on_changed, (void)context;
}

void metadata_store_chat(struct metadata_store *store, int64_t chat_id, int64_t user_id,
                         metadata_on_chat on_chat, void *context)
{
    (void)store, (void)chat_id, (void)user_id, (void)on_chat, (void)context;
}

void metadata_outbox_wait(struct metadata_outbox *outbox, int64_t chat_id, int64_t version,
                          metadata_on_applied on_applied, void *context)
{
    (void)outbox, (void)chat_id, (void)version, (void)on_applied, (void)context;
}

/* --- the tests --- */

static void on_caught_up(void *context, bool caught_up)
{
    (void)context, (void)caught_up;
}

static int set_up(void **state)
{
    static const char body[] = "{\"kind\":\"direct\",\"members\":[\"2\"]}";
    struct json_fault fault;
    (void)state;
    memset(&w, 0, sizeof w);
    limits.max_members = 1000;
    metadata_settings.max_catch_ups = 1;
    w.request.document = json_parse(text_of(body), &fault);
    w.request.identity.user_id = ANN;
    w.service.loop = loop_create();
    w.service.changes = metadata_changes_create(&w.service);
    metadata_changes_catch_up(w.service.changes, 1, on_caught_up, NULL);
    assert_non_null(w.on_changes);
    metadata_create_chat(&w.service, &w.request);
    assert_int_equal(w.asked, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    metadata_changes_destroy(&w.service.changes);
    loop_destroy(&w.service.loop);
    json_destroy(&w.request.document);
    arena_deinit(&w.request.arena);
    return 0;
}

static void answer_blocks(bool ann_blocks_bob, bool bob_blocks_ann)
{
    struct user_blocks_reply reply = {ann_blocks_bob, bob_blocks_ann};
    w.on_blocks(w.blocks_context, &(struct rpc_result){.outcome = RPC_OK, .reply = &reply});
}

static void tell_change(int64_t kind)
{
    struct user_change change = {.offset = 1, .kind = kind, .user_id = BOB, .other_id = ANN};
    struct user_changes_reply reply = {.changes = &change, .changes_count = 1, .head = 1};
    w.on_changes(w.changes_context, &(struct rpc_result){.outcome = RPC_OK, .reply = &reply});
}

static void whom_the_maker_has_blocked_may_not_write(void **state)
{
    (void)state;
    answer_blocks(true, false);
    assert_true(w.created);
    assert_int_equal(w.blocked, 2); /* the larger id */
}

static void whom_the_other_has_blocked_makes_no_chat(void **state)
{
    (void)state;
    answer_blocks(false, true);
    assert_false(w.created);
    assert_int_equal(w.failed, PROBLEM_BLOCKED);
}

static void a_block_that_was_taken_over_before_its_chat_was_there_is_not_missed(void **state)
{
    (void)state;
    tell_change(USER_CHANGE_BLOCKED);
    answer_blocks(false, false); /* as it was before */
    assert_false(w.created);
    assert_int_equal(w.asked, 2);
    answer_blocks(false, true);
    assert_false(w.created);
    assert_int_equal(w.failed, PROBLEM_BLOCKED);
}

static void other_changes_of_accounts_are_no_reason_to_ask_again(void **state)
{
    (void)state;
    tell_change(USER_CHANGE_DEVICE_ADDED);
    answer_blocks(false, false);
    assert_int_equal(w.asked, 1);
    assert_true(w.created);
    assert_int_equal(w.blocked, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(whom_the_maker_has_blocked_may_not_write),
        TEST(whom_the_other_has_blocked_makes_no_chat),
        TEST(a_block_that_was_taken_over_before_its_chat_was_there_is_not_missed),
        TEST(other_changes_of_accounts_are_no_reason_to_ask_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
