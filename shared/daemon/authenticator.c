/* Tokens of one turn go out as one request; each asked token has one entry, which collects everybody who waits for it.
 * Answers are kept for AUTHENTICATOR_FRESH_MS from when they were asked for, refusals too. */
#include "shared/daemon/authenticator.h"

#include <sodium.h>
#include <string.h>
#include <uthash.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define TOKEN_CHARACTERS 43
#define MAX_BATCH        1024

struct waiter {
    http_authenticated callback;
    void *context;
    struct waiter *next;
};

enum entry_state { ENTRY_QUEUED, ENTRY_ASKED, ENTRY_KNOWN };

struct entry {
    unsigned char hash[TOKEN_HASH_BYTES];
    enum entry_state state;
    struct identity identity; /* user_id 0: refused */
    int64_t asked_at_ms;
    struct waiter *waiters;
    struct waiter *late; /* came when the question was too old for them: it is asked again */
    bool is_orphan;      /* its authenticator has gone: freed with its batch */
    struct entry *next;  /* in the batch */
    UT_hash_handle hh;   /* in the order of asking: the oldest first */
};

struct authenticator {
    struct rpc_client *user;
    struct loop_deferred *ask;
    struct entry *entries;
    struct entry *queued, **queued_last;
    size_t max_entries;
    int64_t deadline_ms;
};

struct batch {
    struct authenticator *authenticator; /* not looked at for orphans */
    struct entry *entries;               /* in the order of the question */
};

static struct metric asked_total = {.name = "parley_authenticator_asked_total",
                                    .help = "Tokens that the user daemon was asked about.",
                                    .kind = METRIC_COUNTER};
static struct metric cached_total = {.name = "parley_authenticator_cached_total",
                                     .help = "Tokens known from less than half a second ago.",
                                     .kind = METRIC_COUNTER};

/* libsodium's decoder takes some bytes above ASCII for digits. */
static bool is_ascii(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.data[i] >= 0x80)
            return false;
    }
    return true;
}

bool token_hash(struct text token, unsigned char hash_out[TOKEN_HASH_BYTES])
{
    unsigned char bytes[TOKEN_HASH_BYTES];
    size_t length;
    if (token.length != TOKEN_CHARACTERS || !is_ascii(token) ||
        sodium_base642bin(bytes, sizeof bytes, token.data, token.length, NULL, &length, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        length != sizeof bytes)
        return false;
    mem_wipe(bytes, sizeof bytes);
    return crypto_generichash(hash_out, TOKEN_HASH_BYTES, (const unsigned char *)token.data,
                              token.length, NULL, 0) == 0;
}

static bool is_fresh(const struct entry *entry, int64_t now_ms)
{
    return entry->state == ENTRY_KNOWN && now_ms - entry->asked_at_ms < AUTHENTICATOR_FRESH_MS;
}

static void tell(const struct entry *entry, http_authenticated callback, void *context)
{
    bool valid = entry->identity.user_id != 0 && entry->identity.expires_at_ms > clock_wall_ms();
    callback(context, valid ? PROBLEM_NONE : PROBLEM_UNAUTHORIZED, valid ? &entry->identity : NULL);
}

/* Frees the waiters. They may ask again: the entry must not be looked at afterwards. */
static void tell_waiters(struct waiter *waiter, const struct entry *entry, enum problem problem)
{
    struct entry answer = *entry;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;
        if (problem == PROBLEM_NONE)
            tell(&answer, waiter->callback, waiter->context);
        else
            waiter->callback(waiter->context, problem, NULL);
        mem_free(waiter);
        waiter = next;
    }
}

static void forget(struct authenticator *authenticator, struct entry *entry)
{
    HASH_DEL(authenticator->entries, entry);
    mem_free(entry);
}

/* The oldest answers go until there is room; what is being asked stays. */
static bool make_room(struct authenticator *authenticator)
{
    struct entry *entry, *next;
    HASH_ITER (hh, authenticator->entries, entry, next) {
        if (HASH_COUNT(authenticator->entries) < authenticator->max_entries &&
            is_fresh(entry, clock_monotonic_ms()))
            return true;
        if (entry->state != ENTRY_KNOWN)
            break;
        forget(authenticator, entry);
    }
    return HASH_COUNT(authenticator->entries) < authenticator->max_entries;
}

static void set_identity(struct identity *identity, const struct user_identity *from)
{
    *identity = (struct identity){.user_id = from->user_id,
                                  .session_id = from->session_id,
                                  .device_id = from->device_id,
                                  .expires_at_ms = from->expires_at_ms,
                                  .created_change = from->created_change,
                                  .flags = from->flags};
}

/* At the end of the order of asking, and of the next batch. */
static void queue(struct authenticator *authenticator, struct entry *entry)
{
    entry->state = ENTRY_QUEUED;
    entry->asked_at_ms = clock_monotonic_ms();
    entry->next = NULL;
    HASH_ADD(hh, authenticator->entries, hash, TOKEN_HASH_BYTES, entry);
    *authenticator->queued_last = entry;
    authenticator->queued_last = &entry->next;
    loop_deferred_request(authenticator->ask);
}

static void queue_again(struct authenticator *authenticator, struct entry *entry)
{
    HASH_DEL(authenticator->entries, entry);
    queue(authenticator, entry);
}

