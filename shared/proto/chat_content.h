/* What a client may say in a message and do to one, checked in one place for REST and the WebSocket. */
#ifndef PARLEY_PROTO_CHAT_CONTENT_H
#define PARLEY_PROTO_CHAT_CONTENT_H

#include "shared/base/arena.h"
#include "shared/base/json.h"

/* Set once at the start; before that, those of the public contract hold. */
struct chat_content_limits {
    size_t max_text_bytes; /* of body.text */
    size_t max_client_id_bytes;
    size_t max_mentions;
    size_t max_attachments;
    size_t max_emoji_bytes;
};
void chat_content_set_limits(const struct chat_content_limits *limits);

#define CHAT_EMOJI_BYTES 64 /* max_emoji_bytes is not above it */

struct chat_content {
    struct text client_id; /* 1 to 128 bytes */
    struct text body;      /* the object as the client wrote it; has a string "text" */
    int64_t reply_to;      /* 0: no reply; also in the detail */
    struct buffer detail;  /* `"reply_to":3,"mentions":["7"],"attachments":[…]` or empty; owned */
};

/* Takes client_id, body, reply_to, mentions and attachments from the reader; mistakes stay in the reader. body and detail
 * together have at most CHAT_BODY_BYTES (proto/chat_protocol.h). The texts live as long as the reader's document. Free with chat_content_deinit, also after a mistake. */
void chat_content_take(struct json_reader *reader, struct chat_content *content_out);
void chat_content_deinit(struct chat_content *content);

/* Takes a body alone, of an edit: it is held to the rules of a message's without attachments. */
struct text chat_content_take_body(struct json_reader *reader);

/* 1 to max_emoji_bytes of UTF-8 in which there is something to be seen, and nothing that steers a terminal or the direction
 * of a text. Whether it is an emoji is nobody's business. */
bool chat_content_is_emoji(struct text emoji);
/* The detail of a reaction, `"emoji":"…","on":true`: written in one form, read strictly. */
void chat_content_put_reaction(struct buffer *detail, struct text emoji, bool on);
/* The emoji's bytes are in the arena. False: it is no such detail. */
bool chat_content_read_reaction(struct text detail, struct arena *arena, struct text *emoji_out,
                                bool *on_out);

#endif
