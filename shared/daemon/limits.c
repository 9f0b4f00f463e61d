/* What clients can meet: one table, from which come the settings "limits.…", their bounds, and GET /v1/limits. */
#include "shared/daemon/daemon.h"

/* clang-format off: a table */
/* name, default, minimum, maximum, help */
#define LIMITS_TABLE(X)                                                                            \
    X(max_body_bytes, "65536", 1024, 1048576, "Bytes of the body of a REST request.")              \
    X(max_text_bytes, "16384", 1, 60000, "Bytes of body.text of a message.")                       \
    X(max_client_id_bytes, "128", 1, 128, "Bytes of a message's client_id.")                       \
    X(max_mentions, "100", 0, 1000, "Users that one message may mention.")                         \
    X(max_attachments, "10", 0, 100, "Attachments of one message.")                                \
    X(max_edits, "1000", 1, 10000, "Edits of one message.")                                        \
    X(max_emoji_bytes, "64", 1, 64, "Bytes of the emoji of a reaction.")                           \
    X(max_emojis, "50", 1, 100, "Different emojis that react to one message.")                     \
    X(max_reactions, "1000", 1, 2000, "Reactions to one message.")                                 \
    X(default_page, "50", 1, 200, "Items of a page when a request names no limit.")                \
    X(max_page, "200", 1, 1000, "Items of a page at most.")                                        \
    X(max_members, "1000", 2, 4096, "Members of a group.")                                         \
    X(max_channel_members, "100000", 2, 500000, "Members of a channel.")                           \
    X(pushed_members, "1000", 1, 500000,                                                           \
      "Members up to which a chat's events are pushed to every device; larger chats are pulled.")  \
    X(max_chats_per_user, "2000", 1, 4096, "Chats of which one user is a member.")                 \
    X(max_devices_per_user, "32", 1, 128, "Devices of one user.")                                  \
    X(max_blocks_per_user, "1000", 1, 100000, "Users that one user may block.")                    \
    X(max_frame_bytes, "65536", 1024, 1048576, "Bytes of a message on the WebSocket.")             \
    X(max_op_id_bytes, "64", 1, 1024, "Bytes of the id of an op on the WebSocket.")                \
    X(window_events, "64", 1, 4096,                                                                \
      "Events on their way to a device that it has not acknowledged.")                             \
    X(auth_deadline_ms, "5000", 100, 60000,                                                        \
      "Milliseconds in which a WebSocket must authenticate.")                                      \
    X(heartbeat_ms, "30000", 100, 600000, "Milliseconds between two heartbeats.")                  \
    X(max_inbox_events, "100000", 1, 10000000, "Events that wait for one device that is away.")    \
    X(max_inbox_days, "30", 1, 3650,                                                               \
      "Days after which an inbox is emptied of which nothing was acknowledged.")                   \
    X(max_sync_chats, "2000", 1, 4096, "Chats named in one sync.")                                 \
    X(max_sync_events, "1000", 1, 10000, "Events in one answer to a sync.")                        \
    X(max_search_bytes, "256", 1, 1024, "Bytes of the words of a search.")                         \
    X(max_search_words, "16", 1, 64, "Words of a search.")                                         \
    X(searches_per_second, "5", 1, 1000, "Searches a second of one user, sustained.")              \
    X(searches_burst, "20", 1, 100000, "Searches of one user at once.")                            \
    X(sends_per_second, "200", 1, 1000000, "Messages a second that a device may send, sustained.") \
    X(sends_burst, "400", 1, 1000000, "Messages that a device may send at once.")                  \
    X(max_sends_in_flight, "256", 1, 65536,                                                        \
      "Messages of one connection that are not answered yet.")                                     \
    X(max_connections_per_user, "32", 1, 10000, "WebSocket connections of one user.")              \
    X(max_watched_chats, "50", 1, 1000, "Chats that one connection may watch.")                    \
    X(max_followed_users, "200", 1, 1000, "Users whose presence one connection may follow.")       \
    X(typing_ms, "5000", 100, 60000, "Milliseconds after which typing ends by itself.")            \
    X(live_ops_per_second, "10", 1, 1000000,                                                       \
      "Ops of watching, typing and presence a second of one connection, sustained.")               \
    X(live_ops_burst, "50", 1, 1000000, "Such ops of one connection at once.")

struct limits limits;

#define SETTING(name, default_, minimum_, maximum_, help_) \
    {.key = "limits." #name,                               \
     .kind = SETTING_NUMBER,                               \
     .offset = offsetof(struct limits, name),              \
     .fallback = (default_),                               \
     .minimum = (minimum_),                                \
     .maximum = (maximum_),                                \
     .help = (help_)},
static const struct setting items[] = {LIMITS_TABLE(SETTING)};
#undef SETTING
/* clang-format on */

const struct settings_table limits_settings_table = {items, sizeof items / sizeof items[0],
                                                     &limits};

/* The name of a setting without "limits." is the name that clients see. */
void limits_render(struct buffer *out)
{
    for (size_t i = 0; i < limits_settings_table.count; i++) {
        const char *name = items[i].key + sizeof "limits." - 1;
        const char *field = (const char *)&limits + items[i].offset;
        buffer_append_format(out, "%s\"%s\":", i == 0 ? "{" : ",", name);
        buffer_append_number(out, *(const int64_t *)(const void *)field);
    }
    buffer_append_string(out, "}");
}
