/* Devices that are online talk: at a rate (open loop), or as fast as answers come (closed loop). What counts is what was
 * due inside the measured time; the warm-up before it is not. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/load/bench.h"

#define TICK_US   200
#define ACK_TICKS 125
#define CONNECT_S 60

enum phase { CONNECTING, TALKING, SETTLING, DONE };

static struct {
    const struct bench_options *options;
    const struct bench_plan *plan;
    struct event_base *base;
    struct device **devices;
    struct bench_sender **sender_of; /* by device; NULL: it only listens */
    enum phase phase;
    size_t connected, ready;
    uint64_t due_count, ticks;
    int64_t start_us, from_us, to_us; /* from_us to to_us is measured */
    double cpu_from_s, cpu_to_s;
    uint64_t sent, answered, refused, arrived, arrived_in_time;
    struct histogram latency;
    int failures;
} talk;

static bool has_said_all(void)
{
    return talk.options->messages > 0 && talk.sent >= (uint64_t)talk.options->messages;
}

static void say(struct bench_sender *sender, int64_t due_us)
{
    if (has_said_all())
        return;
    talk.sent++;
    device_send(talk.devices[sender->device], sender->chat, due_us,
                (size_t)talk.options->text_bytes);
}

static void fail(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    talk.failures++;
    event_base_loopbreak(talk.base);
}

/* --- what came --- */

static void connect_more(void)
{
    while (talk.connected < talk.plan->token_count &&
           talk.connected - talk.ready < (size_t)talk.options->at_once) {
        size_t i = talk.connected++;
        const struct bench_sender *sender = talk.sender_of[i];
        talk.devices[i] =
            device_connect(talk.base, &talk.options->place, (int64_t)i, talk.plan->tokens[i],
                           sender == NULL ? NULL : sender->chat);
        if (talk.devices[i] == NULL) {
            fail("cannot connect");
            return;
        }
    }
}

static void begin(void)
{
    talk.phase = TALKING;
    talk.start_us = clock_monotonic_us();
    talk.from_us = talk.start_us + (int64_t)(talk.options->warm_s * 1e6);
    talk.to_us = talk.from_us + (int64_t)(talk.options->run_s * 1e6);
    for (size_t i = 0; talk.options->rate <= 0 && i < talk.plan->sender_count; i++)
        for (int64_t k = 0; k < talk.options->window; k++)
            say(&talk.plan->senders[i], talk.start_us);
}

static void on_ready(struct device *device, int64_t inbox)
{
    (void)device;
    (void)inbox;
    talk.ready++;
    connect_more();
    if (talk.ready == talk.plan->token_count)
        begin();
}

static void on_event(struct device *device, int64_t sender, int64_t due_us)
{
    if (sender < 0 || sender == device_index(device) || due_us < talk.start_us)
        return;
    int64_t now_us = clock_monotonic_us();
    talk.arrived++;
    if (now_us >= talk.from_us && now_us < talk.to_us)
        talk.arrived_in_time++;
    if (due_us >= talk.from_us && due_us < talk.to_us)
        histogram_add(&talk.latency, now_us - due_us);
}

static void on_answer(int64_t index, bool is_ok)
{
    bool is_ours = index >= 0 && (size_t)index < talk.plan->token_count;
    struct bench_sender *sender = is_ours ? talk.sender_of[index] : NULL;
    talk.answered += is_ok;
    talk.refused += !is_ok;
    if (sender != NULL && talk.options->rate <= 0 && talk.phase == TALKING)
        say(sender, clock_monotonic_us());
}

static void on_end(struct device *device, int code)
{
    char why[80];
    snprintf(why, sizeof why, "device %" PRId64 " was closed with %d", device_index(device), code);
    fail(why);
}

/* --- time --- */

/* All that is due by now, each with the moment at which it was. */
static void say_what_is_due(int64_t now_us)
{
    double per_us = talk.options->rate / 1e6;
    int64_t until_us = now_us < talk.to_us ? now_us : talk.to_us;
    uint64_t due = (uint64_t)((double)(until_us - talk.start_us) * per_us);
    for (; talk.due_count < due; talk.due_count++) {
        int64_t due_us = talk.start_us + (int64_t)((double)(talk.due_count + 1) / per_us);
        say(&talk.plan->senders[talk.due_count % talk.plan->sender_count], due_us);
    }
}

