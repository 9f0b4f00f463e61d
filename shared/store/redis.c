/* One asynchronous hiredis context at a time. hiredis frees it by itself when the connection is lost, after it has given
 * every outstanding command a NULL reply; a timer then makes a new one. */
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
/* Static functions: included in this file only. */
#include <hiredis/adapters/libevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/id.h"
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
    redisAsyncContext *connection; /* NULL: none, and the retry timer runs */
    bool connected;                /* commands are taken */
    bool told_connected;           /* what on_state was told last */
    bool closing;                  /* being destroyed */
    const char *verdict;           /* why we end the connection ourselves; NULL: we do not */
    int64_t connecting_since_ms;
    struct loop_timer *retry, *watch;
    int64_t retry_ms;
    struct command *first, **last; /* outstanding */
    size_t outstanding;
    struct command *unsent, **unsent_last;
    struct loop_deferred *tell_unsent;
    char error[MAX_ERROR_BYTES];  /* why it is not connected */
    char logged[MAX_ERROR_BYTES]; /* the last one that was logged: each is logged once */
};

static struct metric commands_total = {.name = "parley_redis_commands_total",
                                       .help = "Commands sent to Redis.",
                                       .kind = METRIC_COUNTER};
static struct metric outstanding_gauge = {.name = "parley_redis_outstanding",
                                          .help = "Commands sent and not yet answered.",
                                          .kind = METRIC_GAUGE};
static struct metric not_sent_total = {
    .name = "parley_redis_not_sent_total",
    .help = "Commands not sent: no connection, or too many outstanding.",
    .kind = METRIC_COUNTER};
static struct metric lost_total = {.name = "parley_redis_connections_lost_total",
                                   .help = "Connections to Redis that were lost or not made.",
                                   .kind = METRIC_COUNTER};

/* --- the connection --- */

static void remember_error(struct redis *redis, const char *reason)
{
    if (redis->verdict != NULL)
        reason = redis->verdict;
    snprintf(redis->error, sizeof redis->error, "%s", *reason == '\0' ? "connection lost" : reason);
    if (strcmp(redis->error, redis->logged) == 0)
        return;
    memcpy(redis->logged, redis->error, sizeof redis->logged);
    log_warning("redis_lost", LOG_STRING("address", redis->address),
                LOG_STRING("reason", redis->error));
}

static void try_again_later(struct redis *redis)
{
    loop_timer_start(redis->retry, redis->retry_ms + id_random() % (redis->retry_ms / 4));
    redis->retry_ms = redis->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : redis->retry_ms * 2;
}

/* The context is gone, or hiredis frees it after this. */
static void lose(struct redis *redis, const char *reason)
{
    bool was_told = redis->told_connected;
    redis->connected = redis->told_connected = false;
    redis->connection = NULL;
    if (redis->closing)
        return;
    remember_error(redis, reason);
    redis->verdict = NULL;
    metric_add(&lost_total, 1);
    try_again_later(redis);
    if (was_told)
        redis->on_state(redis->context, false);
}

static void on_connect(const redisAsyncContext *connection, int status)
{
    struct redis *redis = connection->data;
    if (status != REDIS_OK) {
        lose(redis, connection->errstr);
        return;
    }
    redis->connected = redis->told_connected = true;
    redis->retry_ms = RETRY_MIN_MS;
    redis->error[0] = redis->logged[0] = '\0';
    log_info("redis_connected", LOG_STRING("address", redis->address));
    redis->on_state(redis->context, true);
}

static void on_disconnect(const redisAsyncContext *connection, int status)
{
    (void)status;
    lose(connection->data, connection->errstr);
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
        abort(); /* out of memory */
    if (connection->err != 0) {
        lose(redis, connection->errstr);
        redisAsyncFree(connection);
        return;
    }
    redis->connection = connection;
    redis->connecting_since_ms = clock_monotonic_ms();
    connection->data = redis;
    redisLibeventAttach(connection, loop_base(redis->loop));
    redisAsyncSetConnectCallback(connection, on_connect);
    redisAsyncSetDisconnectCallback(connection, on_disconnect);
}

/* hiredis ends every outstanding command, and then calls on_disconnect, but only if it was connected. */
static void end_connection(struct redis *redis, const char *verdict)
{
    bool was_connected = redis->connected;
    redisAsyncContext *connection = redis->connection;
    redis->verdict = verdict;
    redisAsyncFree(connection);
    if (!was_connected)
        lose(redis, verdict);
}

static void on_watch(void *context)
{
    struct redis *redis = context;
    int64_t now_ms = clock_monotonic_ms();
    if (redis->connection == NULL)
        return;
    if (!redis->connected && now_ms - redis->connecting_since_ms > redis->deadline_ms)
        end_connection(redis, "no answer while connecting");
    else if (redis->first != NULL && now_ms - redis->first->sent_at_ms > redis->deadline_ms)
        end_connection(redis, "no answer in time");
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
    if (reply == NULL) { /* the connection is being lost: hiredis takes no more commands */
        redis->connected = false;
        finish(command, REDIS_UNCERTAIN, NULL);
    } else
        finish(command, reply->type == REDIS_REPLY_ERROR ? REDIS_REFUSED : REDIS_DONE, reply);
}

/* Only those that were refused by now: a callback may ask again, and be refused again. */
static void on_tell_unsent(void *context)
{
    struct redis *redis = context;
    struct command *command = redis->unsent;
    redis->unsent = NULL;
    redis->unsent_last = &redis->unsent;
    while (command != NULL) {
        struct command *next = command->next;
        finish(command, command->outcome, NULL);
        command = next;
    }
}

static void refuse(struct redis *redis, struct command *command, enum redis_outcome outcome)
{
    command->outcome = outcome;
    *redis->unsent_last = command;
    redis->unsent_last = &command->next;
    metric_add(&not_sent_total, 1);
    loop_deferred_request(redis->tell_unsent);
}

static void send_words(struct redis *redis, struct command *command, const struct text *words,
                       size_t word_count)
{
    const char **bytes = mem_array(word_count, sizeof *bytes);
    size_t *lengths = mem_array(word_count, sizeof *lengths);
    for (size_t i = 0; i < word_count; i++) {
        bytes[i] = words[i].data == NULL ? "" : words[i].data;
        lengths[i] = words[i].length;
    }
    int status = redisAsyncCommandArgv(redis->connection, on_reply, command, (int)word_count, bytes,
                                       lengths);
    mem_free(bytes);
    mem_free(lengths);
    if (status != REDIS_OK)
        abort(); /* refused only while disconnecting, and then we are not connected: our bug */
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
    command->sent_at_ms = clock_monotonic_ms();
    *redis->last = command;
    redis->last = &command->next;
    redis->outstanding++;
    metric_add(&outstanding_gauge, 1);
    metric_add(&commands_total, 1);
    send_words(redis, command, words, word_count);
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
    redis->unsent_last = &redis->unsent;
    redis->retry_ms = RETRY_MIN_MS;
    redis->retry = loop_timer_create(loop, on_retry, redis);
    redis->watch = loop_timer_create(loop, on_watch, redis);
    redis->tell_unsent = loop_deferred_create(loop, on_tell_unsent, redis);
    metrics_register(&commands_total);
    metrics_register(&outstanding_gauge);
    metrics_register(&not_sent_total);
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
    while (redis->unsent != NULL)
        on_tell_unsent(redis);
    loop_timer_destroy(&redis->retry);
    loop_timer_destroy(&redis->watch);
    loop_deferred_destroy(&redis->tell_unsent);
    mem_free(redis->address);
    mem_free(redis);
    *redis_in = NULL;
}
