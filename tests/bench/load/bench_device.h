/* What bench_device.c (socket and frames) and the protocols share. */
#ifndef PARLEY_BENCH_DEVICE_H
#define PARLEY_BENCH_DEVICE_H

#include <wslay/wslay.h>

#include "tests/bench/load/bench.h"

struct device {
    int64_t index;
    const char *token; /* the plan's */
    const char *chat;  /* the plan's: where it writes; NULL: it only listens */
    int fd;
    bool is_upgraded, is_ready, is_dirty, is_ended;
    struct event *readable, *writable;
    wslay_frame_context_ptr frames;
    struct buffer input;  /* a message in parts */
    struct buffer output; /* not written yet */
    size_t written;
    const uint8_t *chunk; /* what was read and wslay has not taken yet */
    size_t chunk_length;
    int64_t last_n, acked_n; /* Parley: events that came, and that were acknowledged */
    int64_t inbox;           /* Parley: what its ready has said */
    int step;                /* XMPP: of its login */
    uint64_t sends;
    struct device *next_dirty;
};

/* What a device says above WebSocket's frames. */
struct protocol {
    const char *name, *path, *subprotocol;
    void (*on_open)(struct device *device); /* the upgrade is done */
    void (*on_text)(struct device *device, const char *text, size_t length);
    void (*send)(struct device *device, const char *chat, int64_t due_us, size_t bytes);
    void (*tick)(struct device *device);
};
extern const struct protocol protocol_parley, protocol_xmpp;
extern const struct protocol *device_protocol; /* of all devices */

void device_say(struct device *device, const char *text, size_t length); /* a text frame */
void device_end(struct device *device, int code);

#endif
