/* What serving and calling share: rpc_server.c, rpc_client.c and rpc_message.c only. */
#ifndef PARLEY_PROTO_RPC_INTERNAL_H
#define PARLEY_PROTO_RPC_INTERNAL_H

#include <nng/nng.h>

#include "shared/base/log.h"
#include "shared/base/metrics.h"
#include "shared/proto/rpc.h"

#define RPC_HEADER_BYTES 2
/* Of a request or a reply, also for nng. Each field has a bound of its own; together they may allow more. */
#define RPC_MAX_BYTES    ((size_t)64 << 20)

/* How one method fares, on one side; lives as long as the process. */
struct rpc_meter {
    const char *side, *method;
    char labels[64];
    struct metric seconds, failed;
    struct rpc_meter *next;
};

struct rpc_meter *rpc_meter_of_serving(const char *method);
struct rpc_meter *rpc_meter_of_calling(const char *method);

/* The two header bytes and the encoded message, if any. NULL when it is over RPC_MAX_BYTES. */
nng_msg *rpc_message_encode(uint8_t second_byte, const struct codec *codec, const void *message);
/* False when it is shorter than a header or of another version. */
bool rpc_message_open(struct text bytes, uint8_t *second_byte_out, struct text *payload_out);
void rpc_log_malformed(enum log_level level, const char *event, const char *method,
                       const struct codec_error *error);

#endif
