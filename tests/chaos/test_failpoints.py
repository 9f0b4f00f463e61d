"""Each failpoint is armed and passed under traffic, by the daemon that it names, and nothing is lost or doubled by it."""

import http.client
import os
import time

import pytest
from chaos_parley import ChaosParley, until  # puts the folder of the system tests on the path
from contract import Contract
from failpoints import AT_START, FAILPOINTS
from people import World
from test_faults import Follower, Talker, check_log

HOUR_MS = 3600 * 1000
OF_ACKS = {"ack_received_not_trimmed", "trimmed_watermark_not_written"}
OF_A_COMMIT = ("after_begin", "during_commit")


@pytest.fixture(scope="module")
def running():
    parley = ChaosParley({"PARLEY_VARIANT": os.environ.get("PARLEY_VARIANT", "chaos")})
    try:
        parley.start()
        yield parley
        status = parley.stop()
        assert status == 0, f"the supervisor ended with {status}\n{parley.tails(10)}"
    finally:
        parley.remove()


@pytest.fixture
def parley(running):
    running.await_ready()
    running.unexpected_ends()  # from here on pids are those of now
    yield running
    running.shift_clock(0)
    for name in (*FAILPOINTS, "lose_last_batch"):
        running.disarm(name)
        running.was_hit(name)


@pytest.fixture
def world(parley):
    the_world = World(Contract(), parley.address, parley.ops_address)
    yield the_world
    faults = the_world.let_go() + parley.unexpected_ends()
    assert not faults, "\n".join(faults)


class Death:
    """Inside the block the daemon dies at the failpoint, once; after it, another one serves."""

    def __init__(self, parley, name):
        self.parley, self.name, self.daemon = parley, name, FAILPOINTS[name][0]

    def __enter__(self):
        self.pid = self.parley.pid(self.daemon)
        self.parley.hurt.add(self.daemon)
        self.parley.arm(self.name)
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            until(lambda: self.parley.was_hit(self.name), 15, f"{self.name} is passed")
            self.parley.await_successor(self.daemon, self.pid)


def provoke(name, parley, away, owner, chat, newcomer):
    """What the talking alone does not bring about."""
    daemon = FAILPOINTS[name][0]
    if name in AT_START:
        parley.kill(daemon, wait=False)
    elif name in OF_ACKS:
        away.connect()
    elif daemon == "metadata":
        owner.patiently("PUT", f"/v1/chats/{chat}/members/{newcomer.id}", 200, {})


def go_away(follower):
    """What has come is acknowledged, so it will not come again: it is kept."""
    follower.socket.drop()
    for frame in follower.socket.frames:
        if frame["op"] == "event":
            follower.events[frame["event"]["seq"]] = frame["event"]
    follower.socket = None


def check_follower(follower, log):
    follower.catch_up(len(log), 20)
    assert [follower.events[event["seq"]] for event in log] == log


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_death_at_a_failpoint_loses_and_doubles_nothing(parley, world, name):
    ann, bob, eve, dan = world.people("ann", "bob", "eve", "dan")
    chat = ann.group(bob, eve)
    online, away = Follower(bob, chat), Follower(eve, chat)
    online.connect()
    away.connect()
    with Talker(ann, chat) as talker:
        talker.go_on()
        go_away(away)
        talker.go_on()
        time.sleep(0.3)  # parked: there is something to acknowledge and to trim
        with Death(parley, name):
            provoke(name, parley, away, ann, chat, dan)
        talker.go_on()
    ann.patiently("PUT", f"/v1/chats/{chat}/members/{dan.id}", 200, {})
    check_log(ann, chat, talker.stored)
    log = bob.log(chat)
    assert len([event for event in log if event["type"] == "member_added" and event["user"] == dan.id]) == 1
    for follower in (online, away):
        check_follower(follower, log)


# --- a failpoint is where its name says ---

