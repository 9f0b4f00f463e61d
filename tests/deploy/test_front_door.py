"""The front door routes by path, answers for daemons that are away, and lets nothing through that claims to be somebody."""

import contextlib
import http.client
import http.server
import json
import os
import socket
import socketserver
import threading
import time

import pytest
from supervised import Supervised, rows_of_the_table


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what reached it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {"socket": self.server.name, "method": self.command, "path": self.path, "body": body.decode("latin-1"),
                "headers": [[name.lower(), value] for name, value in self.headers.items()]}
        text = json.dumps(seen).encode()
        self.send_response(int(self.headers.get("Accept", "200")) if self.headers.get("Accept", "").isdigit() else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Request-Id", "of-the-daemon")
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def address_string(self):
        return "front door"

    def log_message(self, *_):
        pass


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def __init__(self, folder, name):
        self.name = name
        super().__init__(f"{folder}/{name}", Echo)
        os.chmod(f"{folder}/{name}", 0o777)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


SOCKETS = [f"{name}.{kind}" for name in ("user", "metadata", "chat") for kind in ("http", "ops")] + \
    ["delivery.ws", "delivery.ops"]


@pytest.fixture(scope="module")
def door():
    one = Supervised(rows_of_the_table("nginx"))
    one.start()
    daemons = [Daemon(one.run_dir, name) for name in SOCKETS]
    yield one
    for daemon in daemons:
        daemon.shutdown()
        daemon.server_close()
    one.remove()


def ask(one, method, path, body=None, headers=(), port=None):
    connection = http.client.HTTPConnection("127.0.0.1", port or one.port, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        text = answer.read()
        seen = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
        return answer, seen


def raw(one, text, seconds=3.0):
    with socket.create_connection(("127.0.0.1", one.port), timeout=seconds) as connection:
        connection.sendall(text)
        received = b""
        with contextlib.suppress(socket.timeout, ConnectionResetError):
            while part := connection.recv(65536):
                received += part
        return received


@pytest.mark.parametrize("path, where", [
    ("/v1/users", "user.http"), ("/v1/users/me/blocks/1", "user.http"), ("/v1/users?q=a", "user.http"),
    ("/v1/sessions", "user.http"), ("/v1/sessions/current", "user.http"),
    ("/v1/chats", "metadata.http"), ("/v1/chats/1", "metadata.http"), ("/v1/chats/1/members/2", "metadata.http"),
    ("/v1/chats/1/me", "metadata.http"), ("/v1/limits", "metadata.http"), ("/v1/nothing", "metadata.http"),
    ("/v1/chats/1/messages", "chat.http"), ("/v1/chats/1/messages/7", "chat.http"),
    ("/v1/chats/1/events?after=3", "chat.http"), ("/v1/chats/1/receipts", "chat.http"), ("/v1/sync", "chat.http"),
    ("/v1/chats/messages", "metadata.http"), ("/v1/chats/1/eventsmore", "metadata.http"),
    ("/v1/ws", "delivery.ws"), ("/v1/wsx", "metadata.http"),
])
def test_a_path_reaches_its_daemon_unchanged(door, path, where):
    _, seen = ask(door, "GET", path)
    assert (seen["socket"], seen["path"]) == (where, path)


@pytest.mark.parametrize("name", ["user", "metadata", "chat", "delivery"])
@pytest.mark.parametrize("what", ["healthz", "readyz", "metrics"])
def test_health_is_on_the_operations_address_only(door, name, what):
    _, seen = ask(door, "GET", f"/{name}/{what}", port=door.ops_port)
    assert (seen["socket"], seen["path"]) == (f"{name}.ops", f"/{what}")
    assert ask(door, "GET", f"/{name}/{what}")[0].status == 404


@pytest.mark.parametrize("path", ["/", "/v1/users", "/user/readyz/more", "/user/", "/nginx/readyz"])
def test_the_operations_address_has_nothing_else(door, path):
    assert ask(door, "GET", path, port=door.ops_port)[0].status == 404


def test_what_claims_to_be_somebody_is_not_passed_on(door):
    claims = {"X-User": "1", "X-User-Id": "1", "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https",
              "Forwarded": "for=10.0.0.1", "X-Real-IP": "10.0.0.1", "Cookie": "a=b", "X_User": "1"}
    _, seen = ask(door, "GET", "/v1/users", headers=claims)
    names = [name for name, _ in seen["headers"]]
    assert not [name for name in names if name.startswith(("x-user", "x_user", "x-forwarded", "forwarded", "cookie"))]
    assert dict(seen["headers"])["x-real-ip"] == "127.0.0.1" and names.count("x-real-ip") == 1


def test_what_a_daemon_needs_is_passed_on(door):
    wanted = {"authorization": "Bearer abc", "content-type": "application/json", "origin": "http://page",
              "host": "chat.example"}
    _, seen = ask(door, "POST", "/v1/chats", body=b"{}", headers=wanted)
    assert wanted.items() <= dict(seen["headers"]).items()
    assert seen["body"] == "{}" and dict(seen["headers"])["content-length"] == "2"


@pytest.mark.parametrize("given, kept", [
    ("abcdefgh", True), ("A-z_0123456789", True), ("x" * 64, True),
    ("short", False), ("x" * 65, False), ("has space1", False), ("semi;colon", False), ("", False),
])
def test_a_sane_request_id_is_kept_and_any_other_replaced(door, given, kept):
    answer, seen = ask(door, "GET", "/v1/users", headers={"X-Request-Id": given})
    inside = dict(seen["headers"])["x-request-id"]
    assert answer.headers.get_all("X-Request-Id") == [inside]
    assert (inside == given) is kept and len(inside) >= 8


def test_a_daemons_own_errors_pass_untouched(door):
    answer, seen = ask(door, "GET", "/v1/users", headers={"Accept": "503"})
    assert answer.status == 503 and seen["socket"] == "user.http"


def test_chunked_bodies_arrive_whole(door):
    _, seen = ask(door, "POST", "/v1/chats/1/messages", body=iter([b"one", b"two"]))
    assert seen["body"] == "onetwo"


def test_a_body_of_64_kib_passes_and_one_byte_more_does_not(door):
    assert len(ask(door, "POST", "/v1/chats", body=b"x" * 65536)[1]["body"]) == 65536
    answer, problem = ask(door, "POST", "/v1/chats", body=b"x" * 65537)
    assert_problem(answer, problem, 413, "too_large")


def test_a_chunked_body_that_grows_too_large_is_refused(door):
    text = raw(door, b"POST /v1/chats HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"8000\r\n"
               + b"x" * 0x8000 + b"\r\n8001\r\n" + b"x" * 0x8001 + b"\r\n0\r\n\r\n")
    assert b" 413 " in text and b'"code":"too_large"' in text


def assert_problem(answer, problem, status, code):
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "temporary", "request_id"} <= problem.keys()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["type"] == f"/docs/errors/{code}"


def test_a_daemon_that_is_away_is_unavailable_with_a_time_to_retry(make):
    one = make(rows_of_the_table("nginx")).start()
    for method, path in (("GET", "/v1/chats/1/events"), ("POST", "/v1/users"), ("GET", "/v1/ws")):
        answer, problem = ask(one, method, path)
        assert_problem(answer, problem, 503, "unavailable")
        assert answer.headers["Retry-After"] == "1" and problem["retry_after"] == 1 and problem["temporary"] is True
    assert ask(one, "GET", "/chat/readyz", port=one.ops_port)[0].status == 503


def test_a_path_without_a_file_is_not_found(door):
    for path in ("/nothing.html", "/.git/config", "/api/", "/api/nothing", "/conf/nginx.conf"):
        assert_problem(*ask(door, "GET", path), 404, "not_found")


def test_a_page_cannot_be_posted_to(door):
    answer, problem = ask(door, "POST", "/index.html", body=b"x")
    assert_problem(answer, problem, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("text", [
    b"GET /v1/users HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40000 + b"\r\n\r\n",
    b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
])
def test_what_is_no_http_is_refused_in_the_same_form(door, text):
    answer = raw(door, text)
    assert b" 400 " in answer.split(b"\r\n")[0] and b'"code":"bad_request"' in answer


@pytest.mark.parametrize("text", [
    b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/users HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /v1/users HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
])
def test_a_body_with_two_lengths_is_refused(door, text):
    first = raw(door, text + b"GET /v1/smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    assert first.split(b" ")[1] in (b"400", b"501") and b"smuggled" not in first


def test_a_peer_that_sends_its_headers_slowly_is_let_go(door):
    began = time.monotonic()
    raw(door, b"GET /v1/users HTTP/1.1\r\nHost: a\r\nX-Slow: ", seconds=20)
    assert 8 < time.monotonic() - began < 15


def test_an_upgrade_reaches_delivery_whole(door):
    headers = {"Connection": "keep-alive, Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
               "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "parley.v1", "Origin": "http://page"}
    seen = dict(ask(door, "GET", "/v1/ws", headers=headers)[1]["headers"])
    assert (seen["connection"], seen["upgrade"], seen["sec-websocket-key"]) == ("upgrade", "websocket",
                                                                                "dGhlIHNhbXBsZSBub25jZQ==")
    assert (seen["sec-websocket-protocol"], seen["origin"], seen["x-real-ip"]) == ("parley.v1", "http://page", "127.0.0.1")


def test_the_page_may_run_its_own_scripts_only(door):
    answer, _ = ask(door, "GET", "/")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'", "worker-src 'self'", "manifest-src 'self'",
                 "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["Referrer-Policy"] == "no-referrer"


def test_an_answer_of_a_daemon_is_never_kept(door):
    assert ask(door, "GET", "/v1/users")[0].headers.get_all("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("path", ["/api/openapi.yaml", "/api/asyncapi.yaml"])
def test_the_descriptions_of_the_interfaces_are_served(door, path):
    answer, text = ask(door, "GET", path)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("application/yaml")
    assert text.startswith((b"openapi:", b"asyncapi:"))


def test_the_log_has_neither_queries_nor_tokens(make):
    one = make(rows_of_the_table("nginx")).start()
    ask(one, "GET", "/v1/users?q=canary-1", headers={"Authorization": "Bearer canary-2"})
    ask(one, "GET", "/nothing?q=canary-3")
    one.stop()
    with open(f"{one.state}/work/nginx/access.log", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    assert {(line["path"], line["status"]) for line in lines} >= {("/v1/users", 503), ("/nothing", 404)}
    assert "canary" not in json.dumps(lines) + one.log("nginx")
