/* Where a message is: what the log, the watermarks and delivery know of it, put together for its sender. No input or
 * output here. */
#ifndef PARLEY_CHAT_TRACE_H
#define PARLEY_CHAT_TRACE_H

#include "services/chat/chat_read_store.h"
#include "shared/base/buffer.h"
#include "shared/proto/delivery_protocol.h"

/* By user and id, as delivery tells them. */
struct chat_trace_devices {
    bool known; /* false: delivery did not answer */
    /* The chat was: only who watched it was sent the message, and who that was is not kept. */
    bool is_pulled;
    const struct delivery_traced_device *devices;
    size_t count;
};

/* The first `limit` members of the page; there is another one when the page holds more. */
void chat_trace_render(struct buffer *out, int64_t chat_id, const struct chat_trace_page *page,
                       size_t limit, const struct chat_trace_devices *devices);

#endif
