"""Chats of more than pushed_members (five here): who has them open gets their events, others hear how far they are, nothing
waits for anybody, and all of it can be read."""

import time

import pytest

from conftest import the_contract
from people import World, texts_of
from server import Logs, Parley, until

PUSHED, INTERVAL_S = 5, 0.3
MOST_OF_A_GROUP, MOST_OF_A_CHANNEL = 8, 2000
NEVER_S = 1.2  # several intervals: what has not come by then will not come


@pytest.fixture(scope="module")
def large():
    """A Parley for which six are many."""
    parley = Parley()
    parley.environment.update({
        "PARLEY_LIMITS_PUSHED_MEMBERS": str(PUSHED),
        "PARLEY_LIMITS_MAX_MEMBERS": str(MOST_OF_A_GROUP),
        "PARLEY_LIMITS_MAX_CHANNEL_MEMBERS": str(MOST_OF_A_CHANNEL),
        "PARLEY_DELIVERY_HEADS_INTERVAL_MS": str(int(INTERVAL_S * 1000)),
    })
    logs = Logs(parley)
    try:
        parley.start()
        yield parley, logs
        assert parley.stop() == 0, parley.tails()
        said = logs.unexpected(set())
        assert not said, "\n".join(said)
    finally:
        parley.remove()


@pytest.fixture
def town(large):
    parley, logs = large
    world = World(the_contract, parley.address, parley.ops_address)
    world.parley = parley
    yield world
    faults = world.let_go() + parley.unexpected_ends() + logs.unexpected(set())
    assert not faults, "\n".join(faults)


@pytest.fixture
def crowd(town):
    """Six people in a channel, the first its owner; as (town, people, chat)."""
    people = town.people("ann", "bob", "cid", "dan", "eve", "fay")
    return town, people, people[0].group(*people[1:], kind="channel")


def watching(who, *chats, **options):
    """A connection that has these open."""
    socket = present(who, **options)
    socket.op({"op": "watch", "id": "w", "chats": list(chats)})
    assert socket.expect("ok", id="w") == {"op": "ok", "id": "w"}
    return socket


def present(who, **options):
    """A connection that has nothing open, and has taken over what waited or was on its way."""
    socket = who.online(auto_ack=True, **options)
    while not socket.silent(0.3):
        socket.event()
    return socket


def heads_of(socket, chat):
    return [frame["seq"] for frame in socket.log if frame["op"] == "head" and frame["chat"] == chat]


def seqs_of(socket, chat):
    return [frame["event"]["seq"] for frame in socket.log if frame["op"] == "event" and frame["event"]["chat"] == chat]


def item_of(who, chat):
    return next(item for item in who.get("/v1/chats")["items"] if item["chat"]["id"] == chat)


def await_head(socket, chat, seq):
    until(lambda: seq in heads_of(socket, chat), 5, f"a head at {seq}")


def missed(who, chat, seq):
    return [event["seq"] for event in who.post("/v1/sync", {"chats": {chat: seq}}, 200)["chats"][chat]["events"]]


def put_strangers(parley, chat, count):
    """Readers without accounts, from the first event on; past the log, so chat and delivery forget what they know."""
    parley.psql(f"""
        insert into metadata.member (chat_id, user_id, role, since_version) select {chat}, n, 1, 1 from generate_series(1, {count}) n;
        update metadata.chat set member_count = member_count + {count} where chat_id = {chat};
        insert into chat.member (partition, chat_id, user_id, from_seq, role)
        select partition, chat_id, n, 1, 1 from chat.chat, generate_series(1, {count}) n where chat_id = {chat}""")
    parley.kill("chat")
    parley.kill("delivery")


# --- who gets what ---

def test_the_limits_tell_from_where_on_chats_are_pulled(town):
    assert town.limits()["pushed_members"] == PUSHED
    assert town.person().online().ready["limits"]["pushed_members"] == PUSHED


def test_who_watches_gets_the_events_and_others_how_far_it_is(crowd):
    _, (ann, bob, cid, *_), chat = crowd
    his, hers = watching(bob, chat), present(cid)
    sent = [ann.say(chat, f"news {number}") for number in range(3)]
    assert his.events(3) == sent
    await_head(hers, chat, sent[-1]["seq"])
    assert seqs_of(hers, chat) == [3], "its own member_added"
    assert heads_of(his, chat) == [], "who was sent everything needs no head"


