/* What a client may say in a message, checked in one place for REST and the WebSocket. */
#ifndef PARLEY_PROTO_CHAT_CONTENT_H
#define PARLEY_PROTO_CHAT_CONTENT_H

#include "shared/base/json.h"

struct chat_content {
    struct text client_id; /* 1 to 128 bytes */
    struct text body;      /* the object as the client wrote it; has a string "text" */
    struct buffer detail;  /* `"reply_to":3,"mentions":["7"],"attachments":[…]` or empty; owned */
};

/* Takes client_id, body, reply_to, mentions and attachments from the reader; mistakes stay in the reader. The texts live
 * as long as the reader's document. Free with chat_content_deinit, also after a mistake. */
void chat_content_take(struct json_reader *reader, struct chat_content *content_out);
void chat_content_deinit(struct chat_content *content);

#endif
