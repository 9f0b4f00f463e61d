#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/mem.h"
#include "shared/proto/rpc_internal.h"

#define KEPT_BYTES ((size_t)1 << 20)

static struct metric malformed_total = {
    .name = "parley_rpc_malformed_total",
    .help = "Internal requests and replies that could not be decoded.",
    .kind = METRIC_COUNTER};

nng_msg *rpc_message_encode(uint8_t second_byte, const struct codec *codec, const void *message)
{
    static struct buffer scratch; /* one for the process: encoding is never nested */
    nng_msg *msg = NULL;
    buffer_clear(&scratch);
    buffer_append(&scratch, (const char[RPC_HEADER_BYTES]){RPC_VERSION, (char)second_byte},
                  RPC_HEADER_BYTES);
    if (message != NULL)
        codec_encode(codec, message, &scratch);
    if (scratch.length <= RPC_MAX_BYTES) {
        if (nng_msg_alloc(&msg, scratch.length) != 0)
            abort();
        memcpy(nng_msg_body(msg), scratch.data, scratch.length);
    }
    if (scratch.capacity > KEPT_BYTES) /* a rare large one is no reason to keep so much */
        buffer_deinit(&scratch);
    return msg;
}

bool rpc_message_open(struct text bytes, uint8_t *second_byte_out, struct text *payload_out)
{
    if (bytes.length < RPC_HEADER_BYTES || bytes.data[0] != RPC_VERSION)
        return false;
    *second_byte_out = (uint8_t)bytes.data[1];
    *payload_out = (struct text){bytes.data + RPC_HEADER_BYTES, bytes.length - RPC_HEADER_BYTES};
    return true;
}

/* Limited, for two versions beside each other would write a line for each message. */
void rpc_log_malformed(enum log_level level, const char *event, const char *method,
                       const struct codec_error *error)
{
    metrics_register(&malformed_total);
    metric_add(&malformed_total, 1);
    log_write_limited(level, event,
                      LOG_FIELDS(LOG_STRING("method", method),
                                 LOG_STRING("message", error->message),
                                 LOG_STRING("field", error->field == NULL ? "" : error->field),
                                 LOG_STRING("reason", error->reason)));
}

/* --- meters --- */

static struct rpc_meter *find_meter(const char *side, const char *method)
{
    static struct rpc_meter *meters;
    for (struct rpc_meter *meter = meters; meter != NULL; meter = meter->next)
        if (strcmp(meter->side, side) == 0 && strcmp(meter->method, method) == 0)
            return meter;
    struct rpc_meter *meter = mem_zalloc(sizeof *meter);
    meter->side = side;
    meter->method = method;
    snprintf(meter->labels, sizeof meter->labels, "method=\"%s\"", method);
    meter->seconds = (struct metric){.labels = meter->labels, .kind = METRIC_HISTOGRAM};
    meter->failed = (struct metric){.labels = meter->labels, .kind = METRIC_COUNTER};
    meter->next = meters;
    meters = meter;
    return meter;
}

static struct rpc_meter *name_meter(struct rpc_meter *meter, const char *seconds,
                                    const char *seconds_help, const char *failed,
                                    const char *failed_help)
{
    meter->seconds.name = seconds;
    meter->seconds.help = seconds_help;
    meter->failed.name = failed;
    meter->failed.help = failed_help;
    metrics_register(&meter->seconds);
    metrics_register(&meter->failed);
    return meter;
}

struct rpc_meter *rpc_meter_of_serving(const char *method)
{
    return name_meter(find_meter("serving", method), "parley_rpc_serve_seconds",
                      "From the arrival of an internal request to its answer.",
                      "parley_rpc_serve_failed_total", "Internal requests answered with an error.");
}

struct rpc_meter *rpc_meter_of_calling(const char *method)
{
    return name_meter(find_meter("calling", method), "parley_rpc_call_seconds",
                      "From an internal request to its outcome.", "parley_rpc_call_failed_total",
                      "Internal requests that ended as unavailable or uncertain.");
}
