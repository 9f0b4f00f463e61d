"""RFC 6455 by the book: handshakes, frames that are broken, and that each ends only its own connection."""

import base64
import hashlib
import json
import time

import pytest

from raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, close_payload, frame

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


@pytest.fixture
def ann(person):
    return person()


@pytest.fixture
def wire(world, ann):
    """An authenticated connection, byte by byte."""
    raw = Raw(world.address)
    raw.upgrade()
    raw.say({"op": "auth", "token": ann.token})
    raw.read_op("ready")
    yield raw
    raw.close()


def is_well(raw):
    raw.say({"op": "ping", "id": "well"})
    return raw.read_op("pong")["id"] == "well"


# --- handshakes ---

def test_the_accept_key_is_that_of_the_rfc(world):
    raw = Raw(world.address)
    key = base64.b64encode(b"the sample nonce").decode()
    answer = raw.upgrade(Sec_WebSocket_Key=key)
    assert answer["sec-websocket-accept"] == base64.b64encode(hashlib.sha1(key.encode() + ACCEPT_GUID).digest()).decode()
    assert answer["sec-websocket-protocol"] == "parley.v1"
    assert "sec-websocket-extensions" not in answer
    raw.close()


@pytest.mark.parametrize("changes", [
    {"Connection": "keep-alive, Upgrade"}, {"Connection": "upgrade"}, {"Upgrade": "WebSocket"},
    {"Sec_WebSocket_Protocol": "other, parley.v1"}, {"Sec_WebSocket_Extensions": "permessage-deflate"}])
def test_a_handshake_in_an_unusual_but_allowed_form_is_taken(world, ann, changes):
    raw = Raw(world.address)
    answer = raw.upgrade(**changes)
    assert "sec-websocket-extensions" not in answer
    raw.say({"op": "auth", "token": ann.token})
    raw.read_op("ready")
    raw.close()


def test_a_client_that_offers_no_subprotocol_is_told_none(world, ann):
    raw = Raw(world.address)
    assert "sec-websocket-protocol" not in raw.upgrade(Sec_WebSocket_Protocol=None)
    raw.say({"op": "auth", "token": ann.token})
    raw.read_op("ready")
    raw.close()


@pytest.mark.parametrize("want, changes", [
    (400, {"Sec_WebSocket_Key": None}),
    (400, {"Sec_WebSocket_Key": "short"}),
    (400, {"Sec_WebSocket_Key": "not base64 of sixteen bytes!"}),
    (426, {"Sec_WebSocket_Version": "8"}),
    (403, {"Origin": "http://evil.example"}),
    (403, {"Origin": "null"}),
])
def test_a_bad_handshake_is_refused_with_a_problem_document(world, want, changes):
    raw = Raw(world.address)
    headers = raw.upgrade(want, **changes)
    assert headers["content-type"].split(";")[0] == "application/problem+json"
    problem = json.loads(raw.read(int(headers["content-length"])))
    assert problem["status"] == want
    if want == 426:
        assert headers["sec-websocket-version"] == "13"
    raw.close()


