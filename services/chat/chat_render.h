/* Events as clients see them: one form for the live path, history, sync and lists. */
#ifndef PARLEY_CHAT_RENDER_H
#define PARLEY_CHAT_RENDER_H

#include "services/chat/chat_table.h"
#include "shared/base/buffer.h"
#include "shared/proto/chat_protocol.h"

/* A row of the log. Texts are borrowed; NULL ones are absent. */
struct chat_log_event {
    int64_t chat_id, seq, type, sender_id, subject_id, at_ms;
    struct text client_id, body, detail;
};

/* {"chat","seq","type","sender","at"[,"client_id"][,"body"][,"user"][,detail…][,"by"]} */
void chat_render_event(struct buffer *out, const struct chat_log_event *event);
/* The event in a row of a batch's events. */
struct chat_log_event chat_log_event_of_row(const struct chat_table *events, size_t row);
const char *chat_role_name(int64_t role);

#endif