def test_heads_are_gathered(crowd):
    _, (ann, bob, *_), chat = crowd
    his, writer = present(bob), ann.online(auto_ack=True)
    began = time.monotonic()
    while time.monotonic() - began < 4 * INTERVAL_S:
        last = writer.said(chat, "x")["seq"]
        time.sleep(0.01)  # as fast as a device may
    await_head(his, chat, last)
    heads = heads_of(his, chat)
    intervals = (time.monotonic() - began) / INTERVAL_S
    assert heads == sorted(set(heads)) and heads[-1] == last
    assert last > 20 > 1 + intervals >= len(heads), f"{len(heads)} heads of {last} events in {intervals} intervals"


def test_who_is_absent_gets_nothing_and_finds_it_by_unread_and_sync(crowd):
    town, (ann, bob, *_), chat = crowd
    socket = present(bob)
    had = socket.heads[chat]
    socket.close()
    sent = [ann.say(chat, f"missed {number}") for number in range(4)]
    assert town.parley.redis("EXISTS", f"p:{{{bob.device}}}:l") == b":0\r\n"
    again = bob.online("inbox")
    assert again.ready["inbox"] == 0 and again.silent(NEVER_S)
    item = item_of(bob, chat)
    assert (item["unread"], item["last_seq"], item["last_event"]) == (4, sent[-1]["seq"], sent[-1])
    events = bob.post("/v1/sync", {"chats": {chat: 6}}, 200)["chats"][chat]["events"]
    assert events == sent and had < sent[0]["seq"]
    bob.put(f"/v1/chats/{chat}/receipts", {"read": sent[2]["seq"]})
    assert item_of(bob, chat)["unread"] == 1


def test_the_same_holds_for_a_group(town):
    people = town.people(*"abcdef")
    chat = people[0].group(*people[1:])
    his, hers = watching(people[1], chat), present(people[2])
    seq = people[3].say(chat, "hello")["seq"]
    his.event(seq=seq)
    await_head(hers, chat, seq)
    assert hers.silent(NEVER_S)


def test_five_are_pushed_as_ever(town):
    people = town.people(*"abcde")
    chat = people[0].group(*people[1:])
    his = present(people[1])
    seq = people[0].say(chat, "hello")["seq"]
    his.event(seq=seq)
    people[0].say(chat, "again")
    assert people[2].online("inbox").ready["inbox"] == 7
    assert heads_of(his, chat) == []


def test_a_chat_is_watched_until_another_is_and_strangers_watch_nothing(crowd):
    town, (ann, bob, *_), chat = crowd
    stranger = town.person("stranger")
    other = bob.group()
    his, theirs = watching(bob, chat, other), present(stranger)
    theirs.op({"op": "watch", "chats": [chat]})
    his.event(seq=ann.say(chat, "one")["seq"])
    his.op({"op": "watch", "id": "x", "chats": [other]})
    his.expect("ok", id="x")
    seq = ann.say(chat, "two")["seq"]
    await_head(his, chat, seq)
    assert his.silent(NEVER_S) and theirs.silent(0)
    assert heads_of(theirs, chat) == []


def test_who_begins_to_watch_is_told_of_what_came_just_before(crowd):
    _, (ann, bob, *_), chat = crowd
    his = present(bob)
    await_head(his, chat, ann.say(chat, "told at once")["seq"])
    seq = ann.say(chat, "gathered")["seq"]
    his.op({"op": "watch", "chats": [chat]})
    await_head(his, chat, seq)


def test_the_writers_other_device_is_like_any_member(crowd):
    _, (ann, *_), chat = crowd
    tablet = present(ann.on_another_device())
    phone = watching(ann, chat)
    seq = phone.said(chat, "mine")["seq"]
    phone.event(seq=seq)
    await_head(tablet, chat, seq)


@pytest.mark.parametrize("chats", ["7", ["x"], [7], None, {}, ["7"] * 101])
def test_a_bad_watch_is_an_error_and_what_was_watched_stays(crowd, chats):
    _, (ann, bob, *_), chat = crowd
    his = watching(bob, chat)
    his.refused("bad_request", {"op": "watch", "chats": chats})
    his.event(seq=ann.say(chat, "still")["seq"])


# --- who does not keep up ---

def test_a_watcher_whose_window_is_full_is_told_how_far_it_is_and_goes_on_later(crowd):
    town, (ann, bob, *_), chat = crowd
    window = town.limits()["window_events"]
    his = watching(bob, chat)
    his.auto_ack = False
    writer = ann.online(auto_ack=True)
    for _ in range(window + 10):
        last = writer.said(chat, "x")["seq"]
    got = [event["seq"] for event in his.events(window)]
    assert got == list(range(7, 7 + window)) and his.silent(NEVER_S)
    await_head(his, chat, last)
    assert missed(bob, chat, got[-1]) == list(range(got[-1] + 1, last + 1))
    his.ack()
    his.auto_ack = True
    assert his.silent(NEVER_S), "what passed it by does not come"
    his.event(seq=ann.say(chat, "live again")["seq"])