static bool is_settled(int64_t now_us)
{
    bool all_came = talk.answered + talk.refused == talk.sent &&
                    (talk.options->messages > 0 ||
                     talk.arrived == talk.answered * (uint64_t)talk.options->receivers);
    return all_came || now_us > talk.to_us + (int64_t)(talk.options->settle_s * 1e6);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    int64_t now_us = clock_monotonic_us();
    (void)fd;
    (void)what;
    (void)context;
    if (talk.phase == CONNECTING && now_us > talk.start_us + CONNECT_S * INT64_C(1000000))
        fail("not all devices are ready in time");
    if (talk.phase == TALKING && talk.options->rate > 0)
        say_what_is_due(now_us);
    if (talk.cpu_from_s <= 0 && talk.phase == TALKING && now_us >= talk.from_us)
        talk.cpu_from_s = bench_cpu_s();
    if (talk.phase == TALKING && (now_us >= talk.to_us || has_said_all())) {
        talk.cpu_to_s = bench_cpu_s();
        talk.phase = SETTLING;
    }
    if (++talk.ticks % ACK_TICKS == 0)
        for (size_t i = 0; talk.phase != CONNECTING && i < talk.plan->token_count; i++)
            device_tick(talk.devices[i]);
    device_flush_all();
    if (talk.phase == SETTLING && is_settled(now_us)) {
        talk.phase = DONE;
        event_base_loopbreak(talk.base);
    }
}

static void report(void)
{
    const struct histogram *latency = &talk.latency;
    uint64_t expected = talk.answered * (uint64_t)talk.options->receivers;
    printf("{\"sent\":%" PRIu64 ",\"answered\":%" PRIu64 ",\"refused\":%" PRIu64
           ",\"arrived\":%" PRIu64 ",\"lost\":%" PRId64
           ",\"deliveries_per_s\":%.1f,\"messages_per_s\":%.1f,"
           "\"p50_us\":%" PRId64 ",\"p99_us\":%" PRId64 ",\"p999_us\":%" PRId64
           ",\"max_us\":%" PRId64 ",\"load_cpu_s\":%.3f,\"from_us\":%" PRId64 ",\"to_us\":%" PRId64
           "}\n",
           talk.sent, talk.answered, talk.refused, talk.arrived,
           (int64_t)expected - (int64_t)talk.arrived,
           (double)talk.arrived_in_time / talk.options->run_s,
           (double)talk.arrived_in_time / talk.options->run_s / (double)talk.options->receivers,
           histogram_quantile(latency, 0.5), histogram_quantile(latency, 0.99),
           histogram_quantile(latency, 0.999), latency->max_us, talk.cpu_to_s - talk.cpu_from_s,
           talk.from_us, talk.to_us);
}

/* Without a precise timer a tick waits for the next millisecond, and so would every message. */
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

int bench_talk(const struct bench_options *options, const struct bench_plan *plan)
{
    struct timeval tick = {0, TICK_US};
    device_events = (struct device_events){on_ready, on_event, on_answer, on_end, NULL};
    talk.options = options;
    talk.plan = plan;
    talk.base = make_base();
    talk.devices = mem_array(plan->token_count, sizeof *talk.devices);
    talk.sender_of = mem_array(plan->token_count, sizeof *talk.sender_of);
    for (size_t i = 0; i < plan->sender_count; i++)
        talk.sender_of[plan->senders[i].device] = &plan->senders[i];
    talk.start_us = clock_monotonic_us();
    struct event *ticker = event_new(talk.base, -1, EV_PERSIST, on_tick, NULL);
    event_add(ticker, &tick);
    connect_more();
    device_flush_all();
    event_base_dispatch(talk.base);
    if (talk.failures == 0)
        report();
    return talk.failures == 0 ? 0 : 1;
}
