/* Events with counted references: a message for a thousand devices is copied once from the feed. */
#include "services/delivery/delivery_event.h"

#include <assert.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/proto/chat_protocol.h"

struct delivery_event *delivery_event_create(uint32_t partition, int64_t offset,
                                             const struct chat_event *source,
                                             enum delivery_mode mode)
{
    struct delivery_event *event = mem_alloc(sizeof *event + source->json.length);
    *event = (struct delivery_event){
        .ref = {source->chat_id, source->seq, offset, partition, 1},
        .sender_id = source->sender_id,
        .subject_id = source->subject_id,
        .arrived_ms = clock_monotonic_ms(),
        .references = 1,
        .json_length = (uint32_t)source->json.length,
        .type = (uint8_t)source->type,
        .mode = (uint8_t)mode,
    };
    if (source->json.length > 0)
        memcpy(event->json, source->json.data, source->json.length);
    return event;
}

struct delivery_event *delivery_event_share(struct delivery_event *event)
{
    event->references++;
    return event;
}

void delivery_event_drop(struct delivery_event **event)
{
    if (*event == NULL)
        return;
    assert((*event)->references > 0);
    if (--(*event)->references == 0)
        mem_free(*event);
    *event = NULL;
}

struct text delivery_event_json(const struct delivery_event *event)
{
    return (struct text){event->json, event->json_length};
}

int64_t delivery_event_member(const struct delivery_event *event)
{
    bool is_membership = event->type == CHAT_EVENT_MEMBER_ADDED ||
                         event->type == CHAT_EVENT_MEMBER_REMOVED ||
                         event->type == CHAT_EVENT_ROLE_CHANGED;
    return is_membership ? event->subject_id : 0;
}

int64_t delivery_event_message(const struct delivery_event *event)
{
    return event->type == CHAT_EVENT_EDIT ? event->subject_id : event->ref.seq;
}
