#include "services/delivery/delivery_erasures.h"

static const struct delivery_erasure *at(const struct delivery_erasures *erasures, uint64_t number)
{
    return &erasures->recent[number % DELIVERY_ERASURES_MAX];
}

static bool is_forgotten(const struct delivery_erasures *erasures, uint64_t since)
{
    return erasures->count - since > DELIVERY_ERASURES_MAX;
}

void delivery_erasures_add(struct delivery_erasures *erasures, int64_t chat_id, int64_t seq)
{
    erasures->recent[erasures->count++ % DELIVERY_ERASURES_MAX] =
        (struct delivery_erasure){chat_id, seq};
}

bool delivery_erasures_have_event(const struct delivery_erasures *erasures,
                                  const struct delivery_event *event)
{
    if (is_forgotten(erasures, event->erasures))
        return true;
    for (uint64_t i = event->erasures; i < erasures->count; i++)
        if (at(erasures, i)->chat_id == event->ref.chat_id &&
            at(erasures, i)->seq == delivery_event_message(event))
            return true;
    return false;
}

static bool is_at_or_behind(const struct delivery_ref *refs, size_t count,
                            const struct delivery_erasure *erasure)
{
    for (size_t i = 0; i < count; i++)
        if (refs[i].chat_id == erasure->chat_id && refs[i].seq >= erasure->seq)
            return true;
    return false;
}

bool delivery_erasures_may_have(const struct delivery_erasures *erasures, uint64_t since,
                                const struct delivery_ref *refs, size_t count)
{
    if (is_forgotten(erasures, since))
        return true;
    for (uint64_t i = since; i < erasures->count; i++)
        if (is_at_or_behind(refs, count, at(erasures, i)))
            return true;
    return false;
}
