/* The table of the metadata daemon's settings: from it come --help, --check and the bounds. */
#include "services/metadata/metadata_settings.h"

struct metadata_settings metadata_settings;

#define NUMBER(field, default_, minimum_, maximum_, help_)                           \
    {                                                                                \
        .key = "metadata." #field, .kind = SETTING_NUMBER,                           \
        .offset = offsetof(struct metadata_settings, field), .fallback = (default_), \
        .minimum = (minimum_), .maximum = (maximum_), .help = (help_)                \
    }

static const struct setting items[] = {
    NUMBER(max_outbox_chats, "10000", 1, 1000000,
           "Chats whose changes may be on their way to the log at once."),
    NUMBER(outbox_scan_ms, "1000", 50, 60000,
           "Milliseconds between two looks for changes that were left behind."),
    NUMBER(outbox_retry_ms, "200", 10, 60000,
           "Milliseconds before a chat's change is taken to the log again."),
    NUMBER(changes_poll_ms, "500", 50, 10000,
           "Milliseconds between two looks at the user daemon's changes."),
    NUMBER(max_catch_ups, "1024", 1, 100000,
           "Requests that may wait for the user daemon's changes."),
    NUMBER(max_store_units, "4096", 16, 100000,
           "Statements in flight to Postgres, per connection."),
    NUMBER(rpc_concurrency, "32", 1, 1024, "Internal requests that are worked on at once."),
};

const struct settings_table metadata_settings_table = {items, sizeof items / sizeof items[0],
                                                       &metadata_settings};
