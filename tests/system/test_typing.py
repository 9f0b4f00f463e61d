"""Who is typing: told to those who have the chat open, and to nobody else."""

import time

import pytest

STRANGER = "4611686018427387904"


@pytest.fixture
def room(people):
    """Two people in a group, both with the chat open, as (ann, bob, chat, hers, his)."""
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    return ann, bob, chat, watching(ann, chat), watching(bob, chat)


def watching(person, chat):
    socket = person.online(auto_ack=True)
    watch(socket, chat)
    return socket


def watch(socket, *chats):
    socket.op({"op": "watch", "id": "watch", "chats": list(chats)})
    socket.expect("ok", id="watch")


def type_in(socket, chat, on=True, id="t"):
    socket.op({"op": "typing", "id": id, "chat": chat, "on": on})
    return socket.wait(lambda: socket.take_first("ok", {"id": id}) or socket.take_first("error", {"id": id}), "an answer to typing")


def test_who_watches_the_chat_is_told_when_somebody_begins_and_stops(room):
    ann, bob, chat, hers, his = room
    assert type_in(hers, chat) == {"op": "ok", "id": "t"}
    assert his.expect("typing") == {"op": "typing", "chat": chat, "user": ann.id, "on": True}
    type_in(hers, chat, on=False)
    assert his.expect("typing") == {"op": "typing", "chat": chat, "user": ann.id, "on": False}
    assert hers.silent(op="typing"), "nobody is told of themselves"


def test_the_own_other_devices_are_not_told(room):
    ann, _, chat, hers, his = room
    other = watching(ann.on_another_device(), chat)
    type_in(hers, chat)
    his.expect("typing")
    assert other.silent(op="typing")


def test_who_does_not_watch_or_is_no_member_is_not_told(room, people):
    ann, bob, chat, hers, his = room
    cat, dan = people("cat", "dan")
    ann.add(chat, cat)
    elsewhere, stranger = cat.online(auto_ack=True), dan.online(auto_ack=True)
    watch(stranger, dan.group())
    type_in(hers, chat)
    his.expect("typing")
    assert elsewhere.silent(op="typing") and stranger.silent(op="typing")
    watch(elsewhere, chat)
    watch(his)
    type_in(hers, chat, on=False)
    assert elsewhere.expect("typing")["on"] is False
    assert his.silent(op="typing")


@pytest.mark.parametrize("role, want", [("reader", "forbidden"), ("member", "ok"), ("admin", "ok"), ("owner", "ok"), ("former", "not_member"),
                                        ("stranger", "not_found")])
def test_who_may_type_is_who_may_write(people, role, want):
    owner, other = people("owner", role)
    chat = owner.group(*([] if role in ("stranger", "owner") else [other]))
    if role in ("reader", "admin"):
        owner.add(chat, other, role)
    if role == "former":
        owner.remove(chat, other)
    other = owner if role == "owner" else other
    looking = watching(owner.on_another_device() if role == "owner" else owner, chat)
    socket = other.online(auto_ack=True)
    answer = type_in(socket, chat)
    assert answer.get("code", "ok") == want, answer
    if want == "ok" and role != "owner":
        assert looking.expect("typing")["user"] == other.id
    else:
        assert looking.silent(op="typing")
    socket.stays()


