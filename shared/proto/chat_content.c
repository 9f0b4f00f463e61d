/* The content of a message. The body is stored as it was written; what else there is becomes the detail, members of the
 * event in one fixed order and form, so that the same message sent again is the same bytes. */
#include "shared/proto/chat_content.h"

#include <cjson/cJSON.h>

#include "shared/base/mem.h"
#include "shared/proto/chat_protocol.h"

#define MAX_SEQ ((INT64_C(1) << 53) - 1) /* what a JSON number holds exactly */

static struct chat_content_limits limits = {.max_text_bytes = 16384,
                                            .max_client_id_bytes = 128,
                                            .max_mentions = 100,
                                            .max_attachments = 10,
                                            .max_emoji_bytes = 64};

void chat_content_set_limits(const struct chat_content_limits *new_limits)
{
    limits = *new_limits;
}

static void put_name(struct buffer *detail, const char *name)
{
    buffer_append_string(detail, detail->length > 0 ? ",\"" : "\"");
    buffer_append_string(detail, name);
    buffer_append_string(detail, "\":");
}

static int64_t take_reply_to(struct json_reader *reader, struct buffer *detail)
{
    int64_t seq = json_take_number(reader, "reply_to", JSON_OPTIONAL, 1, MAX_SEQ);
    if (seq == 0)
        return 0;
    put_name(detail, "reply_to");
    buffer_append_number(detail, seq);
    return seq;
}

static void take_mentions(struct json_reader *reader, struct buffer *detail)
{
    int64_t *users;
    size_t count = json_take_ids(reader, "mentions", JSON_OPTIONAL, limits.max_mentions, &users);
    if (count > 0)
        put_name(detail, "mentions");
    for (size_t i = 0; i < count; i++) {
        buffer_append_string(detail, i == 0 ? "[" : ",");
        json_write_id(detail, users[i]);
    }
    if (count > 0)
        buffer_append_string(detail, "]");
    mem_free(users);
}

/* The number of items; 0 as well when they are not what they should be, which is remembered. */
static size_t count_attachments(struct json_reader *reader)
{
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(reader->object, "attachments");
    size_t count = 0;
    if (array == NULL)
        return 0;
    if (!cJSON_IsArray(array)) {
        json_reader_fail(reader, "attachments", "must be an array of objects");
        return 0;
    }
    for (const cJSON *item = array->child; item != NULL; item = item->next, count++) {
        if (!cJSON_IsObject(item))
            json_reader_fail(reader, "attachments", "must be an array of objects");
    }
    if (count > limits.max_attachments)
        json_reader_fail(reader, "attachments", "has too many items");
    return reader->failed ? 0 : count;
}

static size_t take_attachments(struct json_reader *reader, struct buffer *detail)
{
    struct text raw = json_take_raw(reader, "attachments", JSON_OPTIONAL, CHAT_BODY_BYTES);
    size_t count = count_attachments(reader);
    if (count == 0)
        return 0;
    put_name(detail, "attachments");
    buffer_append_text(detail, raw);
    return count;
}

/* Other members of the body are the application's own: the child is not finished, so that none is unknown. */
static struct text take_body(struct json_reader *reader, size_t attachment_count)
{
    struct json_reader body = json_take_object(reader, "body", JSON_REQUIRED);
    json_take_text(&body, "text", JSON_REQUIRED, attachment_count > 0 ? 0 : 1,
                   limits.max_text_bytes);
    if (body.failed && !reader->failed) {
        reader->failed = true;
        reader->fault = body.fault;
    }
    return json_take_raw(reader, "body", JSON_REQUIRED, CHAT_BODY_BYTES);
}

void chat_content_take(struct json_reader *reader, struct chat_content *content_out)
{
    *content_out = (struct chat_content){.detail = BUFFER_EMPTY};
    content_out->client_id =
        json_take_text(reader, "client_id", JSON_REQUIRED, 1, limits.max_client_id_bytes);
    content_out->reply_to = take_reply_to(reader, &content_out->detail);
    take_mentions(reader, &content_out->detail);
    size_t attachment_count = take_attachments(reader, &content_out->detail);
    content_out->body = take_body(reader, attachment_count);
    if (content_out->body.length + content_out->detail.length > CHAT_BODY_BYTES)
        json_reader_fail(reader, "body", "is too long");
}

