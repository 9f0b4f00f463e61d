/* Connections from accept to close. What a socket gives is read into one scratch buffer of the process; only what a
 * frame lacks is kept with the connection. A connection is freed when its socket is closed and no answer is on its way
 * to it any more. */
#include "services/delivery/delivery_ws.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/delivery/delivery_live.h"
#include "services/delivery/delivery_ops.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_presence.h"
#include "services/delivery/delivery_ws_internal.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define VIOLATIONS_MAX     20
#define VIOLATIONS_SPAN_MS 10000
#define BYE_RETRY_MAX_S    3

static struct metric connections_gauge = {.name = "parley_delivery_connections",
                                          .labels = "",
                                          .help = "Open sockets of clients.",
                                          .kind = METRIC_GAUGE};
static struct metric full_total = {
    .name = "parley_delivery_connections_refused_total",
    .labels = "",
    .help = "Connections that were closed at once because max_connections were open.",
    .kind = METRIC_COUNTER};
static struct metric accepted_total = {.name = "parley_delivery_accepted_total",
                                       .labels = "",
                                       .help = "Sockets that were accepted.",
                                       .kind = METRIC_COUNTER};
#define CLOSE_METRIC(code_)                                                      \
    {                                                                            \
        .name = "parley_delivery_closes_total", .labels = "code=\"" #code_ "\"", \
        .help = "Connections that we closed, by code.", .kind = METRIC_COUNTER   \
    }
static struct metric closes[] = {CLOSE_METRIC(1000), CLOSE_METRIC(1001), CLOSE_METRIC(1002),
                                 CLOSE_METRIC(1003), CLOSE_METRIC(1007), CLOSE_METRIC(1009),
                                 CLOSE_METRIC(4001), CLOSE_METRIC(4002), CLOSE_METRIC(4003),
                                 CLOSE_METRIC(4008), CLOSE_METRIC(4029)};

static void count_close(int code)
{
    char label[16];
    snprintf(label, sizeof label, "code=\"%d\"", code);
    for (size_t i = 0; i < sizeof closes / sizeof closes[0]; i++)
        if (strcmp(closes[i].labels, label) == 0)
            metric_add(&closes[i], 1);
}

/* --- end --- */

void delivery_ws_hold(struct connection *connection)
{
    connection->holds++;
}

void delivery_ws_let_go(struct delivery_ws *ws, struct connection *connection)
{
    (void)ws;
    connection->holds--;
    if (connection->holds == 0 && connection->state == CONNECTION_CLOSED && !connection->is_dirty)
        mem_free(connection);
}

static void take_device_off(struct connection *connection)
{
    struct delivery_service *service = connection->ws->service;
    struct device *device = connection->device;
    if (device == NULL)
        return;
    connection->device = NULL;
    delivery_live_gone(service, connection);
    device_disconnect(device);
    delivery_people_disconnected(service->people, device);
    if (device->user->connected == 0)
        delivery_presence_went(service->presence, device->user);
}

void delivery_ws_drop(struct delivery_ws *ws, struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    delivery_ws_hold(connection);
    take_device_off(connection);
    connection->state = CONNECTION_CLOSED;
    delivery_wheel_remove(connection);
    event_del(&connection->read_event);
    delivery_output_free(ws, connection);
    websocket_decoder_deinit(&connection->decoder);
    buffer_deinit(&connection->input);
    close(connection->fd);
    ws->count--;
    metric_set(&connections_gauge, (int64_t)ws->count);
    delivery_ws_let_go(ws, connection);
}

void delivery_ws_send_close(struct delivery_ws *ws, struct connection *connection, int code,
                            const char *reason)
{
    char payload[WEBSOCKET_CONTROL_MAX];
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    int length = snprintf(payload + 2, sizeof payload - 2, "%s", reason);
    delivery_output_frame(ws, connection, WEBSOCKET_CLOSE,
                          (struct text){payload, 2 + (size_t)length});
    take_device_off(connection);
    connection->state = CONNECTION_CLOSING;
    connection->deadline_ms = clock_monotonic_ms() + CLOSE_DEADLINE_MS;
    delivery_wheel_add(ws, connection, connection->deadline_ms);
    delivery_ws_read_events(connection, true); /* for the peer's close frame */
    count_close(code);
}

void delivery_ws_close(struct delivery_ws *ws, struct connection *connection, enum close_code code,
                       const char *reason)
{
    if (connection->state == CONNECTION_HANDSHAKE)
        delivery_ws_drop(ws, connection);
    else if (connection->state < CONNECTION_CLOSING)
        delivery_ws_send_close(ws, connection, (int)code, reason);
}

