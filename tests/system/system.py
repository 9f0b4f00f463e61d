"""A whole Parley under test, started as people start it: by deploy/supervisor, in folders and on ports of its own."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DAEMONS = ("user", "metadata", "chat", "delivery")


def until(condition, seconds, what):
    """Polls until the condition gives something true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.01)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


class System:
    """`ours` is False when somebody else's is used (PARLEY_TEST_URL): then nothing in it is killed or read."""

    ours = True

    def __init__(self, **settings):
        self.folder = tempfile.mkdtemp(prefix="parley-system-")
        os.chmod(self.folder, 0o711)
        self.state = os.path.join(self.folder, "state")
        self.run_dir = tempfile.mkdtemp(prefix="ps-", dir="/tmp")
        self.port, self.ops_port = free_port(), free_port()
        self.host = "127.0.0.1"
        kept = ("PARLEY_VARIANT", "PARLEY_BUILD_DIR")
        self.environment = {
            **{name: value for name, value in os.environ.items()
               if name in kept or not name.startswith(("PARLEY_", "PG"))},
            "PARLEY_STATE_DIR": self.state, "PARLEY_RUN_DIR": self.run_dir,
            "PARLEY_PORT": str(self.port), "PARLEY_OPS_PORT": str(self.ops_port), **settings}
        self.output = os.path.join(self.folder, "output")
        self.process = None
        self.read_to = {}

    def start(self, seconds=60):
        with open(self.output, "ab") as output:
            before = output.tell()
            self.process = subprocess.Popen(
                [f"{ROOT}/deploy/supervisor", "run"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env=self.environment, start_new_session=True)
        until(lambda: b"everything is ready" in self.bytes_since(before) or self.process.poll() is not None, seconds,
              lambda: f"everything is ready\n{self.report()}")
        if self.process.poll() is not None:
            raise AssertionError(f"the supervisor ended with {self.process.returncode}\n{self.report()}")
        return self

    def stop(self, seconds=60):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(seconds)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def bytes_since(self, place):
        with open(self.output, "rb") as file:
            file.seek(place)
            return file.read()

    # --- processes ---

    def pid(self, name):
        try:
            with open(f"{self.run_dir}/{name}.pid", encoding="utf-8") as file:
                return int(file.read().split()[0])
        except (OSError, IndexError, ValueError):
            return 0

    def kill(self, name, how=signal.SIGKILL):
        """Returns the pid that was."""
        pid = until(lambda: self.pid(name), 5, f"{name} has a pid")
        os.kill(pid, how)
        return pid

    def wait_back(self, name, former, seconds=15):
        """Until another process of this name lives and, if it is a daemon, is ready."""
        until(lambda: self.pid(name) not in (0, former) and alive(self.pid(name)), seconds, f"{name} is back")
        if name in DAEMONS:
            self.wait_ready(name, seconds=seconds)

    def wait_ready(self, *names, seconds=15):
        for name in names or DAEMONS:
            until(lambda name=name: self.readiness(name)[0] == 200, seconds,
                  lambda name=name: f"{name} is ready: {self.readiness(name)}\n{self.report()}")

    def readiness(self, name):
        connection = http.client.HTTPConnection(self.host, self.ops_port, timeout=5)
        try:
            connection.request("GET", f"/{name}/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def redis(self, *words):
        """One command to the private Redis; its answer as text."""
        done = subprocess.run(["redis-cli", "-s", f"{self.run_dir}/redis.sock", *words], text=True, timeout=10,
                              capture_output=True, check=True)
        return done.stdout.strip()

    # --- logs ---

    def log_path(self, name):
        return f"{self.state}/log/{name}.log"

    def errors(self):
        """The lines of level error, or that are a crash's, that came since the last look; (daemon, line) pairs."""
        found = []
        for name in DAEMONS:
            try:
                with open(self.log_path(name), "rb") as file:
                    file.seek(self.read_to.get(name, 0))
                    text = file.read()
            except OSError:
                continue
            whole = text.rpartition(b"\n")[0]
            self.read_to[name] = self.read_to.get(name, 0) + len(whole) + (1 if whole else 0)
            found += [(name, line) for line in whole.decode(errors="replace").splitlines() if is_error(line)]
        return found

    def report(self, lines=25):
        """The tails of all logs, for a failure's report."""
        parts = []
        for name in ("supervisor", "postgres", "redis", *DAEMONS, "nginx"):
            path = self.output if name == "supervisor" else self.log_path(name)
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    tail = file.read().splitlines()[-lines:]
            except OSError:
                continue
            parts.append(f"--- {name}\n" + "\n".join(line[:600] for line in tail))
        return "\n".join(parts)


def is_error(line):
    try:
        return json.loads(line).get("level") == "error"
    except (ValueError, AttributeError):
        return any(word in line for word in ("Assertion", "ERROR: ", "runtime error:", "WARNING: ThreadSanitizer"))


class Elsewhere(System):
    """One that runs already, by the URL of its front door."""

    ours = False

    def __init__(self, url):  # pylint: disable=super-init-not-called
        host, _, port = url.split("://", 1)[-1].strip("/").partition(":")
        self.host, self.port = host, int(port or 80)
        self.ops_port = int(os.environ.get("PARLEY_TEST_OPS_PORT", "8081"))

    def start(self, seconds=60):
        return self

    def stop(self, seconds=60):
        pass

    def remove(self):
        pass

    def errors(self):
        return []

    def report(self, lines=25):
        return ""
