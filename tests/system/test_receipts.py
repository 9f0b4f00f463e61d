"""Watermarks: how far each member has received and read. They never go back."""

import time

import pytest

from contract import documents
from server import until

PROFILE = documents()["openapi.yaml"]["components"]["schemas"]["ProfileChange"]["properties"]
needs_privacy = pytest.mark.skipif("privacy" not in PROFILE, reason="profiles have no privacy yet")


@pytest.fixture
def three(people):
    """A group of two with three messages of the first; log: two members added, three messages."""
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    for text in ("one", "two", "three"):
        ann.say(chat, text)
    return ann, bob, chat


def receipts(person, chat):
    return {item["user"]: (item["delivered"], item["read"]) for item in person.pages(f"/v1/chats/{chat}/receipts", 200)}


def item_of(person, chat):
    return next(item for item in person.get("/v1/chats")["items"] if item["chat"]["id"] == chat)


def test_every_member_has_watermarks_from_the_beginning(three):
    ann, bob, chat = three
    assert set(receipts(bob, chat)) == {ann.id, bob.id}
    assert receipts(ann, chat)[bob.id] == (0, 0)


def test_reading_moves_delivered_with_it(three):
    ann, bob, chat = three
    assert bob.put(f"/v1/chats/{chat}/receipts", {"read": 4}) == {"user": bob.id, "delivered": 4, "read": 4}
    assert receipts(ann, chat)[bob.id] == (4, 4)


@pytest.mark.parametrize("moves, stands", [
    ([{"delivered": 3}], (3, 0)),
    ([{"delivered": 3}, {"read": 2}], (3, 2)),
    ([{"read": 4}, {"read": 2}], (4, 4)),
    ([{"read": 4}, {"delivered": 1}], (4, 4)),
    ([{"read": 2}, {"delivered": 5}], (5, 2)),
    ([{"delivered": 2, "read": 4}], (4, 4)),
    ([{"read": 5}, {"read": 5}], (5, 5)),
    ([{"read": 3}, {}], (3, 3)),
    ([{"read": 3}, {"read": 0, "delivered": 0}], (3, 3)),
])
def test_watermarks_never_go_back(three, moves, stands):
    _, bob, chat = three
    for move in moves:
        answer = bob.put(f"/v1/chats/{chat}/receipts", move)
    assert (answer["delivered"], answer["read"]) == stands
    assert receipts(bob, chat)[bob.id] == stands


@pytest.mark.parametrize("move, pointer", [
    ({"read": 6}, "/body/read"),
    ({"delivered": 6}, "/body/delivered"),
    ({"read": 2**53 - 1}, "/body/read"),
    ({"read": -1}, "/body/read"),
    ({"read": "1"}, "/body/read"),
    ({"read": 1.5}, "/body/read"),
    ({"read": None}, "/body/read"),
    ({"read": True}, "/body/read"),
    ({"delivered": []}, "/body/delivered"),
    ({"seen": 1}, "/body/seen"),
])
def test_a_watermark_above_the_head_or_of_another_kind_is_refused(three, move, pointer):
    _, bob, chat = three
    bob.refused("bad_request", "PUT", f"/v1/chats/{chat}/receipts", move, pointer=pointer)
    assert receipts(bob, chat)[bob.id] == (0, 0)


def test_unread_counts_messages_of_others_above_read(three):
    ann, bob, chat = three
    assert item_of(bob, chat)["unread"] == 3
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 3})
    item = item_of(bob, chat)
    assert (item["unread"], item["read_seq"], item["last_seq"]) == (2, 3, 5)
    bob.say(chat, "mine")
    assert item_of(bob, chat)["unread"] == 2, "own messages are not unread"
    assert item_of(ann, chat)["unread"] == 1
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 6})
    assert item_of(bob, chat)["unread"] == 0


def test_unread_mentions_are_the_unread_messages_of_others_that_mention_one(three, person):
    ann, bob, chat = three
    assert item_of(bob, chat)["unread_mentions"] == 0
    first = ann.say(chat, "you", mentions=[bob.id])["seq"]
    ann.say(chat, "you both", mentions=[ann.id, bob.id], reply_to=first)
    ann.say(chat, "not you", mentions=[ann.id])
    ann.say(chat, "not really you", attachments=[{"mentions": [bob.id]}])
    last = ann.say(chat, "you again", mentions=[bob.id], attachments=[{"url": "x"}])["seq"]
    bob.say(chat, "myself", mentions=[bob.id])
    item = item_of(bob, chat)
    assert (item["unread"], item["unread_mentions"]) == (8, 3)
    assert item_of(ann, chat)["unread_mentions"] == 0
    bob.put(f"/v1/chats/{chat}/receipts", {"read": first})
    assert item_of(bob, chat)["unread_mentions"] == 2
    ann.delete(f"/v1/chats/{chat}/messages/{last}", 200)
    assert item_of(bob, chat)["unread_mentions"] == 1
    ann.patch(f"/v1/chats/{chat}/messages/{first + 1}", {"body": {"text": "edited"}})
    assert item_of(bob, chat)["unread_mentions"] == 1, "an edit is no second mention"
    bob.put(f"/v1/chats/{chat}/receipts", {"read": last})
    assert item_of(bob, chat)["unread_mentions"] == 0


# --- hidden from others ---

def show_reads(person, shows):
    """The daemons know of it within half a second."""
    person.patch("/v1/users/me", {"privacy": {"read_receipts": shows}})
    time.sleep(0.8)


