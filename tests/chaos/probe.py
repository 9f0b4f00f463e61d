"""Two people who write to each other all the time, to see when Parley works again, and how long a message takes.

They are not part of the judged load: what is measured here is the time until a message that was sent after a fault has
been received, and the latency of others while one part is being hurt (I22)."""

import contextlib
import json
import threading
import time

from people import World
from raw import TEXT, Raw, frame
from server import DAEMONS

PERIOD_S = 0.05


class Probe:
    def __init__(self, parley, contract):
        self.parley = parley
        self.world = World(contract, parley.address, parley.ops_address)
        self.sender, self.receiver = self.world.person("probe"), self.world.person("probe")
        self.chat = self.sender.direct(self.receiver)
        self.lock = threading.Condition()
        self.received_sent_at = 0.0   # when the latest of the received messages had been sent
        self.received_at = 0.0
        self.latencies = None         # while they are gathered: (time of sending, seconds)
        self.byes = 0
        self.period_s = PERIOD_S
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=loop, daemon=True) for loop in (self.send_all, self.receive_all)]
        for thread in self.threads:
            thread.start()

    # --- the two devices ---

    def connect(self, person):
        raw = Raw(self.parley.address)
        raw.wire.settimeout(5)
        raw.upgrade()
        raw.say({"op": "auth", "token": person.token})
        raw.read_op("ready")
        return raw

    def send_all(self):
        number = 0
        while not self.ending.is_set():
            with contextlib.suppress(OSError, EOFError, AssertionError, ValueError):
                raw = self.connect(self.sender)
                raw.wire.settimeout(0.001)
                due = time.monotonic()
                while not self.ending.is_set():
                    number += 1
                    raw.wire.settimeout(5)
                    raw.send(self.message(number))
                    self.discard_answers(raw)
                    due = max(due + self.period_s, time.monotonic() - 1)
                    time.sleep(max(0.0, due - time.monotonic()))
            time.sleep(0.05)

    @staticmethod
    def discard_answers(raw):
        """Reads what has come. An end of the connection is an EOFError."""
        raw.wire.settimeout(0.0)
        try:
            while True:
                data = raw.wire.recv(65536)
                if not data:
                    raise EOFError
                if b'"op":"bye"' in data:
                    raise EOFError
        except BlockingIOError:
            pass

    def message(self, number):
        body = {"text": f"probe {number}", "sent_at": time.monotonic()}
        return frame(TEXT, json.dumps({"op": "send", "id": f"p{number}", "chat": self.chat,
                                       "client_id": f"p{number}", "body": body}).encode())

    def receive_all(self):
        while not self.ending.is_set():
            with contextlib.suppress(OSError, EOFError, AssertionError, ValueError):
                raw = self.connect(self.receiver)
                while not self.ending.is_set():
                    opcode, payload = raw.read_frame()
                    if opcode != TEXT:
                        break
                    self.take(raw, json.loads(payload))
            time.sleep(0.05)

    def take(self, raw, value):
        now = time.monotonic()
        if value["op"] == "event":
            raw.say({"op": "ack", "n": value["n"]})
            sent_at = value["event"].get("body", {}).get("sent_at", 0.0)
            with self.lock:
                self.received_at = now
                self.received_sent_at = max(self.received_sent_at, sent_at)
                if self.latencies is not None:
                    self.latencies.append((sent_at, now - sent_at))
                self.lock.notify_all()
        self.byes += value["op"] == "bye"

    # --- what is asked of it ---

    def await_message_after(self, moment, seconds):
        """Waits for the arrival of a message that was sent after the moment; returns when that was."""
        deadline = time.monotonic() + seconds
        with self.lock:
            while self.received_sent_at < moment:
                left = deadline - time.monotonic()
                assert left > 0, f"no message came through within {seconds} s"
                self.lock.wait(left)
            return self.received_at

    def await_recovery(self, moment, seconds=60):
        """Every daemon says that it is ready, and a message comes through; returns when that was so."""
        deadline = time.monotonic() + seconds
        while not self.parley.is_ready(DAEMONS):
            assert time.monotonic() < deadline, (
                f"not ready within {seconds} s: {[(name, self.parley.readiness(name)) for name in DAEMONS]}")
            time.sleep(0.03)
        ready_at = time.monotonic()
        return max(ready_at, self.await_message_after(moment, max(1.0, deadline - ready_at)))

    def gather(self, seconds, per_second=80):
        """Latencies, in seconds, of the messages sent within the next so many seconds."""
        self.period_s = 1 / per_second
        with self.lock:
            self.latencies, since = [], time.monotonic()
        time.sleep(seconds)
        self.period_s = PERIOD_S
        self.await_message_after(time.monotonic(), 30)
        with self.lock:
            gathered, self.latencies = self.latencies, None
        return [latency for sent_at, latency in gathered if since <= sent_at <= since + seconds]

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(10)
        self.world.let_go()
