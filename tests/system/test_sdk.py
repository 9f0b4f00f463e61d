"""The SDK in Node against the real system, while daemons are killed and the network is cut: nothing is lost, nothing comes
twice, everything in order, and what was sent is in the log once."""

import json
import signal
import time

import pytest

from people import ROUND_S
from sdk import Network, SdkDevice, has_sdk
from server import DAEMONS, until
from test_large_chats import crowd, large, town  # noqa: F401: fixtures
from test_watch import watched_by_nobody, watches

pytestmark = pytest.mark.skipif(not has_sdk(), reason="needs nodejs and node-ws")
LONG = 90


@pytest.fixture
def device(world):
    """Makes devices that run the SDK; each is held to its promises at the end."""
    made = []

    def make(person, connect=True, **options):
        made.append(SdkDevice(person, **options).start())
        if connect:
            made[-1].ask("connect")
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.close()
        one.check()


@pytest.fixture
def network(world):
    made = Network(world.address)
    yield made
    made.end()


@pytest.fixture
def trio(people):
    ann, bob, eve = people("ann", "bob", "eve")
    return ann, bob, eve, ann.group(bob, eve)


def check_all(reader, chat, *devices):
    """Each device was given the whole log, once, in order; what each sent is in it once, in its order, and it knows."""
    for one in devices:
        until(lambda: len(one.all("done")) >= len(one.sent), LONG, "everything that was sent is answered", 0.05)
        assert [(done["chat"], done["text"]) for done in one.all("done")] == one.sent
    log = reader.log(chat)
    for one in devices:
        one.await_seq(chat, log[-1]["seq"], LONG)
        assert one.events(chat) == log
        own = [event["body"]["text"] for event in log if event["type"] == "message" and event["sender"] == one.person.id]
        assert own == [text for _, text in one.sent]
        assert {done["text"]: done["seq"] for done in one.all("done")} == {
            event["body"]["text"]: event["seq"] for event in log
            if event["type"] == "message" and event["sender"] == one.person.id}


def talk(chat, devices, rounds=8, pause=0.02):
    for number in range(rounds):
        for one in devices:
            one.send(chat, f"{one.person.username} {len(one.sent)} {number}")
        time.sleep(pause)


def test_messages_come_to_everybody_once_and_in_order(device, trio):
    ann, bob, eve, chat = trio
    devices = [device(person) for person in (ann, bob, eve)]
    talk(chat, devices, 30)
    check_all(ann, chat, *devices)


def test_a_timeline_shows_the_whole_log(device, trio):
    ann, bob, _, chat = trio
    one = device(ann)
    for number in range(120):
        bob.say(chat, f"old {number}")
    one.ask("timeline", chat=chat)
    assert [entry["seq"] for entry in one.all("timeline")[-1]] == list(range(1, 124))


def test_what_was_read_is_told_to_the_others(device, trio):
    ann, bob, _, chat = trio
    hers, his = device(ann), device(bob)
    seq = bob.say(chat, "read me")["seq"]
    hers.await_seq(chat, seq)
    hers.say("read", chat=chat, seq=seq)
    until(lambda: any(receipt.get("read") == seq and receipt["user"] == ann.id for receipt in his.all("receipt")),
          10, "the receipt")


# --- what is done to messages ---

def shown(device, seq):
    """How the timeline that is open shows a message, as (text, edited, deleted, reactions)."""
    entry = next((entry for entry in device.all("shown")[-1] if entry["seq"] == seq), None)
    return entry and (entry.get("text"), entry["edited"], entry["deleted"], entry["reactions"])


def shown_by(devices, seq, *want):
    for one in devices:
        until(lambda which=one: shown(which, seq) == want, 10, f"{one.person.username} is shown {want}: {shown(one, seq)}", 0.05)


def in_log(person, chat, seq):
    event = next(event for event in person.log(chat) if event["seq"] == seq)
    return event.get("body", {}).get("text"), "edited" in event, event.get("deleted", False), event.get("reactions", {})


