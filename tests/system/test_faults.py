"""What must hold when a part is killed, stopped or emptied: what was acknowledged stays, nothing is there twice, and
the parts find together again by themselves."""

import itertools
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from websocket import WebSocketException

from live import Closed
from people import texts_of
from server import DAEMONS, until

numbers = itertools.count(1)


class Talker(threading.Thread):
    """Sends one message after another by REST, each until it is stored, as a good client does: again with the same
    client_id while the answer is `unavailable` or lost. What was answered is in `stored`: client_id -> seq."""

    def __init__(self, person, chat):
        super().__init__(daemon=True)
        self.person, self.chat = person, chat
        self.stored, self.failure = {}, None
        self.ending = threading.Event()

    def run(self):
        try:
            while not self.ending.is_set():
                client_id = f"t{next(numbers)}"
                message = {"client_id": client_id, "body": {"text": client_id}}
                answer = self.person.patiently("POST", f"/v1/chats/{self.chat}/messages", (200, 201), message,
                                               seconds=40)
                self.stored[client_id] = answer.value["seq"]
        except AssertionError as error:
            self.failure = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(60)
        assert not self.is_alive() and self.failure is None, self.failure

    def go_on(self, count=5, seconds=30):
        """Waits until so many more are stored: it works again."""
        want = len(self.stored) + count
        until(lambda: len(self.stored) >= want or self.failure, seconds, f"{count} more messages are stored")
        assert self.failure is None, self.failure


def check_log(person, chat, stored):
    """Everything acknowledged is there once, under its seq, and the seqs have no hole."""
    events = person.log(chat)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    found = {event["client_id"]: event["seq"] for event in events if event["type"] == "message"}
    assert found == stored
    assert len(texts_of(events)) == len(found), "a message is there twice"


