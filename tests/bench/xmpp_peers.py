"""ejabberd and Prosody as a user would set them up for this work: accounts, archive and offline store in Postgres, clients by
XMPP over WebSocket. Their Postgres has the settings of Parley's and a TCP port, since neither reaches it by a Unix socket."""

import base64
import contextlib
import os
import shutil
import signal
import socket
import statistics
import string
import subprocess
import time

import workloads
from bench_parley import as_service, postgres_bin

HERE = os.path.dirname(os.path.abspath(__file__))
PASSWORD = "secret"
CONNECTIONS = 20
START_S = 60
IDLE = 4000
STORM = 1000
INBOX_READERS = 3


def make_folder(path):
    os.makedirs(path)
    if os.geteuid() == 0:
        shutil.chown(path, "parley", "parley")
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(what, is_there, seconds=START_S):
    deadline = time.monotonic() + seconds
    while not is_there():
        assert time.monotonic() < deadline, f"{what} within {seconds} s: no"
        time.sleep(0.05)


def accepts(place):
    family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as wire:
        with contextlib.suppress(OSError):
            wire.connect(place)
            return True
    return False


class PeerPostgres:
    """With the settings of Parley's own, but for where it listens: the last line for a setting counts."""

    def __init__(self, bench):
        self.port = free_port()
        data = make_folder(f"{bench.folder}/postgres")
        with open(f"{bench.parley.state}/conf/postgresql.conf", encoding="utf-8") as file:
            settings = file.read()
        self.run("initdb", f"--pgdata={data}", "--username=parley_admin", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
                 "--auth=trust")
        with open(f"{data}/postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"{settings}\nlisten_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n")
        self.process = subprocess.Popen(as_service(f"{postgres_bin()}/postgres", "-D", data), stderr=subprocess.DEVNULL, cwd="/")
        wait_for("Postgres of the peers answers", lambda: accepts(("127.0.0.1", self.port)))
        time.sleep(1)

    def run(self, name, *words):
        return subprocess.run(as_service(f"{postgres_bin()}/{name}", *words), check=True, cwd="/", capture_output=True, text=True, timeout=60).stdout

    def psql(self, database, *words):
        return self.run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", "parley_admin",
                        "-d", database, *words)

    def close(self):
        self.process.terminate()
        self.process.wait(30)