def test_what_was_sent_to_a_watcher_is_its_own_whatever_happens_to_the_connection(crowd):
    _, (ann, bob, *_), chat = crowd
    his = watching(bob, chat)
    his.auto_ack = False
    sent = [ann.say(chat, f"{number}") for number in range(3)]
    assert his.events(3) == sent
    his.drop()
    ann.say(chat, "while away")
    again = bob.online(resume=his.resume_point(his.acked))
    assert again.ready["inbox"] == 3
    assert [again.event()["seq"] for _ in range(3)] == [event["seq"] for event in sent]
    again.ack()
    assert again.silent(NEVER_S)


# --- membership ---

def test_who_is_added_removed_or_given_a_role_gets_that_event_wherever_they_are(crowd):
    town, (ann, bob, cid, *_), chat = crowd
    his = present(bob)
    cid_was = present(cid)
    cid_was.close()
    new = town.person("new")
    away, there = new, present(new.on_another_device())
    added = ann.add(chat, new)
    assert added["user"] == new.id
    event = there.event(type="member_added", user=new.id)
    ann.add(chat, bob, "admin")
    his.event(type="role_changed", user=bob.id)
    ann.say(chat, "not pushed")
    ann.remove(chat, cid)
    ann.say(chat, "after")
    events = cid.online("inbox", auto_ack=True).events(1)
    assert (events[0]["type"], events[0]["user"]) == ("member_removed", cid.id)
    assert away.online("inbox").event()["seq"] == event["seq"]
    assert his.silent(NEVER_S)


def test_who_is_removed_hears_nothing_above_the_removal(crowd):
    _, (ann, bob, cid, *others), chat = crowd
    his, hers = watching(bob, chat), present(cid)
    ann.say(chat, "before")
    his.event(type="message")
    ann.remove(chat, bob)
    removed = his.event(type="member_removed", user=bob.id)["seq"]
    ann.add(chat, others[0], "member")  # still six with the owner gone? five members: pushed again
    ann.remove(chat, cid)
    last = hers.until(lambda event: event["type"] == "member_removed" and event["user"] == cid.id)[-1]["seq"]
    ann.say(chat, "after")
    assert his.silent(NEVER_S) and hers.silent(0)
    assert max([0, *heads_of(his, chat)]) <= removed and max([0, *heads_of(hers, chat)]) <= last
    bob.refused("not_member", "POST", f"/v1/chats/{chat}/messages", {"client_id": "late", "body": {"text": "x"}})


def test_a_chat_grows_over_the_limit_and_shrinks_again(town):
    ann, bob, cid, dan, eve, fay = town.people("ann", "bob", "cid", "dan", "eve", "fay")
    chat = ann.group(bob, cid, dan, eve)
    his, hers, away = watching(bob, chat), present(cid), dan
    present(away).close()
    pushed = [ann.say(chat, f"pushed {number}") for number in range(2)]
    assert his.events(2) == pushed and hers.events(2) == pushed
    grown = ann.add(chat, fay) and ann.log(chat)[-1]
    pulled = [ann.say(chat, f"pulled {number}") for number in range(2)]
    assert his.events(3) == [grown, *pulled]
    await_head(hers, chat, pulled[-1]["seq"])
    ann.remove(chat, eve)
    shrunk = ann.log(chat)[-1]
    again = [ann.say(chat, f"again {number}") for number in range(2)]
    assert his.events(3) == [shrunk, *again]
    assert hers.events(2) == again, "the removal itself was the last that was pulled: six were members at it"
    socket = away.online("inbox")
    waited = socket.events(socket.ready["inbox"])
    assert waited == [*pushed, *again], "what waited before and after, in order"
    assert missed(away, chat, pushed[-1]["seq"]) == [event["seq"] for event in (grown, *pulled, shrunk, *again)]


def test_what_waits_from_before_a_chat_was_large_is_still_delivered_first(town):
    ann, bob, cid, dan, eve, fay = town.people("ann", "bob", "cid", "dan", "eve", "fay")
    chat = ann.group(bob, cid, dan, eve)
    present(bob).close()
    waiting = [ann.say(chat, f"{number}") for number in range(100)]
    ann.add(chat, fay)
    his = bob.online("inbox")
    his.op({"op": "watch", "chats": [chat]})
    his.stays()
    ann.say(chat, "pulled, while the inbox is drained")
    his.auto_ack = True
    his.ack()
    assert his.events(100) == waiting
    seq = ann.say(chat, "live")["seq"]
    his.until(lambda event: event["seq"] == seq)


