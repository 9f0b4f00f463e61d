"""The operations of the WebSocket: auth, send, ack, read, ping, and what each answers to what it cannot take."""

import time

import pytest

from live import Closed

STRANGER = "4611686018427387904"


@pytest.fixture
def pair(people):
    """Two people in a group, as (ann, bob, chat)."""
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


# --- auth ---

def test_ready_says_who_one_is_and_what_the_bounds_are(world, person):
    ann = person()
    ready = ann.online().ready
    limits = world.limits()
    assert (ready["user"], ready["device"]) == (ann.id, ann.device)
    assert ready["state"] == "inbox" and ready["inbox"] == 0
    assert ready["heartbeat"] * 1000 == limits["heartbeat_ms"]
    assert {name: limits[name] for name in ready["limits"]} == ready["limits"]


def test_each_connection_has_a_session_of_its_own(person):
    ann = person()
    first = ann.online()
    first.close()
    assert ann.online().ready["session"] != first.ready["session"]


def test_who_does_not_authenticate_in_time_is_closed(world):
    deadline_s = world.limits()["auth_deadline_ms"] / 1000
    socket = world.socket()
    began = time.monotonic()
    assert socket.closed(deadline_s + 3) == 4001
    assert time.monotonic() - began > deadline_s - 0.5


@pytest.mark.parametrize("frame", [
    {"op": "ping"}, {"op": "ack", "n": 0}, {"op": "read", "chat": "7", "seq": 1}, {"op": "shout"},
    {"op": "send", "id": "1", "chat": "7", "client_id": "1", "body": {"text": "x"}},
    {"op": "edit", "chat": "7", "seq": 1, "body": {"text": "x"}}, {"op": "delete", "chat": "7", "seq": 1},
    {"op": "react", "chat": "7", "seq": 1, "emoji": "x", "on": True}, {"op": "watch", "chats": []},
    {"op": "typing", "chat": "7", "on": True}, {"op": "presence", "users": []},
], ids=lambda frame: frame["op"])
def test_any_other_op_before_auth_closes(world, frame):
    socket = world.socket()
    socket.op(frame, valid=False)
    assert socket.closed() == 4001


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 256, "é" * 20], ids=lambda token: token[:4])
def test_a_token_that_is_none_closes(world, token):
    socket = world.socket()
    socket.op({"op": "auth", "token": token}, valid=False)
    assert socket.closed() == 4001


def test_the_token_of_a_session_that_has_ended_closes(world, person):
    ann = person()
    token = ann.token
    ann.delete("/v1/sessions/current")
    socket = world.socket()
    socket.op({"op": "auth", "token": token})
    assert socket.closed() == 4001


def test_a_second_auth_is_an_error_and_changes_nothing(people):
    ann, bob = people("ann", "bob")
    socket = ann.online()
    socket.refused("bad_request", {"op": "auth", "token": bob.token})
    bob.direct(ann)
    assert {event["type"] for event in socket.events(2)} == {"member_added"}


# --- what cannot be taken ---

@pytest.mark.parametrize("frame, code", [
    ("", "invalid_json"), ("{", "invalid_json"), ("[]", "bad_request"), ("null", "bad_request"), ("ping", "invalid_json"),
    ('{"op":"ping"} x', "invalid_json"), ('{"op":"ping","op":"ping"}', "invalid_json"),
    ('{"op":"ping","id":"a\\u0000b"}', "invalid_json"), ('{"op":"ping","id":"\\ud800"}', "invalid_json"),
    ('{"op":"ping","x":' + "[" * 40 + "]" * 40 + "}", "invalid_json"),
    ("{}", "bad_request"), ({"op": 7}, "bad_request"), ({"op": "shout"}, "bad_request"), ({"op": "PING"}, "bad_request"),
    ({"op": "ping", "x": 1}, "bad_request"), ({"op": "ping", "id": 7}, "bad_request"),
    ({"op": "ping", "id": ""}, "bad_request"), ({"op": "ping", "id": "x" * 65}, "bad_request"),
    ({"op": "ack"}, "bad_request"), ({"op": "ack", "n": -1}, "bad_request"), ({"op": "ack", "n": "1"}, "bad_request"),
    ({"op": "ack", "n": 0.5}, "bad_request"), ({"op": "ack", "n": 1}, "bad_request"), ({"op": "ack", "n": 1e99}, "bad_request"),
    ({"op": "typing", "chat": "7", "on": 1}, "bad_request"), ({"op": "watch", "chats": [7]}, "bad_request"),
    ({"op": "presence", "users": ["x"]}, "bad_request"), ({"op": "ready"}, "bad_request"),
], ids=lambda each: str(each)[:28])
def test_what_cannot_be_taken_is_an_error_and_the_connection_stays(person, frame, code):
    socket = person().online()
    socket.refused(code, frame)
    socket.stays()


