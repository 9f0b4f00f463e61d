"""The workloads of the targets, each a function that measures once. What it needs, it makes once and keeps."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import time

from bench_parley import DAEMONS, PARTS, BenchParley, CpuClock
from workload_log import history_million, search_million, sync_500

PAIRS, GROUP, GROUPS = 50, 50, 4
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Bench:
    """A running Parley, its people and plans, and the load generator."""

    def __init__(self, parley, folder):
        self.parley, self.folder, self.made = parley, folder, {}
        build = os.environ.get("PARLEY_BUILD_DIR", "build")
        variant = os.environ.get("PARLEY_VARIANT", "release")
        self.program = f"{os.path.join(ROOT, build)}/{variant}/bin/parley-bench"

    def once(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def plan(self, name, tokens, senders=()):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"device {token}\n" for token in tokens)
            file.writelines(f"sender {device} {chat}\n" for device, chat in senders)
        return path

    def command(self, mode, plan, path=None, **options):
        """`path` is where a peer listens: a socket's path, or (host, port)."""
        words = [self.program, "--mode", mode, "--plan", plan]
        words += ["--port", str(path[1])] if isinstance(path, tuple) else ["--unix", path or self.parley.ws_path]
        for name, value in options.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        return words

    def talk(self, plan, **options):
        """Runs it; the generator's report, and the cores that each part kept busy while it counted."""
        clock = CpuClock(self.parley)
        report = self.run("talk", plan, **options)
        cpu = clock.used(report["from_us"], report["to_us"])
        cpu["load"] = round(report["load_cpu_s"] * 1e6 / (report["to_us"] - report["from_us"]), 3)
        assert report["lost"] == 0, f"deliveries did not come, or came twice: {report}"
        return report, cpu

    def run(self, mode, plan, **options):
        """The generator's report."""
        done = subprocess.run(self.command(mode, plan, **options), stdout=subprocess.PIPE, text=True, timeout=700, check=True,
                              env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})  # it ends with all in hand
        return json.loads(done.stdout)

    def arrive(self, plan, **options):
        return self.run("arrive", plan, **options)


class Workload:
    def __init__(self, name, unit, target, measure, is_rate):
        self.name, self.unit, self.target, self.measure, self.is_rate = name, unit, target, measure, is_rate

    def is_met(self, value):
        """None: without a target."""
        if self.target is None:
            return None
        return value >= self.target if self.is_rate else value <= self.target


# --- messages ---


