/* One asynchronous hiredis context at a time. hiredis frees it by itself when the connection is lost, after it has given
 * every outstanding command a NULL reply; a timer then makes a new one. */
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
/* Static functions: included in this file only. */
#include <assert.h>
#include <hiredis/adapters/libevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/store/redis.h"

#define RETRY_MIN_MS    50
#define RETRY_MAX_MS    1000
#define WATCH_MS        250
#define MAX_ERROR_BYTES 128

struct command {
    struct redis *redis;
    redis_callback callback;
    void *context;
    enum redis_outcome outcome; /* of one that was not sent */
    int64_t sent_at_ms;
    struct command *next; /* in the order of sending */
};

struct redis {
    struct loop *loop;
    char *address;
    size_t max_outstanding;
    int64_t deadline_ms;
    redis_on_state on_state;
    void *context;
    redisAsyncContext *connection;
    bool connected;
    bool closing; /* being destroyed */
    struct loop_timer *retry, *watch;
    int64_t retry_ms;
    struct command *first, **last; /* outstanding */
    size_t outstanding;
    struct command *unsent;
    struct loop_deferred *tell_unsent;
    char error[MAX_ERROR_BYTES];
};

static struct metric commands_total = {.name = "parley_redis_commands_total",
                                       .help = "Commands sent to Redis.",
                                       .kind = METRIC_COUNTER};
static struct metric outstanding_gauge = {.name = "parley_redis_outstanding",
                                          .help = "Commands sent and not yet answered.",
                                          .kind = METRIC_GAUGE};
static struct metric lost_total = {.name = "parley_redis_connections_lost_total",
                                   .help = "Connections to Redis that were lost or not made.",
                                   .kind = METRIC_COUNTER};

static void lost(struct redis *redis, const char *reason)
{
    bool was_connected = redis->connected;
    redis->connected = false;
    redis->connection = NULL;
    if (redis->closing)
        return;
    snprintf(redis->error, sizeof redis->error, "%s",
             reason == NULL || *reason == '\0' ? "connection lost" : reason);
    metric_add(&lost_total, 1);
    log_warning("redis_lost", LOG_STRING("reason", redis->error));
    loop_timer_start(redis->retry, redis->retry_ms + rand() % 20);
    redis->retry_ms = redis->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : redis->retry_ms * 2;
    if (was_connected)
        redis->on_state(redis->context, false);
}

static void on_connect(const redisAsyncContext *connection, int status)
{
    struct redis *redis = connection->data;
    if (status != REDIS_OK) {
        lost(redis, connection->errstr); /* hiredis frees the context after this */
        return;
    }
    redis->connected = true;
    redis->retry_ms = RETRY_MIN_MS;
    redis->error[0] = '\0';
    log_info("redis_connected");
    redis->on_state(redis->context, true);
}

static void on_disconnect(const redisAsyncContext *connection, int status)
{
    (void)status;
    lost(connection->data, connection->errstr);
}

static redisAsyncContext *open_connection(const char *address)
{
    char host[128];
    const char *colon = strrchr(address, ':');
    if (address[0] == '/')
        return redisAsyncConnectUnix(address);
    snprintf(host, sizeof host, "%.*s",
             colon == NULL ? (int)strlen(address) : (int)(colon - address), address);
    return redisAsyncConnect(host, colon == NULL ? 6379 : (int)strtol(colon + 1, NULL, 10));
}

static void on_retry(void *context)
{
    struct redis *redis = context;
    redisAsyncContext *connection = open_connection(redis->address);
    if (connection == NULL)
        abort();
    if (connection->err != 0) {
        redis->connection = connection;
        lost(redis, connection->errstr);
        redisAsyncFree(connection);
        return;
    }
    redis->connection = connection;
    connection->data = redis;
    redisLibeventAttach(connection, loop_base(redis->loop));
    redisAsyncSetConnectCallback(connection, on_connect);
    redisAsyncSetDisconnectCallback(connection, on_disconnect);
}

/* --- commands --- */

static void finish(struct command *command, enum redis_outcome outcome, const redisReply *reply)
{
    command->callback(command->context, outcome, reply);
    mem_free(command);
}