void delivery_ws_violation(struct delivery_ws *ws, struct connection *connection)
{
    int64_t now_ms = clock_monotonic_ms();
    if (now_ms - connection->violations_from_ms > VIOLATIONS_SPAN_MS) {
        connection->violations_from_ms = now_ms;
        connection->violations = 0;
    }
    if (++connection->violations >= VIOLATIONS_MAX)
        delivery_ws_close(ws, connection, CLOSE_VIOLATIONS, "too many violations");
}

/* --- frames --- */

static void on_peer_close(struct delivery_ws *ws, struct connection *connection, int code)
{
    connection->peer_closed = connection->ignores_input = true;
    if (connection->state < CONNECTION_CLOSING && code != 1005)
        delivery_ws_send_close(ws, connection, code, "");
    else if (connection->state < CONNECTION_CLOSING)
        delivery_ws_send_close(ws, connection, CLOSE_NORMAL, "");
    else if (delivery_output_pending(connection) == 0)
        delivery_ws_drop(ws, connection);
}

static void on_frame(struct delivery_ws *ws, struct connection *connection,
                     enum websocket_event event, struct text payload, int code)
{
    bool is_open = connection->state < CONNECTION_CLOSING;
    switch (event) {
    case WEBSOCKET_MESSAGE:
        if (is_open)
            delivery_ops_take(ws->service, connection, payload);
        break;
    case WEBSOCKET_GOT_PING:
        if (is_open)
            delivery_output_frame(ws, connection, WEBSOCKET_PONG, payload);
        break;
    case WEBSOCKET_GOT_CLOSE:
        on_peer_close(ws, connection, code);
        break;
    case WEBSOCKET_FAILED:
        connection->ignores_input = true;
        if (is_open)
            delivery_ws_send_close(ws, connection, code, "");
        break;
    case WEBSOCKET_GOT_PONG:
    case WEBSOCKET_NEED_MORE:
        break;
    }
}

static size_t read_frames(struct delivery_ws *ws, struct connection *connection, char *bytes,
                          size_t length)
{
    size_t done = 0;
    while (!connection->ignores_input && connection->state != CONNECTION_CLOSED) {
        if (connection->state == CONNECTION_AUTHENTICATING)
            return done; /* what comes behind the auth waits for its answer */
        struct text payload = TEXT_NONE;
        size_t consumed = 0;
        int code = 0;
        enum websocket_event event = websocket_decode(&connection->decoder, bytes + done,
                                                      length - done, &consumed, &payload, &code);
        done += consumed;
        if (event == WEBSOCKET_NEED_MORE)
            return done;
        on_frame(ws, connection, event, payload, code);
    }
    return length;
}

/* --- reading --- */

static void take_bytes(struct delivery_ws *ws, struct connection *connection, char *bytes,
                       size_t length)
{
    size_t done = 0;
    if (connection->state == CONNECTION_HANDSHAKE)
        done = delivery_upgrade_read(ws, connection, (struct text){bytes, length});
    if (connection->state != CONNECTION_HANDSHAKE && connection->state != CONNECTION_CLOSED)
        done += read_frames(ws, connection, bytes + done, length - done);
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (connection->state == CONNECTION_AUTHENTICATING)
        delivery_ws_read_events(connection, false);
    struct buffer rest = BUFFER_EMPTY; /* what is left may lie in the input itself */
    if (done < length)
        buffer_append(&rest, bytes + done, length - done);
    buffer_deinit(&connection->input);
    connection->input = rest;
}

void delivery_ws_resume(struct delivery_ws *ws, struct connection *connection)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    delivery_ws_hold(connection);
    delivery_ws_read_events(connection, true);
    if (connection->input.length > 0)
        take_bytes(ws, connection, connection->input.data, connection->input.length);
    delivery_ws_let_go(ws, connection);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    struct delivery_ws *ws = connection->ws;
    (void)what;
    ssize_t got = recv(fd, ws->scratch, sizeof ws->scratch, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        delivery_ws_drop(ws, connection);
        return;
    }
    delivery_ws_hold(connection);
    connection->heard_ms = clock_monotonic_ms();
    connection->missed_pings = 0;
    if (connection->input.length == 0) {
        take_bytes(ws, connection, ws->scratch, (size_t)got);
    } else {
        buffer_append(&connection->input, ws->scratch, (size_t)got);
        take_bytes(ws, connection, connection->input.data, connection->input.length);
    }
    delivery_ws_let_go(ws, connection);
}

void delivery_ws_read_events(struct connection *connection, bool on)
{
    if (connection->is_reading == on || connection->state == CONNECTION_CLOSED)
        return;
    connection->is_reading = on;
    if (on)
        event_add(&connection->read_event, NULL);
    else
        event_del(&connection->read_event);
}

