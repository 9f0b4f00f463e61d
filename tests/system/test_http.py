"""What holds for every route: who is asked for a token, methods, media types, sizes, names of requests."""

import json

import pytest

from contract import documents
from raw import Raw

ROUTES = [(method, template) for template, item in documents()["openapi.yaml"]["paths"].items()
          if "servers" not in item for method in ("GET", "POST", "PUT", "PATCH", "DELETE") if method.lower() in item]
PUBLIC = {("POST", "/v1/users"), ("POST", "/v1/sessions"), ("GET", "/v1/limits")}
WITH_BODY = [(method, template) for method, template in ROUTES
             if "requestBody" in documents()["openapi.yaml"]["paths"][template][method.lower()]]


def filled(template):
    """With ids of nothing; of sessions not `current`, of users not `me`."""
    path = template.replace("{", "\0").replace("}", "\0")
    return "".join("4611686018427387904" if i % 2 else part for i, part in enumerate(path.split("\0")))


# --- tokens ---

@pytest.mark.parametrize("method, template", [route for route in ROUTES if route not in PUBLIC])
def test_without_a_token_nothing_is_said_even_of_what_does_not_exist(world, method, template):
    for headers in ({}, {"Authorization": "Bearer " + "A" * 43}):
        answer = world.anyone.refused("unauthorized", method, filled(template), headers=headers)
        assert "errors" not in answer


@pytest.mark.parametrize("value", [
    "", "Bearer", "Bearer ", "Bearer x", "Bearer " + "A" * 42, "Bearer " + "A" * 44, "Bearer " + "+" * 43,
    "Basic YTpi", "Token {}", "{}", "Bearer {} {}", "Bearer {}x", "Bearer  {}x", "Bearer {},Bearer {}"])
def test_a_header_that_is_no_valid_token_is_unauthorized(person, value):
    ann = person()
    ann.refused("unauthorized", "GET", "/v1/users/me", token=None,
                headers={"Authorization": value.replace("{}", ann.token)})


def test_the_scheme_of_a_token_may_be_written_in_capitals_or_not(person):
    ann = person()
    for scheme in ("Bearer", "bearer", "BEARER"):
        ann.want("GET", "/v1/users/me", 200, token=None, headers={"Authorization": f"{scheme} {ann.token}"})


def test_a_token_in_a_url_is_not_looked_at(person):
    ann = person()
    answer = ann.call("GET", f"/v1/users/me?access_token={ann.token}", token=None)
    assert answer.status in (400, 401)


def test_who_the_caller_is_cannot_be_claimed_by_headers(people):
    ann, bob = people("ann", "bob")
    claims = {"X-User": bob.id, "X-User-Id": bob.id, "X-Real-IP": "10.0.0.1", "X-Forwarded-For": "10.0.0.1"}
    assert ann.want("GET", "/v1/users/me", 200, headers=claims)["id"] == ann.id
    ann.refused("unauthorized", "GET", "/v1/users/me", token=None, headers=claims)


# --- routes and methods ---

@pytest.mark.parametrize("path", [
    "/v1", "/v1/", "/v1/nothing", "/v1/users/me/nothing", "/v1/chats/7/nothing", "/v1/chats/7/messages/1/2",
    "/v1/sessions/current/7", "/v1/users/", "/v1/chats/", "/v1//users", "/v1/users/me/", "/v1/Users"])
def test_an_unknown_route_is_not_found(person, path):
    ann = person()
    for method in ("GET", "POST"):
        answer = ann.call(method, path)
        assert answer.status == 404 and answer.code == "not_found"


@pytest.mark.parametrize("later", [("GET", "/v1/chats/7/messages/1/trace")])
def test_what_a_later_version_brings_is_not_found_and_no_stub(person, later):
    person().refused("not_found", *later)


@pytest.mark.parametrize("template", sorted({template for _, template in ROUTES}))
def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(person, template):
    ann = person()
    has = {method for method, of in ROUTES if of == template}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - has:
        ann.refused("method_not_allowed", method, filled(template))


# --- bodies ---

