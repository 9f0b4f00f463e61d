/* Watermarks: `read` as clients say it, `delivered` as it follows from acks; gathered and written by chat. And what others'
 * watermarks have become, told to those who are connected. */
#ifndef PARLEY_DELIVERY_RECEIPTS_H
#define PARLEY_DELIVERY_RECEIPTS_H

#include "services/delivery/delivery_connection.h"
#include "services/delivery/delivery_service.h"

struct delivery_receipts;

struct delivery_receipts *delivery_receipts_create(struct delivery_service *service);
void delivery_receipts_destroy(struct delivery_receipts **receipts);
/* Answered when id.data is not NULL. */
void delivery_receipts_read(struct delivery_receipts *receipts, struct connection *connection,
                            struct text id, int64_t chat_id, int64_t seq);
/* A device of the user has acknowledged this. */
void delivery_receipts_delivered(struct delivery_receipts *receipts, int64_t user_id,
                                 int64_t chat_id, int64_t seq);
/* Watermarks that chat says have moved. Ephemeral: chats whose members are not known are passed over. */
void delivery_receipts_publish(struct delivery_receipts *receipts, const struct chat_receipt *moved,
                               size_t count);

#endif