static void on_accept(void *context, int fd)
{
    struct delivery_ws *ws = context;
    if (ws->count >= (size_t)delivery_settings.max_connections) {
        metric_add(&full_total, 1);
        log_warning("connections_full", LOG_NUMBER("connections", ws->count));
        close(fd);
        return;
    }
    struct connection *connection = mem_zalloc(sizeof *connection);
    connection->ws = ws;
    connection->fd = fd;
    connection->heard_ms = connection->progress_ms = clock_monotonic_ms();
    connection->deadline_ms = connection->heard_ms + limits.auth_deadline_ms;
    websocket_decoder_init(&connection->decoder, (size_t)limits.max_frame_bytes);
    event_assign(&connection->read_event, loop_base(ws->service->loop), fd, EV_READ | EV_PERSIST,
                 on_readable, connection);
    delivery_ws_read_events(connection, true);
    delivery_wheel_add(ws, connection, connection->deadline_ms);
    ws->count++;
    metric_add(&accepted_total, 1);
    metric_set(&connections_gauge, (int64_t)ws->count);
}

/* --- draining --- */

void delivery_ws_stop(struct delivery_ws *ws)
{
    listener_stop(ws->listener);
}

size_t delivery_ws_count(const struct delivery_ws *ws)
{
    return ws->count;
}

static void say_bye(struct delivery_ws *ws, struct connection *connection)
{
    struct buffer json = BUFFER_EMPTY;
    connection->said_bye = true;
    if (connection->state == CONNECTION_HANDSHAKE)
        return; /* the close drops it */
    buffer_append_format(&json, "{\"op\":\"bye\",\"reason\":\"restart\",\"retry_after\":%d}",
                         1 + (int)((connection->fd + clock_monotonic_us()) % BYE_RETRY_MAX_S));
    delivery_ws_send(ws, connection, buffer_text(&json));
    buffer_deinit(&json);
}

/* Whoever waits for the answer to a send gets it first, if it comes soon. */
static bool is_waiting(const struct connection *connection, bool hurry)
{
    return connection->sends_in_flight > 0 && !hurry;
}

size_t delivery_ws_say_goodbye(struct delivery_ws *ws, size_t max, bool hurry)
{
    size_t left = 0;
    for (size_t slot = 0; slot < WHEEL_SLOTS; slot++) {
        struct connection *connection = ws->wheel[slot], *next;
        for (; connection != NULL; connection = next) {
            next = connection->wheel_next;
            left++;
            if (connection->state >= CONNECTION_CLOSING || max == 0)
                continue;
            max--;
            if (!connection->said_bye)
                say_bye(ws, connection);
            if (!is_waiting(connection, hurry))
                delivery_ws_close(ws, connection, CLOSE_GOING_AWAY, "going away");
        }
    }
    return left;
}

struct delivery_ws *delivery_ws_create(struct delivery_service *service, char *message_out,
                                       int message_size)
{
    struct delivery_ws *ws = mem_zalloc(sizeof *ws);
    ws->service = service;
    ws->wheel_at_s = clock_monotonic_ms() / 1000;
    ws->listener = listener_create(service->loop, daemon_socket_path("delivery", "ws"), on_accept,
                                   ws, message_out, message_size);
    if (ws->listener == NULL) {
        mem_free(ws);
        return NULL;
    }
    ws->flush = loop_deferred_create(service->loop, delivery_output_flush, ws);
    ws->second = loop_timer_create(service->loop, delivery_deadlines_turn, ws);
    loop_timer_repeat(ws->second, 250);
    metrics_register(&connections_gauge);
    metrics_register(&accepted_total);
    metrics_register(&full_total);
    for (size_t i = 0; i < sizeof closes / sizeof closes[0]; i++)
        metrics_register(&closes[i]);
    return ws;
}

void delivery_ws_destroy_connections(struct delivery_ws *ws)
{
    for (size_t slot = 0; slot < WHEEL_SLOTS; slot++)
        while (ws->wheel[slot] != NULL)
            delivery_ws_drop(ws, ws->wheel[slot]);
    delivery_output_flush(ws); /* lets go of those that were dirty */
}

void delivery_ws_destroy(struct delivery_ws **ws)
{
    if (*ws == NULL)
        return;
    listener_destroy(&(*ws)->listener);
    loop_deferred_destroy(&(*ws)->flush);
    loop_timer_destroy(&(*ws)->second);
    while ((*ws)->pool_count > 0)
        buffer_deinit(&(*ws)->pool[--(*ws)->pool_count]);
    mem_free(*ws);
    *ws = NULL;
}
