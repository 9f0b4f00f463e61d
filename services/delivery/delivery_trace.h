/* delivery.trace: where an event is, device by device.
 *
 * The user daemon tells which devices there are, memory and Redis where the event is on its way to each. Of a trace at most
 * 4 inboxes are looked into at once, so that parking goes on between them; what is not known after
 * delivery.trace_deadline_ms is answered as unknown. */
#ifndef PARLEY_DELIVERY_TRACE_H
#define PARLEY_DELIVERY_TRACE_H

#include "services/delivery/delivery_service.h"
#include "shared/proto/delivery_protocol.h"

struct delivery_traces;

struct delivery_traces *delivery_traces_create(struct delivery_service *service);
/* Answers what is open with what is known by now. Nothing is begun afterwards; whoever may still answer (the clients,
 * Redis) is destroyed between this and delivery_traces_destroy. */
void delivery_traces_stop(struct delivery_traces *traces);
void delivery_traces_destroy(struct delivery_traces **traces);
void delivery_traces_begin(struct delivery_traces *traces, struct rpc_exchange *exchange,
                           const struct delivery_trace_request *request);

#endif