class XmppPeer:
    """What both have in common: people, plans, and what is measured. `place` is where it listens, `latencies` the rates that it carries."""

    def __init__(self, bench, postgres):
        self.bench, self.postgres = bench, postgres
        self.folder = make_folder(f"{bench.folder}/{self.name}")
        postgres.psql("postgres", "-c", f"create database {self.name}")
        self.prepare()
        self.start()

    def fill_in(self, template, **words):
        """A configuration of tests/bench/peers, with its words filled in; its path."""
        with open(f"{HERE}/peers/{template}", encoding="utf-8") as file:
            text = string.Template(file.read()).substitute(folder=self.folder, host="127.0.0.1", **words)
        with open(f"{self.folder}/{template}", "w", encoding="utf-8") as file:
            file.write(text)
        return f"{self.folder}/{template}"

    def launch(self, *words, **environment):
        log = open(f"{self.folder}/output.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(as_service(*words), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/",
                                        env={**os.environ, "HOME": self.folder, **environment})
        log.close()
        wait_for(f"{self.name} answers", lambda: self.process.poll() is not None or accepts(self.place))
        assert self.process.poll() is None, f"{self.name} did not start: {self.last_words()}"
        time.sleep(1)

    def last_words(self):
        with open(f"{self.folder}/output.log", encoding="utf-8", errors="replace") as file:
            return file.read()[-2000:]

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(30)

    def plan(self, name, people, senders=()):
        tokens = [base64.b64encode(f"\0u{number}\0{PASSWORD}".encode()).decode() for number in people]
        return self.bench.once(f"{self.name} {name}", lambda: self.bench.plan(f"{self.name}_{name}", tokens, senders))

    def pairs(self):
        people = range(2 * workloads.PAIRS)
        return self.plan("pairs", people, [(device, f"u{device ^ 1}@localhost") for device in people])

    def groups(self):
        people = range(workloads.GROUP * workloads.GROUPS)
        return self.plan("groups", people, [(device, f"room{device // workloads.GROUP}@conference.localhost") for device in people])

    def talk(self, plan, **options):
        report, _ = self.bench.talk(plan, path=self.place, protocol="xmpp", **options)
        assert report["answered"] == report["sent"], f"{self.name} did not deliver all: {report}"
        return report

    def measure(self, name):
        """One run of a workload of ours; None for those that it cannot do."""
        if name == "one_to_one":
            return self.talk(self.pairs(), window=32)["messages_per_s"]
        if name == "group_50":
            return self.talk(self.groups(), window=2, receivers=workloads.GROUP - 1)["deliveries_per_s"]
        if name in self.latencies:
            return self.talk(self.pairs(), rate=workloads.LATENCY_RATES[name])["p99_us"] / 1000
        if name == "idle_connection":
            self.close()
            self.start()
            return workloads.grown_kb_each(self.bench, self.plan("idle", range(IDLE)), self.server_pid(), self.place, protocol="xmpp")
        if name == "storm":
            return self.bench.arrive(self.plan("storm", range(STORM)), path=self.place, protocol="xmpp", at_once=64)["connections_per_s"]
        if name == "inbox_drain":
            return self.drain()
        return None

    def drain(self):
        """Connecting to the last of a thousand messages that waited, for three people who were away."""
        first = 2 * workloads.PAIRS
        times = []
        for reader in range(first, first + INBOX_READERS):
            writer = self.plan(f"writer{reader}", [0], [(0, f"u{reader}@localhost")])
            self.bench.run("talk", writer, path=self.place, protocol="xmpp", rate=500, warm=0, seconds=workloads.INBOX / 500, settle=3)
            time.sleep(1)
            report = self.bench.arrive(self.plan(f"reader{reader}", [reader]), path=self.place, protocol="xmpp", waiting=workloads.INBOX)
            times.append(report["drained_max_us"] / 1000)
        return statistics.median(times)


class EjabberdPeer(XmppPeer):
    name, latencies = "ejabberd", ("latency_200", "latency_2k")
    needs = {"ejabberd": "/usr/share/ejabberd/sql/pg.new.sql", "erlang-p1-pgsql": "/usr/share/doc/erlang-p1-pgsql"}

    @property
    def place(self):
        return f"{self.folder}/ws.sock"

    def prepare(self):
        self.postgres.psql(self.name, "-f", "/usr/share/ejabberd/sql/pg.new.sql")
        self.postgres.psql(self.name, "-c", f"""insert into users (username, server_host, password, serverkey, salt, iterationcount)
            select 'u' || n, 'localhost', '{PASSWORD}', '', '', 0 from generate_series(0, {IDLE - 1}) n""")

    def start(self):
        config = self.fill_in("ejabberd.yml", socket=self.place, port=self.postgres.port, connections=CONNECTIONS)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.place)
        self.launch("erl", "-noinput", "+K", "true", "+P", "250000", "+Q", "65536", "-mnesia", "dir", f'"{self.folder}/mnesia"', "-s", "ejabberd",
                    ERL_LIBS="/usr/lib/x86_64-linux-gnu", EJABBERD_CONFIG_PATH=config, EJABBERD_LOG_PATH=f"{self.folder}/ejabberd.log",
                    ERL_CRASH_DUMP_BYTES="0")

    def server_pid(self):
        return self.process.pid


class ProsodyPeer(XmppPeer):
    name, latencies = "prosody", ("latency_200",)
    needs = {"prosody": "/usr/bin/prosody", "lua-dbi-postgresql": "/usr/share/doc/lua-dbi-postgresql"}

    def prepare(self):
        self.place = ("127.0.0.1", free_port())
        self.start()  # it makes its tables
        self.postgres.psql(self.name, "-c", f"""insert into prosody (host, "user", store, key, type, value)
            select 'localhost', 'u' || n, 'accounts', 'password', 'string', '{PASSWORD}' from generate_series(0, {IDLE - 1}) n""")
        self.close()

    def start(self):
        config = self.fill_in("prosody.cfg.lua", port=self.place[1], sql_port=self.postgres.port)
        self.launch("prosody", "--config", config, "-F")

    def server_pid(self):
        return self.process.pid