def test_who_is_blocked_is_not_seen_typing_even_in_the_middle_of_it(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    hers, his = watching(ann, chat), bob.online(auto_ack=True)
    assert type_in(his, chat)["op"] == "ok"
    hers.expect("typing", on=True)
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    assert type_in(his, chat)["code"] == "blocked"
    hers.expect("typing", on=False)
    assert type_in(his, chat)["code"] == "blocked"
    assert hers.silent(op="typing")


def test_a_member_who_is_removed_neither_sees_typing_nor_is_seen(room):
    ann, bob, chat, hers, his = room
    type_in(his, chat)
    hers.expect("typing", on=True)
    ann.remove(chat, bob)
    hers.expect("typing", on=False)
    assert type_in(his, chat)["code"] == "not_member"
    type_in(hers, chat)
    assert his.silent(op="typing") and hers.silent(0.1, op="typing")


def test_a_role_that_is_lost_ends_it(room):
    ann, bob, chat, hers, his = room
    type_in(his, chat)
    hers.expect("typing", on=True)
    ann.add(chat, bob, "reader")
    hers.expect("typing", on=False)
    assert type_in(his, chat)["code"] == "forbidden"


# --- what ends it ---

def test_it_ends_by_itself(world, room):
    _, _, chat, hers, his = room
    bound = world.limits()["typing_ms"] / 1000
    type_in(hers, chat)
    his.expect("typing", on=True)
    began = time.monotonic()
    his.expect("typing", bound + 3, on=False)
    assert bound - 0.5 < time.monotonic() - began < bound + 2


def test_saying_it_again_prolongs_it_and_is_told_again_only_after_some_seconds(world, room):
    _, _, chat, hers, his = room
    bound = world.limits()["typing_ms"] / 1000
    began = time.monotonic()
    told = 0
    while time.monotonic() - began < bound + 1:
        type_in(hers, chat)
        time.sleep(0.5)
    with his.condition:
        frames = [frame for frame in his.frames if frame["op"] == "typing"]
        told = len(frames)
    assert all(frame["on"] for frame in frames) and 2 <= told <= 3, frames


def test_it_ends_with_the_message(room):
    ann, _, chat, hers, his = room
    type_in(hers, chat)
    his.expect("typing", on=True)
    hers.said(chat, "there")
    his.until(lambda event: event["type"] == "message")
    assert his.expect("typing", 2) == {"op": "typing", "chat": chat, "user": ann.id, "on": False}


@pytest.mark.parametrize("how", ["close", "drop"])
def test_it_ends_with_the_connection(room, how):
    _, _, chat, hers, his = room
    type_in(hers, chat)
    his.expect("typing", on=True)
    getattr(hers, how)()
    his.expect("typing", 3, on=False)


# --- what cannot be ---

@pytest.mark.parametrize("change, names", [
    ({"chat": None}, "chat"), ({"chat": 7}, "chat"), ({"chat": "07"}, "chat"), ({"on": None}, "on"), ({"on": "yes"}, "on"),
    ({"on": 1}, "on"), ({"user": "7"}, "user")], ids=str)
def test_a_field_that_is_wrong_is_named(person, change, names):
    socket = person().online()
    frame = {"op": "typing", "id": "t", "chat": "7", "on": True, **change}
    error = socket.refused("bad_request", {name: value for name, value in frame.items() if value is not None})
    assert names in error["detail"] and error["id"] == "t"
    socket.stays()


def test_without_an_id_there_is_no_ok_but_an_error_is_told(room):
    _, _, chat, hers, his = room
    hers.op({"op": "typing", "chat": chat, "on": True})
    his.expect("typing", on=True)
    hers.op({"op": "typing", "chat": STRANGER, "on": True})
    error = hers.expect("error")
    assert error["code"] == "not_found" and "id" not in error
    hers.op({"op": "typing", "chat": STRANGER, "on": False})
    hers.stays()
    assert hers.silent(0.1, op="ok")


def test_a_flood_is_an_error_and_the_others_are_not_flooded(world, room):
    _, _, chat, hers, his = room
    limits = world.limits()
    count = limits["live_ops_burst"] + 5 * limits["live_ops_per_second"]
    for number in range(count):
        hers.op({"op": "typing", "id": str(number), "chat": chat, "on": number % 2 == 0})
    answers = [hers.wait(lambda number=number: hers.take_first("ok", {"id": str(number)}) or
                         hers.take_first("error", {"id": str(number)}), "an answer") for number in range(count)]
    assert {answer["code"] for answer in answers if answer["op"] == "error"} == {"rate_limited"}
    hers.stays()
    time.sleep(0.5)
    with his.condition:
        assert len([frame for frame in his.frames if frame["op"] == "typing"]) <= 10