def test_an_edit_reactions_and_a_deletion_show_on_every_device_as_the_log_has_them(device, trio):
    ann, bob, eve, chat = trio
    devices = hers, his, _ = [device(person) for person in (ann, bob, eve)]
    for one in devices:
        one.ask("show", chat=chat)
    hers.send(chat, "the mil turns")
    until(lambda: hers.all("done"), 10, "it is in the log")
    seq = hers.all("done")[0]["seq"]
    for step, want in (
            (lambda: hers.ask("edit", chat=chat, seq=seq, text="the mill turns"), ("the mill turns", True, False, {})),
            (lambda: his.ask("react", chat=chat, seq=seq, emoji="👍", on=True), ("the mill turns", True, False, {"👍": [bob.id]})),
            (lambda: hers.ask("react", chat=chat, seq=seq, emoji="👍", on=True), ("the mill turns", True, False, {"👍": [bob.id, ann.id]})),
            (lambda: his.ask("react", chat=chat, seq=seq, emoji="👍", on=False), ("the mill turns", True, False, {"👍": [ann.id]})),
            (lambda: hers.ask("react", chat=chat, seq=seq, emoji="👍", on=False), ("the mill turns", True, False, {})),
            (lambda: hers.ask("remove", chat=chat, seq=seq), (None, False, True, {}))):
        step()
        shown_by(devices, seq, *want)
        assert in_log(eve, chat, seq) == want
    log = ann.log(chat)
    assert [event["type"] for event in log[-6:]] == ["edit", "reaction", "reaction", "reaction", "reaction", "delete"]
    for one in devices:
        one.await_seq(chat, log[-1]["seq"])
        assert one.seqs(chat) == [event["seq"] for event in log]


def test_what_may_not_be_done_is_refused_with_the_servers_word(device, trio):
    ann, bob, _, chat = trio
    his = device(bob)
    seq = ann.say(chat, "not his")["seq"]
    his.say("edit", chat=chat, seq=seq, text="his")
    until(lambda: his.all("refused"), 10, "an answer")
    assert his.all("refused")[0]["code"] == "forbidden"
    assert in_log(ann, chat, seq) == ("not his", False, False, {})


# --- who is typing, who is there ---

def test_typing_is_told_to_who_has_the_chat_open_until_it_ends(world, device, trio):
    ann, bob, eve, chat = trio
    hers, his, elsewhere = device(ann), device(bob), device(eve)
    before = watched_by_nobody(world)
    his.ask("watch", chats=[chat])
    until(lambda: watches(world) == before + 1, 10, "Bob has it open")
    hers.ask("typing", chat=chat, on=True)
    until(lambda: len(his.all("typing")) == 1, 10, "the beginning")
    hers.ask("typing", chat=chat, on=False)
    until(lambda: len(his.all("typing")) == 2, 10, "the end")
    hers.ask("typing", chat=chat, on=True)  # and not a key more
    until(lambda: len(his.all("typing")) == 4, 15, "it ends by itself")
    assert his.all("typing") == [{"chat": chat, "user": ann.id, "on": on} for on in (True, False, True, False)]
    assert elsewhere.all("typing") == [] and hers.all("typing") == []


def test_presence_is_told_to_who_asked_and_again_after_a_reconnect(device, trio, network):
    ann, bob, eve, _ = trio
    hers = device(ann, url=network.url)
    hers.ask("presence", users=[bob.id, eve.id])
    until(lambda: len(hers.all("presence")) == 2, 10, "how it stands")
    assert sorted(hers.all("presence"), key=lambda told: told["user"]) == sorted(
        ({"user": user.id, "online": False} for user in (bob, eve)), key=lambda told: told["user"])
    his = device(bob)
    until(lambda: hers.all("presence")[2:] == [{"user": bob.id, "online": True}], 10, "Bob comes")
    network.cut()
    until(lambda: {"user": bob.id, "online": True} in hers.all("presence")[3:], 20, "it is asked for again")
    his.close()
    until(lambda: hers.all("presence")[-1]["user"] == bob.id and not hers.all("presence")[-1]["online"], 20, "Bob goes")
    assert hers.all("presence")[-1]["last_seen"]


