/* What the delivery daemon answers. Served on delivery.rpc. */
#ifndef PARLEY_PROTO_DELIVERY_PROTOCOL_H
#define PARLEY_PROTO_DELIVERY_PROTOCOL_H

#include "shared/proto/rpc.h"

/* clang-format off */

/* Where an event is, for one device. */
enum delivery_trace_state {
    DELIVERY_TRACE_UNKNOWN = 0,  /* it could not be found out, or not in time */
    DELIVERY_TRACE_WAITING,      /* in memory or not yet read from the feed: it will be sent or parked in a moment */
    DELIVERY_TRACE_PARKED,       /* in the device's inbox, at `position` */
    DELIVERY_TRACE_SENT,         /* written to its connection, not acknowledged */
    DELIVERY_TRACE_ACKNOWLEDGED, /* taken over; or older than a resync that the device has heard; or never sent, of a pulled chat */
    DELIVERY_TRACE_RESYNC,       /* its inbox was lost or overflowed: it is told to read the log */
};

/* trace: where an event is, for each device of these users that was there when it was stored. Devices come by user and
 * id. Asks Redis and the user daemon, and answers in time what it has by then. */
#define DELIVERY_TRACE_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, chat_id)                                                    \
    NUMBER(T, seq)                                                    \
    NUMBER(T, partition)                                              \
    NUMBER(T, offset)                                                 \
    NUMBER(T, at_ms)                                                  \
    ID(T, named_id) /* of whose devices the names are wanted; 0: of nobody's */ \
    IDS(T, users, 1024)
CODEC_DECLARE(delivery_trace_request, DELIVERY_TRACE_REQUEST_FIELDS)
#define DELIVERY_TRACED_DEVICE_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, user_id)                                                    \
    ID(T, device_id)                                                  \
    NUMBER(T, state) /* enum delivery_trace_state */                  \
    NUMBER(T, position) /* with DELIVERY_TRACE_PARKED: 1 is the next that it will be given; else 0 */ \
    NUMBER(T, connected) /* 1: it has a connection now */             \
    TEXT(T, name, 128) /* absent unless it was asked for */
CODEC_DECLARE(delivery_traced_device, DELIVERY_TRACED_DEVICE_FIELDS)
#define DELIVERY_TRACE_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    LIST(T, devices, delivery_traced_device, 131072)
CODEC_DECLARE(delivery_trace_reply, DELIVERY_TRACE_REPLY_FIELDS)

#define DELIVERY_METHODS(X) X(delivery, trace, 1)
/* clang-format on */

RPC_DECLARE_METHOD(delivery, trace)

#endif