@needs_privacy
def test_who_hides_their_reads_sees_them_and_others_do_not(three):
    ann, bob, chat = three
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 3, "delivered": 5})
    show_reads(bob, False)
    assert bob.put(f"/v1/chats/{chat}/receipts", {"read": 4}) == {"user": bob.id, "delivered": 5, "read": 4}
    assert receipts(bob, chat)[bob.id] == (5, 4) and item_of(bob, chat)["unread"] == 1
    assert receipts(ann, chat)[bob.id] == (5, 3)
    show_reads(bob, True)
    assert receipts(ann, chat)[bob.id] == (5, 3), "what was read in secret stays secret"
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 5})
    assert receipts(ann, chat)[bob.id] == (5, 5)


@needs_privacy
def test_a_hidden_read_is_told_live_to_the_own_devices_and_to_nobody_else(three):
    ann, bob, chat = three
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 3, "delivered": 5})
    show_reads(bob, False)
    other = bob.on_another_device()
    hers, his = ann.online(auto_ack=True), other.online(auto_ack=True)
    now = ann.say(chat, "now")
    for socket in (hers, his):
        socket.until(lambda event: event["seq"] == now["seq"])
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 4})
    his.wait(lambda: his.take_first("receipt", {"chat": chat, "user": bob.id, "read": 4}), "a receipt")
    last = ann.say(chat, "later")
    hers.until(lambda event: event["seq"] == last["seq"])
    assert not any(frame["op"] == "receipt" and frame["user"] == bob.id and frame.get("read", 0) > 3 for frame in hers.log)


def test_strangers_and_former_members_have_none(three, person):
    ann, bob, chat = three
    for method, body in (("GET", None), ("PUT", {"read": 1})):
        arguments = [] if body is None else [body]
        person("stranger").refused("not_found", method, f"/v1/chats/{chat}/receipts", *arguments)
    ann.remove(chat, bob)
    bob.refused("not_member", "GET", f"/v1/chats/{chat}/receipts")
    bob.refused("not_member", "PUT", f"/v1/chats/{chat}/receipts", {"read": 1})
    assert set(receipts(ann, chat)) == {ann.id}


def test_a_reader_moves_watermarks_too(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob, kind="channel")
    seq = ann.say(chat, "news")["seq"]
    assert bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})["read"] == seq


def test_the_list_is_paged(people):
    ann, *others = people("ann", "b", "c", "d")
    chat = ann.group(*others)
    for limit in (1, 2, 3, 200):
        users = [item["user"] for item in ann.pages(f"/v1/chats/{chat}/receipts", limit)]
        assert sorted(users) == sorted([ann.id, *(other.id for other in others)]) and len(users) == 4


# --- live ---

def test_reading_is_told_to_the_others_live(three):
    ann, bob, chat = three
    hers = ann.online(auto_ack=True)
    bob.put(f"/v1/chats/{chat}/receipts", {"read": 4})
    told = hers.wait(lambda: hers.take_first("receipt", {"chat": chat, "user": bob.id, "read": 4}), "a receipt")
    assert told["read"] == 4


def test_reading_on_the_websocket_is_the_same(three):
    ann, bob, chat = three
    his, hers = bob.online(auto_ack=True), ann.online(auto_ack=True)
    his.op({"op": "read", "id": "r", "chat": chat, "seq": 5})
    assert his.expect("ok", id="r") == {"op": "ok", "id": "r"}
    assert receipts(ann, chat)[bob.id] == (5, 5)
    hers.wait(lambda: hers.take_first("receipt", {"chat": chat, "user": bob.id, "read": 5}), "a receipt")
    his.op({"op": "read", "id": "back", "chat": chat, "seq": 2})
    his.expect("ok", id="back")
    assert receipts(ann, chat)[bob.id] == (5, 5)


@pytest.mark.parametrize("way", ["rest", "websocket"])
def test_what_one_device_reads_the_others_learn(three, way):
    _, bob, chat = three
    phone, tablet = bob.online(auto_ack=True), bob.on_another_device().online(auto_ack=True)
    if way == "rest":
        bob.put(f"/v1/chats/{chat}/receipts", {"read": 4})
    else:
        phone.op({"op": "read", "chat": chat, "seq": 4})
    tablet.wait(lambda: tablet.take_first("receipt", {"chat": chat, "user": bob.id, "read": 4}), "a receipt")
    assert item_of(bob, chat)["unread"] == 1


@pytest.mark.parametrize("code, change", [
    ("bad_request", {"seq": 6}), ("bad_request", {"seq": 0}), ("bad_request", {"seq": "1"}),
    ("bad_request", {"seq": None}), ("bad_request", {"chat": 7}), ("bad_request", {"up_to": 1}),
    ("not_found", {"chat": "7"})])
def test_a_bad_read_on_the_websocket_is_an_error_and_the_connection_stays(three, code, change):
    _, bob, chat = three
    his = bob.online(auto_ack=True)
    error = his.refused(code, {"op": "read", "id": "r", "chat": chat, "seq": 1, **change})
    assert error["id"] == "r"
    his.stays()
    assert receipts(bob, chat)[bob.id][1] == 0


def test_what_a_device_acknowledges_counts_as_delivered(three):
    ann, bob, chat = three
    his = bob.online(auto_ack=True)
    seq = ann.say(chat, "live")["seq"]
    his.until(lambda event: event["seq"] == seq)
    until(lambda: receipts(ann, chat)[bob.id] == (seq, 0), 5, "delivered follows the acks")
    hers = ann.online(auto_ack=True)
    seq = ann.say(chat, "again")["seq"]
    hers.wait(lambda: hers.take_first("receipt", {"chat": chat, "user": bob.id, "delivered": seq}), "a receipt")


def test_what_is_not_acknowledged_is_not_delivered(three):
    ann, bob, chat = three
    his = bob.online(auto_ack=False)
    seq = ann.say(chat, "unseen")["seq"]
    his.until(lambda event: event["seq"] == seq)
    his.silent(1.0)
    assert receipts(ann, chat)[bob.id][0] < seq
