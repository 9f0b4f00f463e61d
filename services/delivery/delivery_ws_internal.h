/* Between the life of connections (delivery_ws.c), their output and their deadlines. */
#ifndef PARLEY_DELIVERY_WS_INTERNAL_H
#define PARLEY_DELIVERY_WS_INTERNAL_H

#include "services/delivery/delivery_ws.h"
#include "shared/net/listener.h"

#define WHEEL_SLOTS       64 /* seconds; what is due later is looked at again then */
#define READ_BYTES        65536
#define CLOSE_DEADLINE_MS 2000 /* for the peer's part of the closing handshake */
#define POOL_MAX          256

struct delivery_ws {
    struct delivery_service *service;
    struct listener *listener;
    struct connection *wheel[WHEEL_SLOTS];
    struct connection *dirty;
    struct loop_deferred *flush;
    struct loop_timer *second;
    int64_t wheel_at_s; /* the last second that was looked at, monotonic */
    size_t count;
    struct buffer pool[POOL_MAX]; /* output buffers without an owner: an idle connection has none */
    size_t pool_count;
    char scratch[READ_BYTES]; /* what a socket gave */
};

/* delivery_ws.c */
void delivery_ws_drop(struct delivery_ws *ws,
                      struct connection *connection); /* the socket is gone, or goes now */
void delivery_ws_read_events(struct connection *connection, bool on);

void delivery_ws_send_close(struct delivery_ws *ws, struct connection *connection, int code,
                            const char *reason);

/* delivery_upgrade.c */
/* How many bytes were the request; the connection is HANDSHAKE still (more is needed), NEW, or CLOSING (refused). */
size_t delivery_upgrade_read(struct delivery_ws *ws, struct connection *connection,
                             struct text bytes);

/* delivery_deadlines.c */
void delivery_deadlines_turn(void *ws); /* checks what is due by now */

/* delivery_output.c */
void delivery_output_raw(struct delivery_ws *ws, struct connection *connection, struct text bytes);
void delivery_output_frame(struct delivery_ws *ws, struct connection *connection,
                           enum websocket_opcode opcode, struct text payload);
void delivery_output_flush(void *ws);
void delivery_output_free(struct delivery_ws *ws, struct connection *connection);
size_t delivery_output_pending(const struct connection *connection);

/* delivery_wheel.c */
void delivery_wheel_add(struct delivery_ws *ws, struct connection *connection,
                        int64_t due_ms); /* or moves */
void delivery_wheel_remove(struct connection *connection);
void delivery_wheel_turn(struct delivery_ws *ws, int64_t now_ms,
                         void (*check)(struct delivery_ws *, struct connection *, int64_t now_ms));

#endif
