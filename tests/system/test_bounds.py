"""Peers that take nothing, answer nothing or ask too much: each meets a bound, and nobody else notices."""

import concurrent.futures
import contextlib
import os
import re
import socket
import time

import pytest

from people import World, texts_of
from raw import PING, PONG, Raw, close_payload, frame
from rest import Rest
from server import Parley, until

KIB_OF_A_STUCK_PEER = 32 * 1024  # what a daemon may grow by; what is queued for it is far more
LONG_TEXT = "x" * 16000
LOGINS = 200                     # at once: more than wait for a thread (user.password_queue)


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


def assert_has_grown_little(parley, before_kib):
    """Sanitizers keep for a while what was freed; what they measure is nothing that operators would see."""
    if os.environ.get("PARLEY_VARIANT", "release") in ("release", "chaos"):
        assert resident_kib(parley.pid("delivery")) - before_kib < KIB_OF_A_STUCK_PEER


def metric(world, daemon, name):
    """The value of a metric, whose labels may be a part of the name; 0 before it was first counted."""
    page = world.operations.get(f"/{daemon}/metrics")
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0


def past_the_front_door(parley, person):
    """A device on delivery's own socket, where the kernel keeps little for it. It says on its own that it lives."""
    raw = Raw.__new__(Raw)
    raw.buffer = b""
    raw.wire = socket.socket(socket.AF_UNIX)
    raw.wire.settimeout(10)
    raw.wire.connect(f"{parley.run_dir}/delivery.ws")
    raw.upgrade()
    raw.say({"op": "auth", "token": person.token})
    raw.read_op("ready")
    return raw


def keeps_alive_until(raw, condition, seconds, what):
    """Reads nothing and sends pongs that nobody asked for, as long as the peer takes them."""
    def is_done():
        with contextlib.suppress(OSError):
            raw.send(frame(PONG))
        return condition()
    until(is_done, seconds, what, 0.2)


def test_a_device_that_takes_nothing_is_closed_as_too_slow_and_finds_everything_later(parley, world, people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    stuck = past_the_front_door(parley, bob)
    other = bob.on_another_device().online(auto_ack=True)
    before = resident_kib(parley.pid("delivery"))
    slow = 'parley_delivery_closes_total{code="4008"}'
    closed = metric(world, "delivery", slow)
    texts = [f"{number} {LONG_TEXT}"[:16000] for number in range(100)]
    for text in texts:
        ann.say(chat, text)
    assert texts_of(other.until(lambda event: event["seq"] == 102)) == texts
    keeps_alive_until(stuck, lambda: metric(world, "delivery", slow) == closed + 1, 30, "the stuck device is closed")
    assert_has_grown_little(parley, before)
    stuck.close()
    again = bob.online(want="inbox", auto_ack=True)
    assert texts_of(again.until(lambda event: event["seq"] == 102)) == texts


def test_a_flood_of_pings_of_who_takes_no_answer_is_not_read_on(parley, people):
    ann, bob = people("ann", "bob")
    flood = past_the_front_door(parley, ann)
    before = resident_kib(parley.pid("delivery"))
    flood.wire.settimeout(0.5)
    pings = frame(PING, b"x" * 125) * 500
    sent = 0
    with pytest.raises(OSError):  # the socket is full, or closed already
        while sent < 512 << 20:
            flood.send(pings)
            sent += len(pings)
    assert_has_grown_little(parley, before)
    bob.online().stays()
    flood.close()


@pytest.fixture
def roomy(world):
    """A Parley of the test's own that holds more for a device than the kernel does; and somebody on it."""
    parley = Parley()
    parley.environment["PARLEY_DELIVERY_MAX_OUTPUT_BYTES"] = str(4 << 20)
    try:
        parley.start()
        yield parley, World(world.contract, parley.address, parley.ops_address).person("ann")
        assert parley.stop() == 0, parley.tails()
    finally:
        parley.remove()


def test_output_that_is_never_empty_costs_only_what_waits_in_it(roomy):
    """Some of it waits all the time, while much more than that passes through."""
    parley, ann = roomy
    slow = past_the_front_door(parley, ann)
    pings = frame(PING, b"x" * 125) * 1000
    for _ in range(15):
        slow.send(pings)
    before = resident_kib(parley.pid("delivery"))
    for _ in range((128 << 20) // len(pings)):
        slow.read(1000 * 127)
        slow.send(pings)
    assert_has_grown_little(parley, before)
    slow.close()


def test_a_peer_that_answers_no_ping_is_let_go_and_loses_nothing(world, people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    heartbeat_s = world.limits()["heartbeat_ms"] / 1000
    if heartbeat_s > 5:
        pytest.skip("the heartbeat of this Parley is too slow to wait for")
    silent = Raw(world.address)
    silent.upgrade()
    silent.say({"op": "auth", "token": bob.token})
    silent.read_op("ready")
    silent.wire.settimeout(10 * heartbeat_s)
    ann.say(chat, "are you there")
    began = time.monotonic()
    assert silent.ended()
    assert time.monotonic() - began > heartbeat_s, "it was not asked twice"
    assert bob.online(want="inbox").until(lambda event: event["type"] == "message")[-1]["body"]["text"] == "are you there"


@pytest.fixture
def slow_hashes(world):
    """A Parley that hashes passwords as people's must be; the others of the tests take a twentieth of the memory."""
    parley = Parley()
    del parley.environment["PARLEY_USER_PASSWORD_MEMORY_KIB"]
    try:
        parley.start()
        yield World(world.contract, parley.address, parley.ops_address)
        assert parley.stop() == 0
    finally:
        parley.remove()


def test_more_logins_than_can_wait_are_told_to_come_later_and_the_others_are_answered(slow_hashes):
    world = slow_hashes
    ann = world.person("ann")
    login = {"username": ann.username, "password": ann.password}

    def try_unknown(number):
        return Rest(world.contract, world.address).call(
            "POST", "/v1/sessions", {"username": f"nobody{number}", "password": ann.password})

    refused = metric(world, "user", "parley_user_password_jobs_refused_total")
    with concurrent.futures.ThreadPoolExecutor(LOGINS) as pool:
        answers = list(pool.map(try_unknown, range(LOGINS)))
    assert {answer.status for answer in answers} == {401, 503}
    busy = [answer for answer in answers if answer.status == 503]
    assert all(answer.code == "unavailable" and int(answer.headers["retry-after"]) >= 1 for answer in busy)
    assert metric(world, "user", "parley_user_password_jobs_refused_total") - refused > 0
    assert Rest(world.contract, world.address).call("POST", "/v1/sessions", login).status == 201


def test_a_close_frame_is_agreed_to_by_a_device_that_is_full(parley, people):
    """Its window is full and nothing more is sent to it, and still it is heard."""
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    full = past_the_front_door(parley, bob)
    for number in range(70):
        ann.say(chat, f"text {number}")
    full.send(frame(8, close_payload(1000)))
    assert full.close_code() == 1000