void chat_content_deinit(struct chat_content *content)
{
    buffer_deinit(&content->detail);
}

struct text chat_content_take_body(struct json_reader *reader)
{
    return take_body(reader, 0);
}

/* --- reactions --- */

struct range {
    uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t count, uint32_t point)
{
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    }
    return false;
}

/* Controls, line ends, and what turns the direction of a text around (Unicode, chapters 23.1 and 23.2). */
static bool is_control(uint32_t point)
{
    static const struct range controls[] = {
        {0, 0x1F}, {0x7F, 0x9F}, {0x2028, 0x202E}, {0x2066, 0x206F}, {0xFFF9, 0xFFFB}};
    return is_in(controls, sizeof controls / sizeof controls[0], point);
}

/* Spaces, and what only joins or varies what stands beside it. */
static bool is_blank(uint32_t point)
{
    static const struct range blanks[] = {
        {' ', ' '},       {0xA0, 0xA0},     {0xAD, 0xAD},       {0x115F, 0x1160}, {0x1680, 0x1680},
        {0x2000, 0x200F}, {0x202F, 0x202F}, {0x205F, 0x2064},   {0x3000, 0x3000}, {0x3164, 0x3164},
        {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}, {0xE0000, 0xE0FFF}, {0xFFA0, 0xFFA0}};
    return is_in(blanks, sizeof blanks / sizeof blanks[0], point);
}

/* The code point of a well-formed sequence of `length` bytes. */
static uint32_t point_of(const char *bytes, size_t length)
{
    static const unsigned char first_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t point = (unsigned char)bytes[0] & first_bits[length];
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)bytes[i] & 0x3F);
    return point;
}

bool chat_content_is_emoji(struct text emoji)
{
    bool is_visible = false;
    if (emoji.length > limits.max_emoji_bytes)
        return false;
    while (emoji.length > 0) {
        size_t length = text_utf8_length(emoji);
        uint32_t point = length == 0 ? 0 : point_of(emoji.data, length);
        if (is_control(point))
            return false;
        is_visible = is_visible || !is_blank(point);
        emoji = (struct text){emoji.data + length, emoji.length - length};
    }
    return is_visible;
}

void chat_content_put_reaction(struct buffer *detail, struct text emoji, bool on)
{
    put_name(detail, "emoji");
    json_write_string(detail, emoji);
    put_name(detail, "on");
    buffer_append_string(detail, on ? "true" : "false");
}

/* Takes both members; the emoji's bytes are the document's. */
static bool take_reaction(struct json_document *document, struct text *emoji_out, bool *on_out)
{
    struct json_fault fault;
    struct json_reader reader = json_reader_start(document, "");
    *emoji_out = json_take_text(&reader, "emoji", JSON_REQUIRED, 1, limits.max_emoji_bytes);
    *on_out = json_take_bool(&reader, "on", JSON_REQUIRED);
    return json_reader_finish(&reader, &fault) && chat_content_is_emoji(*emoji_out);
}

bool chat_content_read_reaction(struct text detail, struct arena *arena, struct text *emoji_out,
                                bool *on_out)
{
    struct json_fault fault;
    struct buffer object = BUFFER_EMPTY;
    buffer_append_string(&object, "{");
    buffer_append_text(&object, detail);
    buffer_append_string(&object, "}");
    struct json_document *document = json_parse(buffer_text(&object), &fault);
    struct text emoji;
    bool is_reaction = document != NULL && take_reaction(document, &emoji, on_out);
    if (is_reaction)
        *emoji_out = arena_text(arena, emoji);
    json_destroy(&document);
    buffer_deinit(&object);
    return is_reaction;
}
