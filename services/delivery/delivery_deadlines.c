/* What is due for a connection and when: authentication, the answer to a close, signs of life, the end of its token, and
 * taking what it is sent. */
#include "services/delivery/delivery_ws_internal.h"
#include "shared/base/clock.h"

#define MISSED_PINGS_MAX 2

static int64_t next_check_ms(const struct connection *connection)
{
    if (connection->state != CONNECTION_OPEN)
        return connection->deadline_ms;
    int64_t at_ms = connection->heard_ms + limits.heartbeat_ms * (1 + connection->missed_pings);
    int64_t expiry_ms = clock_monotonic_ms() + (connection->expires_at_ms - clock_wall_ms());
    if (expiry_ms < at_ms)
        at_ms = expiry_ms;
    int64_t stuck_ms = connection->progress_ms + delivery_settings.slow_close_ms;
    return connection->is_blocked && stuck_ms < at_ms ? stuck_ms : at_ms;
}

void delivery_ws_check_later(struct delivery_ws *ws, struct connection *connection)
{
    if (connection->state != CONNECTION_CLOSED)
        delivery_wheel_add(ws, connection, next_check_ms(connection));
}

static void check_unfinished(struct delivery_ws *ws, struct connection *connection)
{
    if (connection->state == CONNECTION_NEW || connection->state == CONNECTION_AUTHENTICATING)
        delivery_ws_send_close(ws, connection, CLOSE_NOT_AUTHENTICATED,
                               "not authenticated in time");
    else
        delivery_ws_drop(ws, connection);
}

static void check_open(struct delivery_ws *ws, struct connection *connection, int64_t now_ms)
{
    bool stuck = connection->is_blocked &&
                 now_ms - connection->progress_ms >= delivery_settings.slow_close_ms;
    if (connection->expires_at_ms <= clock_wall_ms()) {
        delivery_ws_close(ws, connection, CLOSE_NOT_AUTHENTICATED, "the token has expired");
    } else if (stuck) {
        delivery_ws_close(ws, connection, CLOSE_TOO_SLOW, "too slow");
    } else if (connection->missed_pings >= MISSED_PINGS_MAX) {
        delivery_ws_drop(ws, connection);
    } else {
        connection->missed_pings++;
        delivery_output_frame(ws, connection, WEBSOCKET_PING, TEXT_NONE);
        delivery_ws_check_later(ws, connection);
    }
}

static void check(struct delivery_ws *ws, struct connection *connection, int64_t now_ms)
{
    if (next_check_ms(connection) > now_ms)
        delivery_ws_check_later(ws, connection);
    else if (connection->state == CONNECTION_OPEN)
        check_open(ws, connection, now_ms);
    else
        check_unfinished(ws, connection);
}

void delivery_deadlines_turn(void *context)
{
    struct delivery_ws *ws = context;
    delivery_wheel_turn(ws, clock_monotonic_ms(), check);
}
