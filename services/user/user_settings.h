/* The user daemon's own settings. */
#ifndef PARLEY_USER_SETTINGS_H
#define PARLEY_USER_SETTINGS_H

#include "shared/base/settings.h"

struct user_settings {
    int64_t password_workers;
    int64_t password_queue;      /* jobs waiting or in work */
    int64_t password_memory_kib; /* Argon2id */
    int64_t password_passes;     /* Argon2id */
    int64_t session_days;
    int64_t change_days;     /* that the feed of changes keeps */
    int64_t login_attempts;  /* per account: the bucket's size */
    int64_t login_refill_ms; /* one more attempt after each */
    int64_t login_accounts;  /* remembered at once */
    int64_t sweep_ms;        /* between looks for expired sessions */
    int64_t usage_ms;        /* between writes of last_used_at */
    int64_t max_store_units; /* in flight, per connection */
    int64_t rpc_concurrency;
};

#define USER_PASSWORD_MEMORY_KIB 19456 /* the least where people's passwords are */

extern struct user_settings user_settings;
extern const struct settings_table user_settings_table;

#endif
