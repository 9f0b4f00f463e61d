/* The pieces of a message's way whose instructions are counted (tests/bench/README.md, "The guard").
 *
 * A piece prepares, does its work `iterations` times and takes everything down again. It is run with N and with 2N, and
 * the difference is what counts, so preparing is free. Its input is fixed, and it speaks to nobody: no socket, no Postgres,
 * no Redis. What a piece reads of a clock must not decide how much it does. */
#ifndef PARLEY_GUARD_H
#define PARLEY_GUARD_H

#include "shared/net/loop.h"
#include "shared/proto/chat_protocol.h"
#include "shared/proto/rpc.h"

#define GUARD_BATCH   32 /* messages in a batch or a request */
#define GUARD_CHATS   8  /* that the messages of a batch are of */
#define GUARD_MEMBERS 50 /* of a chat */

/* A piece that does less than it should would look like a gain. */
void guard_require(bool condition, const char *what);

/* guard_messages.c */
#define GUARD_BODY                                                                                   \
    "{\"text\":\"Shall we meet at the café at eight? I have the tickets, and Zoë brings the map. " \
    "🎉\"}"
struct text guard_send_frame(size_t number); /* the JSON; number below GUARD_BATCH */
const struct chat_append_request *guard_append_request(void);

/* guard_bus.c: stands in for the bus. What is asked waits until it is answered here. */
void guard_bus_answer(const void *reply);
/* What was asked, as it went out; data NULL: nothing waits. */
struct text guard_bus_asked(void);
size_t guard_bus_published(void); /* bytes since the last call */

/* The pieces. */
void guard_frame(size_t iterations);   /* guard_wire.c */
void guard_request(size_t iterations); /* guard_wire.c */
void guard_append(size_t iterations);  /* guard_chat.c */
void guard_render(size_t iterations);  /* guard_chat.c */
void guard_send(size_t iterations);    /* guard_delivery.c */
void guard_fan_out(size_t iterations); /* guard_delivery.c */

#endif
