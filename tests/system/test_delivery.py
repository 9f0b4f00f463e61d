"""What a device gets: everything, in order, after whatever happened to its connection."""

import random
import signal
import threading
import time

import pytest

from people import texts_of
from server import until


@pytest.fixture
def pair(people):
    """Two people in a group, as (ann, bob, chat)."""
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


def said(event):
    return event["type"] == "message"


def write(who, chat, count, prefix=""):
    return [who.say(chat, f"{prefix}{number}") for number in range(count)]


# --- the inbox ---

def test_what_came_while_a_device_was_away_waits_for_it_in_order(pair):
    ann, bob, chat = pair
    sent = write(ann, chat, 10)
    socket = bob.online("inbox")
    assert socket.ready["inbox"] == 12
    assert socket.events(12)[2:] == sent
    ann.say(chat, "live")
    socket.event(seq=13)


def test_a_device_that_never_connected_before_gets_what_came_since_its_login(pair):
    ann, bob, chat = pair
    phone = bob.on_another_device()
    ann.say(chat, "after the login")
    # What was on its way to the user's inboxes at the moment of the login may come as well.
    assert texts_of(phone.online("inbox").until(said)) == ["after the login"]


def test_an_inbox_of_many_windows_comes_whole_and_what_comes_meanwhile_after_it(pair):
    ann, bob, chat = pair
    sender = ann.online(auto_ack=True)
    for number in range(300):
        sender.expect("ok", id=sender.send(chat, str(number)))
    socket = bob.online("inbox", auto_ack=True)
    for number in range(300, 330):
        sender.expect("ok", id=sender.send(chat, str(number)))
    events = socket.until(lambda event: event.get("body", {}).get("text") == "329", 20)
    assert [event["seq"] for event in events] == list(range(1, 333))


def test_what_is_deleted_after_ones_removal_comes_without_its_body_from_what_was_read_ahead(pair, world):
    ann, bob, chat = pair
    window = world.limits()["window_events"]
    write(ann, chat, window)
    deleted, edited = ann.say(chat, "secret")["seq"], ann.say(chat, "harmless")["seq"]
    ann.patch(f"/v1/chats/{chat}/messages/{edited}", {"body": {"text": "secret too"}})
    socket = bob.online("inbox")
    socket.events(window)
    time.sleep(0.3)  # the next page is there, and waits for room in the window
    ann.remove(chat, bob)
    for seq in (deleted, edited):
        last = ann.delete(f"/v1/chats/{chat}/messages/{seq}", 200)["seq"]
    assert ann.online("inbox", auto_ack=True).until(lambda event: event["seq"] == last)
    socket.auto_ack = True
    socket.ack()
    events = socket.until(lambda event: event["type"] == "member_removed")
    assert events[-4]["seq"] == deleted and "secret" not in str(socket.log)


def test_what_was_acknowledged_does_not_come_again_and_what_was_not_does(pair):
    ann, bob, chat = pair
    write(ann, chat, 5)
    socket = bob.online()
    socket.events(7)
    socket.ack(4)
    socket.op({"op": "ping", "id": "done"})
    socket.expect("pong")
    socket.drop()
    again = bob.online("inbox")
    assert [event["seq"] for event in again.events(3)] == [5, 6, 7]
    again.ack()
    again.close()
    assert bob.online("inbox").ready["inbox"] == 0


def test_each_device_of_a_user_has_an_inbox_of_its_own(pair):
    ann, bob, chat = pair
    phone = bob.on_another_device()
    first = bob.online(auto_ack=True)
    ann.say(chat, "for both")
    first.until(lambda event: event["type"] == "message")
    first.close()
    assert texts_of(phone.online("inbox").until(said)) == ["for both"]
    assert bob.online("inbox").ready["inbox"] == 0


def test_a_device_that_logs_in_again_keeps_its_inbox(pair):
    ann, bob, chat = pair
    ann.say(chat, "before")
    bob.delete("/v1/sessions/current")
    ann.say(chat, "between")
    bob.log_in(bob.device)
    ann.say(chat, "after")
    assert texts_of(bob.online("inbox").events(5)) == ["before", "between", "after"]


def test_the_senders_other_device_gets_what_the_sender_wrote(pair):
    ann, _, chat = pair
    tablet = ann.on_another_device()
    live = tablet.online()
    ann.online().said(chat, "from my phone")
    assert texts_of(live.until(said)) == ["from my phone"]
    live.ack()
    live.close()
    ann.say(chat, "while it was away")
    assert texts_of(tablet.online("inbox").until(said)) == ["while it was away"]


def test_an_inbox_of_many_chats_keeps_the_order_of_each(people):
    random.seed(11)
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(6)]
    sender = ann.online(auto_ack=True)
    for _ in range(120):
        sender.said(random.choice(chats), "x")
    socket = bob.online("inbox", auto_ack=True)
    events = socket.events(132)
    for chat in chats:
        seqs = [event["seq"] for event in events if event["chat"] == chat]
        assert seqs == list(range(1, len(seqs) + 1))


