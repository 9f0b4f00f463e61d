/* The frames that the server sends, as JSON. `id` is left out when its data is NULL. */
#ifndef PARLEY_DELIVERY_FRAMES_H
#define PARLEY_DELIVERY_FRAMES_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_device.h"
#include "shared/net/problem.h"

void delivery_frames_ready(struct connection *connection, enum device_verdict verdict,
                           int64_t inbox);
void delivery_frames_resync(struct connection *connection);
void delivery_frames_ok(struct connection *connection, struct text id);
void delivery_frames_ok_send(struct connection *connection, struct text id, int64_t chat_id,
                             int64_t seq, int64_t at_ms);
/* retry_after_s 0: none is given, but for the codes that must have one: 1. */
void delivery_frames_error(struct connection *connection, struct text id, enum problem problem,
                           const char *detail, int64_t retry_after_s);
void delivery_frames_pong(struct connection *connection, struct text id);
void delivery_frames_head(struct connection *connection, int64_t chat_id, int64_t seq);
void delivery_frames_receipt(struct connection *connection, int64_t chat_id, int64_t user_id,
                             int64_t delivered, int64_t read); /* 0: not told */
void delivery_frames_typing(struct connection *connection, int64_t chat_id, int64_t user_id,
                            bool on);
void delivery_frames_presence(struct connection *connection, int64_t user_id, bool is_online,
                              int64_t last_seen_ms); /* wall time; 0: not told */

#endif
