"""The naive server in Node, on the Postgres of the Parley beside it: the same settings, the same disk, a database of its own.
Its packages, ws and pg, come from npm into build/bench/node."""

import os
import signal
import subprocess
import time

import workloads
from bench_parley import as_service

CONNECTIONS = 30  # to Postgres
TABLE = """create table message (seq bigserial primary key, chat text not null, sender text not null, client_id text not null,
    body json not null, at timestamptz not null)"""


def install_packages():
    """The folder of the packages; made at the first time."""
    folder = f"{workloads.ROOT}/build/bench/node"
    if not os.path.isdir(f"{folder}/node_modules/ws"):
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "ws@8", "pg@8"], cwd=folder, check=True, timeout=300)
    return f"{folder}/node_modules"


class NodePeer:
    name = "node"
    needs = {"nodejs": "/usr/bin/node", "npm": "/usr/bin/npm"}

    def __init__(self, bench):
        self.bench = bench
        self.path = f"{bench.parley.run_dir}/node.sock"
        bench.parley.psql("create database peer")
        bench.parley.psql(TABLE, database="peer")
        self.start()

    def start(self):
        words = as_service("node", f"{workloads.ROOT}/tests/bench/peers/node_server.js", self.path, self.bench.parley.run_dir, str(CONNECTIONS))
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "NODE_PATH": install_packages()})
        assert self.process.stdout.readline() == "ready\n", "the Node server did not start"

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(10)
        if os.path.exists(self.path):
            os.unlink(self.path)

    def pairs(self):
        people = range(2 * workloads.PAIRS)
        return self.bench.once("node pairs", lambda: self.bench.plan(
            "node_pairs", people, [(device, f"{device // 2 * 2},{device // 2 * 2 + 1}") for device in people]))

    def groups(self):
        size, people = workloads.GROUP, range(workloads.GROUP * workloads.GROUPS)
        return self.bench.once("node groups", lambda: self.bench.plan(
            "node_groups", people, [(device, ",".join(str(device // size * size + i) for i in range(size))) for device in people]))

    def measure(self, name):
        """One run of a workload of ours; None for those that it cannot do."""
        if name == "one_to_one":
            return self.talk(self.pairs(), window=32)["messages_per_s"]
        if name in workloads.LATENCY_RATES:
            return self.talk(self.pairs(), rate=workloads.LATENCY_RATES[name])["p99_us"] / 1000
        if name == "group_50":
            return self.talk(self.groups(), window=2, receivers=workloads.GROUP - 1)["deliveries_per_s"]
        if name == "idle_connection":
            return self.idle()
        if name == "storm":
            plan = self.bench.once("node storm", lambda: self.bench.plan("node_storm", range(workloads.STORM)))
            report = self.bench.arrive(plan, path=self.path, at_once=256)
            time.sleep(1)
            return report["connections_per_s"]
        return None

    def talk(self, plan, **options):
        return self.bench.talk(plan, path=self.path, **options)[0]

    def idle(self):
        """On a new process, as with ours."""
        self.close()
        self.start()
        time.sleep(workloads.SETTLE_S)
        plan = self.bench.once("node idle", lambda: self.bench.plan("node_idle", range(workloads.IDLE)))
        return workloads.grown_kb_each(self.bench, plan, self.process.pid, self.path)

