/* Redis: one hiredis connection in the loop, with reconnection, a bound on outstanding commands and deadlines.
 *
 * Commands are pipelined: those issued in one turn leave in one write, and are executed in order. On a lost connection
 * every outstanding command ends with REDIS_UNCERTAIN; what comes while there is none with REDIS_UNAVAILABLE. */
#ifndef PARLEY_STORE_REDIS_H
#define PARLEY_STORE_REDIS_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shared/base/text.h"
#include "shared/net/loop.h"

struct redis;

enum redis_outcome {
    REDIS_DONE,        /* hiredis has a REDIS_OK of its own */
    REDIS_REFUSED,     /* an error reply */
    REDIS_UNAVAILABLE, /* no connection: not sent */
    REDIS_BUSY,        /* too many outstanding: not sent */
    REDIS_UNCERTAIN,   /* sent, then the connection was lost */
};

/* Never called before redis_command returns, and exactly once. `reply` is NULL unless REDIS_DONE or REDIS_REFUSED. */
typedef void (*redis_callback)(void *context, enum redis_outcome outcome,
                               const struct redisReply *reply);
typedef void (*redis_on_state)(void *context, bool connected);

struct redis_options {
    const char *address; /* "/path/of/socket" or "host:port" */
    size_t max_outstanding;
    int64_t deadline_ms; /* of the oldest outstanding command: then the connection is dropped */
};

struct redis *redis_create(struct loop *loop, const struct redis_options *options,
                           redis_on_state on_state, void *context);
bool redis_is_connected(const struct redis *redis);
size_t redis_outstanding(const struct redis *redis);
/* Why it is not connected, for readiness and logs: one line without secrets; "" when it is. */
const char *redis_last_error(const struct redis *redis);
void redis_command(struct redis *redis, const struct text *words, size_t word_count,
                   redis_callback callback, void *context);
void redis_destroy(struct redis **redis);

#endif
