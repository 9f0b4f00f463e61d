"""A Parley of the tests' own: temporary folders, free ports, and ways to hurt it."""

import contextlib
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

from contract import ROOT

DAEMONS = ("user", "metadata", "chat", "delivery")
# Deadlines and bounds that a test would otherwise wait for. What clients can meet they read from GET /v1/limits.
SETTINGS = {
    "PARLEY_LIMITS_AUTH_DEADLINE_MS": "1500",
    "PARLEY_LIMITS_HEARTBEAT_MS": "3000",
    "PARLEY_DELIVERY_SLOW_CLOSE_MS": "3000",
    "PARLEY_USER_PASSWORD_MEMORY_KIB": "1024",  # a test run makes thousands of accounts
}

# What a sanitizer finds ends the process or stands in its log, and both fail a test (Logs, unexpected_ends).
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1:strict_string_checks=1",
    "LSAN_OPTIONS": f"suppressions='{ROOT}/tests/lsan.supp':print_suppressions=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": f"exitcode=99:suppressions='{ROOT}/tests/tsan.supp'",
}


# The daemons' rows of deploy/processes, each behind this, with more grace: what is reported is no log line (Logs).
VALGRIND = ("valgrind --quiet --leak-check=full --show-leak-kinds=definite "
            "--errors-for-leak-kinds=definite --error-exitcode=99 "
            f"--suppressions='{ROOT}/tests/valgrind.supp' ")


def write_processes_under_valgrind(path):
    with open(f"{ROOT}/deploy/processes", encoding="utf-8") as file:
        table = file.read()
    table, count = re.subn(r'TERM   15     KILL    ("\$BIN_DIR)', rf"TERM   60     KILL    {VALGRIND}\1", table)
    assert count == len(DAEMONS), f"{count} rows of daemons in deploy/processes"
    with open(path, "w", encoding="utf-8") as file:
        file.write(table)


def free_port():
    """Below the range that the kernel gives to clients, so that no connection of a test takes it meanwhile."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def free_ports(count):
    """Each another one."""
    ports = set()
    while len(ports) < count:
        ports.add(free_port())
    return ports


def until(condition, seconds, what, pause=0.02):
    """Polls until the condition holds; returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)


