/* Events as clients see them: one form for the live path, history, sync and lists. */
#ifndef PARLEY_CHAT_RENDER_H
#define PARLEY_CHAT_RENDER_H

#include "services/chat/chat_table.h"
#include "shared/base/buffer.h"
#include "shared/proto/chat_protocol.h"

/* A row of the log, with what has been done to the message since. Texts are borrowed; NULL ones are absent. */
struct chat_log_event {
    int64_t chat_id, seq, type, sender_id;
    int64_t
        subject_id; /* the user of a membership event; of what is done to a message, the seq of that */
    int64_t at_ms;
    struct text client_id, body, detail;
    int64_t edited_at_ms;  /* 0: never */
    bool is_deleted;       /* a message without a body */
    struct text reactions; /* a JSON object */
};

/* {"chat","seq","type","sender","at"[,"client_id"][,"body"][,"user" or "target"][,detail…][,"edited"][,"deleted"]
 * [,"reactions"][,"by"]} */
void chat_render_event(struct buffer *out, const struct chat_log_event *event);
/* The event in a row of a batch's events. */
struct chat_log_event chat_log_event_of_row(const struct chat_table *events, size_t row);
const char *chat_role_name(int64_t role);

#endif