def pairs(bench):
    """A hundred devices, each of which writes to its neighbour."""
    def make():
        people = bench.parley.people(2 * PAIRS)
        chats = bench.parley.chats([people[2 * i:2 * i + 2] for i in range(PAIRS)])
        return bench.plan("pairs", [token for _, token in people], [(device, chats[device // 2]) for device in range(2 * PAIRS)])
    return bench.once("pairs", make)


def one_to_one(bench):
    report, cpu = bench.talk(pairs(bench), window=32)
    return {"value": report["messages_per_s"], "cpu": cpu, "details": latencies(report)}


LATENCY_RATES = {"latency_200": 200, "latency_2k": 2000, "latency_10k": 10000}  # the smaller ones are what peers carry


def latency_at(rate):
    def measure(bench):
        report, cpu = bench.talk(pairs(bench), rate=rate)
        return {"value": report["p99_us"] / 1000, "cpu": cpu, "details": latencies(report)}
    return measure


CPU_RATE = 20000


def us_per_message(report, cpu):
    """What each part has computed for a message that arrived."""
    return {part: cpu[part] * 1e6 / report["messages_per_s"] for part in PARTS}


def cpu_per_message(bench):
    report, cpu = bench.talk(pairs(bench), rate=CPU_RATE)
    cost = us_per_message(report, cpu)
    return {"value": sum(cost.values()), "cpu": cpu, "details": {f"{part}_us": round(us, 2) for part, us in cost.items()}}


def front_door(bench):
    """one_to_one through nginx."""
    report, cpu = bench.talk(pairs(bench), path=bench.parley.address, window=32)
    return {"value": report["messages_per_s"], "cpu": cpu, "details": latencies(report)}


def groups(bench):
    def make():
        people = bench.parley.people(GROUP * GROUPS)
        chats = bench.parley.chats([people[GROUP * i:GROUP * (i + 1)] for i in range(GROUPS)])
        return bench.plan("groups", [token for _, token in people], [(device, chats[device // GROUP]) for device in range(GROUP * GROUPS)])
    return bench.once("groups", make)


def group_50(bench):
    report, cpu = bench.talk(groups(bench), window=2, receivers=GROUP - 1)
    return {"value": report["deliveries_per_s"], "cpu": cpu, "details": latencies(report)}


CHANNEL, WATCHERS = 100_000, 100
CHANNEL_RATE = 100  # so low that nobody falls behind: a watcher that does is not sent what it has missed


def cost_of_a_send(bench, plan, **options):
    """Of all parts together, in microseconds."""
    report, cpu = bench.talk(plan, rate=CHANNEL_RATE, receivers=WATCHERS - 1, **options)
    return sum(us_per_message(report, cpu).values()), cpu, report


def channel_100k(bench):
    """What a send to a channel of a hundred thousand costs, of whom a hundred have it open, over one to a group of a hundred."""
    def make():
        people = bench.parley.people(WATCHERS)
        group, channel = bench.parley.chat(*people, kind="group"), bench.parley.chat(*people, kind="channel")
        bench.parley.add_strangers(channel, CHANNEL - WATCHERS)
        tokens = [token for _, token in people]
        return bench.plan("group_100", tokens, [(0, group)]), bench.plan("channel_100k", tokens, [(0, channel)]), channel
    group_plan, channel_plan, channel = bench.once("channel", make)
    group_us, _, _ = cost_of_a_send(bench, group_plan)
    channel_us, cpu, report = cost_of_a_send(bench, channel_plan, watch=channel)
    return {"value": channel_us / group_us, "cpu": cpu,
            "details": {"group_us": round(group_us, 1), "channel_us": round(channel_us, 1), **latencies(report)}}


def latencies(report):
    return {name: report[name] for name in ("p50_us", "p99_us", "p999_us", "max_us", "refused")}


# --- connections ---

IDLE = 15000      # of the 20,000 descriptors that a process may commonly have
STORM = 12000
SETTLE_S = 1.5    # until what was closed is gone, and what was allocated is in use
INBOX, INBOX_RATE = 1000, 1000
DRAINERS = 9


def crowd(bench):
    return bench.once("crowd", lambda: [token for _, token in bench.parley.people(IDLE)])


def idle_connection(bench):
    """What delivery grows by for each device that is logged in and silent."""
    plan = bench.once("idle", lambda: bench.plan("idle", crowd(bench)))
    bench.parley.kill("delivery", signal.SIGTERM)  # a new process: one that has worked keeps memory to use again
    time.sleep(SETTLE_S)
    return {"value": grown_kb_each(bench, plan, bench.parley.pid("delivery")), "details": {"devices": IDLE}}


def grown_kb_each(bench, plan, pid, path=None, **options):
    """The resident memory of a server, by each of the plan's devices that are connected to it."""
    before = resident_bytes(pid)
    with connected(bench, plan, path, **options) as report:
        return (resident_bytes(pid) - before) / report["devices"] / 1000


@contextlib.contextmanager
def connected(bench, plan, path=None, **options):
    """The plan's devices are there, silent, inside the block; the report of their arrival."""
    load = subprocess.Popen(bench.command("arrive", plan, path, at_once=256, **options) + ["--hold"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        report = json.loads(load.stdout.readline())
        time.sleep(SETTLE_S)
        yield report
    finally:
        load.stdin.close()
        load.wait(30)
        time.sleep(SETTLE_S)


def storm(bench):
    """Devices that connect and authenticate, as fast as the server takes them."""
    plan = bench.once("storm", lambda: bench.plan("storm", crowd(bench)[:STORM]))
    clock = CpuClock(bench.parley)
    began_us = time.monotonic() * 1e6
    report = bench.arrive(plan, at_once=256)
    cpu = clock.used(began_us, began_us + report["seconds"] * 1e6)
    cpu["load"] = round(report["load_cpu_s"] / report["seconds"], 3)
    time.sleep(SETTLE_S)
    return {"value": report["connections_per_s"], "cpu": cpu, "details": {name: report[name] for name in ("ready_p50_us", "ready_p99_us")}}


def inbox_drain(bench):
    """From the beginning of connecting to the last of a thousand events that waited."""
    times = drain_ms(bench, INBOX)
    return {"value": statistics.median(times), "details": {"max_ms": max(times)}}


def drain_ms(bench, count):
    """For each of some devices that were away, one after the other."""
    sender, *away = bench.once("drainers", lambda: bench.parley.people(1 + DRAINERS))
    chat = bench.once("drainers' chat", lambda: bench.parley.chat(sender, *away))
    writer = bench.once("drainers' writer", lambda: bench.plan("writer", [sender[1]], [(0, chat)]))
    report = bench.run("talk", writer, rate=INBOX_RATE, warm=0, seconds=count / INBOX_RATE, settle=1)  # nobody is there
    assert report["answered"] == count
    time.sleep(1)  # parked
    times = []
    for _, token in away:
        report = bench.arrive(bench.plan("drainer", [token]))
        assert report["waited"] >= count, f"not all that was sent waited: {report}"
        times.append(report["drained_max_us"] / 1000)
    return times


# --- presence ---

FOLLOWERS, FOLLOWERS_EACH = 10000, 100  # one user is in so many chats that each has a hundred of those who follow
ROUNDS, MEANWHILE_RATE, ALONE_S = 3, 2000, 5


def presence_10k(bench):
    """From a user's `ready` to the last of ten thousand who follow them, and what that does to messages."""
    def make():
        *followers, subject = bench.parley.people(FOLLOWERS + 1)
        bench.parley.chats([[subject, *followers[at:at + FOLLOWERS_EACH]] for at in range(0, FOLLOWERS, FOLLOWERS_EACH)])
        return subject[0], bench.plan("presence", [token for _, token in (*followers, subject)])
    user, plan = bench.once("presence", make)
    talking = {"rate": MEANWHILE_RATE, "warm": 1}
    alone, _ = bench.talk(pairs(bench), **talking, seconds=ALONE_S)
    command = bench.command("presence", plan, at_once=256, follow=user, rounds=ROUNDS)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        assert json.loads(load.stdout.readline())["followers"] == FOLLOWERS
        meanwhile = [bench.talk(pairs(bench), **talking, seconds=ALONE_S)[0]]
        while load.poll() is None:
            meanwhile.append(bench.talk(pairs(bench), **talking, seconds=ALONE_S)[0])
        report = json.loads(load.stdout.read())
    return {"value": report["online_last_p50_us"] / 1000,
            "details": {"half_ms": report["online_p50_us"] / 1000, "max_ms": report["online_last_max_us"] / 1000,
                        "offline_ms": report["offline_last_p50_us"] / 1000, "message_p99_us_alone": alone["p99_us"],
                        "message_p99_us_meanwhile": max(talk["p99_us"] for talk in meanwhile)}}


# --- processes ---


def footprint(bench):
    """The four daemons of a Parley that has just started, without anybody."""
    parley = BenchParley()
    try:
        parley.start()
        time.sleep(2)
        pids = [parley.pid(name) for name in DAEMONS]
        used_ns = sum(run_ns(pid) for pid in pids)
        time.sleep(3)
        cores = (sum(run_ns(pid) for pid in pids) - used_ns) / 3e9
        shared_once_mb = sum(proportional_bytes(pid) for pid in pids) / 1e6
        return {"value": sum(resident_bytes(pid) for pid in pids) / 1e6,
                "details": {"cores": round(cores, 4), "shared_pages_counted_once_mb": round(shared_once_mb, 1)}}
    finally:
        parley.remove()


def start(bench):
    """From the first process to ready, with Postgres and Redis, on data that is there; and a daemon that was killed."""
    parley = BenchParley()
    try:
        parley.start()
        parley.stop()
        began = time.monotonic()
        parley.start()
        seconds = time.monotonic() - began
        back = {name: back_after_kill(parley, name) for name in DAEMONS}
        return {"value": seconds, "details": {f"{name}_back_s": round(back[name], 2) for name in DAEMONS}}
    finally:
        parley.remove()


def back_after_kill(parley, name):
    time.sleep(2.5)  # what has served for two seconds starts again at once
    began = time.monotonic()
    parley.kill(name, signal.SIGKILL)
    return time.monotonic() - began


def run_ns(pid):
    """What the threads of a process have run, exactly (schedstat): ticks are too coarse for one that idles."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="utf-8") as file:
            total += int(file.read().split()[0])
    return total


def proportional_bytes(pid):
    """Resident memory, of which pages that several processes share count for each its part."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return 1024 * int(next(line for line in file if line.startswith("Pss:")).split()[1])


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


ALL = [
    Workload("one_to_one", "messages/s", 60000, one_to_one, True),
    *(Workload(name, "ms, p99", 3 if rate == 10000 else None, latency_at(rate), False) for name, rate in LATENCY_RATES.items()),
    Workload("cpu_per_message", "µs", None, cpu_per_message, False),
    Workload("front_door", "messages/s", None, front_door, True),
    Workload("group_50", "deliveries/s", 300000, group_50, True),
    Workload("idle_connection", "kB each", 1.5, idle_connection, False),
    Workload("storm", "connections/s", 10000, storm, True),
    Workload("inbox_drain", "ms", 15, inbox_drain, False),
    Workload("presence_10k", "ms, last told", None, presence_10k, False),
    Workload("history_million", "times a short one", 1.2, history_million, False),
    Workload("search_million", "ms", None, search_million, False),
    Workload("sync_500", "times short ones", 1.2, sync_500, False),
    Workload("channel_100k", "times a group of 100", 2, channel_100k, False),
    Workload("footprint", "MB", 40, footprint, False),
    Workload("start", "s", 3, start, False),
]
