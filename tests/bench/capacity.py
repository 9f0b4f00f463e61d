#!/usr/bin/python3
"""What a load needs: processors, memory, disk and machines of each kind, from what `make bench` measured.

    tests/bench/capacity.py --preset company
    tests/bench/capacity.py --users 20000 --users-online 8000 --recipients 4 --markdown

Every figure comes from the results file or from an option; the last table says which. docs/capacity.md explains the rules."""

import argparse
import json
import math
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PARTS = ("user", "metadata", "chat", "delivery", "postgres", "redis")
NEEDED = ("one_to_one", "latency_10k", "group_50", "storm", "idle_connection", "footprint")
SLOW_RATE, BENCH_TEXT, DAY = 10000, 100, 86400  # of latency_10k, messages a second; bytes of a text in the benchmark; seconds

OPTIONS = {  # name: (default, what it is); None: taken from elsewhere, as the text says
    "users": (None, "who use it on a day; default: as many as are online at the peak"),
    "users_online": (1000, "devices connected at the peak"),
    "messages_per_user_per_day": (40, "messages that a user sends on a day"),
    "connects_per_user_per_day": (10, "connections that a user's devices open on a day"),
    "peak_factor": (3, "the peak hour over the mean of the day"),
    "recipients": (1, "devices that are online and get a message, the sender's own not counted"),
    "offline_share": (0.3, "share of all recipients who are away: their events are parked, and sent when they come back"),
    "text_bytes": (BENCH_TEXT, "bytes of a text"),
    "retention_days": (365, "days for which messages are kept"),
    "replicas": (1, "standbys of each Postgres"),
    "headroom": (0.6, "share of a process, machine or disk that may be used at the peak"),
    "cores": (None, "processors of a machine, as fast as the measured ones; default: the measured machine's"),
    "memory_gb": (None, "memory of a machine; default: the measured machine's"),
    "disk_gb": (1000, "disk of a machine with Postgres"),
    "connections_per_gateway": (200000, "connections of one delivery process: delivery.max_connections"),
    "kernel_kb": (4, "kernel memory of a connection, not measured by the benchmark"),
    "bytes_per_message": (400, "a message's row with its indexes, with 100 bytes of text; an estimate, used when nothing measured it"),
    "frame_bytes": (240, "an event on the wire without its text: JSON, WebSocket, TLS, TCP; an estimate"),
    "park_us": (5, "processor time of Redis for an event that is parked and fetched; an estimate"),
    "feed_us": (1, "processor time of a gateway for an event of others' chats, when there are several; an estimate"),
}
PRESETS = {
    "team": {"users": 500, "users_online": 400, "peak_factor": 6, "recipients": 8},
    "company": {"users": 50000, "users_online": 40000, "peak_factor": 6, "recipients": 8},
    "messenger": {"users": 10**9, "users_online": 316_000_000, "messages_per_user_per_day": 43, "connects_per_user_per_day": 30,
                  "peak_factor": 1.5, "recipients": 1.1, "offline_share": 0.5, "retention_days": 30, "cores": 32, "memory_gb": 128,
                  "disk_gb": 8000},
}


class Missing(Exception):
    pass


def workload(results, name):
    for row in results["workloads"]:
        if row["name"] == name:
            return row
    raise Missing(f"{name} is not in the results: make bench ARGS='--only {' '.join(NEEDED)}'")


def options_in_force(given, results):
    """Each option's value, and where it is from."""
    details = [row["details"] for row in results["workloads"]]
    layers = [("given", vars(given)), (f"preset {given.preset}", PRESETS.get(given.preset, {})),
              ("results", {"cores": results["machine"]["cores"], "memory_gb": results["machine"]["memory_mib"] * 2**20 / 1e9,
                           "bytes_per_message": next((row["bytes_per_message"] for row in details if "bytes_per_message" in row), None)}),
              ("default", {name: default for name, (default, _) in OPTIONS.items()})]
    values, origins = {}, {}
    for name in OPTIONS:
        origins[name], values[name] = next(((origin, layer[name]) for origin, layer in layers if layer.get(name) is not None), ("", None))
    if values["users"] is None:
        origins["users"], values["users"] = "as users-online", values["users_online"]
    return argparse.Namespace(**values), origins


