/* All services with all their methods and messages: for the documentation and for tests that must leave none out. */
#ifndef PARLEY_PROTO_PROTOCOL_CATALOG_H
#define PARLEY_PROTO_PROTOCOL_CATALOG_H

#include "shared/proto/rpc.h"

#define PROTOCOL_MAX_MESSAGES 128

struct protocol_method {
    const struct rpc_method *method;
    const char *purpose; /* one sentence */
};

struct protocol_service {
    const char *name;
    const struct protocol_method *methods;
    size_t method_count;
    const struct codec *published; /* NULL: it publishes nothing */
    const char *published_purpose;
};

extern const struct protocol_service protocol_services[];
extern const size_t protocol_service_count;

/* Every message of the service, each once, those that others are made of after them. Returns the count. */
size_t protocol_messages(const struct protocol_service *service,
                         const struct codec *messages_out[PROTOCOL_MAX_MESSAGES]);
/* docs/protocol.md. */
void protocol_document(struct buffer *out);

#endif
