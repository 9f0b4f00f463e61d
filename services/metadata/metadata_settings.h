/* The metadata daemon's own settings; the table stands in metadata_settings.c. */
#ifndef PARLEY_METADATA_SETTINGS_H
#define PARLEY_METADATA_SETTINGS_H

#include "shared/base/settings.h"

struct metadata_settings {
    int64_t max_outbox_chats; /* chats with changes on their way to the log */
    int64_t outbox_scan_ms;   /* how often what was left behind is looked for */
    int64_t outbox_retry_ms;  /* between two tries of a chat's oldest change */
    int64_t changes_poll_ms;  /* how often the user daemon's changes are read without being told */
    int64_t max_catch_ups;    /* requests that wait for such changes */
    int64_t max_store_units;  /* statements in flight to Postgres */
    int64_t rpc_concurrency;
};

extern struct metadata_settings metadata_settings;
extern const struct settings_table metadata_settings_table;

#endif
