/* Argon2id on a few threads of its own, bounded in number and in waiting, so that the loop never hashes.
 *
 * All functions are the loop's. Callbacks come in the loop, never before the call returns, exactly once. A password is
 * copied, wiped after use, and never leaves its thread's job. */
#ifndef PARLEY_USER_PASSWORDS_H
#define PARLEY_USER_PASSWORDS_H

#include "shared/base/text.h"
#include "shared/net/loop.h"

#include <stddef.h>

#define USER_PASSWORD_MIN_BYTES 8
#define USER_PASSWORD_MAX_BYTES 256

struct user_passwords;

struct user_passwords_options {
    size_t workers;
    size_t max_jobs;     /* waiting or in work; more are turned away */
    size_t memory_bytes; /* of one hash */
    int64_t passes;      /* of one hash over its memory */
    int64_t
        deadline_ms; /* a job that has waited longer is not begun: nobody waits for it any more */
};

enum user_password_outcome {
    USER_PASSWORD_DONE,  /* hashed, or it matches */
    USER_PASSWORD_WRONG, /* verify: it does not match */
    USER_PASSWORD_BUSY,  /* not tried: too late, no memory, or stopping */
};

/* `hash` (terminated) is that of a hashing that is DONE, borrowed until the callback returns, otherwise NULL. */
typedef void (*user_on_password)(void *context, enum user_password_outcome outcome,
                                 const char *hash);

struct user_passwords *user_passwords_create(struct loop *loop,
                                             const struct user_passwords_options *options);
/* Both return false, and will not call back, when max_jobs was reached. */
bool user_passwords_hash(struct user_passwords *passwords, struct text password,
                         user_on_password on_password, void *context);
/* Without a hash (TEXT_NONE: no such user) the answer is WRONG after the same time. */
bool user_passwords_verify(struct user_passwords *passwords, struct text password, struct text hash,
                           user_on_password on_password, void *context);
size_t user_passwords_jobs(const struct user_passwords *passwords);
/* False when there are jobs and none was finished for ten seconds. */
bool user_passwords_is_alive(const struct user_passwords *passwords);
/* Jobs that are not finished end as BUSY before it returns. */
void user_passwords_destroy(struct user_passwords **passwords);

#endif