# --- a large chat ---

def test_of_a_large_chat_only_its_head_is_told_until_it_is_open_and_then_all_of_it_is_read(device, crowd):
    _, (ann, bob, *_), chat = crowd
    time.sleep(ROUND_S)
    his = device(bob.on_another_device())  # which has never seen anything of it
    for number in range(60):
        ann.say(chat, f"unseen {number}")
    head = ann.log(chat)[-1]["seq"]
    until(lambda: his.all("head") and his.all("head")[-1] == {"chat": chat, "seq": head}, 10, "where its log ends")
    assert his.events(chat) == []
    his.ask("show", chat=chat)
    his.ask("watch", chats=[chat])
    assert [entry["seq"] for entry in his.all("shown")[-1]] == list(range(head - 49, head + 1))
    last = ann.say(chat, "seen")["seq"]
    his.await_seq(chat, last)
    his.ask("watch", chats=[])
    for number in range(300):
        ann.say(chat, f"away {number}")
    assert last + 300 not in his.seqs(chat)
    his.ask("watch", chats=[chat])
    his.await_seq(chat, last + 300)
    assert his.seqs(chat) == list(range(head + 1, last + 301))
    assert [entry["seq"] for entry in his.all("shown")[-1]] == list(range(head - 49, last + 301))
    his.ask("timeline", chat=chat)
    assert [entry["text"] for entry in his.all("timeline")[-1] if entry.get("text")] == ann.texts(chat)


def kill_all(parley):
    for name in DAEMONS:
        parley.kill(name, wait=False)
    time.sleep(0.2)
    parley.await_ready()


def stop_delivery(parley):
    parley.kill("delivery", signal.SIGTERM)


