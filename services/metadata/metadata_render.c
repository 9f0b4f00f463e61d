#include "services/metadata/metadata_render.h"

#include "shared/base/json.h"

const char *const metadata_kinds[] = {"direct", "group", "channel", NULL};
const char *const metadata_roles[] = {"reader", "member", "admin", "owner", NULL};
const char *const metadata_histories[] = {"joined", "shared", NULL};

static void write_bool(struct buffer *out, bool value)
{
    buffer_append_string(out, value ? "true" : "false");
}

void metadata_render_chat(struct buffer *out, const struct metadata_chat *chat, int64_t last_seq)
{
    buffer_append_string(out, "{\"id\":");
    json_write_id(out, chat->chat_id);
    buffer_append_format(out, ",\"kind\":\"%s\",\"title\":", metadata_kinds[chat->kind - 1]);
    json_write_text_or_null(out, chat->title);
    buffer_append_string(out, ",\"description\":");
    json_write_text_or_null(out, chat->description);
    buffer_append_string(out, ",\"avatar\":");
    json_write_text_or_null(out, chat->avatar);
    buffer_append_format(
        out, ",\"history\":\"%s\",\"created_at\":", metadata_histories[chat->history - 1]);
    json_write_time(out, chat->created_at_ms);
    buffer_append_string(out, ",\"last_seq\":");
    buffer_append_number(out, last_seq);
    buffer_append_string(out, ",\"member_count\":");
    buffer_append_number(out, chat->member_count);
    buffer_append_string(out, "}");
}

void metadata_render_own(struct buffer *out, const struct metadata_own *own)
{
    buffer_append_string(out, "{\"muted_until\":");
    if (own->muted_until_ms == 0)
        buffer_append_string(out, "null");
    else
        json_write_time(out, own->muted_until_ms);
    buffer_append_string(out, ",\"pinned\":");
    write_bool(out, own->pinned);
    buffer_append_string(out, ",\"archived\":");
    write_bool(out, own->archived);
    buffer_append_string(out, "}");
}

void metadata_render_member(struct buffer *out, int64_t user_id, int64_t role)
{
    buffer_append_string(out, "{\"user\":");
    json_write_id(out, user_id);
    buffer_append_format(out, ",\"role\":\"%s\"}", metadata_roles[role - 1]);
}

void metadata_render_item(struct buffer *out, const struct metadata_chat *chat,
                          const struct chat_summary *summary)
{
    buffer_append_string(out, "{\"chat\":");
    metadata_render_chat(out, chat, summary->last_seq);
    buffer_append_string(out, ",\"last_seq\":");
    buffer_append_number(out, summary->last_seq);
    buffer_append_string(out, ",\"last_event\":");
    if (summary->last_event.length == 0)
        buffer_append_string(out, "null");
    else
        buffer_append_text(out, summary->last_event);
    buffer_append_string(out, ",\"read_seq\":");
    buffer_append_number(out, summary->read_seq);
    buffer_append_string(out, ",\"unread\":");
    buffer_append_number(out, summary->unread);
    buffer_append_string(out, ",\"unread_mentions\":");
    buffer_append_number(out, summary->mentions);
    buffer_append_string(out, ",\"me\":");
    metadata_render_own(out, &chat->own);
    buffer_append_string(out, "}");
}
