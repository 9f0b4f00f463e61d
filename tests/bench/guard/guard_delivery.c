/* Of the delivery daemon: from a client's frame to its `ok`, and from an event of the feed to the frames of a group. The
 * parts are the daemon's own; in place of Redis there are inboxes that stay empty, and nothing is written to sockets. */
#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_fanout.h"
#include "services/delivery/delivery_ops.h"
#include "services/delivery/delivery_park.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_rosters.h"
#include "services/delivery/delivery_send.h"
#include "services/delivery/delivery_typing.h"
#include "services/delivery/delivery_watch.h"
#include "services/delivery/delivery_ws_internal.h"
#include "shared/base/mem.h"
#include "tests/bench/guard/guard.h"

#define PARTITIONS 16
#define CHAT       7

static struct {
    struct delivery_service service;
    struct delivery_ws ws;
    struct loop_deferred *stop;
    struct connection connections[GUARD_MEMBERS];
    size_t acked;
} world;

/* --- the devices' port: what live devices need --- */

static void send_ready(struct device *device, enum device_verdict verdict, int64_t inbox)
{
    (void)device, (void)inbox;
    guard_require(verdict == DEVICE_INBOX, "the inbox is there");
}

static void send_event(struct device *device, int64_t n, struct text json)
{
    delivery_ws_send_event(&world.ws, device->connection, n, json);
}

static bool can_send(const struct device *device)
{
    return delivery_ws_can_send(device->connection);
}

static void open_inbox(struct device *device, uint32_t generation)
{
    (void)device, (void)generation; /* connect() answers */
}

static void window_opened(struct device *device)
{
    delivery_park_watch_window(world.service.park, device);
}

static void hold(const struct delivery_ref *ref)
{
    delivery_cursor_hold(world.service.cursor, ref->partition, ref->offset);
}

static void release(const struct delivery_ref *ref)
{
    delivery_cursor_release(world.service.cursor, ref->partition, ref->offset);
}

static void acked(struct device *device, int64_t chat_id, int64_t seq)
{
    (void)device, (void)chat_id, (void)seq;
    world.acked++;
}

static int64_t now_ms(void)
{
    return 1000;
}

/* --- life --- */

static void turn_over(void *context)
{
    (void)context;
    loop_stop(world.service.loop);
}

static void turn(void)
{
    loop_deferred_request(world.stop);
    loop_run(world.service.loop);
}

static void nothing(void *context)
{
    (void)context;
}

static void connect_device(int64_t user_id)
{
    struct connection *connection = &world.connections[user_id - 1];
    struct device *device = delivery_people_add(world.service.people, user_id, 100 + user_id, 1);
    *connection = (struct connection){.ws = &world.ws,
                                      .device = device,
                                      .state = CONNECTION_OPEN,
                                      .user_id = user_id,
                                      .holds = 1};
    device->user->loaded = true;
    delivery_people_connected(world.service.people, device);
    device_connect(device, connection, 0, 0);
    device_on_opened(device, device->page_generation, DEVICE_INBOX_OK, 0, NULL, 0);
    guard_require(device->state == DEVICE_LIVE, "the device is not live");
}

static void start(void)
{
    static const struct device_port port = {.send_ready = send_ready,
                                            .send_event = send_event,
                                            .can_send = can_send,
                                            .open = open_inbox,
                                            .window_opened = window_opened,
                                            .hold = hold,
                                            .release = release,
                                            .acked = acked,
                                            .now_ms = now_ms};
    struct delivery_service *service = &world.service;
    service->loop = loop_create();
    service->hub = (struct device_hub){
        .port = &port, .window_max = (uint32_t)limits.window_events, .inboxes = DEVICE_INBOXES_UP};
    service->ws = &world.ws;
    world.ws.service = service;
    /* Frames stay in the connections' buffers, which forget_output empties: delivery_output_flush would write them. */
    world.ws.flush = loop_deferred_create(service->loop, nothing, NULL);
    world.stop = loop_deferred_create(service->loop, turn_over, NULL);
    service->cursor = delivery_cursor_create(PARTITIONS);
    service->people = delivery_people_create(&service->hub, GUARD_MEMBERS);
    service->rosters = delivery_rosters_create(service, nothing, NULL);
    service->park = delivery_park_create(service, &service->hub);
    service->sends = delivery_sends_create(service);
    service->watch = delivery_watch_create(GUARD_MEMBERS);
    service->typing = delivery_typing_create(service);
    for (int64_t user_id = 1; user_id <= GUARD_MEMBERS; user_id++)
        connect_device(user_id);
}

/* The bytes that would have gone out. */
static size_t forget_output(void)
{
    size_t bytes = 0;
    while (world.ws.dirty != NULL) {
        struct connection *connection = world.ws.dirty;
        world.ws.dirty = connection->next_dirty;
        connection->is_dirty = false;
        bytes += delivery_output_pending(connection);
        delivery_output_free(&world.ws, connection);
    }
    return bytes;
}

