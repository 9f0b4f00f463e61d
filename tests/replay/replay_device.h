/* A person's device on the WebSocket: connects, authenticates, sends, acknowledges, and comes back after whatever
 * happened, as an application should. Framing is wslay's: another implementation than the one under test. */
#ifndef PARLEY_REPLAY_DEVICE_H
#define PARLEY_REPLAY_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

struct cJSON;
struct event_base;
struct device;

struct device_callbacks {
    void (*on_event)(void *context,
                     const struct cJSON *event); /* an event of a log, as it came on the wire */
    void (*on_sent)(void *context, const char *client_id, int64_t seq);
    void (*on_refused)(void *context, const char *client_id,
                       const char *code); /* a definite error */
    void (*on_connection)(void *context); /* a new connection is ready: order is judged anew */
    void (*on_resync)(void *context);     /* the inbox cannot be trusted: sync by REST */
};

struct device_statistics {
    uint64_t connects, resumed, inboxes, resyncs, frames;
};

struct device *device_create(struct event_base *base, const char *host, uint16_t port,
                             const char *token, const struct device_callbacks *callbacks,
                             void *context);
void device_go_online(struct device *device);
void device_go_offline(
    struct device *device); /* closes without a goodbye, as a lost network does */
bool device_is_wanted_online(const struct device *device);
bool device_is_ready(const struct device *device);
bool device_has_outgoing(const struct device *device); /* messages that were not answered */
/* Sends now or once connected, and again with the same client_id until it is answered. Strings are copied. */
void device_send(struct device *device, const char *chat, const char *client_id, const char *text);
void device_destroy(struct device **device);

extern struct device_statistics device_statistics;

#endif
