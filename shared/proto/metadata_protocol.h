/* What the metadata daemon answers. Served on metadata.rpc. */
#ifndef PARLEY_PROTO_METADATA_PROTOCOL_H
#define PARLEY_PROTO_METADATA_PROTOCOL_H

#include "shared/proto/rpc.h"

/* clang-format off */

/* catch_up: take over the user daemon's changes (blocks, erased accounts) up to this offset, and answer when what
 * follows from them is in the chats' logs. metadata reads the feed by itself; this only saves waiting for its timer. */
#define METADATA_CATCH_UP_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, offset)
CODEC_DECLARE(metadata_catch_up_request, METADATA_CATCH_UP_REQUEST_FIELDS)
#define METADATA_CATCH_UP_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, offset)
CODEC_DECLARE(metadata_catch_up_reply, METADATA_CATCH_UP_REPLY_FIELDS)

#define METADATA_METHODS(X) X(metadata, catch_up, 1)
/* clang-format on */

RPC_DECLARE_METHOD(metadata, catch_up)

#endif