static void on_reply(redisAsyncContext *connection, void *reply_in, void *context)
{
    struct command *command = context;
    struct redis *redis = command->redis;
    const redisReply *reply = reply_in;
    (void)connection;
    redis->first = command->next; /* replies come in the order of the commands */
    if (redis->first == NULL)
        redis->last = &redis->first;
    redis->outstanding--;
    metric_add(&outstanding_gauge, -1);
    if (reply == NULL)
        finish(command, REDIS_UNCERTAIN, NULL);
    else
        finish(command, reply->type == REDIS_REPLY_ERROR ? REDIS_REFUSED : REDIS_DONE, reply);
}

static void on_tell_unsent(void *context)
{
    struct redis *redis = context;
    struct command *command = redis->unsent;
    redis->unsent = NULL;
    while (command != NULL) {
        struct command *next = command->next;
        finish(command, command->outcome, NULL);
        command = next;
    }
}

static void refuse(struct redis *redis, struct command *command, enum redis_outcome outcome)
{
    struct command **link = &redis->unsent;
    while (*link != NULL)
        link = &(*link)->next;
    *link = command;
    command->outcome = outcome;
    loop_deferred_request(redis->tell_unsent);
}

void redis_command(struct redis *redis, const struct text *words, size_t word_count,
                   redis_callback callback, void *context)
{
    struct command *command = mem_zalloc(sizeof *command);
    *command = (struct command){.redis = redis, .callback = callback, .context = context};
    if (!redis->connected || redis->outstanding >= redis->max_outstanding) {
        refuse(redis, command, redis->connected ? REDIS_BUSY : REDIS_UNAVAILABLE);
        return;
    }
    const char **words_at = mem_array(word_count, sizeof *words_at);
    size_t *lengths = mem_array(word_count, sizeof *lengths);
    for (size_t i = 0; i < word_count; i++) {
        words_at[i] = words[i].data == NULL ? "" : words[i].data;
        lengths[i] = words[i].length;
    }
    command->sent_at_ms = clock_monotonic_ms();
    *redis->last = command;
    redis->last = &command->next;
    redis->outstanding++;
    metric_add(&outstanding_gauge, 1);
    metric_add(&commands_total, 1);
    int status = redisAsyncCommandArgv(redis->connection, on_reply, command, (int)word_count,
                                       words_at, lengths);
    mem_free(words_at);
    mem_free(lengths);
    assert(status == 0); /* refused only while disconnecting, and then we are not connected */
    (void)status;
}

static void on_watch(void *context)
{
    struct redis *redis = context;
    if (redis->connected && redis->first != NULL &&
        clock_monotonic_ms() - redis->first->sent_at_ms > redis->deadline_ms)
        redisAsyncFree(redis->connection); /* calls back for every command, then on_disconnect */
}

/* --- life --- */

struct redis *redis_create(struct loop *loop, const struct redis_options *options,
                           redis_on_state on_state, void *context)
{
    struct redis *redis = mem_zalloc(sizeof *redis);
    redis->loop = loop;
    redis->address = mem_string(options->address);
    redis->max_outstanding = options->max_outstanding;
    redis->deadline_ms = options->deadline_ms;
    redis->on_state = on_state;
    redis->context = context;
    redis->last = &redis->first;
    redis->retry_ms = RETRY_MIN_MS;
    redis->retry = loop_timer_create(loop, on_retry, redis);
    redis->watch = loop_timer_create(loop, on_watch, redis);
    redis->tell_unsent = loop_deferred_create(loop, on_tell_unsent, redis);
    metrics_register(&commands_total);
    metrics_register(&outstanding_gauge);
    metrics_register(&lost_total);
    snprintf(redis->error, sizeof redis->error, "connecting");
    loop_timer_start(redis->retry, 0);
    loop_timer_repeat(redis->watch, WATCH_MS);
    return redis;
}

bool redis_is_connected(const struct redis *redis)
{
    return redis->connected;
}

size_t redis_outstanding(const struct redis *redis)
{
    return redis->outstanding;
}

const char *redis_last_error(const struct redis *redis)
{
    return redis->error;
}

void redis_destroy(struct redis **redis_in)
{
    struct redis *redis = *redis_in;
    if (redis == NULL)
        return;
    redis->closing = true;
    if (redis->connection != NULL)
        redisAsyncFree(redis->connection);
    on_tell_unsent(redis);
    loop_timer_destroy(&redis->retry);
    loop_timer_destroy(&redis->watch);
    loop_deferred_destroy(&redis->tell_unsent);
    mem_free(redis->address);
    mem_free(redis);
    *redis_in = NULL;
}
