"""Who is there, and when they were last: told to those who follow and share a chat, and to nobody else."""

import datetime
import time

import pytest

from server import until

STRANGER = "4611686018427387904"
GRACE = 3      # seconds after the last connection: delivery.presence_grace_ms
PATIENCE = GRACE + 4


def follow(socket, *users, id="p"):
    socket.op({"op": "presence", "id": id, "users": list(users)})
    return socket.wait(lambda: socket.take_first("ok", {"id": id}) or socket.take_first("error", {"id": id}), "an answer to presence")


def seconds_ago(text):
    then = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()


@pytest.fixture
def pair(people):
    """Two people in a group, as (ann, bob, chat)."""
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


# --- who is told ---

def test_who_is_there_is_told_at_once_and_who_is_not_too(people):
    ann, bob, cat = people("ann", "bob", "cat")
    ann.group(bob, cat)
    bob.online()
    hers = ann.online(auto_ack=True)
    assert follow(hers, bob.id, cat.id) == {"op": "ok", "id": "p"}
    assert hers.expect("presence", user=bob.id) == {"op": "presence", "user": bob.id, "online": True}
    assert hers.expect("presence", user=cat.id) == {"op": "presence", "user": cat.id, "online": False}
    assert hers.silent(0.6, op="presence"), "each is told once"


def test_coming_and_going_is_told_with_the_time_of_going(pair):
    ann, bob, _ = pair
    hers = ann.online(auto_ack=True)
    follow(hers, bob.id)
    hers.expect("presence", online=False)
    his = bob.online(auto_ack=True)
    assert hers.expect("presence", 3) == {"op": "presence", "user": bob.id, "online": True}
    his.close()
    left = time.monotonic()
    told = hers.expect("presence", PATIENCE)
    assert told["user"] == bob.id and told["online"] is False
    assert abs(seconds_ago(told["last_seen"]) - (time.monotonic() - left)) < 1
    assert time.monotonic() - left > GRACE - 0.5


def test_who_reconnects_does_not_flicker(pair):
    ann, bob, _ = pair
    hers, his = ann.online(auto_ack=True), bob.online(auto_ack=True)
    follow(hers, bob.id)
    hers.expect("presence", online=True)
    for _ in range(3):
        his.drop()
        his = bob.online(auto_ack=True)
    assert hers.silent(GRACE + 1, op="presence")


def test_online_is_who_has_any_connection(pair):
    ann, bob, _ = pair
    first, second = bob.online(auto_ack=True), bob.on_another_device().online(auto_ack=True)
    hers = ann.online(auto_ack=True)
    follow(hers, bob.id)
    hers.expect("presence", online=True)
    first.close()
    assert hers.silent(GRACE + 1, op="presence")
    second.close()
    hers.expect("presence", PATIENCE, online=False)


@pytest.mark.parametrize("role", ["reader", "member", "admin", "owner"])
def test_every_member_may_follow_every_other(people, role):
    owner, other = people("owner", role)
    chat = owner.group(other)
    if role in ("reader", "admin"):
        owner.add(chat, other, role)
    who, whom = (owner, other) if role == "owner" else (other, owner)
    whom.online()
    socket = who.online(auto_ack=True)
    follow(socket, whom.id)
    socket.expect("presence", user=whom.id, online=True)


