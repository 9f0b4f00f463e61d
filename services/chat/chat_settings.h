/* The chat daemon's own settings; the table stands in chat_settings.c. */
#ifndef PARLEY_CHAT_SETTINGS_H
#define PARLEY_CHAT_SETTINGS_H

#include "shared/base/settings.h"

struct chat_settings {
    int64_t partitions;       /* made at the first start of all */
    int64_t max_batch_events; /* in one commit */
    int64_t max_batch_bytes;  /* of bodies in one commit */
    int64_t max_queue_events; /* waiting for a commit */
    int64_t max_queue_bytes;
    int64_t max_cached_chats;     /* whose head and members are held in memory */
    int64_t max_cached_members;   /* of all of them together */
    int64_t recovery_patience_ms; /* what was queued waits this long for Postgres */
    int64_t careful_ms; /* after a repeated message, known ones are looked up before the commit */
    int64_t lease_retry_ms;
    int64_t heads_period_ms;
    int64_t max_receipts;    /* waiting to be written */
    int64_t max_reply_bytes; /* of events in one answer */
    int64_t former_days;
    int64_t read_connections;
    int64_t search_connections;
    int64_t search_timeout_ms;
    int64_t max_searches;       /* waiting for a connection */
    int64_t max_searchers;      /* users whose searches are counted */
    int64_t search_tail_events; /* that the index lacks and a search looks at all the same */
    int64_t index_slice_events;
    int64_t index_slice_bytes;
    int64_t index_busy_events;  /* a second, above which the log counts as busy */
    int64_t index_busy_percent; /* of the time, for the index */
    int64_t index_quiet_percent;
    int64_t max_store_units; /* in flight to Postgres, per connection */
    int64_t rpc_concurrency;
};

extern struct chat_settings chat_settings;
extern const struct settings_table chat_settings_table;

#endif
