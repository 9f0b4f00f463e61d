/* The one message that everybody sends, as a frame and as a request. */
#include <stdio.h>

#include "tests/bench/guard/guard.h"

#define CLIENT_ID_SIZE 32

/* Written once, so that the writing does not count. */
struct text guard_send_frame(size_t number)
{
    static char frames[GUARD_BATCH][512];
    static int lengths[GUARD_BATCH];
    if (lengths[number] == 0)
        lengths[number] = snprintf(frames[number], sizeof frames[number],
                                   "{\"op\":\"send\",\"id\":\"%zu\",\"chat\":\"%zu\",\"client_id\":"
                                   "\"0190c6a8-7b1e-7cc3-98c4-%012zu\",\"body\":" GUARD_BODY "}",
                                   100 + number, 1 + number % GUARD_CHATS, number);
    return (struct text){frames[number], (size_t)lengths[number]};
}

const struct chat_append_request *guard_append_request(void)
{
    static char client_ids[GUARD_BATCH][CLIENT_ID_SIZE];
    static struct chat_message messages[GUARD_BATCH];
    static const struct chat_append_request request = {.messages = messages,
                                                       .messages_count = GUARD_BATCH};
    for (size_t i = 0; i < GUARD_BATCH; i++) {
        snprintf(client_ids[i], CLIENT_ID_SIZE, "0190c6a8-7b1e-7cc3-%08zu", i);
        messages[i] = (struct chat_message){.chat_id = 1 + (int64_t)(i % GUARD_CHATS),
                                            .sender_id = 1 + (int64_t)(i % GUARD_MEMBERS),
                                            .type = CHAT_EVENT_MESSAGE,
                                            .client_id = text_of(client_ids[i]),
                                            .body = TEXT_LITERAL(GUARD_BODY)};
    }
    return &request;
}
