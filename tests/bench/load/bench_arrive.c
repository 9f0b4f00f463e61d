/* Devices that arrive, so many on their way at once, and take what waits for them. Prints how long that took; with
 * `--hold` they stay, silent, until standard input ends. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/load/bench.h"

#define TICK_MS    20
#define DEADLINE_S 120

static struct {
    const struct bench_options *options;
    const struct bench_plan *plan;
    struct event_base *base;
    struct device **devices;
    int64_t *began_us,
        *waiting; /* by device: when it began to connect; events that are still to come from its inbox */
    size_t connected, ready, done;
    int64_t waited; /* events, of all devices */
    int64_t start_us, ready_us;
    struct histogram to_ready, to_drained;
    int failures;
} arrive;

static void fail(const char *why, int64_t device, int code)
{
    fprintf(stderr, "bench: device %" PRId64 " %s (%d)\n", device, why, code);
    arrive.failures++;
    event_base_loopbreak(arrive.base);
}

static void connect_more(void)
{
    while (arrive.connected < arrive.plan->token_count &&
           arrive.connected - arrive.ready < (size_t)arrive.options->at_once) {
        size_t i = arrive.connected++;
        arrive.began_us[i] = clock_monotonic_us();
        arrive.devices[i] = device_connect(arrive.base, &arrive.options->place, (int64_t)i,
                                           arrive.plan->tokens[i], NULL);
        if (arrive.devices[i] == NULL)
            fail("cannot connect", (int64_t)i, 0);
    }
}

static void finish(size_t index)
{
    histogram_add(&arrive.to_drained, clock_monotonic_us() - arrive.began_us[index]);
    if (++arrive.done == arrive.plan->token_count)
        event_base_loopbreak(arrive.base);
}

static void on_ready(struct device *device, int64_t inbox)
{
    size_t index = (size_t)device_index(device);
    arrive.ready_us = clock_monotonic_us();
    histogram_add(&arrive.to_ready, arrive.ready_us - arrive.began_us[index]);
    arrive.ready++;
    arrive.waiting[index] = inbox == INBOX_UNKNOWN ? arrive.options->waiting : inbox;
    arrive.waited += arrive.waiting[index];
    if (arrive.waiting[index] == 0)
        finish(index);
    connect_more();
}

static void on_event(struct device *device, int64_t sender, int64_t due_us)
{
    size_t index = (size_t)device_index(device);
    (void)sender;
    (void)due_us;
    if (arrive.waiting[index] > 0 && --arrive.waiting[index] == 0)
        finish(index);
}

static void on_answer(int64_t index, bool is_ok)
{
    (void)index;
    (void)is_ok;
}

static void on_end(struct device *device, int code)
{
    fail("was closed", device_index(device), code);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    for (size_t i = 0; i < arrive.connected; i++)
        device_tick(arrive.devices[i]);
    device_flush_all();
    if (clock_monotonic_us() - arrive.start_us > DEADLINE_S * INT64_C(1000000))
        fail("is one of those that were not served in time", (int64_t)arrive.done, 0);
}

static void on_input(evutil_socket_t fd, short what, void *context)
{
    char bytes[64];
    (void)what;
    (void)context;
    if (read((int)fd, bytes, sizeof bytes) <= 0)
        event_base_loopbreak(arrive.base);
}

static void report(void)
{
    double seconds = (double)(arrive.ready_us - arrive.start_us) / 1e6;
    printf("{\"devices\":%zu,\"seconds\":%.4f,\"connections_per_s\":%.1f,\"ready_p50_us\":%" PRId64
           ",\"ready_p99_us\":%" PRId64 ",\"waited\":%" PRId64 ",\"drained_p50_us\":%" PRId64
           ",\"drained_max_us\":%" PRId64 ",\"load_cpu_s\":%.3f}\n",
           arrive.ready, seconds, (double)arrive.ready / seconds,
           histogram_quantile(&arrive.to_ready, 0.5), histogram_quantile(&arrive.to_ready, 0.99),
           arrive.waited, histogram_quantile(&arrive.to_drained, 0.5), arrive.to_drained.max_us,
           bench_cpu_s());
    fflush(stdout);
}

static void hold(void)
{
    struct event *input =
        event_new(arrive.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
    arrive.start_us = INT64_MAX / 2; /* no deadline any more */
    event_add(input, NULL);
    event_base_dispatch(arrive.base);
}

int bench_arrive(const struct bench_options *options, const struct bench_plan *plan)
{
    struct timeval tick = {0, TICK_MS * 1000};
    device_events = (struct device_events){on_ready, on_event, on_answer, on_end, NULL};
    arrive.options = options;
    arrive.plan = plan;
    arrive.base = event_base_new();
    arrive.devices = mem_array(plan->token_count, sizeof *arrive.devices);
    arrive.began_us = mem_array(plan->token_count, sizeof *arrive.began_us);
    arrive.waiting = mem_array(plan->token_count, sizeof *arrive.waiting);
    arrive.start_us = clock_monotonic_us();
    struct event *ticker = event_new(arrive.base, -1, EV_PERSIST, on_tick, NULL);
    event_add(ticker, &tick);
    connect_more();
    device_flush_all();
    event_base_dispatch(arrive.base);
    if (arrive.failures == 0)
        report();
    if (arrive.failures == 0 && options->is_held)
        hold();
    return arrive.failures == 0 ? 0 : 1;
}
