/* A person's device on the WebSocket: connects, authenticates, sends, acknowledges, and comes back after whatever
 * happened, as an application should. Framing is wslay's: another implementation than the one under test.
 *
 * Every try to send a message is an op of its own, with a name that is unique in the process and its id on the wire. A
 * message is tried again, with the same client_id and in the old order, until it is answered `ok` or refused; a try that
 * ends otherwise is told as lost. */
#ifndef PARLEY_CLIENT_DEVICE_H
#define PARLEY_CLIENT_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#define CLIENT_OP_SIZE 24

struct cJSON;
struct event_base;
struct device;

/* A message and the try that is spoken of. Borrowed. */
struct device_send {
    const char *op;
    const char *chat, *client_id, *text;
};

/* All but on_event may be NULL. `connection` counts the device's connections from 1. */
struct device_callbacks {
    void (*on_connecting)(void *context, int64_t connection);
    void (*on_ready)(void *context, int64_t connection, const struct cJSON *ready);
    void (*on_closed)(void *context, int64_t connection, int code); /* 0: no close frame came */
    void (*on_event)(void *context, int64_t connection, int64_t n, const struct cJSON *event);
    void (*on_acking)(void *context, int64_t connection, int64_t n); /* before it is written */
    void (*on_receipt)(void *context, const struct cJSON *receipt);
    void (*on_resync)(void *context,
                      int64_t connection); /* the inbox cannot be trusted: sync by REST */
    void (*on_sending)(void *context, int64_t connection, const struct device_send *send);
    void (*on_sent)(void *context, const struct device_send *send, int64_t seq);
    void (*on_refused)(void *context, const struct device_send *send,
                       const char *code); /* definite */
    void (*on_lost)(void *context, const struct device_send *send,
                    const char *why); /* it may have happened */
    void (*on_answer)(void *context, const char *op,
                      const char *code); /* to device_read; code NULL: ok */
};

/* When it acknowledges: after so many events, or so many milliseconds. 0 events: never. */
struct device_manners {
    int64_t ack_events, ack_delay_ms;
};
extern const struct device_manners device_good_manners;

struct device_statistics {
    uint64_t connects, resumed, inboxes, resyncs, frames;
};

struct device *device_create(struct event_base *base, const char *host, uint16_t port,
                             const char *token, const struct device_callbacks *callbacks,
                             void *context);
void device_go_online(struct device *device);
void device_go_offline(
    struct device *device); /* closes without a goodbye, as a lost network does */
void device_stay_offline_once_closed(struct device *device); /* leaves the closing to the server */
/* Reads and tells at once all that the kernel holds for the connection, which else takes a turn of the loop for every few
 * kB: what is told after this had not come before it. */
void device_read_now(struct device *device);
int64_t device_connection(const struct device *device);
bool device_is_wanted_online(const struct device *device);
bool device_is_ready(const struct device *device);
bool device_has_outgoing(const struct device *device); /* messages that were not answered */
void device_set_token(struct device *device, const char *token); /* for the next connection */
void device_set_manners(struct device *device, struct device_manners manners);
/* Sends now or once connected, and again with the same client_id until it is answered. Strings are copied. */
void device_send(struct device *device, const char *chat, const char *client_id, const char *text);
/* The op `read`; false when it is not connected. on_answer follows, unless the connection ends before. */
bool device_read(struct device *device, const char *chat, int64_t seq, const char *op);
void device_destroy(struct device **device);

/* A name that no other op of this process has. */
void client_new_op(char op_out[CLIENT_OP_SIZE]);

extern struct device_statistics device_statistics;

#endif
