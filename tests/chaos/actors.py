"""Clients that no application would be, and a crowd for them to disturb: its own accounts and one group chat, apart from
the judged load."""

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time

from chaos_parley import as_service
from people import World
from raw import BINARY, CONTINUATION, TEXT, Raw, frame

CROWD = 5
# A close frame at the end of what came: unmasked, short, its code first (RFC 6455, 5.5.1).
CLOSE_FRAME = re.compile(rb"\x88[\x02-\x7d][\x03-\x0f][\x00-\xff][^\x00-\x1f]*$", re.DOTALL)


class Crowd:
    def __init__(self, parley, contract):
        self.parley = parley
        self.world = World(contract, parley.address, parley.ops_address)
        self.people = self.world.people(*["crowd"] * CROWD)
        self.chat = self.people[0].group(*self.people[1:])
        self.number = 0

    def open(self, person, receive_bytes=None, address=None):
        """A connected device: raw, so that it may do what it likes."""
        raw = Raw.__new__(Raw)
        raw.buffer = b""
        raw.wire = socket.socket()
        if receive_bytes:
            raw.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.wire.settimeout(10)
        raw.wire.connect(address or self.parley.address)
        raw.upgrade()
        raw.say({"op": "auth", "token": person.token})
        raw.read_op("ready")
        return raw

    def blast(self, count, size=100, person=None, per_second=None):
        """So many messages into the chat as fast as the bounds allow, or at a rate; returns how many were stored."""
        raw = self.open(person or self.people[0])
        stored, in_flight, sent = 0, 0, 0
        began = time.monotonic()
        while stored < count:
            room = 200 if per_second is None else (time.monotonic() - began) * per_second - sent
            while sent < count and in_flight < 200 and room > 0:
                self.number += 1
                text = f"blast {self.number} ".ljust(size, "x")
                raw.say({"op": "send", "id": f"b{self.number}", "chat": self.chat, "client_id": f"b{self.number}",
                         "body": {"text": text}})
                sent, in_flight, room = sent + 1, in_flight + 1, room - 1
            if in_flight == 0:
                time.sleep(0.005)
                continue
            _, payload = raw.read_frame()
            answer = json.loads(payload)
            if answer["op"] == "event" and answer["n"] % 32 == 0:
                raw.say({"op": "ack", "n": answer["n"]})
            if answer["op"] in ("ok", "error") and "id" in answer:
                in_flight -= 1
                stored += answer["op"] == "ok"
                sent -= answer["op"] == "error"
        raw.close()
        return stored

    def stop(self):
        self.world.let_go()


def drain(crowd, person, seconds):
    """Connects and takes what waits in the inbox; returns how many events that were, and whether the server said resync."""
    raw = Raw(crowd.parley.address)
    raw.wire.settimeout(seconds)
    raw.upgrade()
    raw.say({"op": "auth", "token": person.token})
    ready = raw.read_op("ready")
    seen, resynced = 0, ready["state"] == "resync"
    while seen < ready["inbox"] and not resynced:
        _, payload = raw.read_frame()
        value = json.loads(payload)
        resynced = value["op"] == "resync"
        if value["op"] == "event":
            seen += 1
            if seen % 32 == 0 or seen == ready["inbox"]:
                raw.say({"op": "ack", "n": value["n"]})
    raw.close()
    return seen, resynced


def connect_unix(path):
    """A connection past the front door."""
    wire = socket.socket(socket.AF_UNIX)
    wire.settimeout(5)
    wire.connect(path)
    return wire


@contextlib.contextmanager
def stuck_readers(crowd, count):
    """Devices that are sent everything and take nothing."""
    raws = [crowd.open(crowd.people[1 + i % (CROWD - 1)], receive_bytes=4096) for i in range(count)]
    try:
        yield raws
    finally:
        for raw in raws:
            raw.close()


def closed_by_server(raw, seconds):
    """Waits until the server closes or ends the connection; the seconds it took, None when it did not. Answers no ping."""
    began = time.monotonic()
    raw.wire.settimeout(0.5)
    seen = raw.buffer
    while time.monotonic() - began < seconds:
        try:
            data = raw.wire.recv(65536)
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - began
        seen = (seen + data)[-200:]
        if not data or CLOSE_FRAME.search(seen):
            return time.monotonic() - began
    return None


def flap(crowd, person, times):
    """One device, again and again, each connection while the former is still open; returns how many were replaced."""
    replaced, former = 0, None
    for _ in range(times):
        raw = crowd.open(person)
        if former is not None:
            replaced += closed_by_server(former, 3) is not None
            former.close()
        former = raw
    former.close()
    return replaced


def storm(crowd, count, seconds=30):
    """So many connections of a few devices at once. Of one device only the newest stays, so being replaced is an answer
    too; returns how many were answered, and in how many seconds the last of them."""
    answered, lock = [], threading.Lock()
    began = time.monotonic()

    def one(number):
        raw = Raw(crowd.parley.address)
        with contextlib.suppress(OSError):
            raw.wire.settimeout(seconds)
            with contextlib.suppress(EOFError, AssertionError):
                raw.upgrade()
                raw.say({"op": "auth", "token": crowd.people[number % CROWD].token})
                raw.read_frame()
                with lock:
                    answered.append(time.monotonic() - began)
        raw.close()

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.1, seconds - (time.monotonic() - began)))
    return len(answered), max(answered, default=0.0)


def broken_frames(crowd, chance):
    """One connection for each way to break a frame; returns how many the server closed."""
    ways = [
        frame(TEXT, b'{"op":"ping"}', mask=False),
        frame(TEXT, b'{"op":"ping"}', rsv=4),
        frame(TEXT, b"\xff\xfe"),
        frame(BINARY, b"\0" * 10),
        frame(CONTINUATION, b"x"),
        frame(TEXT, b"x", length=1 << 62),
        frame(TEXT, b"y" * 70000),
        frame(3, b"reserved"),
        frame(9, b"p" * 126),
        chance.randbytes(200),
    ]
    raws = []
    for way in ways:
        raws.append(crowd.open(crowd.people[1 + len(raws) % 4]))
        with contextlib.suppress(OSError):
            raws[-1].send(way)
            if chance.random() < 0.2:
                raws[-1].wire.shutdown(socket.SHUT_WR)
    closed = sum(closed_by_server(raw, 6) is not None for raw in raws)
    for raw in raws:
        raw.close()
    return closed, len(ways)


def garbage_on_the_bus(parley, chance, rounds=5):
    """What nng does not speak, on every socket between the daemons, from a process that may connect there as they may;
    returns how many connections were made. (The program is passed as text: that user may not enter every checkout.)"""
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/bus_garbage.py", encoding="utf-8") as file:
        program = file.read()
    paths = [f"{parley.run_dir}/{name}" for name in sorted(os.listdir(parley.run_dir)) if name.endswith((".rpc", ".pub"))]
    made = 0
    for _ in range(rounds):
        command = as_service("/usr/bin/python3", "-c", program, str(chance.randrange(1 << 30)), *paths)
        made += int(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd="/").stdout)
    return made
