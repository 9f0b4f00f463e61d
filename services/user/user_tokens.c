#include "services/user/user_tokens.h"

#include "shared/base/mem.h"
#include "shared/base/metrics.h"
#include "shared/daemon/authenticator.h"

#include <string.h>

#define MAX_STATEMENTS \
    4 /* on their way at once: one works, one waits at the server, the others travel */
#define MAX_HASHES 4096 /* of one statement, at least one question */

struct question_of_tokens {
    struct question_of_tokens *next;
    const struct text *hashes;
    size_t count;
    user_on_identities on_identities;
    void *context;
};

struct user_tokens {
    struct user_store *store;
    struct user_usage *usage;
    struct loop_deferred *flush;
    struct question_of_tokens
        *waiting; /* oldest first; bounded by the requests that are served at once */
    struct question_of_tokens **waiting_end;
    int statements;
    bool stopped;
};

/* The questions of one statement. */
struct batch {
    struct user_tokens *tokens;
    struct question_of_tokens *questions;
};

static struct metric looked_up_metric = {.name = "parley_user_tokens_looked_up_total",
                                         .labels = "",
                                         .help = "Tokens that were looked up.",
                                         .kind = METRIC_COUNTER};
static struct metric statements_metric = {.name = "parley_user_token_statements_total",
                                          .labels = "",
                                          .help = "Statements that looked tokens up.",
                                          .kind = METRIC_COUNTER};

static void flush(void *context);

struct user_tokens *user_tokens_create(struct loop *loop, struct user_store *store,
                                       struct user_usage *usage)
{
    struct user_tokens *tokens = mem_zalloc(sizeof *tokens);
    tokens->store = store;
    tokens->usage = usage;
    tokens->waiting_end = &tokens->waiting;
    tokens->flush = loop_deferred_create(loop, flush, tokens);
    metrics_register(&looked_up_metric);
    metrics_register(&statements_metric);
    return tokens;
}

static void answer_all(struct question_of_tokens *questions, enum problem problem,
                       const struct user_identity *identities, int64_t head)
{
    while (questions != NULL) {
        struct question_of_tokens *question = questions;
        questions = question->next;
        question->on_identities(question->context, problem, identities, head);
        if (identities != NULL)
            identities += question->count;
        mem_free(question);
    }
}

static struct user_identity *take_identities(struct user_tokens *tokens,
                                             const struct user_token_owner *owners, size_t count)
{
    struct user_identity *identities = mem_array(count, sizeof *identities);
    for (size_t i = 0; i < count; i++) {
        identities[i] = owners[i].identity;
        if (identities[i].user_id != 0)
            user_usage_note(tokens->usage, identities[i].session_id, owners[i].last_used_at_ms);
    }
    return identities;
}

static void on_owners(void *context, enum problem problem, const struct user_token_owner *owners,
                      size_t count, int64_t head)
{
    struct batch *batch = context;
    struct user_tokens *tokens = batch->tokens;
    struct user_identity *identities = NULL;
    tokens->statements--;
    if (problem == PROBLEM_NONE)
        identities = take_identities(tokens, owners, count);
    answer_all(batch->questions, problem, identities, head);
    mem_free(identities);
    mem_free(batch);
    if (tokens->waiting != NULL)
        loop_deferred_request(tokens->flush);
}

/* Cuts the oldest questions off the waiting ones, as many as fit into one statement; *count_out is of their hashes. */
static struct question_of_tokens *cut_batch(struct user_tokens *tokens, size_t *count_out)
{
    struct question_of_tokens *first = tokens->waiting, *last = first;
    size_t count = first->count;
    while (last->next != NULL && count + last->next->count <= MAX_HASHES) {
        last = last->next;
        count += last->count;
    }
    tokens->waiting = last->next;
    if (tokens->waiting == NULL)
        tokens->waiting_end = &tokens->waiting;
    last->next = NULL;
    *count_out = count;
    return first;
}

static void send_batch(struct user_tokens *tokens)
{
    size_t count, filled = 0;
    struct batch *batch = mem_zalloc(sizeof *batch);
    batch->tokens = tokens;
    batch->questions = cut_batch(tokens, &count);
    struct text *hashes = mem_array(count, sizeof *hashes);
    for (const struct question_of_tokens *question = batch->questions; question != NULL;
         question = question->next) {
        memcpy(hashes + filled, question->hashes, question->count * sizeof *hashes);
        filled += question->count;
    }
    tokens->statements++;
    metric_add(&statements_metric, 1);
    metric_add(&looked_up_metric, (int64_t)count);
    user_store_token_owners(tokens->store, hashes, count, on_owners, batch);
    mem_free(hashes);
}

static void flush(void *context)
{
    struct user_tokens *tokens = context;
    while (tokens->waiting != NULL && tokens->statements < MAX_STATEMENTS && !tokens->stopped)
        send_batch(tokens);
}

void user_tokens_look_up(struct user_tokens *tokens, const struct text *hashes, size_t count,
                         user_on_identities on_identities, void *context)
{
    struct question_of_tokens *question = mem_zalloc(sizeof *question);
    question->hashes = hashes;
    question->count = count;
    question->on_identities = on_identities;
    question->context = context;
    *tokens->waiting_end = question;
    tokens->waiting_end = &question->next;
    loop_deferred_request(tokens->flush);
}

/* --- REST --- */

struct http_question {
    unsigned char hash[TOKEN_HASH_BYTES];
    struct text text;
    http_authenticated callback;
    void *context;
};

static void on_identity(void *context, enum problem problem, const struct user_identity *identities,
                        int64_t head)
{
    struct http_question *question = context;
    struct identity identity = {0};
    (void)head;
    if (problem == PROBLEM_NONE && identities[0].user_id == 0)
        problem = PROBLEM_UNAUTHORIZED;
    if (problem == PROBLEM_NONE)
        identity = (struct identity){.user_id = identities[0].user_id,
                                     .session_id = identities[0].session_id,
                                     .device_id = identities[0].device_id,
                                     .expires_at_ms = identities[0].expires_at_ms,
                                     .created_change = identities[0].created_change,
                                     .flags = identities[0].flags};
    else if (problem != PROBLEM_UNAUTHORIZED)
        problem = PROBLEM_UNAVAILABLE;
    question->callback(question->context, problem, &identity);
    mem_free(question);
}

void user_tokens_authenticate(void *tokens, struct text token, http_authenticated callback,
                              void *context)
{
    struct http_question *question = mem_zalloc(sizeof *question);
    if (!token_hash(token, question->hash)) {
        mem_free(question);
        callback(context, PROBLEM_UNAUTHORIZED, NULL);
        return;
    }
    question->text = (struct text){(const char *)question->hash, sizeof question->hash};
    question->callback = callback;
    question->context = context;
    user_tokens_look_up(tokens, &question->text, 1, on_identity, question);
}

void user_tokens_stop(struct user_tokens *tokens)
{
    tokens->stopped = true;
    struct question_of_tokens *waiting = tokens->waiting;
    tokens->waiting = NULL;
    tokens->waiting_end = &tokens->waiting;
    answer_all(waiting, PROBLEM_UNAVAILABLE, NULL, 0);
}

void user_tokens_destroy(struct user_tokens **tokens)
{
    if (*tokens == NULL)
        return;
    loop_deferred_destroy(&(*tokens)->flush);
    mem_free(*tokens);
    *tokens = NULL;
}
