"""Where is my message: for its sender, member by member and device by device, from what is stored."""

import time

import pytest

from people import ROUND_S
from server import until

NONE = {"unknown": 0, "waiting": 0, "parked": 0, "sent": 0, "acknowledged": 0, "resync": 0}


def path(chat, seq):
    return f"/v1/chats/{chat}/messages/{seq}/trace"


def trace(person, chat, seq):
    return person.get(path(chat, seq))


def member(person, chat, seq, other):
    """What the trace says of one member."""
    return next(item for item in trace(person, chat, seq)["items"] if item["user"] == other.id)


def counts(**states):
    return {**NONE, **states}


def settled(person, chat, seq, other, **states):
    """Waits until that member's devices are in these states; returns the item."""
    return until(lambda: (item := member(person, chat, seq, other))["devices"] == counts(**states) and item, 10,
                 f"devices in {states}: {member(person, chat, seq, other)}")


def own(person, chat, seq):
    return {device["id"]: device for device in trace(person, chat, seq)["devices"]}


@pytest.fixture
def pair(people):
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


# --- the ways of a message ---

def test_what_nobody_has_fetched_is_stored_and_waits_in_the_inbox(pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    item = settled(ann, chat, seq, bob, parked=1)
    assert item == {"user": bob.id, "state": "parked", "delivered": None, "read": None, "devices": counts(parked=1)}


def test_a_message_is_sent_until_it_is_acknowledged_and_then_delivered(pair):
    ann, bob, chat = pair
    his = bob.online()
    seq = ann.say(chat, "hello")["seq"]
    his.until(lambda event: event["seq"] == seq)
    item = settled(ann, chat, seq, bob, sent=1)
    assert (item["state"], item["delivered"], item["read"]) == ("sent", None, None)
    his.ack()
    item = settled(ann, chat, seq, bob, acknowledged=1)
    until(lambda: member(ann, chat, seq, bob)["state"] == "delivered", 5, "the watermark moves")
    item = member(ann, chat, seq, bob)
    assert item["delivered"]["exact"] is True and item["delivered"]["at"] >= trace(ann, chat, seq)["at"]
    assert item["read"] is None


def test_what_was_not_acknowledged_goes_back_into_the_inbox_with_the_connection(pair):
    ann, bob, chat = pair
    his = bob.online()
    seq = ann.say(chat, "hello")["seq"]
    his.until(lambda event: event["seq"] == seq)
    settled(ann, chat, seq, bob, sent=1)
    his.drop()
    assert settled(ann, chat, seq, bob, parked=1)["state"] == "parked"
    again = bob.online()
    again.until(lambda event: event["seq"] == seq)
    again.ack()
    settled(ann, chat, seq, bob, acknowledged=1)


def test_reading_is_told_with_its_time(pair):
    ann, bob, chat = pair
    first, second = (ann.say(chat, text)["seq"] for text in ("one", "two"))
    bob.put(f"/v1/chats/{chat}/receipts", {"read": second})
    item = member(ann, chat, second, bob)
    assert (item["state"], item["read"]["exact"], item["delivered"]["exact"]) == ("read", True, True)
    before = member(ann, chat, first, bob)
    assert (before["state"], before["read"]) == ("read", {"at": item["read"]["at"], "exact": False})
    third = ann.say(chat, "three")["seq"]
    assert member(ann, chat, third, bob)["read"] is None


def test_a_watermark_that_moved_before_times_were_kept_has_none(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "old")["seq"]
    bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    parley.psql(f"update chat.receipt set delivered_at_ms = null, read_at_ms = null where chat_id = {chat}")
    item = member(ann, chat, seq, bob)
    assert item["state"] == "read" and item["read"] == item["delivered"] == {"at": None, "exact": False}


def test_each_device_counts_and_only_the_own_have_names(pair):
    ann, bob, chat = pair
    tablet = bob.on_another_device()
    laptop = ann.on_another_device()
    his = tablet.online()
    hers = ann.online()
    seq = ann.say(chat, "hello")["seq"]
    his.until(lambda event: event["seq"] == seq)
    his.ack()
    settled(ann, chat, seq, bob, acknowledged=1, parked=1)
    hers.until(lambda event: event["seq"] == seq)
    until(lambda: own(ann, chat, seq)[laptop.device]["state"] == "parked", 5, "her other device's inbox has it")
    devices = own(laptop, chat, seq)
    assert set(devices) == {ann.device, laptop.device}
    assert (devices[ann.device]["state"], devices[ann.device]["connected"]) == ("sent", True)
    assert (devices[laptop.device]["state"], devices[laptop.device]["connected"]) == ("parked", False)
    assert devices[laptop.device]["position"] >= 1
    assert bob.device not in str(trace(ann, chat, seq)) and tablet.device not in str(trace(ann, chat, seq))


def test_positions_count_what_lies_before_it_in_the_inbox(pair):
    ann, bob, chat = pair
    bob.say(chat, "for her")
    seqs = [bob.say(chat, f"m{i}")["seq"] for i in range(3)]
    time.sleep(ROUND_S)
    other = bob.on_another_device()
    after = [bob.say(chat, f"n{i}")["seq"] for i in range(3)]
    until(lambda: own(bob, chat, after[-1])[other.device]["state"] == "parked", 5, "parked")
    assert [own(bob, chat, seq)[other.device]["position"] for seq in after] == [1, 2, 3]
    first = own(bob, chat, seqs[0])
    assert other.device not in first, "a device that came later reads the log"
    assert ann.device not in str(trace(bob, chat, seqs[0]))


def test_a_slow_reader_has_the_rest_in_its_inbox(world, pair):
    ann, bob, chat = pair
    window = world.limits()["window_events"]
    his = bob.online()
    his.until(lambda event: event["chat"] == chat and event["seq"] == 2)
    seqs = [ann.say(chat, f"m{i}")["seq"] for i in range(window + 2)]
    settled(ann, chat, seqs[-1], bob, parked=1)
    assert settled(ann, chat, seqs[0], bob, sent=1)["state"] == "sent"
    his.auto_ack = True
    his.ack()
    his.until(lambda event: event["seq"] == seqs[-1])
    for seq in (seqs[0], seqs[-1]):
        settled(ann, chat, seq, bob, acknowledged=1)


# --- who is in it ---

def test_who_was_a_member_then_is_in_it_and_who_came_later_is_not(pair, person):
    ann, bob, chat = pair
    cid, dan = person("cid"), person("dan")
    ann.add(chat, cid)
    seq = ann.say(chat, "hello")["seq"]
    cid.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    ann.remove(chat, cid)
    ann.add(chat, dan)
    items = {item["user"]: item["state"] for item in trace(ann, chat, seq)["items"]}
    assert set(items) == {bob.id, cid.id} and items[cid.id] == "read"
    after = ann.say(chat, "without cid")["seq"]
    assert {item["user"] for item in trace(ann, chat, after)["items"]} == {bob.id, dan.id}


def test_the_members_come_in_pages(people):
    ann, *others = people("ann", "b", "c", "d")
    chat = ann.group(*others)
    seq = ann.say(chat, "hello")["seq"]
    for limit in (1, 2, 3, 200):
        users = [item["user"] for item in ann.pages(path(chat, seq), limit)]
        assert users == sorted((other.id for other in others), key=int)


def test_a_chat_of_one_has_no_other_members(person):
    ann = person("ann")
    chat = ann.group()
    seq = ann.say(chat, "alone")["seq"]
    answer = trace(ann, chat, seq)
    assert answer["items"] == [] and [device["id"] for device in answer["devices"]] == [ann.device]


# --- who may ask ---

def test_only_the_sender_may_ask(world, people):
    ann, bob, cid, admin, reader, stranger, former = people("ann", "bob", "cid", "admin", "reader", "stranger", "former")
    chat = ann.group(bob, cid, former)
    ann.add(chat, admin, "admin")
    ann.add(chat, reader, "reader")
    seq = bob.say(chat, "mine")["seq"]
    ann.remove(chat, former)
    assert trace(bob, chat, seq)["seq"] == seq
    for other in (ann, admin, cid, reader):  # the owner, an admin, a member, a reader
        other.refused("forbidden", "GET", path(chat, seq))
    former.refused("not_member", "GET", path(chat, seq))
    stranger.refused("not_found", "GET", path(chat, seq))
    world.anyone.refused("unauthorized", "GET", path(chat, seq))


def test_who_has_left_may_ask_no_more(pair):
    ann, bob, chat = pair
    seq = bob.say(chat, "mine")["seq"]
    bob.leave(chat)
    bob.refused("not_member", "GET", path(chat, seq))
    ann.refused("forbidden", "GET", path(chat, seq))


def test_who_was_blocked_may_still_ask(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    seq = bob.say(chat, "before")["seq"]
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    assert member(bob, chat, seq, ann)["user"] == ann.id


def test_what_was_written_before_one_came_is_not_there(pair, person):
    ann, _, chat = pair
    seq = ann.say(chat, "early")["seq"]
    late = person("late")
    ann.add(chat, late)
    late.refused("not_found", "GET", path(chat, seq))


@pytest.mark.parametrize("seq", ["1", "4", "999999", "9223372036854775807"])
def test_what_is_no_message_is_not_there(pair, seq):
    ann, _, chat = pair
    ann.say(chat, "three")
    ann.refused("not_found", "GET", path(chat, seq))


@pytest.mark.parametrize("seq", ["0", "-1", "1.5", "01", "9223372036854775808", "x", "%27", "1%20or%201=1"])
def test_what_is_no_number_is_not_there(pair, seq):
    ann, _, chat = pair
    ann.refused("not_found", "GET", path(chat, seq))


@pytest.mark.parametrize("query, pointer", [
    ({"limit": "0"}, "/query/limit"), ({"limit": "201"}, "/query/limit"), ({"limit": "x"}, "/query/limit"),
    ({"cursor": "x"}, "/query/cursor"), ({"cursor": "-1"}, "/query/cursor"), ({"after": "1"}, "/query/after")])
def test_a_bad_query_is_refused(pair, query, pointer):
    ann, _, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    ann.refused("bad_request", "GET", path(chat, seq), pointer=pointer, query=query)


# --- faults ---

def test_after_redis_was_emptied_the_device_is_told_to_read_the_log(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    settled(ann, chat, seq, bob, parked=1)
    parley.redis("FLUSHALL")
    until(lambda: member(ann, chat, seq, bob)["devices"] == counts(resync=1), 20, "the loss is noticed")
    assert member(ann, chat, seq, bob)["state"] == "stored"
    his = bob.online("resync")
    later = ann.say(chat, "later")["seq"]
    his.until(lambda event: event["seq"] == later)
    his.ack()
    for each in (seq, later):
        settled(ann, chat, each, bob, acknowledged=1)


def test_a_full_inbox_is_told_as_resync(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    settled(ann, chat, seq, bob, parked=1)
    parley.redis("DEL", f"p:{{{bob.device}}}:l")  # evicted
    settled(ann, chat, seq, bob, resync=1)


def test_a_trace_changes_nothing_in_the_inbox(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    settled(ann, chat, seq, bob, parked=1)
    record = parley.redis("HGETALL", f"p:{{{bob.device}}}:r")
    for _ in range(3):
        settled(ann, chat, seq, bob, parked=1)
    assert parley.redis("HGETALL", f"p:{{{bob.device}}}:r") == record
    bob.online("inbox").until(lambda event: event["seq"] == seq)


def test_without_delivery_there_is_an_answer_without_devices(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    with parley.stopped("delivery"):
        answer = trace(ann, chat, seq)
        assert answer["devices"] is None
        item, = answer["items"]
        assert (item["state"], item["devices"]) == ("read", None)
    until(lambda: trace(ann, chat, seq)["devices"], 20, "delivery is asked again")


def test_delivery_that_stands_still_costs_only_the_devices(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    settled(ann, chat, seq, bob, parked=1)
    with parley.frozen("delivery"):
        answer = trace(ann, chat, seq)
    assert answer["devices"] is None and answer["items"][0]["state"] == "stored"


def test_redis_that_stands_still_makes_inboxes_unknown(parley, pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    settled(ann, chat, seq, bob, parked=1)
    with parley.frozen("redis"):
        item = member(ann, chat, seq, bob)
    assert item["devices"] == counts(unknown=1) and item["state"] == "stored"
    until(lambda: member(ann, chat, seq, bob)["devices"] == counts(parked=1), 20, "Redis is asked again")


def test_a_new_delivery_process_knows_what_the_old_one_knew(parley, pair):
    ann, bob, chat = pair
    his = bob.online()
    acked = ann.say(chat, "acked")["seq"]
    his.until(lambda event: event["seq"] == acked)
    his.ack()
    his.stays()
    his.drop()
    parked = ann.say(chat, "parked")["seq"]
    settled(ann, chat, parked, bob, parked=1)
    parley.kill("delivery")
    settled(ann, chat, parked, bob, parked=1)
    settled(ann, chat, acked, bob, acknowledged=1)


# --- what is done to a message, and what readers hide ---

def test_a_deleted_message_can_still_be_traced_and_its_edits_are_no_messages(pair):
    ann, bob, chat = pair
    seq = ann.say(chat, "hello")["seq"]
    edit = ann.patch(f"/v1/chats/{chat}/messages/{seq}", {"body": {"text": "better"}})["seq"]
    delete = ann.delete(f"/v1/chats/{chat}/messages/{seq}", 200)["seq"]
    assert member(ann, chat, seq, bob)["user"] == bob.id
    for other in (edit, delete):
        ann.refused("not_found", "GET", path(chat, other))


def test_who_hides_how_far_they_have_read_has_no_read_and_no_time(pair):
    ann, bob, chat = pair
    first = ann.say(chat, "one")["seq"]
    bob.put(f"/v1/chats/{chat}/receipts", {"read": first})
    shown = member(ann, chat, first, bob)["read"]
    bob.patch("/v1/users/me", {"privacy": {"read_receipts": False}})

    def hides():
        seq = ann.say(chat, "two")["seq"]
        bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})
        item = member(ann, chat, seq, bob)
        return item["read"] is None and item["state"] == "delivered"

    until(hides, 5, "the token's flags are known everywhere")
    assert member(ann, chat, first, bob)["read"]["exact"] in (True, False), "what was told before stays told"
    assert shown["exact"] is True