class Parley:
    """Started by start(), all of it gone after remove()."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="parley-system-")
        os.chmod(self.folder, 0o755)
        self.state = f"{self.folder}/state"
        self.run_dir = f"{self.folder}/run"
        self.port, self.ops_port = free_ports(2)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG"))}
        chosen = {name: os.environ[name] for name in ("PARLEY_VARIANT", "PARLEY_BUILD_DIR") if name in os.environ}
        self.environment = {
            **SANITIZERS, **kept, **SETTINGS, **chosen, "PARLEY_STATE_DIR": self.state, "PARLEY_RUN_DIR": self.run_dir,
            "PARLEY_PORT": str(self.port), "PARLEY_OPS_PORT": str(self.ops_port)}
        if os.environ.get("PARLEY_VARIANT") == "valgrind":
            self.environment["PARLEY_PROCESSES"] = f"{self.folder}/processes"
            write_processes_under_valgrind(self.environment["PARLEY_PROCESSES"])
        self.process = None
        self.hurt = set()    # names whose processes a test has ended on purpose
        self.pids = {}

    address = property(lambda self: ("127.0.0.1", self.port))
    ops_address = property(lambda self: ("127.0.0.1", self.ops_port))

    def start(self, seconds=90):
        with open(f"{self.folder}/output", "ab") as output:
            self.process = subprocess.Popen(
                [f"{ROOT}/deploy/supervisor", "run"], env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)
        try:
            until(lambda: self.process.poll() is not None or self.is_ready(), seconds, "Parley is ready", 0.1)
            assert self.process.poll() is None, "the supervisor has ended"
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"Parley does not start: {error}\n{self.tails()}") from error
        self.pids = {name: self.pid(name) for name in DAEMONS}

    def stop(self, seconds=60):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self):
        """Everything stops in order and starts again, on the same data."""
        status = self.stop()
        assert status == 0, f"the supervisor ended with {status}\n{self.tails()}"
        self.hurt.update(DAEMONS)
        self.start()

    # --- looking ---

    def readiness(self, name):
        """The status of /readyz, and what it says; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}/{name}/readyz", timeout=2) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")
        except (OSError, ValueError):
            return 0, {}

    def is_ready(self, names=DAEMONS):
        return all(self.readiness(name)[0] == 200 for name in names)

    def await_ready(self, names=DAEMONS, seconds=20):
        until(lambda: self.is_ready(names), seconds, f"{names} ready: {[self.readiness(name) for name in names]}", 0.05)

    def pid(self, name):
        try:
            with open(f"{self.run_dir}/{name}.pid", encoding="utf-8") as file:
                return int(file.read().split()[0])
        except (OSError, IndexError, ValueError):
            return 0

    def tails(self, lines=25):
        """The ends of all logs, for people."""
        text = ""
        for path in [f"{self.folder}/output", *sorted(glob.glob(f"{self.state}/log/*.log"))]:
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
                text += f"--- {os.path.basename(path)}\n" + "".join(file.readlines()[-lines:])
        return text

    def unexpected_ends(self):
        """Daemons that have another pid than when last asked, though no test ended them."""
        found = []
        for name, pid in self.pids.items():
            now = self.pid(name)
            if now != pid and name not in self.hurt:
                found.append(f"{name} has ended by itself: pid {pid} became {now}")
            self.pids[name] = now
        self.hurt.clear()
        return found

    # --- hurting ---

    def kill(self, name, how=signal.SIGKILL, wait=True):
        """Ends a process and waits until another one serves in its place."""
        pid = self.pid(name)
        assert pid, f"{name} does not run"
        self.hurt.add(name)
        os.kill(pid, how)
        if wait:
            self.await_successor(name, pid)

    def await_successor(self, name, pid, seconds=30):
        until(lambda: self.pid(name) not in (0, pid), seconds, f"another {name} than pid {pid}")
        if name in DAEMONS:
            self.await_ready([name])
            self.pids[name] = self.pid(name)

    @contextlib.contextmanager
    def stopped(self, name):
        """The process is killed and stays away inside the block: the supervisor, held still, notices only after it."""
        pid = self.pid(name)
        assert pid, f"{name} does not run"
        self.hurt.add(name)
        self.process.send_signal(signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
            until(lambda: self.is_gone(pid), 10, f"the end of {name}")
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
        self.await_successor(name, pid)

    def has_killed_delivery(self, chat, seq, deaths):
        """Delivery, which is away, finds that it died so often with this event in hand (shared/base/in_hand.c)."""
        where = self.psql(f"select partition, feed_offset from chat.event where chat_id = {chat} and seq = {seq}")
        partition, offset = map(int, where.split("|"))
        header = struct.pack("<5q", 0x31444E4148, 1, partition, offset, 1)
        with open(f"{self.run_dir}/delivery.inhand", "r+b") as file:
            file.write(header + struct.pack("<3q", partition, offset, deaths - 1))

    @staticmethod
    def is_gone(pid):
        """A zombie is gone too: its parent is being held still."""
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                return file.read().rsplit(") ", 1)[1][0] in "ZX"
        except OSError:
            return True

    @contextlib.contextmanager
    def frozen(self, name):
        """The process stands still inside the block."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def psql(self, text, database="parley"):
        """As the administrator of the private Postgres; returns what it printed."""
        version = sorted(os.listdir("/usr/lib/postgresql"))[-1]
        words = [f"/usr/lib/postgresql/{version}/bin/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.run_dir,
                 "-U", "parley_admin", "-d", database, "-c", text]
        if os.geteuid() == 0:
            words = ["setpriv", "--reuid=parley", "--clear-groups", *words]
        return subprocess.run(words, cwd="/", text=True, timeout=30, capture_output=True, check=True).stdout

    def parleyctl(self, *words):
        """What the operator's command printed."""
        return subprocess.run([f"{ROOT}/deploy/parleyctl", *words], env=self.environment, text=True, timeout=30,
                              capture_output=True, check=True).stdout

    def redis(self, *words):
        """One command to Redis; returns the raw answer."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(5)
            wire.connect(f"{self.run_dir}/redis.sock")
            command = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w.encode()) for w in words)
            wire.sendall(command)
            return wire.recv(65536)


class Logs:
    """Reads what the daemons have logged since it last looked."""

    def __init__(self, parley):
        self.parley = parley
        self.offsets = {}

    def new_lines(self):
        for name in DAEMONS:
            path = f"{self.parley.state}/log/{name}.log"
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    file.seek(self.offsets.get(path, 0))
                    text = file.read()
                    self.offsets[path] = file.tell()
            except OSError:
                continue
            for line in text.splitlines():
                yield name, line

    def unexpected(self, allowed):
        """Lines of level error that are not allowed, and what is no log line at all (a sanitizer's report)."""
        found = []
        for name, line in self.new_lines():
            try:
                entry = json.loads(line)
                bad = entry["level"] == "error" and entry["event"] not in allowed
            except (ValueError, KeyError, TypeError):
                bad = True
            if bad:
                found.append(f"{name}: {line}")
        return found
