/* The load generator of `make bench`: WebSocket devices that say what they are told at the time that they are told, and
 * count what arrives. It judges nothing and knows no target (tests/bench/README.md).
 *
 * Open loop: message k is due at start + k / rate, and its latency counts from then, whether or not the generator could
 * send it in time (no coordinated omission). Closed loop: each sender keeps so many messages without an `ok`. */
#ifndef PARLEY_BENCH_H
#define PARLEY_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/buffer.h"

struct event_base;

/* --- bench_histogram.c --- */

/* Microseconds in steps of at most 1/64 of their size, up to an hour. */
#define HISTOGRAM_SLOTS 2048
struct histogram {
    uint64_t counts[HISTOGRAM_SLOTS];
    uint64_t total;
    int64_t max_us;
};
void histogram_add(struct histogram *histogram, int64_t us);
int64_t histogram_quantile(const struct histogram *histogram, double quantile); /* 0: it is empty */

/* --- bench_device.c; what it speaks: protocol_parley.c, protocol_xmpp.c --- */

struct device;

#define INBOX_UNKNOWN (-1) /* the server does not say what waits for the device */

/* What came. `sender` and `due_us` are those of a message's text; of another event the sender is -1. */
struct device_events {
    void (*on_ready)(struct device *device, int64_t inbox);
    void (*on_event)(struct device *device, int64_t sender, int64_t due_us);
    void (*on_answer)(int64_t index, bool is_ok);               /* to a send of this device */
    void (*on_end)(struct device *device, int code);            /* 0: without a close frame */
    void (*on_presence)(struct device *device, bool is_online); /* NULL: none is wanted */
};
extern struct device_events device_events;

struct device_place {
    const char *unix_path; /* NULL: TCP */
    const char *host;
    int64_t port;
};

/* Parley: the chat that every device has open before it is ready; NULL: none. */
extern const char *device_watched_chat;

bool device_choose_protocol(const char *name); /* `parley` or `xmpp`, for all; false: neither */
/* Connects and authenticates. `token`, and the chat in which it writes (NULL: none), are borrowed. */
struct device *device_connect(struct event_base *base, const struct device_place *place,
                              int64_t index, const char *token, const char *chat);
int64_t device_index(const struct device *device);
/* The message's text begins with who sends it and when it was due; it is `bytes` long. */
void device_send(struct device *device, const char *chat, int64_t due_us, size_t bytes);
void device_follow(struct device *device, const char *user); /* Parley: their presence is told */
void device_tick(
    struct device *device);  /* a few times a second: acknowledges what waits for more */
void device_flush_all(void); /* at the end of a turn */

/* --- bench_plan.c --- */

/* From a file: `device TOKEN` and `sender DEVICE CHAT`, a line each; devices count from 0. */
struct bench_sender {
    size_t device;
    char *chat;
};
struct bench_plan {
    char **tokens;
    size_t token_count;
    struct bench_sender *senders;
    size_t sender_count;
};
/* False with a line on standard error; the plan is to be freed then too. */
bool bench_plan_read(const char *path, struct bench_plan *plan_out);
void bench_plan_deinit(struct bench_plan *plan); /* frees what it holds */

/* --- bench_talk.c, bench_arrive.c, bench_presence.c, bench_echo.c: each prints one JSON object --- */

struct bench_options {
    const char *mode;
    struct device_place place;
    const char *plan;
    double rate;    /* messages a second, of all senders together; 0: closed loop */
    int64_t window; /* closed loop: messages without an answer, for each sender */
    double warm_s, run_s, settle_s;
    int64_t messages; /* closed loop: it is over after so many; 0: when the time is */
    int64_t text_bytes;
    int64_t receivers; /* of each message, the sender not counted */
    int64_t at_once;   /* connections on their way */
    int64_t waiting;   /* arrive: events that wait for each device, where the server does not say */
    bool is_held;      /* arrive: they stay until standard input ends */
    const char *follow; /* presence: the user who is followed; the plan's last device is theirs */
    int64_t rounds;     /* presence: how often they come and go */
};
int bench_talk(const struct bench_options *options, const struct bench_plan *plan);
int bench_arrive(const struct bench_options *options, const struct bench_plan *plan);
int bench_presence(const struct bench_options *options, const struct bench_plan *plan);
int bench_echo(const struct bench_options *options);
double bench_cpu_s(void); /* that this process has used */

#endif
