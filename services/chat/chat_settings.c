/* The table of the chat daemon's settings: from it come --help, --check and the bounds. */
#include "services/chat/chat_settings.h"

struct chat_settings chat_settings;

/* clang-format off: a table */
#define NUMBER(field_, fallback_, minimum_, maximum_, help_)                       \
    {                                                                              \
        .key = "chat." #field_, .kind = SETTING_NUMBER,                            \
        .offset = offsetof(struct chat_settings, field_), .fallback = (fallback_), \
        .minimum = (minimum_), .maximum = (maximum_), .help = (help_)              \
    }

static const struct setting items[] = {
    NUMBER(partitions, "16", 1, 1024,
           "Partitions of the log, fixed in the database at the first start of all."),
    NUMBER(max_batch_events, "512", 1, 1024, "Events in one commit."),
    NUMBER(max_batch_bytes, "1048576", 65536, 16777216, "Bytes of messages in one commit."),
    NUMBER(max_queue_events, "16384", 1, 1048576,
           "Events that may wait for a commit; more are answered unavailable."),
    NUMBER(max_queue_bytes, "67108864", 65536, 4294967296,
           "Bytes of the messages that may wait for a commit."),
    NUMBER(max_cached_chats, "50000", 16, 10000000,
           "Chats whose head and members are held in memory."),
    NUMBER(max_cached_members, "1000000", 1000, 100000000,
           "Members of these chats that are held in memory."),
    NUMBER(recovery_patience_ms, "2000", 10, 60000,
           "Milliseconds that queued messages wait for Postgres to come back."),
    NUMBER(careful_ms, "1000", 0, 60000,
           "Milliseconds after a repeated message in which known ones are looked up first."),
    NUMBER(lease_retry_ms, "200", 10, 60000,
           "Milliseconds between two tries to take partitions that are not held."),
    NUMBER(heads_period_ms, "200", 10, 10000,
           "Milliseconds between two announcements of the partitions' heads."),
    NUMBER(max_receipts, "65536", 1, 1048576, "Receipts that may wait to be written."),
    NUMBER(max_reply_bytes, "4194304", 65536, 67108864, "Bytes of the events in one page, about."),
    NUMBER(
        former_days, "30", 0, 3650,
        "Days for which a sync gives the events of a chat that was left, though it is not named."),
    NUMBER(read_connections, "2", 1, 16, "Connections to Postgres for reading."),
    NUMBER(search_connections, "2", 1, 8, "Searches at once, each on a connection of its own."),
    NUMBER(search_timeout_ms, "2000", 10, 60000, "Milliseconds after which a search is ended."),
    NUMBER(max_searches, "64", 1, 4096, "Searches that may wait for a connection."),
    NUMBER(max_searchers, "65536", 16, 1048576, "Users whose searches are counted."),
    NUMBER(search_tail_events, "500", 0, 5000,
           "Events behind the index that a search looks at one by one."),
    NUMBER(index_slice_events, "100", 1, 1000, "Events that are indexed at once."),
    NUMBER(index_slice_bytes, "65536", 1, 16777216, "Bytes of these events, about."),
    NUMBER(index_busy_events, "5000", 0, 1000000,
           "Events a second above which the log counts as busy."),
    NUMBER(index_busy_percent, "2", 1, 100,
           "Per cent of the time for the index while the log is busy."),
    NUMBER(index_quiet_percent, "20", 1, 100,
           "Per cent of the time for the index while the log is not busy."),
    NUMBER(max_store_units, "4096", 16, 100000,
           "Statements in flight to Postgres, per connection."),
    NUMBER(rpc_concurrency, "64", 1, 1024, "Internal requests that are worked on at once."),
};
/* clang-format on */

const struct settings_table chat_settings_table = {items, sizeof items / sizeof items[0],
                                                   &chat_settings};
