"""A supervisor under test: its own folders and ports, a table of processes, and a way to look at what it started."""

import atexit
import functools
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOBODY = 65534


@functools.cache
def open_root():
    """The checkout, or what of it another user needs in a copy, when it lies where only root may go."""
    reaches = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "test", "-x", f"{ROOT}/deploy/supervisor"]
    if os.getuid() != 0 or subprocess.run(reaches, check=False).returncode == 0:
        return ROOT
    copy = tempfile.mkdtemp(prefix="parley-checkout-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    build = os.path.join(os.environ.get("BUILD_DIR", "build"), os.environ.get("VARIANT", "release"), "bin")
    for name in ("deploy", "web", "api", "docs", "sql", build):
        if os.path.isdir(f"{ROOT}/{name}"):
            shutil.copytree(f"{ROOT}/{name}", f"{copy}/{name}")
    subprocess.run(["chmod", "-R", "go=u-w", copy], check=True)
    return copy


# The rows of the real table that need no daemon.
SERVERS = ("postgres", "migrate", "redis", "nginx")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition, seconds, what):
    """Polls until the condition holds; returns what it gave and how long it took."""
    began = time.monotonic()
    while True:
        value = condition()
        if value:
            return value, time.monotonic() - began
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.005)


def alive(pid):
    """A zombie is dead: nothing of it is left but its exit status."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


def rows_of_the_table(*names):
    with open(f"{ROOT}/deploy/processes", encoding="utf-8") as file:
        return "".join(line for line in file if line.split(" ", 1)[0] in names)


class Supervised:
    """`user` is the name of an account to run as instead of the tests' own (only root can)."""

    def __init__(self, table=None, user=None, folder=None, **settings):
        self.user = user
        self.folder = folder or tempfile.mkdtemp(prefix="parley-deploy-")
        os.chmod(self.folder, 0o711)
        self.state = os.path.join(self.folder, settings.pop("state_name", "state"))
        self.run_dir = tempfile.mkdtemp(prefix="pr-", dir="/tmp")
        self.sql = os.path.join(self.folder, "sql")
        os.makedirs(self.sql, exist_ok=True)
        self.port, self.ops_port = free_port(), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PARLEY_", "PG"))},
            "PARLEY_STATE_DIR": self.state, "PARLEY_RUN_DIR": self.run_dir, "PARLEY_SQL_DIR": self.sql,
            "PARLEY_PORT": str(self.port), "PARLEY_OPS_PORT": str(self.ops_port), **settings}
        if table is not None:
            self.write_table(table)
        if user:
            os.chmod(self.folder, 0o777)
            shutil.chown(self.run_dir, user)
        self.root = open_root() if user else ROOT
        self.process = None
        self.output = os.path.join(self.folder, "output")

    def write_table(self, table):
        path = os.path.join(self.folder, "processes")
        with open(path, "w", encoding="utf-8") as file:
            file.write(table)
        self.environment["PARLEY_PROCESSES"] = path

    def command(self, *words):
        if self.user:
            return ["setpriv", f"--reuid={self.user}", "--clear-groups", f"--regid={NOBODY}", *words]
        return list(words)

    def deploy(self, program, *arguments, **settings):
        return subprocess.run(self.command(f"{self.root}/deploy/{program}", *arguments), text=True, timeout=60,
                              env={**self.environment, **settings}, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)

    def start(self, ready="everything is ready", seconds=30, program=None):
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                self.command(program or f"{self.root}/deploy/supervisor", "run"), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=self.environment, start_new_session=True)
        if ready:
            until(lambda: ready in self.text() or self.process.poll() is not None, seconds, ready)
            assert ready in self.text(), self.text()
        return self

    def text(self):
        with open(self.output, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log(self, name):
        with open(f"{self.state}/log/{name}.log", encoding="utf-8", errors="replace") as file:
            return file.read()

    def pid(self, name):
        try:
            with open(f"{self.run_dir}/{name}.pid", encoding="utf-8") as file:
                return int(file.read().split()[0])
        except (OSError, IndexError):
            return 0

    def kill(self, name, how=signal.SIGKILL):
        pid, _ = until(lambda: self.pid(name), 5, f"{name} runs")
        os.kill(pid, how)
        return pid

    def back(self, name, former, seconds=15.0):
        """Waits until another process of this name lives; returns its pid and the seconds that it took. The bound is for a
        machine that is busy: how fast it is, measurements say, not tests."""
        return until(lambda: self.pid(name) not in (0, former) and alive(self.pid(name)) and self.pid(name), seconds,
                     f"{name} is back\n{self.text()}")

    def ours(self):
        """Every process that was started from this state folder, by its environment, folder or command."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                folder = os.readlink(f"/proc/{pid}/cwd")
            except OSError:
                continue
            if (folder + "/").startswith(self.state + "/") and alive(pid):
                found.append(int(pid))
        return found

    def stop(self, seconds=30):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(seconds)
        return self.process.returncode if self.process else None

    def sql_file(self, name, text):
        with open(f"{self.sql}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def psql(self, text, role=None, database="parley"):
        """As the administrator (the kernel vouches for the service user), or as a role with its password."""
        version = sorted(os.listdir("/usr/lib/postgresql"))[-1]
        words = [f"/usr/lib/postgresql/{version}/bin/psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-c", text]
        environment = {**self.environment, "PGHOST": self.run_dir, "PGPORT": "5432", "PGDATABASE": database,
                       "PGUSER": f"parley_{role}" if role else "parley_admin"}
        if role:
            with open(f"{self.state}/secrets/postgres-{role}", encoding="utf-8") as file:
                environment["PGPASSWORD"] = file.read()
        elif os.geteuid() == 0:
            words = ["setpriv", f"--reuid={self.user or 'parley'}", "--clear-groups", *words]
        return subprocess.run(words, env=environment, cwd="/", text=True, timeout=30, capture_output=True, check=False)

    def remove(self):
        self.stop()
        for pid in self.ours():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)


def numbers_in(pattern, text):
    return [int(number) for number in re.findall(pattern, text)]
