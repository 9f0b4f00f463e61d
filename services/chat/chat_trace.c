#include "services/chat/chat_trace.h"

#include "shared/base/json.h"

#define STATES (DELIVERY_TRACE_RESYNC + 1)

static const char *const state_names[STATES] = {
    [DELIVERY_TRACE_UNKNOWN] = "unknown",
    [DELIVERY_TRACE_WAITING] = "waiting",
    [DELIVERY_TRACE_PARKED] = "parked",
    [DELIVERY_TRACE_SENT] = "sent",
    [DELIVERY_TRACE_ACKNOWLEDGED] = "acknowledged",
    [DELIVERY_TRACE_RESYNC] = "resync",
};

/* What a later version of delivery may say is unknown here. To delivery, what is found nowhere has been taken over: of a
 * pulled chat it may as well have been sent to nobody there. */
static size_t state_of(const struct chat_trace_devices *all,
                       const struct delivery_traced_device *device)
{
    if (all->is_pulled && device->state == DELIVERY_TRACE_ACKNOWLEDGED)
        return DELIVERY_TRACE_UNKNOWN;
    return device->state > 0 && device->state < STATES ? (size_t)device->state
                                                       : DELIVERY_TRACE_UNKNOWN;
}

/* --- the sender's own devices --- */

static void render_device(struct buffer *out, const struct chat_trace_devices *all,
                          const struct delivery_traced_device *device)
{
    size_t state = state_of(all, device);
    buffer_append_string(out, "{\"id\":");
    json_write_id(out, device->device_id);
    buffer_append_string(out, ",\"name\":");
    json_write_string(out, device->name);
    buffer_append_format(out, ",\"connected\":%s,\"state\":\"%s\",\"position\":",
                         device->connected != 0 ? "true" : "false", state_names[state]);
    if (state == DELIVERY_TRACE_PARKED)
        buffer_append_number(out, device->position);
    else
        buffer_append_string(out, "null");
    buffer_append_string(out, "}");
}

static void render_own(struct buffer *out, int64_t user_id, const struct chat_trace_devices *all)
{
    bool is_first = true;
    if (!all->known) {
        buffer_append_string(out, "null");
        return;
    }
    buffer_append_string(out, "[");
    for (size_t i = 0; i < all->count; i++) {
        if (all->devices[i].user_id != user_id)
            continue;
        buffer_append_string(out, is_first ? "" : ",");
        render_device(out, all, &all->devices[i]);
        is_first = false;
    }
    buffer_append_string(out, "]");
}

/* --- members --- */

/* How many devices of a user are in each state: of others a sender learns no more. */
static void count_states(const struct chat_trace_devices *all, int64_t user_id,
                         int64_t counts_out[STATES])
{
    for (size_t i = 0; i < STATES; i++)
        counts_out[i] = 0;
    for (size_t i = 0; i < all->count; i++)
        if (all->devices[i].user_id == user_id)
            counts_out[state_of(all, &all->devices[i])]++;
}

/* The furthest that the message has come. */
static const char *furthest(const struct chat_trace_member *member, int64_t seq,
                            const int64_t counts[STATES])
{
    if (member->read >= seq)
        return "read";
    if (member->delivered >= seq)
        return "delivered";
    if (counts[DELIVERY_TRACE_SENT] + counts[DELIVERY_TRACE_ACKNOWLEDGED] > 0)
        return "sent";
    return counts[DELIVERY_TRACE_PARKED] > 0 ? "parked" : "stored";
}

/* Of a watermark it is known when it moved last: that is when the message was passed, if it stands there. */
static void render_passed(struct buffer *out, int64_t watermark, int64_t at_ms, int64_t seq)
{
    if (watermark < seq) {
        buffer_append_string(out, "null");
        return;
    }
    buffer_append_string(out, "{\"at\":");
    if (at_ms > 0)
        json_write_time(out, at_ms);
    else
        buffer_append_string(out, "null");
    buffer_append_string(out,
                         at_ms > 0 && watermark == seq ? ",\"exact\":true}" : ",\"exact\":false}");
}

static void render_counts(struct buffer *out, const int64_t counts[STATES])
{
    for (size_t i = 0; i < STATES; i++) {
        buffer_append_format(out, "%s\"%s\":", i == 0 ? "{" : ",", state_names[i]);
        buffer_append_number(out, counts[i]);
    }
    buffer_append_string(out, "}");
}

static void render_member(struct buffer *out, const struct chat_trace_member *member, int64_t seq,
                          const struct chat_trace_devices *all)
{
    int64_t counts[STATES];
    count_states(all, member->user_id, counts);
    buffer_append_string(out, "{\"user\":");
    json_write_id(out, member->user_id);
    buffer_append_format(out, ",\"state\":\"%s\",\"delivered\":", furthest(member, seq, counts));
    render_passed(out, member->delivered, member->delivered_at_ms, seq);
    buffer_append_string(out, ",\"read\":");
    render_passed(out, member->read, member->read_at_ms, seq);
    buffer_append_string(out, ",\"devices\":");
    if (all->known)
        render_counts(out, counts);
    else
        buffer_append_string(out, "null");
    buffer_append_string(out, "}");
}

void chat_trace_render(struct buffer *out, int64_t chat_id, const struct chat_trace_page *page,
                       size_t limit, const struct chat_trace_devices *devices)
{
    size_t count = page->count < limit ? page->count : limit;
    buffer_append_string(out, "{\"chat\":");
    json_write_id(out, chat_id);
    buffer_append_string(out, ",\"seq\":");
    buffer_append_number(out, page->seq);
    buffer_append_string(out, ",\"at\":");
    json_write_time(out, page->at_ms);
    buffer_append_string(out, ",\"devices\":");
    render_own(out, page->sender_id, devices);
    buffer_append_string(out, ",\"items\":[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_string(out, i == 0 ? "" : ",");
        render_member(out, &page->members[i], page->seq, devices);
    }
    buffer_append_string(out, "],\"next_cursor\":");
    if (page->count > count)
        json_write_id(out, page->members[count - 1].user_id);
    else
        buffer_append_string(out, "null");
    buffer_append_string(out, "}");
}
