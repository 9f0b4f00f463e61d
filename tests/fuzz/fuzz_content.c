/* What a client says in a message: what is accepted is within the bounds, and body and detail are JSON that the event
 * can hold. */
#include <stdlib.h>

#include "shared/base/json_scan.h"
#include "shared/proto/chat_content.h"
#include "shared/proto/chat_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* {"body":…,DETAIL} as the event will have it. */
static void check_event(const struct chat_content *content)
{
    struct buffer event = BUFFER_EMPTY;
    struct json_fault fault;
    buffer_append_string(&event, "{\"body\":");
    buffer_append_text(&event, content->body);
    if (content->detail.length > 0)
        buffer_append_string(&event, ",");
    buffer_append_text(&event, buffer_text(&content->detail));
    buffer_append_string(&event, "}");
    struct json_document *document = json_parse(buffer_text(&event), &fault);
    require(document != NULL);
    json_destroy(&document);
    buffer_deinit(&event);
}

/* What passes as a reaction's detail has an emoji, and is the same when it is written anew. */
static void check_reaction(struct text detail)
{
    struct arena arena = ARENA_EMPTY;
    struct buffer again = BUFFER_EMPTY;
    struct text emoji, emoji_again;
    bool on, on_again;
    if (chat_content_read_reaction(detail, &arena, &emoji, &on)) {
        require(chat_content_is_emoji(emoji) && emoji.length <= CHAT_EMOJI_BYTES);
        chat_content_put_reaction(&again, emoji, on);
        require(chat_content_read_reaction(buffer_text(&again), &arena, &emoji_again, &on_again));
        require(text_equal(emoji, emoji_again) && on == on_again);
    }
    buffer_deinit(&again);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data, size};
    check_reaction(bytes);
    struct chat_content content;
    struct json_fault fault;
    struct json_document *document = json_parse(bytes, &fault);
    if (document == NULL)
        return 0;
    struct json_reader reader = json_reader_start(document, "/body");
    chat_content_take(&reader, &content);
    if (json_reader_finish(&reader, &fault)) {
        require(content.client_id.length >= 1 && content.client_id.length <= 128);
        require(text_is_utf8(content.client_id) && content.body.length > 0);
        require(content.body.length + content.detail.length <= CHAT_BODY_BYTES);
        check_event(&content);
    } else
        require(fault.reason != NULL && text_is_utf8(text_of(fault.pointer)));
    chat_content_deinit(&content);
    json_destroy(&document);
    return 0;
}
