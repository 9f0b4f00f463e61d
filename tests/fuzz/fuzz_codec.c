/* What daemons send to each other: the header of any bytes, and every message, of which the first byte chooses one. What
 * decodes has one wire form only. */
#include <stdint.h>
#include <stdlib.h>

#include "shared/proto/protocol_catalog.h"
#include "shared/proto/rpc_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t all_messages(const struct codec **messages_out)
{
    size_t count = 0;
    for (size_t s = 0; s < protocol_service_count; s++)
        count += protocol_messages(&protocol_services[s], messages_out + count);
    return count;
}

static void check_header(struct text wire)
{
    uint8_t second_byte;
    struct text payload;
    if (!rpc_message_open(wire, &second_byte, &payload))
        return;
    struct buffer again = BUFFER_EMPTY;
    buffer_append(&again, (const char[]){RPC_VERSION, (char)second_byte}, RPC_HEADER_BYTES);
    buffer_append_text(&again, payload);
    if (!text_equal(buffer_text(&again), wire))
        abort();
    buffer_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct codec *messages[3 * PROTOCOL_MAX_MESSAGES];
    static size_t count;
    check_header((struct text){(const char *)data, size});
    if (count == 0)
        count = all_messages(messages);
    if (size == 0)
        return 0;
    const struct codec *codec = messages[data[0] % count];
    struct text wire = {(const char *)data + 1, size - 1};
    struct arena arena = ARENA_EMPTY;
    struct buffer again = BUFFER_EMPTY;
    struct codec_error error = {NULL, NULL, NULL};
    void *message = arena_alloc(&arena, codec->size);
    if (codec_decode(codec, wire, &arena, message, &error)) {
        codec_encode(codec, message, &again);
        if (!text_equal(buffer_text(&again), wire))
            abort();
    } else if (error.message == NULL || error.reason == NULL)
        abort();
    buffer_deinit(&again);
    arena_deinit(&arena);
    return 0;
}