@pytest.mark.parametrize("method, template", WITH_BODY)
def test_a_body_of_another_kind_is_refused(person, method, template):
    ann = person()
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
                 "application/jsonp", "*/*", "application/problem+json"):
        ann.refused("unsupported_media_type", method, filled(template), raw=b"{}", headers={"Content-Type": kind})
    ann.refused("unsupported_media_type", method, filled(template), raw=b"{}", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON",
                                  'application/json;charset="UTF-8"', "application/json ; charset=UTF-8"])
def test_json_may_be_declared_in_every_form_that_http_knows(person, kind):
    ann = person()
    ann.want("PATCH", "/v1/users/me", 200, raw=b'{"display_name":"Ann"}', headers={"Content-Type": kind})


@pytest.mark.parametrize("method, template", WITH_BODY)
def test_a_body_above_the_bound_is_too_large_and_one_at_the_bound_is_read(world, person, method, template):
    ann = person()
    bound = world.limits()["max_body_bytes"]
    ann.refused("too_large", method, filled(template), raw=b" " * (bound - 1) + b"{}")
    at_bound = ann.call(method, filled(template), raw=b"{" + b" " * (bound - 2) + b"}")
    assert at_bound.code != "too_large"


def test_a_body_in_chunks_is_read_and_bounded_all_the_same(world, person):
    ann = person()
    for size, want in ((100, 200), (world.limits()["max_body_bytes"] + 1, 413)):
        raw = Raw(world.address)
        body = b'{"display_name":"Ann"' + b" " * (size - 22) + b"}"
        raw.send(f"PATCH /v1/users/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ann.token}\r\nContent-Type: "
                 f"application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for at in range(0, len(body), 4096):
            part = body[at:at + 4096]
            raw.send(b"%x\r\n%s\r\n" % (len(part), part))
        raw.send(b"0\r\n\r\n")
        status, headers, answer = raw.read_answer()
        assert status == want, answer
        assert want == 200 or (json.loads(answer)["code"], headers["content-type"].split(";")[0]) == (
            "too_large", "application/problem+json")
        raw.close()


def test_a_body_where_none_belongs_is_refused(person):
    ann = person()
    for method, path in (("GET", "/v1/users/me"), ("DELETE", "/v1/users/me"), ("PUT", f"/v1/users/me/blocks/{ann.id}")):
        ann.refused("bad_request", method, path, {"x": 1}, pointer="/body")
    assert ann.get("/v1/users/me")["id"] == ann.id


# --- what every answer has ---

def test_a_client_may_name_its_request_and_gets_a_name_otherwise(person):
    ann = person()
    for given, kept in (("my-request_1", True), ("A" * 64, True), ("A" * 65, False), ("short", False),
                        ("with space", False), ("quote\"quote", False), (None, False)):
        for path in ("/v1/users/me", "/v1/chats", "/v1/chats/7/events", "/v1/nothing"):
            answer = ann.call("GET", path, headers={"X-Request-Id": given})
            assert (answer.headers["X-Request-Id"] == given) is kept, (given, path)
            assert len(answer.headers.get_all("X-Request-Id")) == 1


def test_answers_may_not_be_stored_by_anybody_between(person):
    ann = person()
    for path in ("/v1/users/me", "/v1/chats", "/v1/sessions"):
        assert "no-store" in ann.call("GET", path).headers["Cache-Control"]


@pytest.mark.parametrize("request_bytes", [
    b"GET / HTTP/9.9\r\n\r\n", b"NONSENSE\r\n\r\n", b"GET /v1/users/me HTTP/1.1\r\n\r\n",
    b"GET /v1/users/me HTTP/1.1\r\nHost: x\r\nbad header\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /v1/users/me HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40000 + b"\r\n\r\n",
    b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_what_is_not_http_ends_its_own_connection_only(world, person, request_bytes):
    raw = Raw(world.address)
    try:
        raw.send(request_bytes)
        status, headers, body = raw.read_answer()
        assert 400 <= status < 600
        assert headers["content-type"].split(";")[0] == "application/problem+json", (status, headers)
        assert json.loads(body)["status"] == status
    except (ConnectionError, EOFError):
        pass  # it was ended without a word
    raw.close()
    assert person().get("/v1/users/me")


def test_limits_tell_every_bound_and_need_no_token(world):
    limits = world.limits()
    known = ("max_body_bytes", 65536), ("max_text_bytes", 16384), ("max_page", 200), ("default_page", 50)
    assert all(limits[name] == value for name, value in known)