def test_a_member_removed_while_away_gets_the_removal_last(pair):
    ann, bob, chat = pair
    ann.say(chat, "one")
    ann.remove(chat, bob)
    ann.say(chat, "not for bob")
    events = bob.online("inbox").events(4)
    assert (events[-1]["type"], events[-1]["user"]) == ("member_removed", bob.id)
    assert texts_of(events) == ["one"]


# --- an inbox that nobody comes for ---

def parked(parley, who, count):
    """Waits until so many events lie in the inbox of a device that is away; the key of its list."""
    key = f"p:{{{who.device}}}:l"
    until(lambda: parley.redis("LLEN", key) == f":{count}\r\n".encode(), 5, f"{count} events are parked")
    return key


def missed(who, chat, seq):
    return [event["seq"] for event in who.post("/v1/sync", {"chats": {chat: seq}}, 200)["chats"][chat]["events"]]


def test_an_inbox_that_is_too_old_is_gone_and_its_device_must_resync(pair, parley, world):
    ann, bob, chat = pair
    sent = write(ann, chat, 3)
    inbox = parked(parley, bob, 5)
    left_ms = int(parley.redis("PTTL", inbox)[1:])
    assert 0 <= world.limits()["max_inbox_days"] * 86400000 - left_ms < 60000
    parley.redis("PEXPIRE", inbox, "1")
    until(lambda: parley.redis("EXISTS", inbox) == b":0\r\n", 5, "its time is over")
    late = ann.say(chat, "after its end")
    socket = bob.online("resync", auto_ack=True)
    assert missed(bob, chat, 2) == [event["seq"] for event in [*sent, late]]
    live = ann.say(chat, "live")
    socket.until(lambda event: event["seq"] == live["seq"])
    socket.close()
    assert bob.online("inbox").ready["inbox"] == 0, "it has heard: the next one is as ever"


def test_an_inbox_lives_as_long_again_after_an_acknowledgement(pair, parley):
    ann, bob, chat = pair
    write(ann, chat, 60)
    inbox = parked(parley, bob, 62)
    parley.redis("PEXPIRE", inbox, "600000")
    socket = bob.online("inbox")
    socket.events(40)
    socket.ack(40)
    socket.stays()
    until(lambda: int(parley.redis("PTTL", inbox)[1:]) > 86400000, 5, "it has got a new end")


def test_an_inbox_that_ends_while_it_is_drained_leads_to_a_resync(pair, parley):
    ann, bob, chat = pair
    writer = ann.online(auto_ack=True)
    for _ in range(300):
        writer.said(chat, "x")
    inbox = parked(parley, bob, 302)
    socket = bob.online("inbox")
    socket.events(64)
    parley.redis("PEXPIRE", inbox, "0")
    socket.auto_ack = True
    socket.ack()
    socket.expect("resync")
    live = ann.say(chat, "live")
    socket.until(lambda event: event["seq"] == live["seq"])


# --- resuming ---

def test_a_connection_that_broke_off_resumes_where_it_was(pair):
    ann, bob, chat = pair
    socket = bob.online()
    write(ann, chat, 3)
    assert socket.events(5)[-1]["seq"] == 5
    socket.drop()
    write(ann, chat, 3, "later ")
    again = bob.online(resume=socket.resume_point())
    if again.ready["state"] == "resumed":
        assert again.ready["session"] == socket.ready["session"]
        frames = [again.expect("event") for _ in range(3)]
        assert [frame["n"] for frame in frames] == [6, 7, 8]
    else:  # another verdict is allowed, but nothing may be missing
        frames = [again.expect("event") for _ in range(3)]
    assert [frame["event"]["seq"] for frame in frames] == [6, 7, 8]


def test_resuming_at_an_earlier_number_sends_the_rest_of_the_window_again(pair):
    ann, bob, chat = pair
    socket = bob.online()
    write(ann, chat, 4)
    socket.events(6)
    socket.drop()
    again = bob.online("resumed", resume=socket.resume_point(2))
    frames = [again.expect("event") for _ in range(4)]
    assert [(frame["n"], frame["event"]["seq"]) for frame in frames] == [(3, 3), (4, 4), (5, 5), (6, 6)]
    again.ack()
    again.close()
    assert bob.online("inbox").ready["inbox"] == 0


def test_the_number_in_a_resume_counts_as_an_ack(pair):
    _, bob, _ = pair
    socket = bob.online()
    socket.events(2)
    socket.drop()
    again = bob.online("resumed", resume=socket.resume_point())
    again.drop()
    assert bob.online("inbox").ready["inbox"] == 0


@pytest.mark.parametrize("resume", [
    {"session": "4611686018427387904", "n": 0}, {"session": "4611686018427387904", "n": 99},
], ids=str)
def test_a_resume_that_cannot_be_honoured_is_no_error_and_n_starts_again(pair, resume):
    _, bob, _ = pair
    socket = bob.online("inbox", resume=resume)
    assert [socket.expect("event")["n"] for _ in range(2)] == [1, 2]


