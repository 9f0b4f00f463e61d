/* Output of a turn is gathered in a buffer that the connection borrows; a socket that takes all of it gives the buffer
 * back. What it does not take waits for it to become writable. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "services/delivery/delivery_ws_internal.h"
#include "shared/base/clock.h"
#include "shared/base/failpoint.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define POOLED_MAX_BYTES (256 << 10) /* a buffer that has grown beyond is not kept */
#define STUCK_FACTOR     4 /* output of answers alone, above so many times max_output_bytes, is abuse */

static struct metric delivered_total = {.name = "parley_delivery_delivered_total",
                                        .labels = "",
                                        .help = "Events sent to devices.",
                                        .kind = METRIC_COUNTER};
static struct metric blocked_total = {.name = "parley_delivery_blocked_total",
                                      .labels = "",
                                      .help = "Times that a socket took no more.",
                                      .kind = METRIC_COUNTER};

size_t delivery_output_pending(const struct connection *connection)
{
    return connection->output.length - connection->output_start;
}

bool delivery_ws_can_send(const struct connection *connection)
{
    return delivery_output_pending(connection) < (size_t)delivery_settings.max_output_bytes;
}

/* Output that is blocked is looked at only when it has become too much. */
static struct buffer *begin_output(struct delivery_ws *ws, struct connection *connection)
{
    if (connection->output.data == NULL && ws->pool_count > 0)
        connection->output = ws->pool[--ws->pool_count];
    if (!connection->is_dirty && (!connection->is_blocked || !delivery_ws_can_send(connection))) {
        connection->is_dirty = true;
        connection->next_dirty = ws->dirty;
        ws->dirty = connection;
        loop_deferred_request(ws->flush);
    }
    return &connection->output;
}

void delivery_output_raw(struct delivery_ws *ws, struct connection *connection, struct text bytes)
{
    if (connection->state != CONNECTION_CLOSED)
        buffer_append_text(begin_output(ws, connection), bytes);
}

void delivery_output_frame(struct delivery_ws *ws, struct connection *connection,
                           enum websocket_opcode opcode, struct text payload)
{
    char header[WEBSOCKET_HEADER_MAX];
    if (connection->state == CONNECTION_CLOSED)
        return;
    size_t header_length = websocket_frame_header(opcode, payload.length, header);
    struct buffer *output = begin_output(ws, connection);
    buffer_append(output, header, header_length);
    buffer_append_text(output, payload);
}

void delivery_ws_send(struct delivery_ws *ws, struct connection *connection, struct text json)
{
    if (connection->state < CONNECTION_CLOSING)
        delivery_output_frame(ws, connection, WEBSOCKET_TEXT, json);
}

/* {"op":"event","n":N,"event":…}: only n differs between recipients. */
void delivery_ws_send_event(struct delivery_ws *ws, struct connection *connection, int64_t n,
                            struct text json)
{
    static const char begin[] = "{\"op\":\"event\",\"n\":", middle[] = ",\"event\":";
    char number[TEXT_NUMBER_SIZE], header[WEBSOCKET_HEADER_MAX];
    if (connection->state >= CONNECTION_CLOSING)
        return;
    size_t digits = text_format_number(n, number);
    size_t payload = sizeof begin - 1 + digits + sizeof middle - 1 + json.length + 1;
    size_t header_length = websocket_frame_header(WEBSOCKET_TEXT, payload, header);
    struct buffer *output = begin_output(ws, connection);
    char *at = buffer_reserve(output, header_length + payload);
    memcpy(at, header, header_length);
    at += header_length;
    memcpy(at, begin, sizeof begin - 1);
    at += sizeof begin - 1;
    memcpy(at, number, digits);
    at += digits;
    memcpy(at, middle, sizeof middle - 1);
    at += sizeof middle - 1;
    memcpy(at, json.data, json.length);
    at[json.length] = '}';
    output->length += header_length + payload;
    metric_add(&delivered_total, 1);
}

/* --- writing --- */