class Figures:
    """What was measured, in seconds of a processor."""

    def __init__(self, results):
        fast, slow, group, storm = (workload(results, name) for name in NEEDED[:4])
        self.lane_rate, self.storm_rate = fast["median"], storm["median"]
        self.fast, self.slow = fast["cpu"], slow["cpu"]
        self.login = {part: storm["cpu"][part] / storm["median"] for part in PARTS}
        self.delivery = group["cpu"]["delivery"] / group["median"]
        self.connection_kb = workload(results, "idle_connection")["median"]
        self.idle_cores, self.idle_mb = workload(results, "footprint")["details"]["cores"], workload(results, "footprint")["median"]

    def message_cores(self, part, rate):
        """Of the messages of one chat daemon: batches grow with the load, so cores grow less than it between the two points."""
        if rate <= SLOW_RATE:
            return self.slow[part] * rate / SLOW_RATE
        return self.slow[part] + (self.fast[part] - self.slow[part]) * (rate - SLOW_RATE) / (self.lane_rate - SLOW_RATE)


def whole(share):
    return max(1, math.ceil(share - 1e-9))


def capacity(figures, o):
    """The load, and what it takes."""
    c = argparse.Namespace()
    c.messages = o.users * o.messages_per_user_per_day / DAY * o.peak_factor
    c.live = c.messages * o.recipients
    c.parked = c.live * o.offline_share / (1 - o.offline_share)
    c.logins = o.users * o.connects_per_user_per_day / DAY * o.peak_factor
    c.row = o.bytes_per_message + o.text_bytes - BENCH_TEXT
    c.day_gb = o.users * o.messages_per_user_per_day * c.row / 1e9
    c.disk_gb = c.day_gb * o.retention_days
    c.memory_gb = o.users_online * (figures.connection_kb + o.kernel_kb) / 1e6
    leaders = whole(c.disk_gb / o.headroom / o.disk_gb)
    chats = max(leaders, whole(c.messages / o.headroom / figures.lane_rate))  # a chat daemon has one Postgres
    c.cores = {part: chats * figures.message_cores(part, c.messages / chats) + c.logins * figures.login[part] for part in PARTS}
    c.cores["delivery"] += (max(0, c.live - c.messages) + 2 * c.parked) * figures.delivery
    c.cores["redis"] += c.parked * o.park_us / 1e6
    c.processes = {part: whole(c.cores[part] / o.headroom) for part in PARTS}
    c.processes["user"] = max(c.processes["user"], whole(c.logins / o.headroom / figures.storm_rate))
    c.processes["postgres"] = max(leaders, whole(c.cores["postgres"] / o.headroom / o.cores))
    c.processes["chat"] = max(c.processes["chat"], chats, c.processes["postgres"])
    gateways = max(c.processes["delivery"], whole(o.users_online / o.headroom / o.connections_per_gateway))
    c.feed = c.messages * o.feed_us / 1e6 if gateways > 1 else 0
    c.is_feed_too_much = c.feed > o.headroom / 2
    c.processes["delivery"] = gateways if c.is_feed_too_much else max(gateways, whole(c.cores["delivery"] / (o.headroom - c.feed)))
    c.machines = {part: whole(count / o.cores) for part, count in c.processes.items()}
    c.machines["delivery"] = max(c.machines["delivery"], whole(c.memory_gb / o.headroom / o.memory_gb))
    c.machines["postgres"] = c.processes["postgres"] * (1 + o.replicas)
    left = max(1, c.processes["delivery"] - 1)
    c.storm_s = o.users_online / c.processes["delivery"] / figures.storm_rate / min(left, c.processes["user"])
    c.client_mb_s = ((c.live + c.parked + c.messages) * (o.text_bytes + o.frame_bytes) + c.messages * o.frame_bytes) / 1e6
    c.feed_mb_s = c.messages * (o.text_bytes + o.frame_bytes) / 1e6
    c.shares = {  # of what one machine has, with one daemon of each kind: use, limit
        "messages/s through one chat daemon": (c.messages, figures.lane_rate),
        "cores of one delivery process": (c.cores["delivery"], 1),
        "connections/s through one user daemon": (c.logins, figures.storm_rate),
        "connections of one delivery process": (o.users_online, o.connections_per_gateway),
        "memory beside the idle daemons', GB": (c.memory_gb, o.memory_gb - figures.idle_mb / 1000),
        "cores beside the idle daemons'": (sum(c.cores.values()), o.cores - figures.idle_cores),
        "disk for the retention, GB": (c.disk_gb, o.disk_gb),
    }
    c.order = sorted(c.shares, key=lambda name: c.shares[name][0] / c.shares[name][1], reverse=True)
    use, limit = c.shares[c.order[0]]
    c.times = o.headroom * limit / use  # so much more, and the first limit is reached
    return c


