/* The table of the user daemon's settings: from it come --help, --check and the bounds. */
#include "services/user/user_settings.h"

struct user_settings user_settings;

#define NUMBER(field, default_, minimum_, maximum_, help_)                       \
    {                                                                            \
        .key = "user." #field, .kind = SETTING_NUMBER,                           \
        .offset = offsetof(struct user_settings, field), .fallback = (default_), \
        .minimum = (minimum_), .maximum = (maximum_), .help = (help_)            \
    }

static const struct setting items[] = {
    NUMBER(password_workers, "2", 1, 64, "Threads that hash passwords."),
    NUMBER(password_queue, "128", 1, 10000,
           "Passwords that wait for a thread or are being hashed."),
    NUMBER(password_memory_kib, "19456", 1024, 1048576,
           "Memory of one Argon2id hash, in KiB; production refuses less than 19456."),
    NUMBER(password_passes, "2", 2, 100, "Passes of one Argon2id hash over its memory."),
    NUMBER(session_days, "30", 1, 3650, "Days until a session expires."),
    NUMBER(change_days, "30", 1, 3650, "Days for which changes of accounts are kept at least."),
    NUMBER(login_attempts, "20", 1, 1000, "Failed logins of one account in a row before it waits."),
    NUMBER(login_refill_ms, "6000", 1, 3600000, "Milliseconds until one more login may fail."),
    NUMBER(login_accounts, "65536", 64, 10000000, "Accounts whose failed logins are remembered."),
    NUMBER(sweep_ms, "60000", 100, 3600000, "Milliseconds between two sweeps of expired sessions."),
    NUMBER(usage_ms, "5000", 100, 60000, "Milliseconds between two writes of last_used_at."),
    NUMBER(max_store_units, "4096", 16, 100000, "Units in flight to Postgres, per connection."),
    NUMBER(rpc_concurrency, "64", 1, 1024, "Internal requests that are worked on at once."),
};

const struct settings_table user_settings_table = {items, sizeof items / sizeof items[0],
                                                   &user_settings};
