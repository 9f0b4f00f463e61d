"""The checks that all other tests rest on can fail: each is shown an answer or a frame that is wrong."""

import base64
import hashlib
import json
import socket
import threading
from email.message import Message

import pytest

from contract import Broken, Contract
from live import Socket
from raw import BINARY, CLOSE, PING, PONG, TEXT, Raw, close_payload, frame
from server import until

USER = {"id": "7", "username": "ada", "display_name": "Ada", "created_at": "2026-01-02T03:04:05.678Z"}
REQUEST_ID = "3f0c2b7a9d4e4c1f"
PROBLEM = {"type": "/docs/errors/not_found", "title": "There is nothing here", "status": 404, "detail": "No.",
           "code": "not_found", "temporary": False, "request_id": REQUEST_ID}


class Fake:
    """An answer as the client sees it."""

    def __init__(self, status=200, value=None, kind="application/json", **headers):
        self.status = status
        self.body = b"" if value is None else json.dumps(value).encode()
        self.headers = Message()
        for name, text in {"X_Request_Id": REQUEST_ID, **headers}.items():
            if text is not None:
                self.headers[name.replace("_", "-")] = text
        if self.body:
            self.headers["Content-Type"] = kind


def problem(**changes):
    value = {**PROBLEM, **changes}
    return Fake(value["status"], {name: each for name, each in value.items() if each is not None},
                "application/problem+json")


@pytest.fixture
def checker():
    return Contract()


def test_an_answer_as_described_passes_and_is_remembered(checker):
    checker.check_answer("GET", "/v1/users/7", Fake(value=USER))
    assert checker.seen_routes == {("GET", "/v1/users/{id}"): {200}}
    assert "GET /v1/users/{id} -> 200" not in checker.never_exercised()
    assert "GET /v1/users/me -> 200" in checker.never_exercised()


def test_a_word_in_a_path_wins_over_an_id(checker):
    assert checker.route_of("/v1/users/me").template == "/v1/users/me"
    assert checker.route_of("/v1/users/7?x=1").template == "/v1/users/{id}"
    assert checker.route_of("/v1/users/7/x") is None


@pytest.mark.parametrize("answer", [
    Fake(value={**USER, "email": "a@b"}),
    Fake(value={name: value for name, value in USER.items() if name != "created_at"}),
    Fake(value={**USER, "id": 7}),
    Fake(value={**USER, "id": "07"}),
    Fake(value={**USER, "created_at": "2026-01-02T03:04:05Z"}),
    Fake(value=USER, X_Request_Id=None),
    Fake(value=USER, X_Request_Id="a b"),
    Fake(value=USER, kind="text/html"),
    Fake(201, USER),
    Fake(200),
], ids=["a field more", "a field less", "a number for an id", "an id with a zero", "no milliseconds", "no request id",
        "a request id with a blank", "another media type", "a status that is not listed", "no body"])
def test_an_answer_that_is_not_as_described_is_caught(checker, answer):
    with pytest.raises(Broken):
        checker.check_answer("GET", "/v1/users/7", answer)


def test_an_answer_that_says_a_key_twice_is_caught(checker):
    answer = Fake(value=USER)
    answer.body = answer.body[:-1] + b',"id":"8"}'
    with pytest.raises(Broken):
        checker.check_answer("GET", "/v1/users/7", answer)


def test_a_problem_as_described_passes(checker):
    checker.check_answer("GET", "/v1/users/7", problem())


@pytest.mark.parametrize("changes", [
    {"code": "conflict"}, {"code": "no_such_code"}, {"type": "/docs/errors/conflict"}, {"detail": None},
    {"request_id": "another-request"}, {"temporary": True}, {"errors": []}, {"stack": "…"},
    {"errors": [{"pointer": "text", "reason": "is wrong"}]},
], ids=str)
def test_a_problem_that_is_not_as_described_is_caught(checker, changes):
    with pytest.raises(Broken):
        checker.check_answer("GET", "/v1/users/7", problem(**changes))


def test_unavailable_without_a_time_to_wait_is_caught(checker):
    with pytest.raises(Broken):
        checker.check_answer("GET", "/v1/users/7", problem(code="unavailable", status=503, temporary=True,
                                                          type="/docs/errors/unavailable"))


def test_an_answer_on_a_route_that_nobody_wrote_down_is_caught(checker):
    with pytest.raises(Broken):
        checker.check_answer("GET", "/v1/search", Fake(value={"items": []}))
    checker.check_answer("GET", "/v1/search", problem())


def test_a_wrong_method_must_be_refused_with_the_methods_that_exist(checker):
    refusal = problem(code="method_not_allowed", status=405, type="/docs/errors/method_not_allowed")
    with pytest.raises(Broken):
        checker.check_answer("PUT", "/v1/users/7", refusal)
    refusal.headers["Allow"] = "GET"
    checker.check_answer("PUT", "/v1/users/7", refusal)


def test_a_request_that_succeeds_though_the_documents_forbid_it_is_caught(checker):
    with pytest.raises(Broken):
        checker.check_answer("POST", "/v1/users", Fake(201, USER), {"username": "ada", "password": "x" * 8, "age": 36})


def test_a_body_where_there_should_be_none_is_caught(checker):
    with pytest.raises(Broken):
        checker.check_answer("DELETE", "/v1/sessions/current", Fake(204, {}))


