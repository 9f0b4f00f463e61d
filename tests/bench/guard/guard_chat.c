/* Of the chat daemon: from the queue into the log and out as news. The log commits at once. */
#include "services/chat/chat_feed.h"
#include "services/chat/chat_lane.h"
#include "services/chat/chat_render.h"
#include "services/chat/chat_settings.h"
#include "tests/bench/guard/guard.h"

static struct {
    struct loop *loop, *still; /* the feed's timer is on one that never turns */
    struct loop_deferred *answer;
    struct chat_partitions partitions;
    struct chat_lane *lane;
    struct chat_feed *feed;
    const struct chat_batch *batch; /* to be committed at the end of the turn */
    chat_on_commit on_commit;
    void *commit_context;
    int64_t wanted[GUARD_CHATS]; /* to be loaded at the end of the turn */
    size_t wanted_count;
    chat_on_loaded on_loaded;
    void *load_context;
    size_t answered;
} world;

/* --- the ports --- */

static bool is_connected(void *context)
{
    (void)context;
    return true;
}

static void load(void *context, const int64_t *chats, size_t count, chat_on_loaded on_loaded,
                 void *loaded_context)
{
    (void)context;
    guard_require(count <= GUARD_CHATS && world.wanted_count == 0, "each chat is loaded once");
    for (size_t i = 0; i < count; i++)
        world.wanted[world.wanted_count++] = chats[i];
    world.on_loaded = on_loaded;
    world.load_context = loaded_context;
    loop_deferred_request(world.answer);
}

static void look_up(void *context, const struct chat_keys *keys, chat_on_known on_known,
                    void *known_context)
{
    (void)context, (void)keys, (void)on_known, (void)known_context;
    guard_require(false, "nothing comes twice");
}

static void commit(void *context, const struct chat_batch *batch, chat_on_commit on_commit,
                   void *commit_context)
{
    (void)context;
    world.batch = batch;
    world.on_commit = on_commit;
    world.commit_context = commit_context;
    loop_deferred_request(world.answer);
}

static void renew(void *context)
{
    (void)context;
    guard_require(false, "every commit succeeds");
}

static void prepare_news(void *context, const struct chat_batch *batch)
{
    (void)context;
    chat_feed_prepare(world.feed, batch);
}

static void send_news(void *context)
{
    (void)context;
    chat_feed_send(world.feed);
}

/* --- what they answer, in the next turn --- */

static void answer_load(void)
{
    struct chat_loaded_chat chats[GUARD_CHATS];
    struct chat_loaded_member members[GUARD_CHATS * GUARD_MEMBERS];
    struct chat_loaded loaded = {.ok = true, .chats = chats, .members = members};
    for (size_t i = 0; i < world.wanted_count; i++) {
        chats[loaded.chat_count++] = (struct chat_loaded_chat){.chat_id = world.wanted[i],
                                                               .kind = CHAT_GROUP,
                                                               .history = CHAT_HISTORY_JOINED,
                                                               .version = 1,
                                                               .head_seq = GUARD_MEMBERS};
        for (int64_t user = 1; user <= GUARD_MEMBERS; user++)
            members[loaded.member_count++] =
                (struct chat_loaded_member){world.wanted[i], user, user, CHAT_ROLE_MEMBER};
    }
    world.wanted_count = 0;
    world.on_loaded(world.load_context, &loaded);
}

static void answer(void *context)
{
    (void)context;
    if (world.wanted_count > 0)
        answer_load();
    if (world.batch == NULL)
        return;
    world.batch = NULL;
    world.on_commit(world.commit_context, CHAT_COMMITTED);
}

static void on_done(struct chat_item *item)
{
    guard_require(item->outcome.problem == PROBLEM_NONE, "a message was refused");
    if (++world.answered % GUARD_BATCH == 0)
        loop_stop(world.loop);
}

/* --- the pieces --- */

static void start(void)
{
    static const struct chat_lane_ports ports = {NULL,   is_connected, load,         look_up,
                                                 commit, renew,        prepare_news, send_news};
    struct chat_lane_options options = {
        .batch = {(size_t)chat_settings.max_batch_events, (size_t)chat_settings.max_batch_bytes},
        .max_queue_events = (size_t)chat_settings.max_queue_events,
        .max_queue_bytes = (size_t)chat_settings.max_queue_bytes,
        .max_cached_chats = (size_t)chat_settings.max_cached_chats,
        .max_cached_members = (size_t)chat_settings.max_cached_members,
        .patience_ms = chat_settings.recovery_patience_ms,
        .careful_ms = chat_settings.careful_ms,
    };
    char message[200];
    world.loop = loop_create();
    world.still = loop_create();
    world.answer = loop_deferred_create(world.loop, answer, NULL);
    world.partitions.count = (uint32_t)chat_settings.partitions;
    for (uint32_t i = 0; i < world.partitions.count; i++)
        world.partitions.items[i] = (struct chat_partition){.held = true, .epoch = 1};
    world.feed = chat_feed_create(world.still, NULL, &world.partitions, message, sizeof message);
    world.lane = chat_lane_create(world.loop, &world.partitions, &options, &ports);
    chat_lane_lease_taken(world.lane);
}

static void stop(void)
{
    chat_lane_destroy(&world.lane);
    chat_feed_destroy(&world.feed);
    loop_deferred_destroy(&world.answer);
    loop_destroy(&world.loop);
    loop_destroy(&world.still);
}

void guard_append(size_t iterations)
{
    const struct chat_append_request *request = guard_append_request();
    struct chat_item items[GUARD_BATCH];
    start();
    for (size_t i = 0; i < iterations; i++) {
        for (size_t j = 0; j < GUARD_BATCH; j++)
            items[j] = (struct chat_item){
                .kind = CHAT_ITEM_MESSAGE, .message = &request->messages[j], .on_done = on_done};
        guard_require(chat_lane_submit(world.lane, items, GUARD_BATCH), "the lane took nothing");
        loop_run(world.loop);
        guard_require(guard_bus_published() > GUARD_BATCH * sizeof GUARD_BODY, "no news");
    }
    guard_require(world.answered == iterations * GUARD_BATCH, "not all were answered");
    stop();
}

void guard_render(size_t iterations)
{
    struct buffer out = BUFFER_EMPTY;
    struct chat_log_event event = {.chat_id = INT64_C(4611686018427387905),
                                   .seq = 1234567,
                                   .type = CHAT_EVENT_MESSAGE,
                                   .sender_id = INT64_C(4611686018427388001),
                                   .at_ms = INT64_C(1767323045678),
                                   .client_id =
                                       TEXT_LITERAL("0190c6a8-7b1e-7cc3-98c4-000000000001"),
                                   .body = TEXT_LITERAL(GUARD_BODY),
                                   .detail = TEXT_LITERAL("\"reply_to\":1234560")};
    for (size_t i = 0; i < iterations; i++) {
        buffer_clear(&out);
        chat_render_event(&out, &event);
        guard_require(out.length > sizeof GUARD_BODY, "the event is not whole");
    }
    buffer_deinit(&out);
}