@pytest.mark.parametrize("kind, most, name", [
    ("group", MOST_OF_A_GROUP, "max_members"), ("channel", MOST_OF_A_CHANNEL, "max_channel_members")])
def test_a_channel_may_have_more_members_than_a_group(town, kind, most, name):
    ann, bob, cid = town.people("ann", "bob", "cid")
    assert town.limits()[name] == most
    chat = ann.group(kind=kind)
    town.parley.psql(f"update metadata.chat set member_count = {most} - 1 where chat_id = {chat}")  # as if they were there
    assert ann.add(chat, bob)["user"] == bob.id
    ann.refused("conflict", "PUT", f"/v1/chats/{chat}/members/{cid.id}", {})
    too_many = {"kind": kind, "members": [str(number) for number in range(1, most + 1)]}
    ann.refused("bad_request", "POST", "/v1/chats", too_many, pointer="/body/members")


def test_a_large_chat_is_deleted_in_pieces(town):
    """More members than one change carries."""
    ann, bob = town.people("ann", "bob")
    chat = ann.group(bob, kind="channel")
    count = 1200
    put_strangers(town.parley, chat, count)
    assert ann.get(f"/v1/chats/{chat}")["member_count"] == count + 2
    ann.delete(f"/v1/chats/{chat}")
    for person in (ann, bob):
        person.refused("not_found", "GET", f"/v1/chats/{chat}")
        person.refused("not_found", "GET", f"/v1/chats/{chat}/events")
    removed = town.parley.psql(f"select count(*), count(distinct subject_id) from chat.event where chat_id = {chat} and type = 3")
    assert removed.strip() == f"{count + 2}|{count + 2}"
    removals = bob.online("inbox").until(lambda event: event.get("user") == bob.id and event["type"] == "member_removed")
    assert len(removals) <= 2 + PUSHED, "of others only those at the end, when the chat was small"


# --- receipts ---

def test_receipts_go_to_who_watches_and_to_the_readers_own_devices(crowd):
    _, (ann, bob, cid, *_), chat = crowd
    seq = ann.say(chat, "read this")["seq"]
    watcher, other = watching(ann, chat), present(cid)
    phone, tablet = present(bob), present(bob.on_another_device())
    phone.op({"op": "read", "id": "r", "chat": chat, "seq": seq})
    phone.expect("ok", id="r")
    watcher.expect("receipt", chat=chat, user=bob.id, read=seq)
    tablet.expect("receipt", chat=chat, user=bob.id, read=seq)
    other.silent(NEVER_S)
    assert [frame for frame in other.log if frame["op"] == "receipt"] == []


def test_in_a_crowd_nobody_is_told_who_has_read_but_the_readers_own_devices(town):
    ann, bob = town.people("ann", "bob")
    chat = ann.group(bob, kind="channel")
    put_strangers(town.parley, chat, 150)
    watcher, phone, tablet = watching(ann, chat), watching(bob, chat), present(bob.on_another_device())
    seq = ann.say(chat, "read this")["seq"]
    phone.event(seq=seq)
    bob.put(f"/v1/chats/{chat}/receipts", {"read": seq})
    for own in (phone, tablet):
        own.expect("receipt", chat=chat, user=bob.id, read=seq)
    watcher.silent(NEVER_S)
    assert [frame for frame in watcher.log if frame["op"] == "receipt" and frame["user"] == bob.id] == []


def test_a_head_moves_no_watermark_and_a_watchers_ack_does(crowd):
    _, (ann, bob, cid, *_), chat = crowd
    his, hers = watching(bob, chat), present(cid)
    seq = ann.say(chat, "delivered")["seq"]
    his.event(seq=seq)
    await_head(hers, chat, seq)

    def delivered(who):
        return {item["user"]: item["delivered"] for item in ann.pages(f"/v1/chats/{chat}/receipts", 200)}[who.id]
    until(lambda: delivered(bob) == seq, 5, "delivered follows the ack")
    assert delivered(cid) < seq


# --- where a message is ---

def trace_of(who, chat, seq):
    """State and devices of each other member, and the states of the own devices."""
    answer = who.get(f"/v1/chats/{chat}/messages/{seq}/trace")
    others = {item["user"]: (item["state"], {state: count for state, count in item["devices"].items() if count})
              for item in answer["items"]}
    return others, {device["id"]: device["state"] for device in answer["devices"]}