/* `identity` is NULL when nothing was learned. */
static void settle(struct authenticator *authenticator, struct entry *entry,
                   const struct user_identity *identity)
{
    struct waiter *waiters = entry->waiters;
    struct entry answer = *entry;
    entry->waiters = entry->late;
    entry->late = NULL;
    if (identity != NULL)
        set_identity(&entry->identity, identity);
    answer.identity = entry->identity;
    entry->state = ENTRY_KNOWN;
    if (entry->waiters != NULL)
        queue_again(authenticator, entry);
    else if (identity == NULL)
        forget(authenticator, entry);
    tell_waiters(waiters, &answer, identity != NULL ? PROBLEM_NONE : PROBLEM_UNAVAILABLE);
}

static void on_answer(void *context, const struct rpc_result *result)
{
    struct batch *batch = context;
    const struct user_authenticate_reply *reply = result->reply;
    struct entry *entry = batch->entries;
    for (size_t i = 0; entry != NULL; i++) {
        struct entry *next = entry->next;
        bool answered = result->outcome == RPC_OK && i < reply->identities_count;
        if (entry->is_orphan)
            mem_free(entry);
        else
            settle(batch->authenticator, entry, answered ? &reply->identities[i] : NULL);
        entry = next;
    }
    mem_free(batch);
}

static void on_ask(void *context)
{
    struct authenticator *authenticator = context;
    struct user_token tokens[MAX_BATCH];
    struct user_authenticate_request request = {.tokens = tokens};
    struct batch *batch = mem_alloc(sizeof *batch);
    *batch = (struct batch){authenticator, authenticator->queued};
    struct entry **link = &authenticator->queued;
    for (; *link != NULL && request.tokens_count < MAX_BATCH; link = &(*link)->next) {
        tokens[request.tokens_count++].hash =
            (struct text){(const char *)(*link)->hash, TOKEN_HASH_BYTES};
        (*link)->state = ENTRY_ASKED;
    }
    authenticator->queued = *link;
    *link = NULL;
    if (authenticator->queued == NULL)
        authenticator->queued_last = &authenticator->queued;
    else
        loop_deferred_request(authenticator->ask);
    metric_add(&asked_total, (int64_t)request.tokens_count);
    user_client_authenticate(authenticator->user, &request, authenticator->deadline_ms, on_answer,
                             batch);
}

static struct entry *add_entry(struct authenticator *authenticator,
                               const unsigned char hash[TOKEN_HASH_BYTES])
{
    if (!make_room(authenticator))
        return NULL;
    struct entry *entry = mem_zalloc(sizeof *entry);
    memcpy(entry->hash, hash, TOKEN_HASH_BYTES);
    return entry;
}

/* An answer is as old as its question: who comes later than AUTHENTICATOR_FRESH_MS after that waits for another one. */
static void add_waiter(struct entry *entry, http_authenticated callback, void *context)
{
    bool is_late = clock_monotonic_ms() - entry->asked_at_ms >= AUTHENTICATOR_FRESH_MS;
    struct waiter **waiters = is_late ? &entry->late : &entry->waiters;
    struct waiter *waiter = mem_alloc(sizeof *waiter);
    *waiter = (struct waiter){callback, context, *waiters};
    *waiters = waiter;
}

void authenticator_check(void *authenticator_in, struct text token, http_authenticated callback,
                         void *context)
{
    struct authenticator *authenticator = authenticator_in;
    unsigned char hash[TOKEN_HASH_BYTES];
    struct entry *entry;
    if (!token_hash(token, hash)) {
        callback(context, PROBLEM_UNAUTHORIZED, NULL);
        return;
    }
    HASH_FIND(hh, authenticator->entries, hash, TOKEN_HASH_BYTES, entry);
    if (entry != NULL && is_fresh(entry, clock_monotonic_ms())) {
        metric_add(&cached_total, 1);
        tell(entry, callback, context);
        return;
    }
    if (entry != NULL && entry->state == ENTRY_KNOWN) {
        queue_again(authenticator, entry);
    } else if (entry == NULL) {
        entry = add_entry(authenticator, hash);
        if (entry == NULL) {
            callback(context, PROBLEM_UNAVAILABLE, NULL);
            return;
        }
        queue(authenticator, entry);
    }
    add_waiter(entry, callback, context);
}

struct authenticator *authenticator_create(struct loop *loop, struct rpc_client *user,
                                           size_t max_entries, int64_t deadline_ms)
{
    struct authenticator *authenticator = mem_zalloc(sizeof *authenticator);
    authenticator->user = user;
    authenticator->max_entries = max_entries;
    authenticator->deadline_ms = deadline_ms;
    authenticator->queued_last = &authenticator->queued;
    authenticator->ask = loop_deferred_create(loop, on_ask, authenticator);
    metrics_register(&asked_total);
    metrics_register(&cached_total);
    return authenticator;
}

void authenticator_destroy(struct authenticator **authenticator)
{
    if (*authenticator == NULL)
        return;
    struct entry *entry, *next;
    HASH_ITER (hh, (*authenticator)->entries, entry, next) {
        HASH_DEL((*authenticator)->entries, entry);
        entry->is_orphan = entry->state == ENTRY_ASKED;
        tell_waiters(entry->waiters, entry, PROBLEM_UNAVAILABLE);
        tell_waiters(entry->late, entry, PROBLEM_UNAVAILABLE);
        if (!entry->is_orphan)
            mem_free(entry);
    }
    loop_deferred_destroy(&(*authenticator)->ask);
    mem_free(*authenticator);
    *authenticator = NULL;
}