FAULTS = {
    "kill -9 chat": lambda parley: parley.kill("chat"),
    "kill -9 delivery": lambda parley: parley.kill("delivery"),
    "kill -9 metadata": lambda parley: parley.kill("metadata"),
    "kill -9 user": lambda parley: parley.kill("user"),
    "kill -9 every daemon": kill_all,
    "kill -9 redis": lambda parley: parley.kill("redis"),
    "FLUSHALL": lambda parley: parley.redis("FLUSHALL"),
    "SIGTERM delivery": stop_delivery,
    "kill -9 postgres": lambda parley: parley.kill("postgres", signal.SIGQUIT),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_while_people_talk_loses_and_repeats_nothing(parley, device, trio, fault):
    ann, bob, eve, chat = trio
    devices = [device(person) for person in (ann, bob, eve)]
    talk(chat, devices)
    for _ in range(2):
        FAULTS[fault](parley)
        talk(chat, devices)
    check_all(ann, chat, *devices)


def stored(folder, person, chat):
    """Up to which seq a device has the chat, as its file says."""
    path = folder / f"{person.id}.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return next((row["value"]["seq"] for row in rows if (row["table"], row["key"]) == ("positions", chat)), 0)


def test_an_inbox_lost_while_a_device_is_away_is_made_up_for(parley, device, trio, tmp_path):
    ann, bob, _, chat = trio
    his = device(bob, folder=str(tmp_path))
    seq = ann.say(chat, "first")["seq"]
    until(lambda: stored(tmp_path, bob, chat) == seq, 10, "it is stored")
    his.close()
    for number in range(150):
        ann.say(chat, f"away {number}")
    parley.redis("FLUSHALL")
    until(lambda: b"p:epoch" in parley.redis("KEYS", "p:epoch:*"), 10, "the loss is noticed")
    later = device(bob, folder=str(tmp_path))
    last = ann.say(chat, "later")["seq"]
    later.await_seq(chat, last)
    assert later.seqs(chat) == list(range(seq + 1, last + 1))
    until(lambda: later.all("resync") == [{"gone": []}], 10, "the resync is told")


# --- the network ---

def test_a_network_that_is_cut_again_and_again_loses_and_repeats_nothing(device, trio, network):
    ann, bob, eve, chat = trio
    devices = [device(ann), device(bob, url=network.url), device(eve, url=network.url)]
    for _ in range(10):
        talk(chat, devices, 4)
        network.cut()
    check_all(ann, chat, *devices)


def test_a_network_that_is_away_keeps_messages_until_it_is_back(device, trio, network):
    ann, bob, _, chat = trio
    hers, his = device(ann), device(bob, url=network.url)
    with network.away():
        talk(chat, [hers, his])
        until(lambda: his.state() == "offline", 10, "it knows that it is offline")
        assert not his.all("done")
    check_all(ann, chat, hers, his)


def test_a_dead_connection_is_found_within_two_heartbeats(device, trio, network):
    ann, bob, _, chat = trio
    hers, his = device(ann), device(bob, url=network.url)
    heartbeat_s = ann.get("/v1/limits")["heartbeat_ms"] / 1000
    with network.hole():
        start = time.monotonic()
        talk(chat, [hers, his])
        until(lambda: his.state() != "online", 2 * heartbeat_s + 2, "the hole is noticed")
        assert time.monotonic() - start <= 2 * heartbeat_s + 1
    check_all(ann, chat, hers, his)


def test_daemons_killed_and_the_network_cut_at_once(parley, device, trio, network):
    ann, bob, eve, chat = trio
    devices = [device(ann, url=network.url), device(bob, url=network.url), device(eve)]
    for name in ("delivery", "chat", "redis", "delivery"):
        talk(chat, devices, 5)
        parley.kill(name, wait=False)
        network.cut()
        talk(chat, devices, 5)
        time.sleep(1)
    parley.await_ready()
    check_all(ann, chat, *devices)


# --- the process ---

def test_a_process_killed_in_mid_send_and_started_again_sends_everything_once(device, trio, tmp_path):
    ann, bob, _, chat = trio
    his = device(bob, folder=str(tmp_path))
    texts = []
    for life in range(3):
        for number in range(20):
            texts.append(f"life {life} number {number}")
            his.send(chat, texts[-1])
        until(lambda: len(his.all("pending")) >= 20, 10, "the last message was given to send()")
        his.ask("read", chat=chat, seq=1)
        time.sleep(0.01 * life)
        his.kill()
        his = device(bob, folder=str(tmp_path))
    until(lambda: ann.texts(chat) == texts, 30, "everything is in the log, once and in order")


def test_a_process_killed_while_it_receives_is_given_the_rest_and_nothing_twice(device, trio, tmp_path):
    ann, bob, _, chat = trio
    his = device(bob, folder=str(tmp_path))
    for number in range(100):
        ann.say(chat, f"n{number}")
    his.kill()
    again = device(bob, folder=str(tmp_path))
    last = ann.say(chat, "last")["seq"]
    again.await_seq(chat, last)
    before, after = his.seqs(chat), again.seqs(chat)
    assert before == list(range(1, len(before) + 1)) and after == list(range(after[0], last + 1))
    assert after[0] <= len(before) + 1, "something was lost between the two"


def test_an_ended_session_ends_it_and_a_process_that_is_closed_goes(device, people):
    ann, = people("ann")
    one = device(ann)
    ann.delete("/v1/sessions/current")
    until(lambda: one.state() == "ended", 5, "it has ended")
    assert one.all("state")[-1]["code"] in (4001, 4002)
    one.close()


def test_a_second_connection_of_the_device_ends_the_first_for_good(device, people):
    ann, = people("ann")
    first = device(ann)
    second = device(ann)
    until(lambda: first.state() == "ended", 5, "it has ended")
    assert first.all("state")[-1]["code"] == 4003
    time.sleep(1)
    assert second.state() == "online"