def test_a_trace_claims_of_nobody_that_they_were_sent_what_only_watchers_get(crowd):
    town, (ann, bob, cid, dan, *_), chat = crowd
    his, hers, slow = watching(bob, chat), present(cid), watching(dan, chat)
    slow.auto_ack = False
    seq = ann.say(chat, "news")["seq"]
    his.event(seq=seq)
    slow.event(seq=seq)
    await_head(hers, chat, seq)
    until(lambda: trace_of(ann, chat, seq)[0][bob.id][0] == "delivered", 5, "the watermark moves")
    others, own = trace_of(ann, chat, seq)
    assert own == {ann.device: "unknown"}
    assert others.pop(bob.id) == ("delivered", {"unknown": 1})
    assert others.pop(dan.id)[0] in ("sent", "parked")
    assert len(others) == 3 and set(map(repr, others.values())) == {repr(("stored", {"unknown": 1}))}
    town.parley.kill("delivery")  # the new one has no chat's members in memory
    others, own = trace_of(ann, chat, seq)
    assert own == {ann.device: "unknown"} and others.pop(bob.id)[0] == "delivered"
    assert {state for state, _ in others.values()} <= {"stored", "parked"}


# --- what breaks ---

def test_delivery_is_killed_in_the_middle_and_who_comes_back_misses_nothing(crowd):
    town, (ann, bob, cid, *_), chat = crowd
    his, hers = watching(bob, chat), present(cid)
    sent = [ann.say(chat, f"before {number}") for number in range(5)]
    assert his.events(5) == sent
    town.parley.kill("delivery", wait=False)
    sent += [ann.say(chat, f"meanwhile {number}") for number in range(5)]
    until(lambda: his.close_code is not None and hers.close_code is not None, 10, "their connections end")
    town.parley.await_ready(["delivery"], 30)
    town.parley.pids["delivery"] = town.parley.pid("delivery")
    again, there = bob.online(auto_ack=True), cid.online(auto_ack=True)
    again.op({"op": "watch", "chats": [chat]})
    again.stays()
    assert missed(bob, chat, sent[4]["seq"]) == [event["seq"] for event in sent[5:]]
    live = ann.say(chat, "after")
    again.until(lambda event: event == live)
    await_head(there, chat, live["seq"])
    assert texts_of(ann.log(chat)) == texts_of(sent) + ["after"]


def test_redis_is_wiped_and_a_large_chat_goes_on(crowd):
    town, (ann, bob, cid, *_), chat = crowd
    his, hers = watching(bob, chat), present(cid)
    his.event(seq=ann.say(chat, "before")["seq"])
    town.parley.redis("FLUSHALL")
    with town.parley.stopped("redis"):
        his.until(lambda event, seq=ann.say(chat, "without")["seq"]: event["seq"] == seq)
    seq = ann.say(chat, "after")["seq"]
    his.until(lambda event: event["seq"] == seq)
    await_head(hers, chat, seq)


def test_an_event_that_was_passed_over_is_told_to_all_who_are_there_when_it_is_released(crowd, large):
    town, (ann, bob, cid, *_), chat = crowd
    parley, logs = large
    with parley.stopped("delivery"):
        bad = ann.say(chat, "kills")["seq"]
        parley.has_killed_delivery(chat, bad, 3)
    his, hers = watching(bob, chat), present(cid)
    until(lambda: f"delivery:{chat}:{bad}" in parley.parleyctl("poison", "list"), 20, "it is noted")
    assert his.silent(NEVER_S) and heads_of(his, chat) == heads_of(hers, chat) == []
    parley.parleyctl("poison", "release", "all")
    for socket in (his, hers):
        await_head(socket, chat, bad)
    assert logs.unexpected({"event_passed_over"}) == []


def test_a_membership_that_was_passed_over_makes_its_member_resync_when_it_is_released(crowd, large):
    town, (ann, *_), chat = crowd
    parley, logs = large
    new = town.person("new")
    with parley.stopped("delivery"):
        ann.add(chat, new)
        bad = ann.log(chat)[-1]["seq"]
        parley.has_killed_delivery(chat, bad, 3)
    socket = present(new)
    until(lambda: f"delivery:{chat}:{bad}" in parley.parleyctl("poison", "list"), 20, "it is noted")
    parley.parleyctl("poison", "release", "all")
    socket.expect("resync", seconds=20)
    assert missed(new, chat, 0)[-1] == bad
    assert logs.unexpected({"event_passed_over"}) == []