def number(value):
    if isinstance(value, str):
        return value
    if 0 < value < 0.0005:
        return "under 0.001"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def table(is_markdown, header, rows):
    header, rows = header.split("; "), [[number(cell) for cell in row] for row in rows]
    if is_markdown:
        print("\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows]), end="\n\n")
        return
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print("\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in [header, *rows]), end="\n\n")


def show(c, figures, o, origins, is_markdown):
    table(is_markdown, "at the peak; figure", [
        ("messages/s", c.messages), ("deliveries/s to who is online", c.live), ("events/s parked for who is away", c.parked),
        ("connections/s opened", c.logins), ("memory for connections, GB", c.memory_gb), ("to clients, MB/s", c.client_mb_s),
        ("the feed, to each gateway, MB/s", c.feed_mb_s), ("disk a day, GB", c.day_gb), ("disk for the retention, GB", c.disk_gb),
        ("seconds until a lost gateway's devices are back", c.storm_s)])
    shares = [(name, *c.shares[name], c.shares[name][0] / c.shares[name][1]) for name in c.order]
    table(is_markdown, "of one machine, one daemon of each kind; use; limit; share", shares)
    print(f"First bottleneck: {c.order[0]}. ", end="")
    if c.times >= 1:
        print(f"One machine carries {number(c.times)} times this load; machines: 1 and {number(o.replicas)} for Postgres's standbys.\n")
    else:
        print("One machine does not carry it. Daemons on several machines, or several of a kind,\n"
              "are what today's code cannot do yet (docs/capacity.md): these counts are what the design says.\n")
    if c.is_feed_too_much:
        print(f"Each gateway would spend {number(c.feed)} cores on reading all chats' messages: first, the feed must go by members.\n")
    table(is_markdown, "kind; cores busy; processes; machines", [
        *((part, c.cores[part], c.processes[part], c.machines[part] if c.times < 1 else "shared") for part in PARTS),
        ("together", sum(c.cores.values()), sum(c.processes.values()), sum(c.machines.values()) if c.times < 1 else 1 + o.replicas)])
    table(is_markdown, "part; µs a message at 10,000/s (latency_10k); at the most (one_to_one); µs a connection (storm)", [
        (part, *(1e6 * cost for cost in (figures.slow[part] / SLOW_RATE, figures.fast[part] / figures.lane_rate, figures.login[part])))
        for part in PARTS])
    table(is_markdown, "what else it is reckoned from; value; from", [
        ("messages/s of one chat daemon, at the most", figures.lane_rate, "one_to_one"),
        ("connections/s of one user daemon, at the most", figures.storm_rate, "storm"),
        ("kB of delivery for a connection", figures.connection_kb, "idle_connection"),
        ("µs of delivery for each further recipient", 1e6 * figures.delivery, "group_50"),
        ("cores and MB of idle daemons", f"{figures.idle_cores} {figures.idle_mb:.1f}", "footprint"),
        *((f"--{name.replace('_', '-')}", getattr(o, name), origins[name]) for name in OPTIONS)])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", default=f"{ROOT}/build/bench/results.json", help="what make bench wrote (build/bench/results.json)")
    parser.add_argument("--preset", choices=PRESETS, help="options of a known size; those given go before")
    parser.add_argument("--markdown", action="store_true", help="tables for a document")
    for name, (default, text) in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=text if default is None else f"{text} ({default})")
    given = parser.parse_args()
    try:
        with open(given.results, encoding="utf-8") as file:
            results = json.load(file)
        figures = Figures(results)
    except (OSError, ValueError, Missing) as error:
        sys.exit(f"capacity: {error}" if isinstance(error, Missing) else f"capacity: {error}: `make bench` writes the results")
    options, origins = options_in_force(given, results)
    if not (0 < options.headroom <= 1 and 0 <= options.offline_share < 1 and options.users > 0 and options.users_online > 0):
        parser.error("headroom is above 0 and at most 1, the share of who is away below 1, and somebody is there")
    show(capacity(figures, options), figures, options, origins, given.markdown)
    print(f"Measured: commit {results['commit']}, {results['machine']['cores']} cores, {results['machine']['cpu']}.")


if __name__ == "__main__":
    main()