def test_a_resume_above_what_was_sent_gives_a_new_session_and_loses_nothing(pair):
    _, bob, _ = pair
    socket = bob.online()
    socket.events(2)
    socket.drop()
    again = bob.online("inbox", resume=socket.resume_point(50))
    assert [event["seq"] for event in again.events(2)] == [1, 2]


def test_the_session_of_another_device_cannot_be_resumed(pair):
    ann, bob, chat = pair
    theirs = ann.online()
    theirs.events(2)
    mine = bob.online("inbox", resume=theirs.resume_point())
    assert [event["chat"] for event in mine.events(2)] == [chat, chat]
    theirs.stays()


@pytest.mark.parametrize("resume", [7, {}, {"session": "7"}, {"session": 7, "n": 0}, {"session": "7", "n": -1},
                                    {"session": "7", "n": 0, "x": 1}], ids=str)
def test_a_resume_of_the_wrong_form_is_no_auth(world, person, resume):
    ann = person()
    socket = world.socket()
    socket.op({"op": "auth", "token": ann.token, "resume": resume}, valid=False)
    socket.wait(lambda: socket.take_first("error", {}) or socket.close_code, "an error or the end")


# --- replaced ---

def test_a_newer_connection_of_the_same_device_replaces_the_older_and_nothing_is_lost(pair):
    ann, bob, chat = pair
    older = bob.online()
    older.events(2)
    newer = bob.online("inbox")
    assert older.closed(2) == 4003
    ann.say(chat, "for the newer")
    assert [event["seq"] for event in newer.events(3)] == [1, 2, 3], "what was not acknowledged, then what is new"
    assert bob.on_another_device().online().ready["device"] != bob.device
    newer.stays()


def test_connections_of_one_device_that_flap_lose_nothing(pair):
    random.seed(13)
    ann, bob, chat = pair
    count = 150
    sender = ann.online(auto_ack=True)
    done = threading.Event()

    def send():
        for number in range(count):
            sender.send(chat, str(number))
            time.sleep(0.004)
        done.set()

    thread = threading.Thread(target=send)
    thread.start()
    sockets, seen, last = [], set(), None
    deadline = time.monotonic() + 30
    while max(seen, default=0) < count + 2:
        assert time.monotonic() < deadline, sorted(set(range(1, count + 3)) - seen)
        socket = bob.online(resume=last.resume_point() if last and random.random() < 0.5 else None, auto_ack=True)
        sockets.append(socket)
        try:
            while True:
                socket.event(random.choice([0.05, 0.1, 0.3]))
        except AssertionError:
            assert not socket.faults, socket.faults
        last = socket
        if random.random() < 0.7:
            socket.drop()
        # Of all sockets each time: one that is dropped or replaced may have acknowledged more since it was looked at.
        seen = {frame["event"]["seq"] for each in sockets for frame in list(each.log) if frame["op"] == "event"}
    thread.join()
    assert seen == set(range(1, count + 3))


# --- many ---

def test_a_group_of_many_gets_every_message_each_once_and_in_order(people):
    everybody = people(*["m"] * 8)
    chat = everybody[0].group(*everybody[1:])
    sockets = [who.online(auto_ack=True) for who in everybody]
    for number in range(15):
        for socket in sockets[:4]:
            socket.send(chat, str(number))
    total = 8 + 60
    for socket in sockets:
        events = socket.events(total, 20)
        assert [event["seq"] for event in events] == list(range(1, total + 1))


def test_what_is_delivered_is_what_the_log_has_byte_for_byte(pair):
    ann, bob, chat = pair
    socket = bob.online()
    raw = '{"client_id":"bytes","body":{ "text":"\\u00e9\\/" , "n":1.50, "z":{"a":[ ]} }}'
    assert ann.call("POST", f"/v1/chats/{chat}/messages", raw=raw.encode()).status == 201
    event = socket.until(lambda event: event["type"] == "message")[-1]
    assert event == bob.log(chat)[-1]


# --- a draining stop ---

def test_a_stop_of_delivery_says_bye_with_a_time_to_come_back_and_nothing_is_lost(parley, pair):
    ann, bob, chat = pair
    sockets = [ann.online(auto_ack=True), bob.online()]
    sockets[1].events(2)
    ann.say(chat, "not acknowledged")
    sockets[1].event(seq=3)
    parley.kill("delivery", signal.SIGTERM, wait=False)
    pid = parley.pids["delivery"]
    for socket in sockets:
        bye = socket.expect("bye")
        assert bye["reason"] and 0 <= bye["retry_after"] <= 10
        assert socket.closed() == 1001
    stored = ann.patiently("POST", f"/v1/chats/{chat}/messages", 201, {"client_id": "m", "body": {"text": "meanwhile"}})
    parley.await_successor("delivery", pid)
    again = bob.online("inbox", auto_ack=True)
    assert [event["seq"] for event in again.events(4)] == [1, 2, 3, 4] and stored.value["seq"] == 4
