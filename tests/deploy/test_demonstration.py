"""`make demo`: two people who talk already, and nobody mistakes it for something to keep."""

import json
import urllib.error
import urllib.request

import pytest
from supervised import ROOT, Supervised

READY = "in your page:"


@pytest.fixture(scope="module")
def demonstration():
    one = Supervised(PARLEY_DEMONSTRATION="1")
    environment = one.environment
    environment.pop("PARLEY_SQL_DIR")  # the real migrations
    one.start(ready=READY, seconds=60)
    yield one
    one.remove()


def call(one, method, path, token="", body=None):
    request = urllib.request.Request(f"http://127.0.0.1:{one.port}{path}", method=method, data=body and json.dumps(body).encode(),
                                     headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")


def talk_of(one):
    """What each of the two sees in each chat: (chat kind, texts)."""
    told = call(one, "GET", "/demonstration.json")
    seen = {}
    for account in told["accounts"]:
        token = call(one, "POST", "/v1/sessions", body={"username": account, "password": told["password"]})["token"]
        chats = [item["chat"] for item in call(one, "GET", "/v1/chats", token)["items"]]
        seen[account] = sorted(
            (chat["kind"], [event["body"]["text"] for event in call(one, "GET", f"/v1/chats/{chat['id']}/events", token)["items"]
                            if event["type"] == "message"]) for chat in chats)
    return seen


def test_two_people_talk_already_in_a_direct_chat_and_a_group(demonstration):
    seen = talk_of(demonstration)
    assert set(seen) == {"ada", "grace"} and seen["ada"] == seen["grace"]
    assert [(kind, len(texts) > 1) for kind, texts in seen["ada"]] == [("direct", True), ("group", True)]


def test_it_says_loudly_what_it_is_and_what_to_try_next(demonstration):
    said = demonstration.text()
    assert "A DEMONSTRATION" in said and "demonstration only" in said
    assert f"http://127.0.0.1:{demonstration.port}/demo.html" in said and "curl -s -X POST" in said
    with open(f"{ROOT}/web/sdk/example.js", encoding="utf-8") as example:
        assert all(line in said for line in example.read().splitlines())


def test_its_page_may_show_the_page_in_panes(demonstration):
    with urllib.request.urlopen(f"http://127.0.0.1:{demonstration.port}/demo.html", timeout=10) as answer:
        assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_started_again_it_says_nothing_twice(demonstration):
    before = talk_of(demonstration)
    assert demonstration.stop() == 0
    demonstration.start(ready=READY, seconds=60)
    assert talk_of(demonstration) == before


def test_its_seeds_stay_logged_in_nowhere(demonstration):
    """Each start logs in anew: devices that stay logged in make no room, and one day there is none left."""
    told = call(demonstration, "GET", "/demonstration.json")
    for account in told["accounts"]:
        token = call(demonstration, "POST", "/v1/sessions", body={"username": account, "password": told["password"]})["token"]
        sessions = call(demonstration, "GET", "/v1/sessions?limit=200", token)["items"]
        assert "seeds of the demonstration" not in [session["device"]["name"] for session in sessions]


def test_when_somebody_has_changed_a_password_it_says_so(demonstration):
    told = call(demonstration, "GET", "/demonstration.json")
    old, new = told["password"], "changed by a passer-by"
    token = call(demonstration, "POST", "/v1/sessions", body={"username": "ada", "password": old})["token"]
    call(demonstration, "PUT", "/v1/users/me/password", token, {"old_password": old, "new_password": new})
    assert demonstration.stop() == 0
    demonstration.start(ready="ada cannot log in", seconds=60)
    assert demonstration.process.wait(30) == 69


def test_started_as_something_else_it_tells_nobody_the_password(demonstration):
    del demonstration.environment["PARLEY_DEMONSTRATION"]
    demonstration.start(ready="Ctrl-C stops everything", seconds=60)
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(demonstration, "GET", "/demonstration.json")
    assert refused.value.code == 404


def test_what_is_no_demonstration_has_no_such_accounts(servers):
    with pytest.raises(urllib.error.HTTPError) as refused:
        call(servers, "GET", "/demonstration.json")
    assert refused.value.code == 404
