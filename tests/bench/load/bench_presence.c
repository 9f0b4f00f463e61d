/* Devices that follow one user, who comes and goes: how long until the last of them was told. Coming counts from the user's
 * `ready`, going from the end of their connection, so that it includes the time for which they count as there. Prints a line when all follow, and one at the end. */
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/mem.h"
#include "tests/bench/load/bench_device.h"

#define TICK_MS    20
#define DEADLINE_S 120 /* of each step */

enum step { ARRIVING, ONLINE, OFFLINE };

static struct {
    const struct bench_options *options;
    const struct bench_plan *plan;
    struct event_base *base;
    struct device **followers;
    size_t follower_count, connected, ready;
    struct device *subject; /* NULL while the user is away */
    enum step step;
    size_t told;     /* followers, in this step */
    bool *knows;     /* by follower: was told in this step */
    int64_t step_us; /* when it began */
    int64_t rounds;
    struct histogram to_follower, last_online, last_offline;
    int failures;
} bench;

static void fail(const char *why, int64_t device, int code)
{
    fprintf(stderr, "bench: device %" PRId64 " %s (%d)\n", device, why, code);
    bench.failures++;
    event_base_loopbreak(bench.base);
}

/* --- the course --- */

static void connect_more(void)
{
    while (bench.connected < bench.follower_count &&
           bench.connected - bench.ready < (size_t)bench.options->at_once) {
        size_t i = bench.connected++;
        bench.followers[i] = device_connect(bench.base, &bench.options->place, (int64_t)i,
                                            bench.plan->tokens[i], NULL);
        if (bench.followers[i] == NULL) {
            fail("cannot connect", (int64_t)i, 0);
            return;
        }
    }
}

static void begin(enum step step)
{
    bench.step = step;
    bench.told = 0;
    memset(bench.knows, 0, bench.follower_count * sizeof *bench.knows);
    bench.step_us = clock_monotonic_us();
}

/* The user comes; it counts from their `ready`. */
static void come(void)
{
    begin(ONLINE);
    bench.subject = device_connect(bench.base, &bench.options->place, (int64_t)bench.follower_count,
                                   bench.plan->tokens[bench.follower_count], NULL);
    if (bench.subject == NULL)
        fail("cannot connect", (int64_t)bench.follower_count, 0);
}

static void go(void)
{
    struct device *subject = bench.subject;
    bench.subject = NULL;
    begin(OFFLINE);
    device_end(subject, 0);
}

/* All follow: who wants to know what presence does to the rest begins to look. */
static void say_all_are_there(void)
{
    printf("{\"followers\":%zu}\n", bench.follower_count);
    fflush(stdout);
}

static void end_step(void)
{
    int64_t took_us = clock_monotonic_us() - bench.step_us;
    if (bench.step == ONLINE)
        histogram_add(&bench.last_online, took_us);
    if (bench.step == OFFLINE)
        histogram_add(&bench.last_offline, took_us);
    if (bench.step == ARRIVING)
        say_all_are_there();
    if (bench.step == ONLINE)
        go();
    else if (bench.rounds++ == bench.options->rounds)
        event_base_loopbreak(bench.base);
    else
        come();
}

/* --- what came --- */

static void on_ready(struct device *device, int64_t inbox)
{
    (void)inbox;
    if (device == bench.subject) {
        bench.step_us = clock_monotonic_us();
        return;
    }
    bench.ready++;
    device_follow(device, bench.options->follow);
    connect_more();
}

static void on_presence(struct device *device, bool is_online)
{
    bool *knows = &bench.knows[device_index(device)];
    if (is_online != (bench.step == ONLINE) || *knows)
        return; /* who begins to follow may be told twice */
    *knows = true;
    if (bench.step == ONLINE)
        histogram_add(&bench.to_follower, clock_monotonic_us() - bench.step_us);
    if (++bench.told == bench.follower_count)
        end_step();
}

static void on_event(struct device *device, int64_t sender, int64_t due_us)
{
    (void)device, (void)sender, (void)due_us;
}

static void on_answer(int64_t index, bool is_ok)
{
    if (!is_ok)
        fail("was refused something", index, 0);
}

static void on_end(struct device *device, int code)
{
    if (device_index(device) < (int64_t)bench.follower_count || bench.step != OFFLINE)
        fail("was closed", device_index(device), code);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what, (void)context;
    for (size_t i = 0; i < bench.connected; i++)
        device_tick(bench.followers[i]);
    device_flush_all();
    if (clock_monotonic_us() - bench.step_us > DEADLINE_S * INT64_C(1000000))
        fail("is one of those that were not told in time", (int64_t)bench.told, (int)bench.step);
}

static void report(void)
{
    printf("{\"followers\":%zu,\"rounds\":%" PRId64 ",\"online_p50_us\":%" PRId64
           ",\"online_last_p50_us\":%" PRId64 ",\"online_last_max_us\":%" PRId64
           ",\"offline_last_p50_us\":%" PRId64 ",\"load_cpu_s\":%.3f}\n",
           bench.follower_count, bench.options->rounds, histogram_quantile(&bench.to_follower, 0.5),
           histogram_quantile(&bench.last_online, 0.5), bench.last_online.max_us,
           histogram_quantile(&bench.last_offline, 0.5), bench_cpu_s());
}

int bench_presence(const struct bench_options *options, const struct bench_plan *plan)
{
    struct timeval tick = {0, TICK_MS * 1000};
    device_events = (struct device_events){on_ready, on_event, on_answer, on_end, on_presence};
    bench.options = options;
    bench.plan = plan;
    bench.follower_count = plan->token_count - 1;
    bench.base = event_base_new();
    bench.followers = mem_array(bench.follower_count, sizeof *bench.followers);
    bench.knows = mem_array(bench.follower_count, sizeof *bench.knows);
    begin(ARRIVING);
    struct event *ticker = event_new(bench.base, -1, EV_PERSIST, on_tick, NULL);
    event_add(ticker, &tick);
    connect_more();
    device_flush_all();
    event_base_dispatch(bench.base);
    if (bench.failures == 0)
        report();
    return bench.failures == 0 ? 0 : 1;
}