static void stop(void)
{
    struct delivery_service *service = &world.service;
    for (size_t i = 0; i < GUARD_MEMBERS; i++) {
        delivery_people_disconnected(service->people, world.connections[i].device);
        device_disconnect(world.connections[i].device);
    }
    delivery_sends_destroy(&service->sends);
    delivery_typing_destroy(&service->typing);
    delivery_watch_destroy(&service->watch);
    delivery_park_destroy(&service->park);
    delivery_people_destroy(&service->people);
    delivery_rosters_destroy(&service->rosters);
    delivery_cursor_destroy(&service->cursor);
    loop_deferred_destroy(&world.ws.flush);
    loop_deferred_destroy(&world.stop);
    loop_destroy(&service->loop);
    for (size_t i = 0; i < world.ws.pool_count; i++)
        buffer_deinit(&world.ws.pool[i]);
}

/* --- from a frame to its ok --- */

static void answer_appends(void)
{
    struct chat_append_result results[GUARD_BATCH];
    struct chat_append_reply reply = {.results = results, .results_count = GUARD_BATCH};
    for (size_t i = 0; i < GUARD_BATCH; i++)
        results[i] = (struct chat_append_result){.seq = 1234567, .at_ms = 1767323045678};
    guard_require(guard_bus_asked().length > GUARD_BATCH * sizeof GUARD_BODY,
                  "not every message was asked for");
    guard_bus_answer(&reply);
}

void guard_send(size_t iterations)
{
    limits.sends_per_second = limits.sends_burst = 1000000; /* the rate is not what counts */
    start();
    for (size_t i = 0; i < iterations; i++) {
        for (size_t j = 0; j < GUARD_BATCH; j++)
            delivery_ops_take(&world.service, &world.connections[j], guard_send_frame(j));
        turn();
        answer_appends();
        turn();
        guard_require(forget_output() > GUARD_BATCH * sizeof "{\"op\":\"ok\"}", "no ok");
        guard_require(delivery_sends_are_empty(world.service.sends), "not all were answered");
    }
    stop();
}

/* --- from an event to the devices --- */

static void load_roster(void)
{
    struct chat_span spans[GUARD_MEMBERS];
    struct chat_roster roster = {
        .chat_id = CHAT, .as_of_seq = GUARD_MEMBERS, .spans = spans, .spans_count = GUARD_MEMBERS};
    struct chat_members_reply reply = {.rosters = &roster, .rosters_count = 1};
    for (int64_t i = 0; i < GUARD_MEMBERS; i++)
        spans[i] = (struct chat_span){.user_id = i + 1, .from_seq = i + 1};
    guard_require(delivery_rosters_find(world.service.rosters, CHAT, 1) == NULL, "it was asked");
    turn();
    guard_bus_answer(&reply);
}

static void fan_out(int64_t offset, struct text json)
{
    struct delivery_service *service = &world.service;
    struct chat_event source = {.chat_id = CHAT,
                                .seq = GUARD_MEMBERS + offset,
                                .type = CHAT_EVENT_MESSAGE,
                                .sender_id = 1,
                                .json = json};
    struct delivery_event *event = delivery_event_create(0, offset, &source, DELIVERY_NORMAL);
    delivery_cursor_begin(service->cursor, 0, offset);
    guard_require(delivery_fanout_is_ready(service, event), "the members are not known");
    delivery_fanout_event(service, event);
    delivery_event_drop(&event);
    guard_require(forget_output() > GUARD_MEMBERS * json.length, "not everybody got it");
    for (size_t i = 0; i < GUARD_MEMBERS; i++)
        device_ack(world.connections[i].device, world.connections[i].device->n_sent);
    /* In the daemon a round ends some milliseconds later; the clock is left out, the end is the same. */
    delivery_park_drop_rounds(service->park);
    guard_require(delivery_cursor_mark(service->cursor, 0) == offset, "the event is not settled");
}

void guard_fan_out(size_t iterations)
{
    static const char json[] =
        "{\"chat\":\"7\",\"seq\":1234567,\"type\":\"message\",\"sender\":\"1\",\"at\":"
        "\"2026-01-02T03:04:05.678Z\",\"client_id\":\"0190c6a8-7b1e-7cc3-98c4-000000000001\","
        "\"body\":" GUARD_BODY "}";
    start();
    delivery_cursor_start(world.service.cursor, 0, 0);
    load_roster();
    for (size_t i = 1; i <= iterations; i++)
        fan_out((int64_t)i, (struct text){json, sizeof json - 1});
    guard_require(world.acked == iterations * GUARD_MEMBERS, "not all were acknowledged");
    stop();
}
