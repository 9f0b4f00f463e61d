/* The request that turns a socket into a WebSocket, and its refusals. */
#include <string.h>

#include "services/delivery/delivery_origin.h"
#include "services/delivery/delivery_ws_internal.h"
#include "shared/base/clock.h"
#include "shared/base/metrics.h"

#define MAX_HEAD_BYTES 8192

static struct metric refused_total = {.name = "parley_delivery_upgrades_refused_total",
                                      .labels = "",
                                      .help = "Upgrade requests that were refused.",
                                      .kind = METRIC_COUNTER};

static void refuse_upgrade(struct delivery_ws *ws, struct connection *connection, int status)
{
    struct buffer answer = BUFFER_EMPTY;
    websocket_handshake_refuse(status, &answer);
    delivery_output_raw(ws, connection, buffer_text(&answer));
    buffer_deinit(&answer);
    metrics_register(&refused_total);
    metric_add(&refused_total, 1);
    connection->ignores_input = connection->fd_closes_when_sent = true;
    connection->state = CONNECTION_CLOSING;
    connection->deadline_ms = clock_monotonic_ms() + CLOSE_DEADLINE_MS;
    delivery_wheel_add(ws, connection, connection->deadline_ms);
}

size_t delivery_upgrade_read(struct delivery_ws *ws, struct connection *connection,
                             struct text bytes)
{
    struct websocket_handshake handshake;
    size_t consumed = 0;
    int status = 0;
    switch (websocket_handshake_read(bytes, MAX_HEAD_BYTES, &handshake, &consumed, &status)) {
    case WEBSOCKET_HANDSHAKE_MORE:
        return 0;
    case WEBSOCKET_HANDSHAKE_REFUSED:
        refuse_upgrade(ws, connection, status);
        return bytes.length;
    case WEBSOCKET_HANDSHAKE_DONE:
        break;
    }
    if (strcmp(handshake.path, "/v1/ws") != 0 || ws->service->draining ||
        !delivery_origin_is_allowed(&handshake, delivery_settings.allowed_origins)) {
        bool is_elsewhere = strcmp(handshake.path, "/v1/ws") != 0;
        refuse_upgrade(ws, connection, is_elsewhere ? 404 : ws->service->draining ? 503 : 403);
        return bytes.length;
    }
    struct buffer answer = BUFFER_EMPTY;
    websocket_handshake_answer(&handshake, &answer);
    delivery_output_raw(ws, connection, buffer_text(&answer));
    buffer_deinit(&answer);
    connection->state = CONNECTION_NEW;
    return consumed;
}
