"""How cost grows: sweeps, each of which measures once at each x, and the curves that are drawn of it."""

import collections
import signal
import statistics
import time

import workloads
from bench_parley import PARTS
from workload_log import SHORT, page_ms, sync_ms

# A sweep's measure(bench, x) gives, for each of its curves, values by label. Both axes of a curve may be logarithmic.
Curve = collections.namedtuple("Curve", "name title x y log_x log_y")
Sweep = collections.namedtuple("Sweep", "name xs measure curves")

WARM_S, RUN_S = 1, 3
SILENT_RATE = 2000
MEMBERS, DELIVERIES = 500, 20000  # people in groups of each size, and events a second that go to their devices


def talk(bench, plan, **options):
    return bench.talk(plan, warm=WARM_S, seconds=RUN_S, **options)


def by_load(bench, rate):
    report, cpu = talk(bench, workloads.pairs(bench), rate=rate)
    cost = workloads.us_per_message(report, cpu)
    small = cost.pop("user") + cost.pop("metadata")
    return {"p50": report["p50_us"] / 1000, "p99": report["p99_us"] / 1000}, {**cost, "user and metadata": small}


def by_connections(bench, count):
    """On a new delivery: one that has worked keeps memory to use again."""
    plan = bench.once(f"{count} silent", lambda: bench.plan(f"silent{count}", workloads.crowd(bench)[:count]))
    bench.parley.kill("delivery", signal.SIGTERM)
    time.sleep(workloads.SETTLE_S)
    with workloads.connected(bench, plan):
        memory_mb = workloads.resident_bytes(bench.parley.pid("delivery")) / 1e6
        report, _ = talk(bench, workloads.pairs(bench), rate=SILENT_RATE)
    return {"p50": report["p50_us"] / 1000}, {"delivery, resident": memory_mb}


def groups_of(bench, size):
    """The same number of people, whatever the size of their groups; everybody writes in turn."""
    def make():
        people = bench.once("members", lambda: bench.parley.people(MEMBERS))
        chats = bench.parley.chats([people[i:i + size] for i in range(0, MEMBERS, size)])
        return bench.plan(f"groups{size}", [token for _, token in people], [(device, chats[device // size]) for device in range(MEMBERS)])
    return bench.once(f"groups of {size}", make)


def by_members(bench, size):
    report, cpu = talk(bench, groups_of(bench, size), rate=DELIVERIES / size, receivers=size - 1)
    cost = workloads.us_per_message(report, cpu)
    return {"delivery": cost["delivery"] / size}, {"all parts": sum(cost[part] for part in PARTS)}


def median_drain(bench, count):
    return [{"drained": statistics.median(workloads.drain_ms(bench, count))}]


def measure(bench, sweeps, runs, on_point):
    """All x of a sweep in turn, each sweep in turn, so many times; the curves with their series."""
    measured = {(sweep.name, x): [] for sweep in sweeps for x in sweep.xs}
    for run in range(runs):
        for sweep in sweeps:
            for x in sweep.xs:
                measured[sweep.name, x].append(sweep.measure(bench, x))
                on_point(run, sweep, x, measured[sweep.name, x][-1])
    return [{**curve._asdict(), "series": series({x: [values[i] for values in measured[sweep.name, x]] for x in sweep.xs})}
            for sweep in sweeps for i, curve in enumerate(sweep.curves)]


def series(repeats_by_x):
    labels = next(iter(repeats_by_x.values()))[0]
    return [{"label": label, "points": [[x, *spread([values[label] for values in repeats])] for x, repeats in repeats_by_x.items()]} for label in labels]


def spread(values):
    return [round(value, 4) for value in (statistics.median(values), min(values), max(values))]


LOADS = (500, 1000, 2000, 5000, 10000, 20000, 40000)
ALL = [
    Sweep("latency_by_load", LOADS, by_load, [
        Curve("latency_by_load", "Latency from due to arrived, pairs", "messages/s", "ms", True, True),
        Curve("cpu_by_load", "Processor time of a message, pairs", "messages/s", "µs of CPU per message", True, False)]),
    Sweep("cost_by_connections", (100, 1000, 10000), by_connections, [
        Curve("cost_by_connections", f"Latency at {SILENT_RATE:,} messages/s beside silent devices", "silent devices connected", "ms, p50", True, False),
        Curve("memory_by_connections", "Memory of delivery with silent devices", "silent devices connected", "MB", True, False)]),
    Sweep("cost_by_members", (2, 10, 50, 200, 500), by_members, [
        Curve("cost_by_members", f"Processor time of a delivery, {DELIVERIES:,} deliveries/s", "members of a group, all online", "µs of CPU per delivery", True, False),
        Curve("message_by_members", f"Processor time of a message, {DELIVERIES:,} deliveries/s", "members of a group, all online", "µs of CPU per message", True, True)]),
    Sweep("page_by_history", (1000, 10000, 100_000, 1_000_000), lambda bench, count: [{"page of 50": page_ms(bench, count)}], [
        Curve("page_by_history", "A page of 50 events", "messages in the chat", "ms, median", True, False)]),
    Sweep("drain_by_inbox", (100, 1000, 10000), median_drain, [
        Curve("drain_by_inbox", "From connecting to the last event that waited", "events that waited", "ms", True, True)]),
    Sweep("sync_by_chats", (50, 500, 2000), lambda bench, chats: [{"3 changed": sync_ms(bench, chats, SHORT)}], [
        Curve("sync_by_chats", "POST /v1/sync, 3 chats changed", "chats of the person", "ms, median", True, False)]),
]
