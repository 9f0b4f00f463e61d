/* A trace lives until it was answered and nothing is on its way for it any more. */
#include "services/delivery/delivery_trace.h"

#include "services/delivery/delivery_cursor.h"
#include "services/delivery/delivery_inbox.h"
#include "services/delivery/delivery_people.h"
#include "services/delivery/delivery_recovery.h"
#include "shared/base/mem.h"
#include "shared/base/metrics.h"

#define LOOKS_AT_ONCE 4
#define LOOKS_MAX     3 /* for one device: it may connect between question and answer */

struct trace;

struct traced {
    struct trace *trace;
    int64_t created_change;
    struct device_trace_mark mark;
    uint8_t looks;
    bool is_done;
};

struct trace {
    struct delivery_traces *traces;
    struct rpc_exchange *exchange; /* NULL: answered */
    struct delivery_ref ref;
    int64_t at_ms;
    struct delivery_traced_device *devices; /* the reply */
    struct traced *states;                  /* of the devices, by the same index */
    size_t count, next, done;
    size_t in_flight; /* looks, and the question for the devices */
    struct loop_timer *deadline;
    struct trace *older, *newer;
};

struct delivery_traces {
    struct delivery_service *service;
    struct trace *newest;
    bool is_stopped;
};

static struct metric looks_total = {.name = "parley_delivery_trace_looks_total",
                                    .labels = "",
                                    .help = "Inboxes that were looked into for a trace.",
                                    .kind = METRIC_COUNTER};
static struct metric unknown_total = {
    .name = "parley_delivery_trace_unknown_total",
    .labels = "",
    .help = "Devices of which a trace could not find out where an event is.",
    .kind = METRIC_COUNTER};

/* --- the end of a trace --- */

static void free_trace(struct trace *trace)
{
    struct delivery_traces *traces = trace->traces;
    *(trace->newer != NULL ? &trace->newer->older : &traces->newest) = trace->older;
    if (trace->older != NULL)
        trace->older->newer = trace->newer;
    loop_timer_destroy(&trace->deadline);
    for (size_t i = 0; i < trace->count; i++)
        mem_free((void *)(uintptr_t)trace->devices[i].name.data);
    mem_free(trace->devices);
    mem_free(trace->states);
    mem_free(trace);
}

static void answer(struct trace *trace)
{
    if (trace->exchange == NULL)
        return;
    struct delivery_trace_reply reply = {.devices = trace->devices, .devices_count = trace->count};
    metric_add(&unknown_total, (int64_t)(trace->count - trace->done));
    rpc_reply(trace->exchange, &reply);
    trace->exchange = NULL;
}

static void fail(struct trace *trace)
{
    if (trace->exchange != NULL)
        rpc_fail(trace->exchange, PROBLEM_UNAVAILABLE);
    trace->exchange = NULL;
}

static void on_deadline(void *context)
{
    struct trace *trace = context;
    if (trace->count > 0)
        answer(trace);
    else
        fail(trace); /* not even which devices there are */
}

/* --- one device --- */

static const int64_t states_of[] = {
    [DEVICE_TRACE_LOOK] = DELIVERY_TRACE_UNKNOWN,
    [DEVICE_TRACE_WAITING] = DELIVERY_TRACE_WAITING,
    [DEVICE_TRACE_PARKED] = DELIVERY_TRACE_PARKED,
    [DEVICE_TRACE_SENT] = DELIVERY_TRACE_SENT,
    [DEVICE_TRACE_ACKNOWLEDGED] = DELIVERY_TRACE_ACKNOWLEDGED,
    [DEVICE_TRACE_RESYNC] = DELIVERY_TRACE_RESYNC,
};

static void settle(struct trace *trace, size_t i, enum device_trace found, int64_t position)
{
    if (trace->exchange == NULL || trace->states[i].is_done)
        return;
    trace->devices[i].state = states_of[found];
    trace->devices[i].position = found == DEVICE_TRACE_PARKED ? position : 0;
    trace->states[i].is_done = true;
    trace->done++;
}

static bool waits_in_round(const struct delivery_user *user, const struct delivery_ref *ref)
{
    const struct delivery_pair *pair = user == NULL ? NULL : user->first_pair;
    for (; pair != NULL; pair = pair->next_of_user)
        if (pair->event->ref.chat_id == ref->chat_id && pair->event->ref.seq == ref->seq)
            return true;
    return false;
}

/* Before devices are asked: has the feed come so far, and can Redis tell? True: the device is settled, or stays unknown. */
static bool trace_without_device(struct trace *trace, size_t i, const struct device *device)
{
    struct delivery_service *service = trace->traces->service;
    const struct delivery_ref *ref = &trace->ref;
    bool is_there = device != NULL && device_is_ready(device);
    bool is_fanned_out = ref->offset <= delivery_cursor_begun(service->cursor, ref->partition);
    if (!is_fanned_out ||
        (device == NULL &&
         waits_in_round(delivery_people_find(service->people, trace->devices[i].user_id), ref))) {
        settle(trace, i, DEVICE_TRACE_WAITING, 0);
        return true;
    }
    if (is_there || delivery_recovery_is_up(service->recovery))
        return false;
    /* Nothing is kept of an absent device now: what is above the durable cursor will be read again for it. */
    if (ref->offset > delivery_cursor_durable(service->cursor, ref->partition))
        settle(trace, i, DEVICE_TRACE_WAITING, 0);
    return true;
}

static void pump(struct trace *trace);
static void trace_device(struct trace *trace, size_t i);

