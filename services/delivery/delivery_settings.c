/* The table of the delivery daemon's settings: from it come --help, --check and the bounds. */
#include "services/delivery/delivery_settings.h"

struct delivery_settings delivery_settings;

/* clang-format off: a table */
#define NUMBER(field, default_, minimum_, maximum_, help_)                           \
    {                                                                                \
        .key = "delivery." #field, .kind = SETTING_NUMBER,                           \
        .offset = offsetof(struct delivery_settings, field), .fallback = (default_), \
        .minimum = (minimum_), .maximum = (maximum_), .help = (help_)                \
    }

static const struct setting items[] = {
    {.key = "delivery.allowed_origins",
     .kind = SETTING_STRING,
     .offset = offsetof(struct delivery_settings, allowed_origins),
     .fallback = "",
     .maximum = 4096,
     .help = "Origins of web pages that may connect, comma separated; empty: only the page's own "
             "host."},
    NUMBER(shard, "0", 0, 1023, "Which share of the users this process serves."),
    NUMBER(max_connections, "200000", 1, 10000000, "Connections at once."),
    NUMBER(max_cached_users, "200000", 16, 10000000,
           "Users without a connection whose devices are remembered."),
    NUMBER(max_cached_spans, "2000000", 1024, 100000000,
           "Memberships of chats that are remembered, all chats together."),
    NUMBER(park_interval_ms, "20", 1, 1000,
           "Milliseconds for which events for absent devices are gathered."),
    NUMBER(park_connected_ms, "200", 1, 10000,
           "Milliseconds that an event waits for room in a window before it is parked."),
    NUMBER(park_window_ms, "3000", 10, 60000,
           "Milliseconds after which an event that is not acknowledged is parked."),
    NUMBER(max_queued_parks, "100000", 1024, 10000000,
           "References that wait to be parked; above it parking starts over from the cursor."),
    NUMBER(
        inbox_patience_ms, "1500", 10, 60000,
        "Milliseconds that a connecting device waits for its inbox before it is told to resync."),
    NUMBER(max_output_bytes, "262144", 16384, 16777216,
           "Bytes waiting for a slow reader before nothing more is sent to it."),
    NUMBER(slow_close_ms, "30000", 100, 600000,
           "Milliseconds without a byte taken after which a slow reader is closed."),
    NUMBER(max_queued_sends, "65536", 16, 10000000, "Messages of clients that wait for the log."),
    NUMBER(send_deadline_ms, "8000", 100, 60000,
           "Milliseconds until a message that the log did not answer is answered unavailable."),
    NUMBER(cursor_flush_ms, "1000", 10, 60000, "Milliseconds between two writes of the cursor."),
    NUMBER(feed_page, "512", 1, 1024, "Events in one read of the feed."),
    NUMBER(max_feed_queue, "8192", 64, 1000000,
           "Events of a partition that wait for their chat's members."),
    NUMBER(receipts_interval_ms, "500", 10, 10000,
           "Milliseconds for which delivered watermarks are gathered."),
    NUMBER(max_queued_receipts, "262144", 16, 10000000, "Watermarks that wait to be written."),
    NUMBER(
        heads_interval_ms, "1000", 10, 60000,
        "Milliseconds for which the news of a chat that is pulled are gathered for its members."),
    NUMBER(changes_poll_ms, "300", 10, 10000,
           "Milliseconds between two looks at the user daemon's changes."),
    NUMBER(max_watches, "1000000", 16, 100000000, "Chats that connections watch, all together."),
    NUMBER(max_role_questions, "65536", 16, 1000000,
           "Questions what a user is to chats, for watching and typing, that wait for chat."),
    NUMBER(max_typists, "100000", 16, 10000000, "Users in chats who type, or did a moment ago."),
    NUMBER(max_subscriptions, "1000000", 16, 100000000,
           "Users whose presence connections follow, all together."),
    NUMBER(max_companion_questions, "65536", 16, 1000000,
           "Questions who shares a chat with whom, for presence, that wait for chat."),
    NUMBER(max_queued_seen, "100000", 16, 10000000,
           "Users whose last presence waits to be written."),
    NUMBER(seen_days, "30", 1, 3650, "Days for which it is remembered when a user was last there."),
    NUMBER(presence_grace_ms, "3000", 1, 60000,
           "Milliseconds after their last connection for which a user counts as online."),
    NUMBER(presence_check_ms, "60000", 100, 86400000,
           "Milliseconds after which it is checked whether followed users still share a chat."),
    NUMBER(live_interval_ms, "100", 1, 10000,
           "Milliseconds for which changes of typing and presence are gathered."),
    NUMBER(max_store_units, "256", 8, 10000, "Statements in flight to Postgres."),
    NUMBER(max_redis_commands, "65536", 256, 10000000, "Commands in flight to Redis."),
    NUMBER(redis_deadline_ms, "3000", 50, 60000,
           "Milliseconds that Redis may take for a command before its connection is dropped."),
    NUMBER(rpc_concurrency, "8", 1, 1024, "Internal requests that are worked on at once."),
    NUMBER(trace_deadline_ms, "1500", 10, 60000,
           "Milliseconds after which a trace answers what it knows by then."),
};
/* clang-format on */

const struct settings_table delivery_settings_table = {items, sizeof items / sizeof items[0],
                                                       &delivery_settings};