def sent_into_a_death(person, chat, text):
    """A message by REST whose answer is lost, or says that nothing is known."""
    message = {"client_id": text, "body": {"text": text}}
    try:
        assert person.call("POST", f"/v1/chats/{chat}/messages", message).status == 503
    except (OSError, http.client.HTTPException):
        pass


@pytest.mark.parametrize("name", OF_A_COMMIT)
def test_reading_the_log_is_no_commit(parley, world, name):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "hello")
    parley.arm(name)
    assert len(ann.log(chat)) == 3
    assert not parley.was_hit(name)


@pytest.mark.parametrize(("name", "is_stored"), [("after_begin", False), ("committed_not_answered", True)])
def test_what_was_begun_is_gone_and_what_was_committed_is_there(parley, world, name, is_stored):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "before")
    with Death(parley, name):
        sent_into_a_death(ann, chat, "in the middle")
    assert ann.texts(chat) == ["before", *["in the middle"] * is_stored]


def test_a_sender_has_its_ok_although_the_news_of_it_died_and_the_others_get_it_all_the_same(parley, world):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    his, hers = bob.online(auto_ack=True), ann.online(auto_ack=True)
    with Death(parley, "answered_not_published"):
        seq = hers.said(chat, "answered")["seq"]
        assert not parley.is_ready(["chat"]), "answered by a successor, to a question that was asked again"
    his.until(lambda event: event["seq"] == seq and event["type"] == "message", 15)


def test_a_message_that_was_stored_again_brings_no_news_and_is_no_place_to_die(parley, world):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    first = ann.say(chat, "once", client_id="once")
    parley.arm("answered_not_published")
    assert ann.say(chat, "once", client_id="once", want=200) == first
    assert not parley.was_hit("answered_not_published")


def test_the_last_batch_is_delivered_although_its_news_are_lost(parley, world):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    his = bob.online(auto_ack=True)
    ann.say(chat, "before")
    his.until(lambda event: event["type"] == "message")
    parley.arm("lose_last_batch")
    last = ann.say(chat, "last")
    until(lambda: parley.was_hit("lose_last_batch"), 5, "a batch is not published")
    assert his.event() == last


# --- the wall clock ---

def test_a_wall_clock_that_jumps_an_hour_either_way_changes_times_and_nothing_else(parley, world):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    his = bob.online(auto_ack=True)
    sent = []
    for offset_ms in (0, HOUR_MS, -HOUR_MS, 0):
        parley.shift_clock(offset_ms)
        time.sleep(0.05)  # a daemon looks every ten milliseconds
        sent.append(ann.say(chat, f"at {offset_ms}"))
    assert his.until(lambda event: event == sent[-1])[-len(sent):] == sent
    assert [event["seq"] for event in sent] == list(range(3, 3 + len(sent)))
    now, later, earlier, _ = (event["at"] for event in sent)
    assert earlier < now < later
    ann.say(ann.direct(bob), "sessions are as valid as they were")


def test_an_event_that_kills_delivery_three_times_is_passed_over_and_its_devices_resync_when_it_is_released(parley, world):
    ann, bob = world.people("ann", "bob")
    chat = ann.group(bob)
    before = ann.say(chat, "before")
    device = bob.online()
    device.until(lambda event: event == before)
    device.ack()
    device.stays()
    device.drop()
    time.sleep(2)  # nothing but what follows is read again
    parley.arm("event_in_hand")
    seq = ann.say(chat, "kills")["seq"]
    for number in ("first", "second", "third"):
        until(lambda: parley.was_hit("event_in_hand"), 30, f"the {number} death")
        if number != "third":
            parley.arm("event_in_hand")
    parley.hurt.add("delivery")
    name = f"delivery:{chat}:{seq}"
    until(lambda: name in parley.parleyctl("poison", "list"), 30, "it is noted")
    parley.await_ready()
    ann.say(chat, "behind it")
    device = bob.online("inbox")
    assert device.event()["seq"] == seq + 1
    parley.parleyctl("poison", "release", name)
    device.expect("resync", seconds=20)
    assert bob.texts(chat) == ["before", "kills", "behind it"]