def test_an_error_carries_the_id_of_its_op(person):
    socket = person().online()
    socket.op({"op": "ack", "id": "a1", "n": 7})
    assert socket.expect("error")["id"] == "a1"
    socket.op({"op": "shout", "id": "s1"}, valid=False)
    assert socket.expect("error").get("id") in ("s1", None)


def test_too_many_violations_close(person):
    socket = person().online()
    try:
        for _ in range(500):
            socket.op("no json", valid=False)
            if socket.close_code is not None:
                break
    except OSError:
        pass
    assert socket.closed() == 4029


# --- ping ---

def test_a_ping_is_answered_with_its_id_or_none(person):
    socket = person().online()
    socket.op({"op": "ping"})
    assert socket.expect("pong") == {"op": "pong"}
    socket.op({"op": "ping", "id": "p" * 64})
    assert socket.expect("pong") == {"op": "pong", "id": "p" * 64}


def test_a_connection_that_answers_pings_outlives_many_heartbeats(world, person):
    heartbeat_s = world.limits()["heartbeat_ms"] / 1000
    if heartbeat_s > 10:
        pytest.skip("the heartbeat of this Parley is too slow to wait for")
    socket = person().online()
    time.sleep(heartbeat_s * 2.5)
    socket.stays()


# --- send ---

def test_a_send_is_answered_once_it_is_durable_and_comes_to_all_devices_the_sending_one_too(pair):
    ann, bob, chat = pair
    mine, other, theirs = ann.online(), ann.on_another_device().online(), bob.online()
    ok = mine.said(chat, "Good morning", client_id="k")
    assert (ok["chat"], ok["seq"]) == (chat, 3)
    event = bob.log(chat)[-1]
    assert (event["seq"], event["at"], event["sender"], event["client_id"]) == (3, ok["at"], ann.id, "k")
    for socket in (mine, other, theirs):
        assert socket.until(lambda event: event["type"] == "message")[-1] == event


def test_sending_the_same_client_id_again_gives_the_same_seq_here_there_and_by_rest(pair):
    ann, bob, chat = pair
    socket = ann.online()
    first = socket.said(chat, "once", client_id="k")
    again = socket.said(chat, "once", client_id="k")
    assert {**again, "id": first["id"]} == first
    assert ann.say(chat, "once", client_id="k", want=200)["seq"] == first["seq"]
    there = ann.on_another_device().online()
    assert there.said(chat, "once", client_id="k")["seq"] == first["seq"]
    error = socket.refused("conflict", {"op": "send", "id": "c", "chat": chat, "client_id": "k", "body": {"text": "no"}})
    assert error["id"] == "c"
    assert bob.texts(chat) == ["once"]


def test_pipelined_sends_to_one_chat_get_rising_seqs_in_their_order(pair):
    ann, bob, chat = pair
    socket = ann.online(auto_ack=True)
    ids = [socket.send(chat, str(number)) for number in range(100)]
    seqs = [socket.expect("ok", id=each)["seq"] for each in ids]
    assert seqs == list(range(3, 103))
    assert bob.texts(chat) == [str(number) for number in range(100)]


def test_answers_carry_the_id_of_their_question_over_many_chats(people):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(5)]
    socket = ann.online(auto_ack=True)
    asked = {socket.send(chats[number % 5], str(number)): chats[number % 5] for number in range(50)}
    for number, chat in asked.items():
        assert socket.expect("ok", id=number)["chat"] == chat


def test_replies_mentions_and_attachments_go_both_ways(pair):
    ann, bob, chat = pair
    theirs = bob.online()
    more = {"reply_to": 1, "mentions": [bob.id], "attachments": [{"url": "x"}]}
    ann.online().said(chat, {"text": "see", "mood": [1, {"deep": None}]}, **more)
    event = theirs.until(lambda event: event["type"] == "message")[-1]
    assert {name: event[name] for name in more} == more
    assert event["body"] == {"text": "see", "mood": [1, {"deep": None}]}


