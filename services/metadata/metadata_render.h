/* The JSON of chats, members and own settings, as api/openapi.yaml describes them. */
#ifndef PARLEY_METADATA_RENDER_H
#define PARLEY_METADATA_RENDER_H

#include "services/metadata/metadata_store.h"
#include "shared/base/buffer.h"

void metadata_render_chat(struct buffer *out, const struct metadata_chat *chat, int64_t last_seq);
void metadata_render_own(struct buffer *out, const struct metadata_own *own);
void metadata_render_member(struct buffer *out, int64_t user_id, int64_t role);
/* An item of the list of own chats. */
void metadata_render_item(struct buffer *out, const struct metadata_chat *chat,
                          const struct chat_summary *summary);

/* The words of the enumerations, in the order of their numbers from 1, ended by NULL. */
extern const char *const metadata_kinds[];
extern const char *const metadata_roles[];
extern const char *const metadata_histories[];

#endif