static void give_back(struct delivery_ws *ws, struct connection *connection)
{
    buffer_clear(&connection->output);
    connection->output_start = 0;
    if (ws->pool_count < POOL_MAX && connection->output.capacity <= POOLED_MAX_BYTES)
        ws->pool[ws->pool_count++] = connection->output;
    else
        buffer_deinit(&connection->output);
    connection->output = BUFFER_EMPTY;
}

void delivery_output_free(struct delivery_ws *ws, struct connection *connection)
{
    give_back(ws, connection);
    if (connection->write_event != NULL)
        event_free(connection->write_event);
    connection->write_event = NULL;
    connection->is_blocked = false;
}

static void flush_connection(struct delivery_ws *ws, struct connection *connection);

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct connection *connection = context;
    struct delivery_ws *ws = connection->ws;
    (void)fd;
    (void)what;
    delivery_ws_hold(connection);
    connection->is_blocked = false;
    flush_connection(ws, connection);
    delivery_ws_let_go(ws, connection);
}

/* A peer that does not read is not read from either, once there is too much for it. False: it was dropped. */
static bool hold_back(struct delivery_ws *ws, struct connection *connection)
{
    size_t max_bytes = (size_t)delivery_settings.max_output_bytes;
    if (delivery_output_pending(connection) > STUCK_FACTOR * max_bytes) {
        delivery_ws_drop(ws, connection);
        return false;
    }
    if (delivery_output_pending(connection) > max_bytes)
        delivery_ws_read_events(connection, false);
    return true;
}

/* Once more has gone than is left, so that a byte is moved once at most for each that was sent. */
static void forget_sent(struct connection *connection)
{
    size_t pending = delivery_output_pending(connection);
    if (connection->output_start < pending)
        return;
    memmove(connection->output.data, connection->output.data + connection->output_start, pending);
    connection->output.length = pending;
    connection->output_start = 0;
}

static void block(struct delivery_ws *ws, struct connection *connection)
{
    metric_add(&blocked_total, !connection->is_blocked);
    connection->is_blocked = true;
    forget_sent(connection);
    if (!hold_back(ws, connection))
        return;
    if (connection->write_event == NULL)
        connection->write_event = event_new(loop_base(ws->service->loop), connection->fd, EV_WRITE,
                                            on_writable, connection);
    event_add(connection->write_event, NULL);
    delivery_ws_check_later(ws, connection);
}

static void drained(struct delivery_ws *ws, struct connection *connection)
{
    give_back(ws, connection);
    if (connection->write_event != NULL)
        event_free(connection->write_event);
    connection->write_event = NULL;
    delivery_ws_read_events(connection, true);
    if (connection->state == CONNECTION_CLOSING &&
        (connection->peer_closed || connection->fd_closes_when_sent))
        delivery_ws_drop(ws, connection);
    else if (connection->device != NULL && connection->was_full) {
        connection->was_full = false;
        device_on_writable(connection->device);
    }
}

static void flush_connection(struct delivery_ws *ws, struct connection *connection)
{
    while (delivery_output_pending(connection) > 0) {
        size_t pending = delivery_output_pending(connection);
        bool dies = FAILPOINT_IS_DUE(frame_half_written);
        ssize_t sent = send(connection->fd, connection->output.data + connection->output_start,
                            dies ? pending / 2 : pending, MSG_NOSIGNAL);
        if (dies)
            FAILPOINT_KILL(frame_half_written);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            block(ws, connection);
            return;
        }
        if (sent < 0) {
            delivery_ws_drop(ws, connection);
            return;
        }
        connection->output_start += (size_t)sent;
        connection->progress_ms = clock_monotonic_ms();
    }
    drained(ws, connection);
}

void delivery_output_flush(void *context)
{
    struct delivery_ws *ws = context;
    metrics_register(&delivered_total);
    metrics_register(&blocked_total);
    while (ws->dirty != NULL) {
        struct connection *connection = ws->dirty;
        ws->dirty = connection->next_dirty;
        connection->is_dirty = false;
        delivery_ws_hold(connection);
        if (connection->state != CONNECTION_CLOSED && connection->is_blocked)
            hold_back(ws, connection);
        else if (connection->state != CONNECTION_CLOSED)
            flush_connection(ws, connection);
        delivery_ws_let_go(ws, connection);
    }
}