def test_plain_http_on_the_address_of_the_websocket_is_refused(world):
    raw = Raw(world.address)
    raw.send(b"GET /v1/ws HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, body = raw.read_answer()
    assert status in (400, 426) and json.loads(body)["status"] == status
    assert headers["content-type"].split(";")[0] == "application/problem+json"
    raw.close()


def test_the_origin_of_the_page_itself_is_allowed(world, ann):
    raw = Raw(world.address)
    host = f"127.0.0.1:{world.address[1]}"
    raw.upgrade(Host=host, Origin=f"http://{host}")
    raw.say({"op": "auth", "token": ann.token})
    raw.read_op("ready")
    raw.close()


def test_frames_that_come_together_with_the_handshake_are_read(world, ann):
    raw = Raw(world.address)
    raw.upgrade(pipelined=frame(TEXT, json.dumps({"op": "auth", "token": ann.token}).encode()))
    raw.read_op("ready")
    raw.close()


# --- frames that are right ---

def test_a_message_may_come_in_fragments_with_control_frames_between(wire):
    text = json.dumps({"op": "ping", "id": "é" * 20}, ensure_ascii=False).encode()
    middle = text.index("é".encode()) + 1  # inside a character
    wire.send(frame(TEXT, text[:middle], fin=False))
    wire.send(frame(PING, b"between"))
    assert wire.read_frame() == (PONG, b"between")
    wire.send(frame(CONTINUATION, b"", fin=False))
    wire.send(frame(CONTINUATION, text[middle:]))
    assert wire.read_op("pong")["id"] == "é" * 20


def test_a_frame_may_come_byte_by_byte(wire):
    for byte in frame(TEXT, b'{"op":"ping","id":"slow"}'):
        wire.send(bytes([byte]))
        time.sleep(0.001)
    assert wire.read_op("pong")["id"] == "slow"


def test_many_frames_may_come_in_one_packet(wire):
    wire.send(b"".join(frame(TEXT, b'{"op":"ping","id":"%d"}' % i) for i in range(200)))
    assert [wire.read_op("pong")["id"] for _ in range(200)] == [str(i) for i in range(200)]


@pytest.mark.parametrize("payload", [b"", b"x", b"\x00\xff" * 60, b"y" * 125])
def test_a_ping_is_answered_with_its_payload(wire, payload):
    wire.send(frame(PING, payload))
    assert wire.read_frame() == (PONG, payload)


def test_a_pong_that_nobody_asked_for_is_ignored(wire):
    wire.send(frame(PONG, b"hello"))
    assert is_well(wire)


def test_a_message_at_the_bound_is_read(world, wire):
    bound = world.limits()["max_frame_bytes"]
    head = b'{"op":"ping","id":"full"'
    wire.send(frame(TEXT, head + b" " * (bound - len(head) - 1) + b"}"))
    assert wire.read_op("pong")["id"] == "full"


# --- frames that are wrong ---

BROKEN = [
    ("a binary message", 1003, frame(BINARY, b"x")),
    ("a frame that is not masked", 1002, frame(TEXT, b"{}", mask=False)),
    ("a reserved bit", 1002, frame(TEXT, b"{}", rsv=4)),
    ("another reserved bit", 1002, frame(TEXT, b"{}", rsv=1)),
    ("a reserved opcode", 1002, frame(3, b"")),
    ("a reserved control opcode", 1002, frame(11, b"")),
    ("a ping in fragments", 1002, frame(PING, b"x", fin=False)),
    ("a ping above 125 bytes", 1002, frame(PING, b"x" * 126)),
    ("a continuation of nothing", 1002, frame(CONTINUATION, b"x")),
    ("a new message inside another", 1002, frame(TEXT, b"x", fin=False) + frame(TEXT, b"y")),
    ("a close frame of one byte", 1002, frame(CLOSE, b"\x03")),
    ("a close code that may not be sent", 1002, frame(CLOSE, close_payload(1005))),
    ("a close code of nobody", 1002, frame(CLOSE, close_payload(999))),
    ("a length with the highest bit", 1002, frame(TEXT, b"", length=1 << 63)),
    ("a length far above the bound", 1009, frame(TEXT, b"", length=1 << 40)),
    ("a length just above the bound", 1009, frame(TEXT, b"", length=65537)),
    ("fragments that together exceed the bound", 1009,
     frame(TEXT, b"x" * 40000, fin=False) + frame(CONTINUATION, b"x" * 40000)),
    ("text that is not UTF-8", 1007, frame(TEXT, b"\xff")),
    ("an overlong form", 1007, frame(TEXT, b"\xc0\xaf")),
    ("half of a surrogate pair", 1007, frame(TEXT, b"\xed\xa0\x80")),
    ("a character that is cut off", 1007, frame(TEXT, b"\xe2\x82")),
    ("a close reason that is not UTF-8", 1007, frame(CLOSE, close_payload(1000, b"\xff"))),
]


@pytest.mark.parametrize("code, data", [pytest.param(code, data, id=name.replace(" ", "_")) for name, code, data in BROKEN])
def test_a_broken_frame_closes_its_connection_with_the_code_of_the_rfc_and_no_other(world, ann, wire, code, data):
    other = ann.on_another_device().online(auto_ack=True)
    wire.send(data)
    assert wire.close_code() == code
    world.contract.check_close(code)
    other.stays()


def test_after_a_close_frame_the_server_does_not_wait_for_ever(wire):
    wire.send(frame(BINARY, b"x"))
    assert wire.close_code() == 1003
    assert wire.ended()


def test_what_follows_a_broken_frame_is_not_read(wire, ann):
    chat = ann.group()
    text = json.dumps({"op": "send", "id": "1", "chat": chat, "client_id": "late", "body": {"text": "late"}}).encode()
    wire.send(frame(BINARY, b"x") + frame(TEXT, text))
    assert wire.close_code() == 1003
    assert ann.texts(chat) == []


@pytest.mark.parametrize("code", [1000, 1001, 1008, 3000, 4999])
def test_a_close_frame_is_answered_with_its_code(wire, code):
    wire.send(frame(CLOSE, close_payload(code, b"bye")))
    assert wire.close_code() == code
    assert wire.ended()


def test_a_close_frame_without_a_code_is_answered(wire):
    wire.send(frame(CLOSE))
    assert wire.close_code() in (1000, 1005)


def test_a_client_that_vanishes_costs_nobody_else_anything(world, ann):
    for _ in range(20):
        raw = Raw(world.address)
        raw.upgrade(pipelined=frame(TEXT, b'{"op":"auth"', fin=False))
        raw.close()
    ann.online().stays()


def test_who_says_nothing_after_the_handshake_is_closed_with_4001(world):
    deadline = world.limits()["auth_deadline_ms"] / 1000
    raw = Raw(world.address)
    raw.upgrade()
    began = time.monotonic()
    assert raw.close_code() == 4001
    assert deadline - 0.2 < time.monotonic() - began < deadline + 2
    raw.close()


def test_pings_do_not_prolong_the_time_for_auth(world):
    deadline = world.limits()["auth_deadline_ms"] / 1000
    raw = Raw(world.address)
    raw.upgrade()
    began, code = time.monotonic(), None
    while code is None and time.monotonic() - began < deadline + 2:
        try:
            raw.send(frame(PING, b"x"))
            opcode, payload = raw.read_frame()
            if opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
        except (EOFError, ConnectionError):
            code = 0
        time.sleep(0.05)
    assert code == 4001
    raw.close()
