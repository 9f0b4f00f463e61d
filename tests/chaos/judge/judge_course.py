"""Judges of the course of a run: deadlines, and that faults happened and hurt nobody else (I15, I20 to I22)."""

import bisect
import collections
import math
import statistics

from judge_model import FOREVER

DEADLINE_US = 20_000_000
MIN_WINDOWS, MIN_SAMPLES = 3, 200
NOISE_US = 50_000


def take_over(verdict, others):
    """A judgement that is others' over a history with a certain fault."""
    for other in others:
        if other.violations:
            verdict.violate(f"{other.name} is broken in a history with this fault", **{k: v for k, v in other.first[0].items() if k != "what"})
        elif other.word == "unknown":
            verdict.lack(f"{other.name} is unknown")


def events_during(model, faults, *phases):
    times = [row.time for row in model.kinds["event"]]
    count = 0
    for fault in faults:
        count += bisect.bisect_right(times, fault.until(*phases)) - bisect.bisect_left(times, fault.begin)
    return max(count, 0)


# --- I15, I21 ---


def redis_is_disposable(model, verdict, verdicts):
    faults = model.proven_faults("redis")
    if not faults:
        verdict.lack("a proven fault of Redis")
        return
    resynced = sum(bool(device.resyncs) for device in model.devices.values())
    verdict.check(events_during(model, faults, "recovered", "failed") + resynced)
    take_over(verdict, [verdicts["I4"], verdicts["I5"], verdicts["I6"]])


def clocks_mean_nothing(model, verdict, verdicts):
    faults = [fault for fault in model.proven_faults("clock:") if fault.name.startswith("clock:")]
    if not faults:
        verdict.lack("a proven jump of the clocks")
        return
    verdict.check(events_during(model, faults, "over", "failed"))
    take_over(verdict, [verdicts["I1"], verdicts["I2"], verdicts["I4"]])


# --- I20 ---


def frozen(model):
    """When processes were stopped, as stretches of time that do not overlap."""
    stretches = []
    for fault in sorted(model.faults.values(), key=lambda fault: fault.begin):
        if not fault.name.startswith("freeze:") or fault.begin == FOREVER:
            continue
        end = fault.until("over", "recovered", "failed")
        if stretches and fault.begin <= stretches[-1][1]:
            stretches[-1][1] = max(stretches[-1][1], end)
        else:
            stretches.append([fault.begin, end])
    return stretches


def requests(model):
    for group in (model.sends, model.changes, model.revokes, model.receipts, model.pages):
        yield from group.values()


def no_silence(model, verdict):
    deadline_us, stretches = model.meta.get("deadline_us", DEADLINE_US), frozen(model)
    for request in requests(model):
        verdict.check()
        end = min(request.ended, model.last_time)
        waited_us = end - request.begun - sum(max(0, min(end, b) - max(request.begun, a)) for a, b in stretches)
        where = {"actor": request.actor, "op": request.asked.op, "kind": request.asked.kind, "time": request.begun, "waited_us": waited_us}
        if waited_us > deadline_us:
            verdict.violate("no answer" if request.outcome is None else "an answer after the deadline", **where)
        elif request.outcome is None:
            verdict.lack(f"the history ends before the end of the op {request.asked.op}")


# --- I22 ---


def p99(samples):
    return sorted(samples)[math.ceil(len(samples) * 0.99) - 1]


def others_are_not_hurt(model, verdict):
    windows = collections.defaultdict(list)
    for row in model.kinds["latency"]:
        if row.group == "others":
            windows[row.window].append(row.us)
    figures = {"quiet": [], "hurt": []}
    for window, samples in windows.items():
        kind = window.partition(":")[0]
        if len(samples) >= MIN_SAMPLES and kind in figures:
            figures[kind].append(p99(samples))
            verdict.check(len(samples))
    for kind, found in figures.items():
        if len(found) < MIN_WINDOWS:
            verdict.lack(f"{MIN_WINDOWS} {kind} windows of {MIN_SAMPLES} samples")
    if verdict.missing:
        return
    quiet_us, hurt_us = statistics.median(figures["quiet"]), statistics.median(figures["hurt"])
    if hurt_us > max(2 * quiet_us, NOISE_US):
        verdict.violate("the others' p99 more than doubled", quiet_us=quiet_us, hurt_us=hurt_us)
