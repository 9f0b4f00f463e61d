"""The devices of an account: looked at, named, removed."""

import time

import pytest

from people import PASSWORD
from server import until

MINE = "/v1/users/me/devices"
MISSING = "4611686018427387904"


def ids(devices):
    return [device["id"] for device in devices]


def test_the_devices_are_listed_latest_first_with_their_sessions_and_one_is_the_current_one(people):
    ann, bob = people("ann", "bob")
    first = ann.device
    names = ["phone", "", "büro 🖥"]
    for name in names:
        ann.post("/v1/sessions", {"username": ann.username, "password": PASSWORD, "device": {"name": name}})
    devices = ann.pages(MINE, 2)
    assert [device["name"] for device in devices] == [*reversed(names), ""]
    assert [device["created_at"] for device in devices] == sorted(
        (device["created_at"] for device in devices), reverse=True)
    assert [device["id"] for device in devices if device["current"]] == [first]
    sessions = {session["device"]["id"]: session["id"] for session in ann.pages("/v1/sessions", 200)}
    assert {device["id"]: device["session"] for device in devices} == sessions
    assert ids(bob.pages(MINE, 1)) == [bob.device]


def test_a_device_that_is_logged_out_stays_and_has_no_session(person):
    ann = person()
    other = ann.on_another_device()
    before = other.get(MINE)["items"]
    other.delete("/v1/sessions/current")
    after = {device["id"]: device for device in ann.get(MINE)["items"]}
    assert set(after) == set(ids(before))
    assert "session" not in after[other.device] and "session" in after[ann.device]
    ann.log_in(other.device)
    assert next(device for device in ann.get(MINE)["items"] if device["current"])["id"] == other.device


def test_a_device_is_named_anew_and_the_sessions_show_it(person):
    ann = person()
    changed = ann.patch(f"{MINE}/{ann.device}", {"name": "kitchen tablet"})
    assert (changed["id"], changed["name"], changed["current"]) == (ann.device, "kitchen tablet", True)
    assert ann.get(MINE)["items"] == [changed]
    assert ann.get("/v1/sessions")["items"][0]["device"] == {"id": ann.device, "name": "kitchen tablet"}
    assert ann.patch(f"{MINE}/{ann.device}", {"name": ""})["name"] == ""


@pytest.mark.parametrize("body, pointer", [
    ({}, "/body/name"), ({"name": None}, "/body/name"), ({"name": 7}, "/body/name"), ({"name": "x" * 129}, "/body/name"),
    ({"name": "é" * 65}, "/body/name"), ({"name": "x", "id": "7"}, "/body/id"), ({"name": "x", "user": "7"}, "/body/user"),
    ({"name": "x", "current": True}, "/body/current"), ({"name": "x", "session": "7"}, "/body/session"),
    ({"name": "x", "created_at": "2026-01-02T03:04:05.678Z"}, "/body/created_at"),
], ids=str)
def test_a_name_that_cannot_be_is_refused_and_nothing_changes(person, body, pointer):
    ann = person()
    before = [device["name"] for device in ann.get(MINE)["items"]]
    ann.refused("bad_request", "PATCH", f"{MINE}/{ann.device}", body, pointer=pointer)
    assert [device["name"] for device in ann.get(MINE)["items"]] == before


def test_a_removed_device_loses_its_session_and_its_socket_within_a_second(person):
    ann = person()
    other = ann.on_another_device()
    here, there = ann.online(), other.online()
    began = time.monotonic()
    ann.delete(f"{MINE}/{other.device}")
    assert there.closed(2) == 4002
    assert time.monotonic() - began < 1.5
    other.refused("unauthorized", "GET", "/v1/users/me")
    here.stays()
    assert ids(ann.get(MINE)["items"]) == [ann.device]
    ann.refused("not_found", "DELETE", f"{MINE}/{other.device}")
    ann.refused("not_found", "POST", "/v1/sessions",
                {"username": ann.username, "password": PASSWORD, "device": {"id": other.device}})


def test_the_device_of_this_token_may_be_removed_too(person):
    ann = person()
    other = ann.on_another_device()
    socket = ann.online()
    ann.delete(f"{MINE}/{ann.device}")
    assert socket.closed(2) == 4002
    ann.refused("unauthorized", "GET", MINE)
    assert ids(other.get(MINE)["items"]) == [other.device]


def test_the_inbox_of_a_removed_device_is_dropped(parley, people):
    ann, bob = people("ann", "bob")
    away = bob.on_another_device()
    chat = ann.direct(bob)
    ann.say(chat, "waits for two devices")

    def kept():
        return sum(parley.redis("EXISTS", f"p:{{{away.device}}}:{part}") == b":1\r\n" for part in "lr")

    until(lambda: kept() == 2, 10, "something waits for the device")
    bob.delete(f"{MINE}/{away.device}")
    until(lambda: kept() == 0, 3, "its inbox is gone")


def test_a_removed_device_makes_room_for_a_new_one(world, person):
    ann = person()
    for _ in range(world.limits()["max_devices_per_user"] - 1):
        last = ann.post("/v1/sessions", {"username": ann.username, "password": PASSWORD})
    full = ann.refused("conflict", "POST", "/v1/sessions", {"username": ann.username, "password": PASSWORD})
    assert str(world.limits()["max_devices_per_user"]) in full["detail"]
    ann.delete(f"{MINE}/{last['device']['id']}")
    ann.post("/v1/sessions", {"username": ann.username, "password": PASSWORD})


def test_somebody_elses_device_and_a_missing_one_are_not_found_alike(people):
    ann, bob = people("ann", "bob")
    for call in (("PATCH", {"name": "mine"}), ("DELETE",)):
        answers = [ann.refused("not_found", call[0], f"{MINE}/{each}", *call[1:]) for each in (bob.device, MISSING)]
        for answer in answers:
            answer.pop("request_id")
        assert answers[0] == answers[1]
    assert bob.get(MINE)["items"][0]["name"] == ""


def test_nobody_sees_or_touches_devices_without_a_token(world, person):
    ann = person()
    for call in (("GET", MINE), ("PATCH", f"{MINE}/{ann.device}", {"name": "x"}), ("DELETE", f"{MINE}/{ann.device}")):
        world.anyone.refused("unauthorized", *call)
    ann.get(MINE)


def test_an_erased_account_has_no_devices_left(person):
    ann = person()
    other = ann.on_another_device()
    ann.delete("/v1/users/me")
    other.refused("unauthorized", "GET", MINE)
