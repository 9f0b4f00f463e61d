/* Rows of the log that cannot be shown as they are: content that is no JSON any more, that is longer than anything that
 * was ever taken in, or of an unknown type. One such row must stop neither the feed of its partition nor a page of
 * history, so what can be shown is shown, and an operator is told. */
#ifndef PARLEY_CHAT_POISON_H
#define PARLEY_CHAT_POISON_H

#include "services/chat/chat_render.h"

/* Told of a poisonous event, once a minute at most for each. `reason` is a constant. */
typedef void (*chat_poison_note)(void *context, const struct chat_log_event *event,
                                 const char *reason);

/* Where to; NULL: nowhere. */
void chat_poison_report_to(chat_poison_note note, void *context);
/* Leaves a sound event as it is. Of another one the content becomes {"text":""} (a message) or nothing, and an unknown
 * type becomes a message. Returns why, a constant, or NULL. */
const char *chat_poison_mend(struct chat_log_event *event);

#endif