@pytest.mark.parametrize("change, names", [
    ({"id": None}, "id"), ({"id": 7}, "id"), ({"id": "x" * 65}, "id"), ({"client_id": None}, "client_id"),
    ({"client_id": ""}, "client_id"), ({"client_id": "x" * 129}, "client_id"), ({"body": None}, "body"),
    ({"body": "x"}, "body"), ({"body": {}}, "/body/text"), ({"body": {"text": 7}}, "/body/text"),
    ({"body": {"text": "x" * 16385}}, "/body/text"), ({"reply_to": 0}, "reply_to"), ({"mentions": [1]}, "mentions"),
    ({"attachments": [1]}, "attachments"), ({"chat": 7}, "chat"), ({"chat": "07"}, "chat"), ({"chat": "-1"}, "chat"),
    ({"chat": "9223372036854775808"}, "chat"), ({"chat": None}, "chat"), ({"sender": "7"}, "sender"), ({"seq": 1}, "seq"),
    ({"at": "2026-01-02T03:04:05.678Z"}, "at"), ({"type": "message"}, "type"),
], ids=lambda each: str(each)[:28])
def test_a_send_that_cannot_be_is_an_error_that_names_the_field(pair, change, names):
    ann, _, chat = pair
    frame = {"op": "send", "id": "1", "chat": chat, "client_id": "k", "body": {"text": "x"}, **change}
    frame = {name: value for name, value in frame.items() if value is not None}
    socket = ann.online()
    error = socket.refused("bad_request", frame)
    assert names in error["detail"], error
    assert "id" in change or error["id"] == "1"
    socket.stays()
    assert ann.texts(chat) == []


def test_a_send_where_one_may_not_is_refused_with_the_code_of_rest(people):
    ann, bob, cat = people("ann", "bob", "cat")
    channel, former = ann.group(bob, kind="channel"), ann.group(bob)
    ann.remove(former, bob)
    socket = bob.online()
    for chat, code in ((channel, "forbidden"), (former, "not_member"), (cat.group(), "not_found"), (STRANGER, "not_found")):
        error = socket.refused(code, {"op": "send", "id": "x", "chat": chat, "client_id": "1", "body": {"text": "x"}})
        assert error["id"] == "x"
    socket.stays()


def test_a_device_that_sends_too_fast_is_told_so_and_nothing_is_dropped_in_silence(world, pair):
    ann, bob, chat = pair
    limits = world.limits()
    count = min(int(limits["sends_per_second"] * 4), 4000)
    socket = ann.online(auto_ack=True)
    ids = [socket.send(chat, str(number)) for number in range(count)]
    answers = [socket.wait(lambda each=each: socket.take_first("ok", {"id": each}) or socket.take_first("error", {"id": each}),
                           f"an answer to {each}", 30) for each in ids]
    errors = [answer for answer in answers if answer["op"] == "error"]
    assert errors and {error["code"] for error in errors} == {"rate_limited"}
    accepted = [str(number) for number, answer in enumerate(answers) if answer["op"] == "ok"]
    assert bob.texts(chat) == accepted


# --- ack and window ---

def test_n_counts_the_events_of_a_session_from_one_over_all_chats(people):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(2)]
    socket = bob.online()
    for number in range(6):
        ann.say(chats[number % 2], str(number))
    assert [socket.expect("event")["n"] for _ in range(10)] == list(range(1, 11))


def test_no_more_than_a_window_is_unacknowledged_and_delivery_goes_on_with_the_acks(pair):
    ann, bob, chat = pair
    socket = bob.online()
    window = socket.ready["limits"]["window_events"]
    sender = ann.online(auto_ack=True)
    for number in range(window + 40):
        sender.send(chat, str(number))
    got = socket.events(window)
    assert socket.silent(0.5), "the window is full"
    socket.ack(10)
    got += socket.events(10)
    assert socket.silent(0.3)
    socket.ack()
    got += socket.events(window + 42 - len(got))
    assert [event["seq"] for event in got] == list(range(1, window + 43))


def test_an_ack_above_what_was_sent_is_an_error_and_one_below_the_last_is_ignored(pair):
    ann, bob, chat = pair
    socket = bob.online()
    socket.events(2)
    socket.refused("bad_request", {"op": "ack", "n": 3})
    socket.refused("bad_request", {"op": "ack", "n": 2 ** 53 - 1})
    socket.ack(2)
    socket.ack(1)
    socket.op({"op": "ack", "id": "again", "n": 2})
    assert socket.expect("ok") == {"op": "ok", "id": "again"}
    ann.say(chat, "on")
    socket.event(seq=3)


# --- ends ---

def test_closing_is_answered_with_the_same_code(person):
    socket = person().online()
    socket.close(1000)
    assert socket.close_code == 1000


def test_one_broken_connection_disturbs_no_other(people):
    ann, bob = people("ann", "bob")
    good, bad = ann.online(), bob.online()
    bad.wire.send_binary(b"\x00\xff")
    assert bad.closed() == 1003
    good.stays()


def test_a_connection_that_has_ended_says_so_to_who_waits(person):
    socket = person().online()
    socket.drop()
    with pytest.raises(Closed):
        socket.event()
