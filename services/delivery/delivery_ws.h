/* The WebSocket connections: accepting, the upgrade, frames in and out, closing. What the frames say is delivery_ops'. */
#ifndef PARLEY_DELIVERY_WS_H
#define PARLEY_DELIVERY_WS_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

struct delivery_ws;

/* NULL with a line in message_out. */
struct delivery_ws *delivery_ws_create(struct delivery_service *service, char *message_out,
                                       int message_size);
void delivery_ws_destroy(struct delivery_ws **ws);
void delivery_ws_destroy_connections(
    struct delivery_ws *ws); /* without a goodbye; those held live on, CLOSED */

/* Takes the device off, sends a close frame, and waits some time for the peer's. Again is harmless. */
void delivery_ws_close(struct delivery_ws *ws, struct connection *connection, enum close_code code,
                       const char *reason);
/* For answers that come later: the connection lives until it is let go, perhaps CLOSED. */
void delivery_ws_hold(struct connection *connection);
void delivery_ws_let_go(struct delivery_ws *ws, struct connection *connection);
void delivery_ws_resume(
    struct delivery_ws *ws,
    struct connection *connection); /* it is not AUTHENTICATING any more: reads on */
void delivery_ws_check_later(struct delivery_ws *ws,
                             struct connection *connection); /* its deadlines have changed */
void delivery_ws_violation(struct delivery_ws *ws,
                           struct connection *connection); /* too many of them close it */

/* --- output: gathered per turn, one write for each socket --- */
void delivery_ws_send(struct delivery_ws *ws, struct connection *connection, struct text json);
void delivery_ws_send_event(struct delivery_ws *ws, struct connection *connection, int64_t n,
                            struct text json);
bool delivery_ws_can_send(
    const struct connection *connection); /* false: its device is told when it can again */

/* --- draining --- */
void delivery_ws_stop(struct delivery_ws *ws); /* accepts no more */
/* Says `bye` and closes, for at most so many connections: those that wait for the answer to a send not yet, unless in a
 * hurry. Returns how many sockets are left. */
size_t delivery_ws_say_goodbye(struct delivery_ws *ws, size_t max, bool hurry);
size_t delivery_ws_count(const struct delivery_ws *ws);

#endif
