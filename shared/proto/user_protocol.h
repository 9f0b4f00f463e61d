/* What the user daemon answers and publishes. Served on user.rpc, published on user.pub. */
#ifndef PARLEY_PROTO_USER_PROTOCOL_H
#define PARLEY_PROTO_USER_PROTOCOL_H

#include "shared/proto/rpc.h"

/* clang-format off */

/* Changes are an ordered, gapless feed (offset 1, 2, …) written in the transaction that they tell of. Publishing only
 * says how far it is; whoever needs certainty reads it. */
enum user_change_kind {
    USER_CHANGE_DEVICE_ADDED = 1, /* user, device */
    USER_CHANGE_DEVICE_REMOVED,   /* user, device: its inbox may be dropped */
    USER_CHANGE_SESSION_ENDED,    /* user, device, session: no frame may reach it a second later */
    USER_CHANGE_BLOCKED,          /* user has blocked other */
    USER_CHANGE_UNBLOCKED,
    USER_CHANGE_ERASED,           /* the account is gone; its sessions and devices ended too, as changes of their own */
    USER_CHANGE_PRIVACY,          /* user has other flags now: `flags` */
};

/* What a user does not want to be seen. */
enum user_flag {
    USER_HIDES_READS = 1,    /* how far they have read */
    USER_HIDES_PRESENCE = 2, /* whether they are there, and when they were last */
};

#define USER_CHANGE_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, offset)                                      \
    NUMBER(T, kind)                                        \
    ID(T, user_id)                                         \
    ID(T, device_id)                                       \
    ID(T, session_id)                                      \
    ID(T, other_id)                                        \
    NUMBER(T, flags) /* enum user_flag */
CODEC_DECLARE(user_change, USER_CHANGE_FIELDS)

/* authenticate: who are these tokens? Tokens travel as their BLAKE2b-256 (crypto_generichash) only. */
#define USER_TOKEN_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) TEXT(T, hash, 32)
CODEC_DECLARE(user_token, USER_TOKEN_FIELDS)
#define USER_IDENTITY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, user_id) /* 0: no such session, or it has expired */ \
    ID(T, session_id)                                        \
    ID(T, device_id)                                         \
    NUMBER(T, expires_at_ms)                                 \
    NUMBER(T, created_change) /* the feed's offset at which the device was added: devices have an age without a clock */ \
    NUMBER(T, flags) /* enum user_flag */
CODEC_DECLARE(user_identity, USER_IDENTITY_FIELDS)
#define USER_AUTHENTICATE_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) LIST(T, tokens, user_token, 1024)
CODEC_DECLARE(user_authenticate_request, USER_AUTHENTICATE_REQUEST_FIELDS)
#define USER_AUTHENTICATE_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    LIST(T, identities, user_identity, 1024) /* in the order of the tokens */ \
    NUMBER(T, changes_head) /* of the feed when they were looked up: later endings are changes above it */
CODEC_DECLARE(user_authenticate_reply, USER_AUTHENTICATE_REPLY_FIELDS)

/* existing: which of these users exist (and are not erased)? */
#define USER_EXISTING_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) IDS(T, users, 4096)
CODEC_DECLARE(user_existing_request, USER_EXISTING_REQUEST_FIELDS)
#define USER_EXISTING_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) IDS(T, users, 4096)
CODEC_DECLARE(user_existing_reply, USER_EXISTING_REPLY_FIELDS)

/* blocks: between these two, who has blocked whom? */
#define USER_BLOCKS_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) ID(T, user_id) ID(T, other_id)
CODEC_DECLARE(user_blocks_request, USER_BLOCKS_REQUEST_FIELDS)
#define USER_BLOCKS_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, user_blocks_other) NUMBER(T, other_blocks_user)
CODEC_DECLARE(user_blocks_reply, USER_BLOCKS_REPLY_FIELDS)

/* devices: all devices of these users, in one go with the head of the feed that the answer is true at. */
#define USER_DEVICE_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    ID(T, user_id)                                         \
    ID(T, device_id)                                       \
    NUMBER(T, created_change)                              \
    NUMBER(T, created_at_ms) /* by the clock; 0: it was not kept then */ \
    TEXT(T, name, 128) /* absent unless it was asked for */
CODEC_DECLARE(user_device, USER_DEVICE_FIELDS)
#define USER_DEVICES_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    IDS(T, users, 1024)                                             \
    ID(T, named_id) /* of whose devices the names are wanted; 0: of nobody's */
CODEC_DECLARE(user_devices_request, USER_DEVICES_REQUEST_FIELDS)
#define USER_DEVICES_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    LIST(T, devices, user_device, 131072)                         \
    NUMBER(T, changes_head)
CODEC_DECLARE(user_devices_reply, USER_DEVICES_REPLY_FIELDS)

/* changes: the feed above an offset; an empty list means that the caller has all. after = -1 asks for the head only.
 * Changes up to `taken` will never be asked for again by who must not miss one: after some days they are deleted. Who does
 * not need old ones says 0. */
#define USER_CHANGES_REQUEST_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    NUMBER(T, after) NUMBER(T, limit) NUMBER(T, taken)
CODEC_DECLARE(user_changes_request, USER_CHANGES_REQUEST_FIELDS)
#define USER_CHANGES_REPLY_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) \
    LIST(T, changes, user_change, 1024)                           \
    NUMBER(T, head)
CODEC_DECLARE(user_changes_reply, USER_CHANGES_REPLY_FIELDS)

/* Published: the head of the feed, after each commit and every 500 ms. */
#define USER_HEAD_FIELDS(T, NUMBER, ID, TEXT, LIST, IDS) NUMBER(T, head)
CODEC_DECLARE(user_head, USER_HEAD_FIELDS)

#define USER_METHODS(X) \
    X(user, authenticate, 1) X(user, existing, 2) X(user, blocks, 3) X(user, devices, 4) X(user, changes, 5)
/* clang-format on */

RPC_DECLARE_METHOD(user, authenticate)
RPC_DECLARE_METHOD(user, existing)
RPC_DECLARE_METHOD(user, blocks)
RPC_DECLARE_METHOD(user, devices)
RPC_DECLARE_METHOD(user, changes)

#endif