def test_of_who_shares_no_chat_nothing_is_told_as_if_they_did_not_exist(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(bob, cat)
    ann.remove(chat, cat)
    strange, = people("strange")
    sockets = [person.online() for person in (bob, cat, strange)]
    hers = ann.online(auto_ack=True)
    assert follow(hers, STRANGER, strange.id, cat.id, bob.id)["op"] == "ok"
    hers.expect("presence", user=bob.id)
    for socket in sockets[1:]:
        socket.close()
    assert hers.silent(GRACE + 1, op="presence")
    his = cat.online(auto_ack=True)
    assert follow(his, ann.id)["op"] == "ok"
    assert his.silent(op="presence"), "a former member is a stranger"


def test_in_a_direct_chat_a_block_changes_nothing_of_it(people):
    ann, bob = people("ann", "bob")
    ann.direct(bob)
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    ann.online()
    his = bob.online(auto_ack=True)
    follow(his, ann.id)
    his.expect("presence", user=ann.id, online=True)


def test_the_last_list_counts_and_an_empty_one_ends_it(people):
    ann, bob, cat = people("ann", "bob", "cat")
    ann.group(bob, cat)
    hers = ann.online(auto_ack=True)
    for number in range(5):
        hers.op({"op": "presence", "id": str(number), "users": [bob.id]})
    follow(hers, cat.id)
    hers.expect("presence", user=cat.id)
    for number in range(5):
        hers.expect("ok", id=str(number))
    with hers.condition:
        hers.frames.clear()
    bob.online()
    assert hers.silent(op="presence")
    cat.online()
    hers.expect("presence", 3, user=cat.id, online=True)
    follow(hers)
    cat.on_another_device().online()
    assert hers.silent(op="presence")


def test_one_may_follow_oneself(pair):
    ann, _, _ = pair
    hers = ann.online(auto_ack=True)
    follow(hers, ann.id)
    hers.expect("presence", user=ann.id, online=True)


def test_before_ready_is_soon_enough(pair):
    ann, bob, _ = pair
    bob.online()
    socket = ann.socket(auto_ack=True)
    socket.op({"op": "auth", "token": ann.token})
    socket.op({"op": "presence", "users": [bob.id]})
    socket.expect("presence", user=bob.id, online=True)
    assert [frame["op"] for frame in socket.log].index("ready") < [frame["op"] for frame in socket.log].index("presence")


# --- when they share no chat any more ---

@pytest.mark.parametrize("whose", ["follower", "followed"])
def test_it_ends_when_the_last_common_chat_does(people, whose):
    ann, bob = people("ann", "bob")
    of_ann, of_bob = ann.group(bob), bob.group(ann)
    hers, his = ann.online(auto_ack=True), bob.online(auto_ack=True)
    follow(hers, bob.id)
    hers.expect("presence", online=True)
    if whose == "follower":
        bob.remove(of_bob, ann)
    else:
        ann.remove(of_ann, bob)
    time.sleep(1)
    his.close()
    hers.expect("presence", PATIENCE, online=False)  # there is another chat
    if whose == "follower":
        ann.delete(f"/v1/chats/{of_ann}")
    else:
        bob.delete(f"/v1/chats/{of_bob}")
    time.sleep(1.5)
    bob.online()
    assert hers.silent(1, op="presence")


# --- last seen ---

def test_last_seen_is_remembered_and_outlives_delivery(parley, pair):
    ann, bob, _ = pair
    bob.online().close()
    left = time.monotonic()
    key = f"p:{{{bob.id}}}:s"
    until(lambda: b"$-1" not in parley.redis("GET", key), 5, "it is written")
    ttl = int(parley.redis("TTL", key)[1:].split()[0])
    assert 86400 < ttl <= 30 * 86400
    time.sleep(GRACE)
    parley.kill("delivery")
    hers = ann.online(auto_ack=True)
    follow(hers, bob.id)
    told = hers.expect("presence", user=bob.id)
    assert told["online"] is False and abs(seconds_ago(told["last_seen"]) - (time.monotonic() - left)) < 2


def test_without_redis_it_is_not_known_and_nothing_waits_for_it(parley, pair, allowed_errors):
    ann, bob, _ = pair
    bob.online().close()
    time.sleep(GRACE + 1.5)
    hers = ann.online(auto_ack=True)
    with parley.stopped("redis"):
        began = time.monotonic()
        assert follow(hers, bob.id)["op"] == "ok"
        assert hers.expect("presence") == {"op": "presence", "user": bob.id, "online": False}
        assert time.monotonic() - began < 2
        bob.online()
        assert hers.expect("presence", 3)["online"] is True


def test_a_redis_that_hangs_holds_up_nothing_for_long(parley, pair, allowed_errors):
    ann, bob, _ = pair
    hers = ann.online(auto_ack=True)
    with parley.frozen("redis"):
        began = time.monotonic()
        follow(hers, bob.id)
        hers.expect("presence", 3, online=False)
        assert time.monotonic() - began < 2


# --- what cannot be ---

@pytest.mark.parametrize("change, names", [
    ({"users": None}, "users"), ({"users": "7"}, "users"), ({"users": [7]}, "/users/0"), ({"users": ["7", "7"]}, "/users/1"),
    ({"users": ["07"]}, "/users/0"), ({"online": True}, "online"), ({"users": [str(number) for number in range(1, 202)]}, "users"),
], ids=lambda each: str(each)[:28])
def test_a_field_that_is_wrong_is_named(person, change, names):
    socket = person().online()
    frame = {"op": "presence", "id": "p", "users": [], **change}
    error = socket.refused("bad_request", {name: value for name, value in frame.items() if value is not None})
    assert names in error["detail"] and error["id"] == "p"
    socket.stays()


def test_as_many_as_the_limit_says_may_be_followed(world, pair):
    ann, bob, _ = pair
    bob.online()
    hers = ann.online(auto_ack=True)
    many = [str(number) for number in range(1, world.limits()["max_followed_users"])]
    assert follow(hers, *many, bob.id)["op"] == "ok"
    hers.expect("presence", user=bob.id, online=True)
    assert hers.silent(0.2, op="presence")


def test_a_flood_is_an_error_and_changes_faster_than_they_are_told_are_left_out(world, pair):
    ann, bob, _ = pair
    hers = ann.online(auto_ack=True)
    limits = world.limits()
    count = limits["live_ops_burst"] + 3 * limits["live_ops_per_second"]
    for number in range(count):
        hers.op({"op": "presence", "id": str(number), "users": [bob.id]})
    answers = [hers.wait(lambda number=number: hers.take_first("ok", {"id": str(number)}) or
                         hers.take_first("error", {"id": str(number)}), "an answer") for number in range(count)]
    assert {answer["code"] for answer in answers if answer["op"] == "error"} == {"rate_limited"}
    hers.stays()
