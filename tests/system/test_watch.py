"""Which chats are open on a connection."""

import time

import pytest

from server import until

STRANGER = "4611686018427387904"


def watches(world):
    """How many chats all connections watch, by delivery's own count."""
    text = world.operations.get("/delivery/metrics")
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("parley_delivery_watches "))


def watched_by_nobody(world):
    """Waits until the connections of earlier tests are gone; returns how many watches that leaves: none."""
    until(lambda: watches(world) == 0, 10, "the end of all watches")
    return 0


def watch(socket, *chats, id="w"):
    socket.op({"op": "watch", "id": id, "chats": list(chats)})
    return socket.wait(lambda: socket.take_first("ok", {"id": id}) or socket.take_first("error", {"id": id}), "an answer to watch")


@pytest.mark.parametrize("role, want", [("reader", "ok"), ("member", "ok"), ("admin", "ok"), ("owner", "ok"), ("former", "not_member"),
                                        ("stranger", "not_found")])
def test_who_may_watch(people, role, want):
    owner, other = people("owner", role)
    chat = owner.group(*([] if role in ("stranger", "owner") else [other]))
    if role in ("reader", "admin"):
        owner.add(chat, other, role)
    if role == "former":
        owner.remove(chat, other)
    socket = (owner if role == "owner" else other).online(auto_ack=True)
    answer = watch(socket, chat)
    assert answer.get("code", "ok") == want, answer
    socket.stays()


def test_who_is_blocked_may_watch(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    assert watch(bob.online(auto_ack=True), chat)["op"] == "ok"


def test_a_watch_replaces_the_former_one_and_ends_with_the_connection(world, people):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(3)]
    before = watched_by_nobody(world)
    socket = ann.online(auto_ack=True)
    assert watch(socket, *chats) == {"op": "ok", "id": "w"}
    assert watches(world) == before + 3
    watch(socket, chats[0])
    assert watches(world) == before + 1
    watch(socket)
    assert watches(world) == before
    watch(socket, *chats)
    socket.close()
    until(lambda: watches(world) == before, 5, "the end of the watches")


def test_one_that_is_not_the_users_is_named_and_the_former_list_stays(world, people):
    ann, bob = people("ann", "bob")
    mine, theirs = ann.group(bob), bob.group()
    before = watched_by_nobody(world)
    socket = ann.online(auto_ack=True)
    watch(socket, mine)
    for chats in ((mine, theirs), (mine, STRANGER, theirs)):
        error = watch(socket, *chats)
        assert error["code"] == "not_found" and "/chats/1" in error["detail"] and chats[1] in error["detail"], error
    assert watches(world) == before + 1


def test_a_member_who_is_removed_or_leaves_watches_no_more(world, people):
    ann, bob = people("ann", "bob")
    first, second = ann.group(bob), ann.group(bob)
    before = watched_by_nobody(world)
    socket = bob.online(auto_ack=True)
    watch(socket, first, second)
    ann.remove(first, bob)
    until(lambda: watches(world) == before + 1, 5, "the end of one watch")
    bob.leave(second)
    until(lambda: watches(world) == before, 5, "the end of the other")


def test_of_two_that_are_said_at_once_the_last_one_counts(world, people):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(3)]
    before = watched_by_nobody(world)
    socket = ann.online(auto_ack=True)
    for number in range(10):
        socket.op({"op": "watch", "id": str(number), "chats": chats if number % 2 == 0 else chats[:1]})
    socket.op({"op": "watch", "chats": chats[:2]})
    for number in range(10):
        socket.expect("ok", id=str(number))
    watch(socket, chats[2], id="last")
    assert watches(world) == before + 1
    assert not [frame for frame in socket.log if frame["op"] == "error"]


@pytest.mark.parametrize("change, names", [
    ({"chats": None}, "chats"), ({"chats": "7"}, "chats"), ({"chats": [7]}, "/chats/0"), ({"chats": ["7", "7"]}, "/chats/1"),
    ({"chats": ["07"]}, "/chats/0"), ({"chats": ["7"] * 3}, "/chats/1"), ({"chats": [], "on": True}, "on"),
    ({"chats": [str(number) for number in range(1, 52)]}, "chats"),
], ids=lambda each: str(each)[:28])
def test_a_watch_that_cannot_be_is_an_error_that_names_the_field(person, change, names):
    socket = person().online()
    frame = {"op": "watch", "id": "w", "chats": [], **change}
    error = socket.refused("bad_request", {name: value for name, value in frame.items() if value is not None})
    assert names in error["detail"] and error["id"] == "w"
    socket.stays()


def test_saying_it_too_often_is_an_error_and_nothing_worse(world, people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    limits = world.limits()
    socket = ann.online(auto_ack=True)
    count = limits["live_ops_burst"] + limits["live_ops_per_second"] * 3
    for number in range(count):
        socket.op({"op": "watch", "id": str(number), "chats": [chat]})
    answers = [socket.wait(lambda number=number: socket.take_first("ok", {"id": str(number)}) or
                           socket.take_first("error", {"id": str(number)}), "an answer") for number in range(count)]
    errors = [answer for answer in answers if answer["op"] == "error"]
    assert errors and {error["code"] for error in errors} == {"rate_limited"}
    time.sleep(errors[-1]["retry_after"] + 0.1)
    assert watch(socket, chat)["op"] == "ok"
