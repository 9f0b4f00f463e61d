/* The handshake on any bytes at all. */
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/net/websocket.h"

#define MAX_HEAD 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static enum websocket_handshake_outcome read_alone(const uint8_t *data, size_t size,
                                                   struct websocket_handshake *handshake,
                                                   size_t *consumed, int *status)
{
    char *copy = mem_alloc(size > 0 ? size : 1); /* alone on the heap: reading past it is seen */
    memcpy(copy, data, size);
    enum websocket_handshake_outcome outcome =
        websocket_handshake_read((struct text){copy, size}, MAX_HEAD, handshake, consumed, status);
    mem_free(copy);
    return outcome;
}

static bool is_terminated(const char *field, size_t size)
{
    return memchr(field, '\0', size) != NULL;
}

static bool has_line_break(const char *field)
{
    return strpbrk(field, "\r\n") != NULL;
}

/* What came of a head that was accepted can be put into a log, a header and a comparison. */
static void check_done(const struct websocket_handshake *handshake, size_t consumed, size_t size)
{
    require(consumed <= size && consumed <= MAX_HEAD);
    require(strlen(handshake->accept) == 28);
    require(is_terminated(handshake->origin, sizeof handshake->origin) &&
            !has_line_break(handshake->origin));
    require(is_terminated(handshake->address, sizeof handshake->address) &&
            !has_line_break(handshake->address));
    require(is_terminated(handshake->path, sizeof handshake->path) &&
            strchr(handshake->path, '?') == NULL);
}

static void check_prefixes(const uint8_t *data, size_t consumed)
{
    struct websocket_handshake handshake;
    size_t used;
    int status;
    for (size_t size = 0; size < consumed; size += 1 + size / 4)
        require(read_alone(data, size, &handshake, &used, &status) == WEBSOCKET_HANDSHAKE_MORE);
    require(read_alone(data, consumed, &handshake, &used, &status) == WEBSOCKET_HANDSHAKE_DONE);
}

static void check_answers(const struct websocket_handshake *handshake, int status)
{
    struct buffer out = BUFFER_EMPTY;
    if (handshake != NULL)
        websocket_handshake_answer(handshake, &out);
    else
        websocket_handshake_refuse(status, &out);
    require(out.length > 0);
    buffer_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct websocket_handshake handshake;
    size_t consumed = 0;
    int status = 0;
    switch (read_alone(data, size, &handshake, &consumed, &status)) {
    case WEBSOCKET_HANDSHAKE_MORE:
        require(size < MAX_HEAD);
        break;
    case WEBSOCKET_HANDSHAKE_DONE:
        check_done(&handshake, consumed, size);
        check_prefixes(data, consumed);
        check_answers(&handshake, 0);
        break;
    case WEBSOCKET_HANDSHAKE_REFUSED:
        require(status == 400 || status == 405 || status == 426 || status == 431);
        check_answers(NULL, status);
        break;
    }
    return 0;
}
