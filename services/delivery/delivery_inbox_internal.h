/* Between the connection to Redis with its answers, and the calls about single devices. */
#ifndef PARLEY_DELIVERY_INBOX_INTERNAL_H
#define PARLEY_DELIVERY_INBOX_INTERNAL_H

#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_inbox_scripts.h"
#include "shared/store/redis.h"

#define SHA_SIZE       41 /* forty hexadecimal digits and the terminator */
#define MAX_SKIPS      64 /* partitions that a device's inbox may be ahead of the feed in */
#define MAX_PARTITIONS 1024
#define MAX_WORDS      (2 * MAX_PARTITIONS + 16)
#define WORD_BYTES     32 /* of a word that is written here */

struct delivery_inbox {
    struct delivery_service *service;
    struct redis *redis;
    struct delivery_inbox_callbacks callbacks;
    char hashes[DELIVERY_SCRIPT_COUNT][SHA_SIZE];
    size_t loaded_count, loading_count; /* scripts that Redis has, and that it was asked to take */
    int64_t epoch, owner, started_change;
    char epoch_key[32], owner_key[32], parked_key[32];
};

struct inbox_call {
    struct delivery_inbox *inbox;
    enum delivery_script script;
    struct device *device;
    uint32_t generation;
    int64_t started_us;
    delivery_on_hello on_hello;
    delivery_on_written on_written;
    delivery_on_look on_look;
    void *context;
};

/* A command in the making; the words that are numbers or keys are kept in `space`. */
struct inbox_words {
    struct text words[MAX_WORDS];
    size_t count;
    char space[MAX_WORDS][WORD_BYTES];
};

/* Begins a call about all inboxes. */
struct inbox_call *delivery_inbox_call(struct delivery_inbox *inbox, enum delivery_script script,
                                       struct inbox_words *words_out);
void delivery_inbox_add_number(struct inbox_words *words, int64_t number);
void delivery_inbox_on_device_reply(void *context, enum redis_outcome outcome,
                                    const struct redisReply *reply);
void delivery_inbox_on_ignored_reply(void *context, enum redis_outcome outcome,
                                     const struct redisReply *reply);
void delivery_inbox_on_look_reply(void *context, enum redis_outcome outcome,
                                  const struct redisReply *reply);

#endif