class Follower:
    """A device that connects again whenever it is cut off, goes to `sync` when it is told to, and drops what it has
    already: at the end it must have everything, in order."""

    def __init__(self, person, chat):
        self.person, self.chat = person, chat
        self.events, self.socket = {}, None

    def connect(self, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.socket = self.person.online(auto_ack=True)
                break
            except (AssertionError, OSError, WebSocketException) as error:
                assert time.monotonic() < deadline, f"no connection for {seconds} s: {error!r}"
                time.sleep(0.1)
        if self.socket.ready["state"] == "resync":
            self.sync()

    def sync(self):
        after = max(self.events, default=0)
        answer = self.person.patiently("POST", "/v1/sync", 200, {"chats": {self.chat: after}, "limit": 200}).value
        for event in answer["chats"][self.chat]["events"]:
            self.events[event["seq"]] = event
        if answer["chats"][self.chat]["more"]:
            self.sync()

    def step(self, seconds):
        """Takes one frame, if one comes in time."""
        if self.socket is None:
            self.connect()
        try:
            frame = self.socket.wait(lambda: self.socket.take_first("event", {}) or self.socket.take_first("resync", {}),
                                     "a frame", seconds)
        except Closed:
            self.connect()
            return
        except AssertionError:
            return
        if frame["op"] == "resync":
            self.sync()
        elif frame["event"]["chat"] == self.chat:
            self.events[frame["event"]["seq"]] = frame["event"]

    def catch_up(self, last, seconds=40):
        deadline = time.monotonic() + seconds
        while last not in self.events or len(self.events) < last:
            assert time.monotonic() < deadline, (
                f"lacks {sorted(set(range(1, last + 1)) - set(self.events))[:20]} of {last} after {seconds} s")
            self.step(0.5)


@pytest.fixture
def pair(people):
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


def check_all(ann, bob, chat, talker, *followers):
    check_log(ann, chat, talker.stored)
    log = bob.log(chat)
    for follower in followers:
        follower.catch_up(len(log))
        assert [follower.events[event["seq"]] for event in log] == log


# --- a daemon is killed ---

@pytest.mark.parametrize("daemon", DAEMONS)
def test_kill_9_of_a_daemon_loses_and_doubles_nothing(parley, pair, daemon):
    ann, bob, chat = pair
    follower = Follower(bob, chat)
    follower.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        parley.kill(daemon)
        talker.go_on()
    check_all(ann, bob, chat, talker, follower)


@pytest.mark.parametrize("daemon", ["chat", "delivery"])
def test_a_device_that_is_away_while_a_daemon_is_killed_finds_all_in_its_inbox(parley, pair, daemon):
    ann, bob, chat = pair
    away = bob.online(auto_ack=True)
    ann.say(chat, "hello")
    away.until(lambda event: event["type"] == "message")
    away.close()
    with Talker(ann, chat) as talker:
        talker.go_on()
        parley.kill(daemon)
        talker.go_on()
    follower = Follower(bob, chat)
    follower.connect()
    last = max(talker.stored.values())
    follower.sync()
    follower.catch_up(last)
    assert follower.socket.ready["state"] in ("inbox", "resync")


def test_a_client_id_gives_the_same_seq_after_the_daemon_of_the_log_was_killed(parley, pair):
    ann, _, chat = pair
    first = ann.say(chat, "once", client_id="only-once")
    parley.kill("chat")
    message = {"client_id": "only-once", "body": {"text": "once"}}
    again = ann.patiently("POST", f"/v1/chats/{chat}/messages", 200, message).value
    assert again == first
    other = {"client_id": "only-once", "body": {"text": "twice"}}
    ann.refused("conflict", "POST", f"/v1/chats/{chat}/messages", other)


def test_a_changed_membership_is_kept_when_the_daemon_of_the_log_is_killed_meanwhile(parley, people):
    ann, bob, eve = people("ann", "bob", "eve")
    chat = ann.group(bob)
    calls = [("PUT", f"/v1/chats/{chat}/members/{eve.id}", {}), ("DELETE", f"/v1/chats/{chat}/members/{bob.id}")]
    with parley.stopped("chat"), ThreadPoolExecutor() as both:
        for answer in both.map(lambda call: ann.call(*call), calls):
            assert answer.status in (200, 204, 503)
    ann.patiently("PUT", f"/v1/chats/{chat}/members/{eve.id}", 200, {})
    until(lambda: ann.call("DELETE", f"/v1/chats/{chat}/members/{bob.id}").status in (204, 404), 20, "bob is out")
    until(lambda: [event["type"] for event in ann.log(chat)][:2] == ["member_added"] * 2
          and sorted(event["type"] for event in ann.log(chat)[2:]) == ["member_added", "member_removed"],
          10, "four changes in the log")
    assert set(ann.roles(chat)) == {ann.id, eve.id}
    bob.refused("not_member", "POST", f"/v1/chats/{chat}/messages", {"client_id": "c", "body": {"text": "x"}})


def test_every_daemon_at_once_may_be_killed(parley, pair):
    ann, bob, chat = pair
    follower = Follower(bob, chat)
    follower.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        for daemon in DAEMONS:
            parley.kill(daemon, wait=False)
        time.sleep(0.2)
        parley.await_ready()
        talker.go_on()
    check_all(ann, bob, chat, talker, follower)


def test_a_daemon_that_stands_still_gives_unavailable_and_goes_on_afterwards(parley, pair):
    ann, bob, chat = pair
    follower = Follower(bob, chat)
    follower.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        with parley.frozen("chat"):
            time.sleep(3)
        talker.go_on()
    check_all(ann, bob, chat, talker, follower)


def test_what_was_sent_behind_a_message_that_is_given_up_is_given_up_with_it(parley, pair):
    """Otherwise it would be stored first, and come before what the client sends again."""
    ann, _, chat = pair
    hers = ann.online(auto_ack=True)
    with parley.frozen("chat"):
        first = hers.send(chat, "first", client_id="first")
        time.sleep(2)
        second = hers.send(chat, "second", client_id="second")
        assert hers.expect("error", 12, id=first)["code"] == "unavailable"
        assert hers.expect("error", 0.5, id=second)["code"] == "unavailable"
    seqs = [hers.said(chat, text, client_id=text)["seq"] for text in ("first", "second")]
    assert seqs == sorted(seqs)


# --- a store is away ---

def test_postgres_away_is_unavailable_with_a_time_to_wait_and_costs_no_daemon_its_life(parley, pair):
    ann, bob, chat = pair
    ann.say(chat, "before")
    pids = {name: parley.pid(name) for name in DAEMONS}
    with parley.stopped("postgres"):
        for call in (("POST", f"/v1/chats/{chat}/messages", {"client_id": "x", "body": {"text": "x"}}),
                     ("GET", f"/v1/chats/{chat}/events"), ("GET", "/v1/chats"), ("GET", "/v1/users/me")):
            answer = ann.call(*call)
            assert answer.status in (200, 503), f"{call[:2]}: {answer.body}"
            assert answer.status == 200 or answer.value["retry_after"] >= 1
        until(lambda: parley.readiness("chat")[0] == 503, 5, "the daemon of the log says that it is not ready")
        assert parley.readiness("chat")[1]["dependencies"]["postgres"] != "ok"
    parley.await_ready()
    with Talker(ann, chat) as talker:
        talker.go_on()
    assert {name: parley.pid(name) for name in DAEMONS} == pids
    texts = ann.texts(chat)
    assert texts[0] == "before" and len(texts) == len(set(texts)) <= len(talker.stored) + 2


def test_postgres_killed_while_people_talk_loses_and_doubles_nothing(parley, pair):
    ann, bob, chat = pair
    follower = Follower(bob, chat)
    follower.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        parley.kill("postgres", signal.SIGQUIT)
        talker.go_on()
    check_all(ann, bob, chat, talker, follower)


def test_redis_away_stops_nobody_who_is_online(parley, pair):
    ann, bob, chat = pair
    his = bob.online(auto_ack=True)
    pids = {name: parley.pid(name) for name in DAEMONS}
    with parley.stopped("redis"):
        sent = [ann.say(chat, f"r{i}")["seq"] for i in range(20)]
        his.until(lambda event: event["seq"] == sent[-1], 10)
    parley.await_ready()
    seq = ann.say(chat, "after")["seq"]
    his.until(lambda event: event["seq"] == seq, 10)
    assert {name: parley.pid(name) for name in DAEMONS} == pids


def test_redis_flushed_sends_a_device_that_was_away_to_sync_and_it_lacks_nothing(parley, pair):
    ann, bob, chat = pair
    first = bob.online(auto_ack=True)
    seq = ann.say(chat, "first")["seq"]
    first.until(lambda event: event["seq"] == seq)
    first.close()
    sent = [ann.say(chat, f"away {i}")["seq"] for i in range(20)]
    until(lambda: b"p:" in parley.redis("KEYS", "p:*"), 5, "the inbox is written")
    parley.redis("FLUSHALL")
    until(lambda: b"p:epoch" in parley.redis("KEYS", "p:epoch:*"), 10, "the loss is noticed")
    later = ann.say(chat, "later")["seq"]
    follower = Follower(bob, chat)
    follower.connect()
    assert follower.socket.ready["state"] == "resync"
    follower.catch_up(later)
    assert set(sent) <= set(follower.events)


def test_a_resync_that_the_device_never_read_is_said_again(parley, pair):
    """What was written to a connection that ends may never have been read."""
    ann, bob, chat = pair
    first = bob.online(auto_ack=True)
    first.until(lambda event: event["seq"] == 2)
    first.close()
    lost = ann.say(chat, "in the inbox that is lost")["seq"]
    parley.redis("FLUSHALL")
    until(lambda: b"p:epoch" in parley.redis("KEYS", "p:epoch:*"), 10, "the loss is noticed")
    bob.online(want="resync").drop()                       # as if it had not been read
    bob.online(want="resync").drop()
    heard = bob.online(want="resync", auto_ack=True)
    after = ann.say(chat, "after")["seq"]
    heard.until(lambda event: event["seq"] == after)       # acknowledged: what came before it was read
    heard.close()
    assert lost < after
    bob.online(want="inbox").drop()


def test_redis_flushed_while_people_talk_and_the_followers_lack_nothing(parley, people):
    ann, bob, eve = people("ann", "bob", "eve")
    chat = ann.group(bob, eve)
    online, comes_and_goes = Follower(bob, chat), Follower(eve, chat)
    online.connect()
    comes_and_goes.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        comes_and_goes.socket.drop()
        comes_and_goes.socket = None
        talker.go_on()
        parley.redis("FLUSHALL")
        talker.go_on()
        comes_and_goes.connect()
        talker.go_on()
    check_all(ann, bob, chat, talker, online, comes_and_goes)


def test_redis_killed_comes_back_with_what_it_had_or_the_device_is_told(parley, pair):
    ann, bob, chat = pair
    first = bob.online(auto_ack=True)
    seq = ann.say(chat, "first")["seq"]
    first.until(lambda event: event["seq"] == seq)
    first.close()
    last = [ann.say(chat, f"away {i}") for i in range(20)][-1]["seq"]
    time.sleep(0.3)
    parley.kill("redis")
    parley.await_ready()
    follower = Follower(bob, chat)
    follower.events[1] = follower.events[2] = follower.events[seq] = {}
    follower.connect()
    follower.catch_up(last)


# --- everything starts anew ---

def test_a_restart_of_all_keeps_everything(parley, people):
    ann, bob, eve = people("ann", "bob", "eve")
    chat, direct = ann.group(bob, title="kept"), ann.direct(bob)
    once = ann.say(chat, "once", client_id="across-a-restart")
    ann.remove(chat, bob)
    ann.add(chat, eve)
    for_eve = [ann.say(chat, f"for eve {i}") for i in range(5)]
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    ann.put(f"/v1/chats/{chat}/receipts", {"read": 3})
    before = [ann.get("/v1/chats"), ann.log(chat), bob.log(chat), ann.get("/v1/users/me/blocks")]
    parley.restart()
    assert [ann.get("/v1/chats"), ann.log(chat), bob.log(chat), ann.get("/v1/users/me/blocks")] == before
    assert ann.say(chat, "once", client_id="across-a-restart", want=200) == once
    bob.refused("blocked", "POST", f"/v1/chats/{direct}/messages", {"client_id": "c", "body": {"text": "x"}})
    hers = eve.online(want="inbox", auto_ack=True)
    events = hers.until(lambda event: event["seq"] == for_eve[-1]["seq"])
    assert [event for event in events if event["type"] == "message"] == for_eve
    live = ann.say(chat, "live")
    assert hers.event() == live


def test_who_was_removed_before_a_restart_gets_nothing_after(parley, people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.remove(chat, bob)
    parley.kill("delivery")
    his = bob.online(auto_ack=True)
    ann.say(chat, "not for bob")
    fence = ann.say(ann.direct(bob), "for bob")
    events = his.until(lambda event: event["chat"] == fence["chat"] and event["type"] == "message")
    his.silent()
    of_chat = [event for event in events if event["chat"] == chat]
    assert "not for bob" not in texts_of(of_chat)
    assert not of_chat or of_chat[-1]["type"] == "member_removed"


# --- a daemon is stopped in order ---

def test_a_delivery_that_is_stopped_says_goodbye_and_what_was_not_acknowledged_comes_again(parley, pair):
    ann, bob, chat = pair
    his = bob.online()
    sent = ann.say(chat, "not acknowledged")
    his.until(lambda event: event == sent)
    parley.kill("delivery", signal.SIGTERM)
    goodbye = his.expect("bye")
    assert goodbye["reason"] and 0 < goodbye["retry_after"] <= 10
    assert his.closed() == 1001
    meanwhile = ann.say(chat, "meanwhile")
    again = bob.online(want="inbox", auto_ack=True)
    events = again.until(lambda event: event["seq"] == meanwhile["seq"])
    assert events[-2:] == [sent, meanwhile]


def test_a_session_of_a_delivery_that_is_gone_cannot_be_resumed_and_this_is_no_error(parley, pair):
    ann, bob, chat = pair
    his = bob.online(auto_ack=True)
    sent = ann.say(chat, "before")
    his.until(lambda event: event == sent)
    point = his.resume_point()
    parley.kill("delivery", signal.SIGTERM)
    his.closed()
    again = bob.online(want="inbox", resume=point, auto_ack=True)
    live = ann.say(chat, "after")
    assert again.until(lambda event: event["seq"] == live["seq"])[-1] == live


@pytest.mark.parametrize("daemon", ["user", "metadata", "chat"])
def test_a_daemon_that_is_stopped_in_order_finishes_what_it_has_begun(parley, pair, daemon):
    ann, bob, chat = pair
    follower = Follower(bob, chat)
    follower.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        parley.kill(daemon, signal.SIGTERM)
        talker.go_on()
    check_all(ann, bob, chat, talker, follower)
