"""The Parley that is hurt: the tests' own one, with ways into its stores, its metrics and its logs.

Postgres lies on a small file system in memory where the machine allows it, so that a disk can be full without harm."""

import contextlib
import os
import pwd
import re
import subprocess
import sys
import urllib.request

sys.path.insert(0, f"{os.path.dirname(os.path.abspath(__file__))}/../system")

from server import DAEMONS, Parley, until  # noqa: E402

PROCESSES = (*DAEMONS, "postgres", "redis", "nginx")
SERVICE_USER = "parley"
# Deadlines that a fault waits for are shorter than an operator would set them.
SETTINGS = {
    "PARLEY_LIMITS_HEARTBEAT_MS": "3000",
    "PARLEY_LIMITS_SENDS_PER_SECOND": "5000",
    "PARLEY_LIMITS_SENDS_BURST": "10000",
    "PARLEY_DELIVERY_SLOW_CLOSE_MS": "5000",
}


def as_service(*command):
    """The command, run as the user that the daemons run as."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--init-groups", *command]


def process_state(pid):
    """One letter of proc(5), stat: T is stopped, Z a zombie; empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(") ", 1)[1][0]
    except OSError:
        return ""


def resident_kib(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
    except (OSError, TypeError):
        return 0


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class ChaosParley(Parley):
    def __init__(self, settings, disk_mib=0):
        super().__init__()
        self.environment.update(SETTINGS)
        self.environment.update(settings)
        self.disk = None
        if disk_mib:
            self.mount(disk_mib)

    # --- its disk ---

    def mount(self, mib):
        folder = f"{self.state}/postgres"
        os.makedirs(folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", folder],
                              capture_output=True, text=True, check=False)
        if done.returncode == 0:
            self.disk = folder

    def remove(self):
        self.stop()
        if self.disk:
            subprocess.run(["umount", self.disk], check=False)
            self.disk = None
        super().remove()

    @contextlib.contextmanager
    def full_disk(self):
        """Not a byte is left inside the block."""
        ballast = f"{self.disk}/ballast"
        try:
            with open(ballast, "wb") as file:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * (1 << 20))
                        file.flush()
            yield
        finally:
            os.unlink(ballast)

    # --- its stores ---

    def psql_command(self, text):
        """What asks this as the administrator."""
        return as_service("psql", "-h", self.run_dir, "-U", "parley_admin", "-d", "parley", "-XAqt", "-F", "\t", "-c", text)

    def sql(self, text, seconds=10):
        """Rows as lists of strings."""
        done = subprocess.run(self.psql_command(text), capture_output=True, text=True, timeout=seconds, check=False, cwd="/")
        if done.returncode != 0:
            raise OSError(f"psql: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def redis_lines(self, *words, seconds=10):
        """The answer of a command as lines."""
        done = subprocess.run(as_service("redis-cli", "-s", f"{self.run_dir}/redis.sock", *words),
                              capture_output=True, text=True, timeout=seconds, check=False, cwd="/")
        if done.returncode != 0 or "ERR" in done.stdout[:10] or "LOADING" in done.stdout[:10]:
            raise OSError(f"redis-cli: {done.stdout.strip()} {done.stderr.strip()}")
        return done.stdout.splitlines()

    # --- what it says ---

    def metric(self, daemon, name):
        """The sum over all labels; None when it does not answer or has no such metric."""
        try:
            url = f"http://127.0.0.1:{self.ops_port}/{daemon}/metrics"
            with urllib.request.urlopen(url, timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return None
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found)) if found else None

    def log_size(self, name):
        with contextlib.suppress(OSError):
            return os.path.getsize(f"{self.state}/log/{name}.log")
        return 0

    def log_since(self, name, offset):
        with open(f"{self.state}/log/{name}.log", encoding="utf-8", errors="replace") as file:
            file.seek(offset)
            return file.read()

    # --- the build's own faults (docs/faults.md) ---

    @property
    def failpoints(self):
        folder = f"{self.run_dir}/failpoints"
        if not os.path.isdir(folder):
            os.mkdir(folder, 0o770)
            if os.geteuid() == 0:
                account = pwd.getpwnam(SERVICE_USER)
                os.chown(folder, account.pw_uid, account.pw_gid)
        return folder

    def arm(self, name, passage=1):
        # Under another name first: it must not be seen before it is written.
        with open(f"{self.failpoints}/{name}.new", "w", encoding="utf-8") as file:
            file.write(f"{passage}\n")
        os.rename(f"{self.failpoints}/{name}.new", f"{self.failpoints}/{name}")

    def was_hit(self, name):
        with contextlib.suppress(OSError):
            os.unlink(f"{self.failpoints}/{name}.hit")
            return True
        return False

    def disarm(self, name):
        with contextlib.suppress(OSError):
            os.unlink(f"{self.failpoints}/{name}")

    def shift_clock(self, offset_ms):
        with open(f"{self.failpoints}/clock_offset_ms.new", "w", encoding="utf-8") as file:
            file.write(f"{offset_ms}\n")
        os.rename(f"{self.failpoints}/clock_offset_ms.new", f"{self.failpoints}/clock_offset_ms")


__all__ = ["ChaosParley", "DAEMONS", "PROCESSES", "as_service", "cpu_seconds", "process_state", "resident_kib", "until"]
