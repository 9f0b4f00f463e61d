/* The cursor of the list of chats: the last item of the page before. Opaque to clients. */
#ifndef PARLEY_METADATA_CURSOR_H
#define PARLEY_METADATA_CURSOR_H

#include "shared/base/buffer.h"

#define METADATA_CURSOR_SIZE 23 /* written, with its terminator */

struct metadata_place {
    int64_t last_at_ms; /* of the chat's last event */
    int64_t chat_id;
};

bool metadata_cursor_read(struct text cursor,
                          struct metadata_place *place_out); /* false: is none */
void metadata_cursor_write(const struct metadata_place *place, char out[METADATA_CURSOR_SIZE]);

#endif