static void on_look(void *context, const struct device_look *look)
{
    struct traced *traced = context;
    struct trace *trace = traced->trace;
    size_t i = (size_t)(traced - trace->states);
    struct delivery_people *people = trace->traces->service->people;
    const struct device *device = delivery_people_device(people, trace->devices[i].device_id);
    int64_t position = 0;
    trace->in_flight--;
    if (look != NULL && trace->exchange != NULL) {
        enum device_trace found =
            device_trace_looked(device, &trace->ref, look, &traced->mark, &position);
        if (found != DEVICE_TRACE_LOOK)
            settle(trace, i, found, position);
        else if (traced->looks < LOOKS_MAX)
            trace_device(trace, i);
    }
    pump(trace);
}

static void look_into(struct trace *trace, size_t i, const struct device *device)
{
    struct delivery_service *service = trace->traces->service;
    struct traced *traced = &trace->states[i];
    struct delivery_inbox_of of = {trace->devices[i].device_id, traced->created_change, device};
    traced->looks++;
    trace->in_flight++;
    metric_add(&looks_total, 1);
    delivery_inbox_look(service->inbox, &of, &trace->ref, on_look, traced);
}

static void trace_device(struct trace *trace, size_t i)
{
    struct delivery_service *service = trace->traces->service;
    const struct device *device =
        delivery_people_device(service->people, trace->devices[i].device_id);
    enum device_trace found = DEVICE_TRACE_LOOK;
    trace->devices[i].connected = device != NULL && device_is_ready(device);
    if (trace_without_device(trace, i, device))
        return;
    if (device != NULL)
        found = device_trace(device, &trace->ref, &trace->states[i].mark);
    if (found != DEVICE_TRACE_LOOK)
        settle(trace, i, found, 0);
    else if (delivery_recovery_is_up(service->recovery))
        look_into(trace, i, device);
}

/* Goes on as far as it may now. Frees the trace when it is over. */
static void pump(struct trace *trace)
{
    while (trace->exchange != NULL && trace->next < trace->count &&
           trace->in_flight < LOOKS_AT_ONCE)
        trace_device(trace, trace->next++);
    if (trace->in_flight > 0)
        return;
    answer(trace);
    free_trace(trace);
}

/* --- which devices --- */

/* A device that came later was never meant: it reads the log. */
static void take_devices(struct trace *trace, const struct user_devices_reply *reply)
{
    trace->devices = mem_array(reply->devices_count + 1, sizeof *trace->devices);
    trace->states = mem_array(reply->devices_count + 1, sizeof *trace->states);
    for (size_t i = 0; i < reply->devices_count; i++) {
        const struct user_device *device = &reply->devices[i];
        if (device->created_at_ms > trace->at_ms)
            continue;
        trace->devices[trace->count] = (struct delivery_traced_device){
            .user_id = device->user_id, .device_id = device->device_id};
        if (device->name.data != NULL)
            trace->devices[trace->count].name =
                (struct text){text_to_string(device->name), device->name.length};
        trace->states[trace->count++] =
            (struct traced){.trace = trace, .created_change = device->created_change};
    }
}

static void on_devices(void *context, const struct rpc_result *result)
{
    struct trace *trace = context;
    trace->in_flight--;
    if (trace->exchange != NULL && result->outcome == RPC_OK)
        take_devices(trace, result->reply);
    else
        fail(trace);
    pump(trace);
}

void delivery_traces_begin(struct delivery_traces *traces, struct rpc_exchange *exchange,
                           const struct delivery_trace_request *request)
{
    struct delivery_service *service = traces->service;
    bool is_able = service->cursor != NULL && !traces->is_stopped;
    if (!is_able || request->partition < 0 ||
        request->partition >= delivery_cursor_partitions(service->cursor)) {
        rpc_fail(exchange, is_able ? PROBLEM_BAD_REQUEST : PROBLEM_UNAVAILABLE);
        return;
    }
    struct trace *trace = mem_zalloc(sizeof *trace);
    *trace = (struct trace){.traces = traces,
                            .exchange = exchange,
                            .ref = {.chat_id = request->chat_id,
                                    .seq = request->seq,
                                    .offset = request->offset,
                                    .partition = (uint32_t)request->partition,
                                    .span = 1},
                            .at_ms = request->at_ms,
                            .in_flight = 1,
                            .older = traces->newest};
    if (traces->newest != NULL)
        traces->newest->newer = trace;
    traces->newest = trace;
    trace->deadline = loop_timer_create(service->loop, on_deadline, trace);
    loop_timer_start(trace->deadline, delivery_settings.trace_deadline_ms);
    struct user_devices_request devices = {.users = request->users,
                                           .users_count = request->users_count,
                                           .named_id = request->named_id};
    user_client_devices(service->user, &devices, daemon_settings.rpc_deadline_ms, on_devices,
                        trace);
}

/* --- life --- */

struct delivery_traces *delivery_traces_create(struct delivery_service *service)
{
    struct delivery_traces *traces = mem_zalloc(sizeof *traces);
    traces->service = service;
    metrics_register(&looks_total);
    metrics_register(&unknown_total);
    return traces;
}

void delivery_traces_stop(struct delivery_traces *traces)
{
    traces->is_stopped = true;
    for (struct trace *trace = traces->newest; trace != NULL; trace = trace->older)
        on_deadline(trace);
}

void delivery_traces_destroy(struct delivery_traces **traces)
{
    if (*traces == NULL)
        return;
    while ((*traces)->newest != NULL)
        free_trace((*traces)->newest);
    mem_free(*traces);
    *traces = NULL;
}
