"""Sessions and devices."""

import time

import pytest

from people import PASSWORD


def test_a_login_gives_a_token_that_works_and_says_who_and_on_what(person):
    ann = person()
    session = ann.post("/v1/sessions", {"username": ann.username.upper(), "password": PASSWORD,
                                        "device": {"name": "kitchen tablet"}})
    assert session["user"] == ann.profile
    assert session["device"]["name"] == "kitchen tablet"
    assert session["expires_at"] > time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    assert ann.want("GET", "/v1/users/me", 200, token=session["token"])["id"] == ann.id


def test_each_login_without_a_device_makes_a_new_one(person):
    ann = person()
    sessions = [ann.log_in() for _ in range(3)]
    assert len({session["device"]["id"] for session in sessions}) == 3
    assert len({session["token"] for session in sessions}) == 3


def test_logging_a_device_in_again_keeps_the_device_and_ends_its_former_session(person):
    ann = person()
    first = ann.log_in()
    former = ann.online()
    again = ann.log_in(first["device"]["id"])
    assert again["device"]["id"] == first["device"]["id"] and again["token"] != first["token"]
    assert former.closed(2) == 4002
    ann.refused("unauthorized", "GET", "/v1/users/me", token=first["token"])


def test_a_device_that_is_unknown_or_somebody_elses_is_not_found(people):
    ann, bob = people("ann", "bob")
    login = {"username": ann.username, "password": PASSWORD}
    for device in (bob.device, "4611686018427387904"):
        ann.refused("not_found", "POST", "/v1/sessions", {**login, "device": {"id": device}})


def test_a_foreign_device_with_a_wrong_password_tells_nothing(people):
    ann, bob = people("ann", "bob")
    for device in (ann.device, bob.device):
        ann.refused("unauthorized", "POST", "/v1/sessions",
                    {"username": ann.username, "password": "wrong wrong", "device": {"id": device}})


def test_the_sessions_are_listed_latest_first_and_one_is_the_current_one(person):
    ann = person()
    for _ in range(4):
        ann.log_in()
    sessions = ann.pages("/v1/sessions", 2)
    assert len(sessions) == 5 == len({session["id"] for session in sessions})
    assert [session["created_at"] for session in sessions] == sorted(
        (session["created_at"] for session in sessions), reverse=True)
    assert [session["device"]["id"] for session in sessions if session["current"]] == [ann.device]


def test_logging_out_ends_the_token_at_once_and_the_sockets_within_a_second(person):
    ann = person()
    other = ann.on_another_device()
    here, there = ann.online(), other.online()
    began = time.monotonic()
    ann.delete("/v1/sessions/current")
    assert here.closed(2) == 4002
    assert time.monotonic() - began < 1.5
    ann.refused("unauthorized", "GET", "/v1/users/me")
    other.get("/v1/users/me")
    there.stays()


def test_no_event_reaches_a_session_a_second_after_it_ended(people):
    ann, bob = people("ann", "bob")
    chat = bob.direct(ann)
    socket = ann.online()
    socket.events(2)
    ann.delete("/v1/sessions/current")
    assert socket.closed(2) == 4002
    bob.say(chat, "too late")
    assert not [frame for frame in socket.log if frame["op"] == "event" and frame["event"]["type"] == "message"]


def test_a_session_can_be_ended_from_another_one(person):
    ann = person()
    other = ann.on_another_device()
    socket = other.online()
    session = next(session for session in ann.get("/v1/sessions")["items"] if session["device"]["id"] == other.device)
    ann.delete(f"/v1/sessions/{session['id']}")
    assert socket.closed(2) == 4002
    other.refused("unauthorized", "GET", "/v1/users/me")
    ann.refused("not_found", "DELETE", f"/v1/sessions/{session['id']}")


def test_somebody_elses_session_and_a_missing_one_are_not_found_alike(people):
    ann, bob = people("ann", "bob")
    session = bob.get("/v1/sessions")["items"][0]["id"]
    answers = [ann.refused("not_found", "DELETE", f"/v1/sessions/{each}") for each in (session, "4611686018427387904")]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]
    bob.get("/v1/users/me")


@pytest.mark.parametrize("header", [
    None, "", "Bearer", "Bearer ", "Bearer x", "Basic YW5uOmFubg==", "Bearer " + "A" * 43, "Bearer " + "A" * 5000,
    "Bearer " + "A" * 42 + "=",
], ids=lambda header: repr(header)[:24])
def test_without_a_valid_token_nothing_is_told(world, header):
    for method, path in (("GET", "/v1/users/me"), ("GET", "/v1/chats"), ("GET", "/v1/chats/7/events"),
                         ("DELETE", "/v1/sessions/current"), ("GET", "/v1/users/7")):
        world.anyone.refused("unauthorized", method, path, headers={"Authorization": header})


def test_a_token_in_the_query_is_no_token(world, person):
    answer = world.anyone.call("GET", "/v1/users/me", query={"access_token": person().token})
    assert answer.status in (400, 401)


def test_the_word_bearer_may_be_written_in_any_case(person):
    ann = person()
    for word in ("bearer", "BEARER"):
        assert ann.call("GET", "/v1/users/me", headers={"Authorization": f"{word} {ann.token}"}).status == 200


def test_more_devices_than_a_user_may_have_push_out_the_ones_longest_unused_or_are_a_conflict(world, person):
    ann = person()
    bound = world.limits()["max_devices_per_user"]
    for _ in range(bound - 1):
        ann.log_in()
    ann.refused("conflict", "POST", "/v1/sessions", {"username": ann.username, "password": PASSWORD})
    ann.delete("/v1/sessions/current")
    last = ann.post("/v1/sessions", {"username": ann.username, "password": PASSWORD})
    assert len(ann.want("GET", "/v1/sessions", 200, token=last["token"])["items"]) == bound
