/* The settings of the delivery daemon; see the table in delivery_settings.c. */
#ifndef PARLEY_DELIVERY_SETTINGS_H
#define PARLEY_DELIVERY_SETTINGS_H

#include "shared/base/settings.h"

struct delivery_settings {
    const char *allowed_origins;
    int64_t shard;
    int64_t max_connections;
    int64_t max_cached_users;
    int64_t max_cached_spans;
    int64_t park_interval_ms;
    int64_t park_connected_ms;
    int64_t park_window_ms;
    int64_t max_queued_parks;
    int64_t inbox_patience_ms;
    int64_t max_output_bytes;
    int64_t slow_close_ms;
    int64_t max_queued_sends;
    int64_t send_deadline_ms;
    int64_t cursor_flush_ms;
    int64_t feed_page;
    int64_t max_feed_queue;
    int64_t receipts_interval_ms;
    int64_t max_queued_receipts;
    int64_t heads_interval_ms;
    int64_t changes_poll_ms;
    int64_t max_watches;
    int64_t max_role_questions;
    int64_t max_typists;
    int64_t max_subscriptions;
    int64_t max_companion_questions;
    int64_t max_queued_seen;
    int64_t seen_days;
    int64_t presence_grace_ms;
    int64_t presence_check_ms;
    int64_t live_interval_ms;
    int64_t max_store_units;
    int64_t max_redis_commands;
    int64_t redis_deadline_ms;
    int64_t rpc_concurrency;
    int64_t trace_deadline_ms;
};

extern struct delivery_settings delivery_settings;
extern const struct settings_table delivery_settings_table;

#endif