def test_a_frame_as_described_passes_and_is_remembered(checker):
    assert checker.check_frame('{"op":"pong"}') == {"op": "pong"}
    assert ("toClient", "pong") in checker.seen_ops
    assert "op pong (toClient)" not in checker.never_exercised()
    assert "op bye (toClient)" in checker.never_exercised()


@pytest.mark.parametrize("text", [
    "", "[]", "7", '{"op":"pong"', '{"op":"shout"}', '{"op":"pong","op":"pong"}', '{"op":"pong","x":1}',
    '{"op":"event","n":0,"event":{}}', '{"op":"ok","id":"1","seq":1}', '{"op":"error","code":"no","detail":"x"}',
    '{"op":"error","code":"unavailable","detail":"x"}', '{"op":"receipt","chat":"1","user":"2"}',
])
def test_a_frame_that_is_not_as_described_is_caught(checker, text):
    with pytest.raises(Broken):
        checker.check_frame(text)


def test_a_close_code_that_nobody_wrote_down_is_caught(checker):
    checker.check_close(4001)
    with pytest.raises(Broken):
        checker.check_close(4999)


# --- the WebSocket client, against a server that says what it is told to ---

class FakeServer:
    """Takes one connection, shakes hands, says its frames and reads what comes."""

    def __init__(self, *frames):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.frames = frames
        self.heard = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        raw = Raw.__new__(Raw)
        raw.wire, raw.buffer = self.listener.accept()[0], b""
        while b"\r\n\r\n" not in raw.buffer:
            raw.buffer += raw.wire.recv(65536)
        head, _, raw.buffer = raw.buffer.partition(b"\r\n\r\n")
        key = next(line.split(": ")[1] for line in head.decode().split("\r\n") if "websocket-key" in line.lower())
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        raw.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Protocol: parley.v1\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        for each in self.frames:
            opcode, payload = each if isinstance(each, tuple) else (TEXT, json.dumps(each).encode())
            raw.send(frame(opcode, payload, mask=False))
        try:
            while True:
                first, second = raw.read(2)  # short frames only
                key, size = raw.read(4), second & 0x7F
                payload = bytes(byte ^ key[i % 4] for i, byte in enumerate(raw.read(size)))
                self.heard.append((first & 0x0F, payload))
        except (EOFError, OSError):
            raw.close()


def event(n, seq, chat="7"):
    return {"op": "event", "n": n, "event": {
        "chat": chat, "seq": seq, "type": "message", "sender": "9", "at": "2026-01-02T03:04:05.678Z", "client_id": "c",
        "body": {"text": "x"}}}


@pytest.fixture
def connect(checker):
    opened = []

    def to(*frames):
        server = FakeServer(*frames)
        opened.append(Socket(checker, server.address))
        return opened[-1], server

    yield to
    for each in opened:
        each.drop()


def test_frames_are_found_by_op_and_field_and_the_others_stay(connect):
    live, _ = connect({"op": "pong", "id": "a"}, event(1, 1), {"op": "pong", "id": "b"}, event(2, 1, "8"))
    assert live.expect("pong", id="b") == {"op": "pong", "id": "b"}
    assert [each["chat"] for each in live.events(2)] == ["7", "8"]
    assert live.expect("pong") == {"op": "pong", "id": "a"}


def test_what_is_waited_for_in_vain_fails(connect):
    live, _ = connect({"op": "pong"})
    with pytest.raises(AssertionError):
        live.expect("resync", seconds=0.2)
    assert live.silent(0.1)


@pytest.mark.parametrize("frames", [
    [event(2, 1)], [event(1, 1), event(1, 2)], [event(1, 1), event(3, 2)], [event(1, 2), event(2, 1)],
    [event(1, 1), event(2, 1)], [{"op": "shout"}], [{"op": "pong", "x": 1}], [(TEXT, b"no json")], [(BINARY, b"{}")],
    [(TEXT, b"\xff\xfe")], [(CLOSE, b"\x13\x87")],
], ids=["n begins at 2", "n stays", "n skips", "seq falls", "an event twice", "an unknown op", "a field more", "no JSON",
        "binary", "not UTF-8", "an unknown close code"])
def test_a_server_that_breaks_a_rule_is_caught(connect, frames):
    live, _ = connect(*frames)
    until(lambda: live.faults, 5, "the fault is found")
    with pytest.raises(AssertionError):
        live.expect("pong")


def test_the_code_of_a_close_is_given(connect):
    live, _ = connect((CLOSE, close_payload(4002)))
    assert live.closed() == 4002 and not live.faults


def test_pings_are_answered_and_acks_are_sent(connect):
    live, server = connect((PING, b"hello"), event(1, 1), event(2, 2))
    live.events(2)
    live.ack()
    until(lambda: len(server.heard) == 2, 5, "a pong and an ack")
    assert server.heard == [(PONG, b"hello"), (TEXT, b'{"op": "ack", "n": 2}')]


def test_an_op_that_the_documents_do_not_have_is_not_sent_by_accident(connect):
    live, _ = connect()
    with pytest.raises(Broken):
        live.op({"op": "ack", "n": "1"})
    live.op({"op": "ack", "n": "1"}, valid=False)
