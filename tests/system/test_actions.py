"""What is done to messages: edits, deletes, reactions. In the log, in every view of it, and who may."""

import concurrent.futures
import time
import urllib.parse

import pytest

from server import until


def path(chat, seq, emoji=None):
    there = f"/v1/chats/{chat}/messages/{seq}"
    return there if emoji is None else f"{there}/reactions/{urllib.parse.quote(emoji, safe='')}"


def edit(who, chat, seq, text, want=200):
    return who.patch(path(chat, seq), {"body": {"text": text}}, want)


def delete(who, chat, seq):
    return who.delete(path(chat, seq), 200)


def react(who, chat, seq, emoji, on=True):
    return who.put(path(chat, seq, emoji)) if on else who.delete(path(chat, seq, emoji), 200)


def shown(who, chat, seq):
    """The message as the log shows it."""
    return who.get(f"/v1/chats/{chat}/events", after=seq - 1, limit=1)["items"][0]


@pytest.fixture
def chat(people):
    """A group of two with a message of the first, as (ann, bob, its id, the message)."""
    ann, bob = people("ann", "bob")
    where = ann.group(bob)
    return ann, bob, where, ann.say(where, "first words")


# --- edit ---

def test_an_edit_is_an_event_and_the_message_shows_it(chat):
    ann, bob, where, message = chat
    event = edit(ann, where, 3, "second words")
    assert {name: event[name] for name in ("chat", "seq", "type", "sender", "target", "body")} == {
        "chat": where, "seq": 4, "type": "edit", "sender": ann.id, "target": 3, "body": {"text": "second words"}}
    assert shown(bob, where, 3) == {**message, "body": {"text": "second words"}, "edited": event["at"]}
    assert ann.log(where)[-1] == bob.log(where)[-1] == event


def test_the_latest_edit_is_shown_and_the_log_keeps_the_others(chat):
    ann, bob, where, _ = chat
    events = [edit(ann, where, 3, f"words {number}") for number in range(4)]
    assert shown(bob, where, 3)["body"] == {"text": "words 3"}
    assert shown(bob, where, 3)["edited"] == events[-1]["at"]
    assert bob.log(where)[3:] == events


def test_an_edit_to_what_the_message_says_since_an_edit_is_that_edit(chat):
    ann, _, where, _ = chat
    event = edit(ann, where, 3, "second words")
    assert edit(ann, where, 3, "second words") == event
    assert edit(ann, where, 3, "first words")["seq"] == 5, "back to the first words is an edit"
    assert edit(ann, where, 3, "second words")["seq"] == 6


def test_an_edit_keeps_what_else_the_message_has(chat):
    ann, bob, where, _ = chat
    more = {"reply_to": 3, "mentions": [bob.id], "attachments": [{"url": "x"}]}
    seq = ann.say(where, "with more", **more)["seq"]
    edit(ann, where, seq, "with less")
    assert {name: shown(bob, where, seq)[name] for name in more} == more


def test_a_message_is_the_same_by_its_first_body_after_an_edit_and_by_its_key_after_a_delete(chat):
    ann, _, where, _ = chat
    first = ann.say(where, "as sent", client_id="k")
    edit(ann, where, first["seq"], "as edited")
    assert ann.say(where, "as sent", client_id="k", want=200)["seq"] == first["seq"]
    ann.refused("conflict", "POST", f"/v1/chats/{where}/messages", {"client_id": "k", "body": {"text": "as edited"}})
    delete(ann, where, first["seq"])
    assert ann.say(where, "as sent", client_id="k", want=200)["seq"] == first["seq"]
    assert ann.get(f"/v1/chats/{where}")["last_seq"] == 6


@pytest.mark.parametrize("body, pointer", [
    ({}, "/body/body"), ({"body": "x"}, "/body/body"), ({"body": {}}, "/body/body/text"), ({"body": {"text": ""}}, "/body/body/text"),
    ({"body": {"text": 7}}, "/body/body/text"), ({"body": {"text": "x" * 16385}}, "/body/body/text"),
    ({"body": {"text": "x"}, "mentions": []}, "/body/mentions"), ({"body": {"text": "x"}, "client_id": "k"}, "/body/client_id"),
], ids=lambda each: ascii(each)[:30])
def test_an_edit_that_cannot_be_is_refused_with_the_field_named(chat, body, pointer):
    ann, _, where, message = chat
    ann.refused("bad_request", "PATCH", path(where, 3), body, pointer=pointer)
    assert shown(ann, where, 3) == message


def test_a_body_and_what_else_the_message_has_fit_the_log_together(chat):
    ann, bob, where, _ = chat
    seq = ann.say(where, "x", attachments=[{"data": "a" * 40000}])["seq"]
    large = {"text": "x", "more": "b" * 30000}
    ann.refused("bad_request", "PATCH", path(where, seq), {"body": large}, pointer="/body/body")
    assert shown(bob, where, seq)["body"] == {"text": "x"}


def test_a_body_comes_back_byte_for_byte_from_an_edit_too(chat):
    ann, bob, where, _ = chat
    body = '{"z": 1, "text":"a\\u00e9\\/b",  "big":1.0000000000000000000001, "a":-0}'
    answer = ann.call("PATCH", path(where, 3), raw=f'{{"body":{body}}}'.encode())
    assert answer.status == 200 and body.encode() in answer.body
    assert bob.call("GET", f"/v1/chats/{where}/events").body.count(body.encode()) == 2


# --- delete ---

def test_a_deleted_message_has_no_content_and_neither_have_its_edits(chat):
    ann, bob, where, _ = chat
    seq = ann.say(where, "secret", reply_to=3, mentions=[bob.id], attachments=[{"url": "secret"}])["seq"]
    edit(ann, where, seq, "secret again")
    react(bob, where, seq, "👍")
    event = delete(ann, where, seq)
    assert (event["seq"], event["type"], event["target"], event["sender"]) == (seq + 3, "delete", seq, ann.id)
    message = shown(bob, where, seq)
    assert set(message) == {"chat", "seq", "type", "sender", "at", "client_id", "deleted"} and message["deleted"] is True
    log = bob.call("GET", f"/v1/chats/{where}/events").body.decode()
    assert "secret" not in log and "reactions" not in log
    assert [entry["type"] for entry in bob.log(where)[3:]] == ["message", "edit", "reaction", "delete"]


def test_nothing_can_be_done_to_a_deleted_message(chat):
    ann, bob, where, _ = chat
    delete(ann, where, 3)
    for who in (ann, bob):
        who.refused("conflict", "DELETE", path(where, 3))
        who.refused("conflict", "PATCH", path(where, 3), {"body": {"text": "x"}})
        who.refused("conflict", "PUT", path(where, 3, "👍"))
        who.refused("conflict", "DELETE", path(where, 3, "👍"))
    assert ann.get(f"/v1/chats/{where}")["last_seq"] == 4


def test_no_table_of_the_log_has_what_was_deleted(chat, parley):
    """I19, asked of Postgres itself."""
    ann, bob, where, _ = chat
    words = [f"gone-{number}-{where}" for number in range(4)]
    seq = ann.say(where, words[0], mentions=[bob.id], attachments=[{"url": words[1]}])["seq"]
    edit(ann, where, seq, words[2])
    edit(ann, where, seq, words[3])
    react(bob, where, seq, f"☠{where[:12]}")
    tables = parley.psql("select tablename from pg_tables where schemaname in ('chat', 'delivery', 'metadata')").split()
    schemas = {name: parley.psql(f"select schemaname from pg_tables where tablename = '{name}' "
                                 "and schemaname in ('chat', 'delivery', 'metadata')").split() for name in tables}

    def found():
        return sum(int(parley.psql(f"select count(*) from {schema}.{name} t where t::text like '%gone-%{where}%'"))
                   for name in tables for schema in schemas[name])

    assert found() == 3
    delete(ann, where, seq)
    assert found() == 0
    assert parley.psql(f"select count(*) from chat.reaction where chat_id = {where}").strip() == "0"


# --- reactions ---

def test_reactions_are_events_and_the_message_shows_who_reacts_in_order(people):
    ann, bob, cleo = people("ann", "bob", "cleo")
    where = ann.group(bob, cleo)
    message = ann.say(where, "vote")
    event = react(bob, where, 4, "👍")
    assert (event["type"], event["target"], event["emoji"], event["on"], event["sender"]) == ("reaction", 4, "👍", True, bob.id)
    react(ann, where, 4, "🎉")
    react(ann, where, 4, "👍")
    react(cleo, where, 4, "👍")
    assert shown(cleo, where, 4) == {**message, "reactions": {"👍": [bob.id, ann.id, cleo.id], "🎉": [ann.id]}}
    assert list(shown(cleo, where, 4)["reactions"]) == ["👍", "🎉"]
    off = react(bob, where, 4, "👍", on=False)
    assert (off["on"], off["seq"]) == (False, 9)
    assert shown(cleo, where, 4)["reactions"] == {"🎉": [ann.id], "👍": [ann.id, cleo.id]}
    react(bob, where, 4, "👍")
    assert shown(cleo, where, 4)["reactions"]["👍"] == [ann.id, cleo.id, bob.id], "who reacts again comes last"


def test_the_last_reaction_that_is_taken_back_leaves_the_message_as_it_was(chat):
    ann, bob, where, message = chat
    react(bob, where, 3, "👍")
    react(bob, where, 3, "👍", on=False)
    assert shown(ann, where, 3) == message


def test_a_reaction_that_changes_nothing_answers_with_the_last_event_and_is_none(chat):
    ann, bob, where, _ = chat
    assert react(bob, where, 3, "👍", on=False)["seq"] == 3
    event = react(bob, where, 3, "👍")
    assert react(bob, where, 3, "👍") == event
    last = ann.say(where, "something else")
    assert react(bob, where, 3, "👍") == last
    assert len(ann.log(where)) == 5


@pytest.mark.parametrize("emoji", ["👍", "❤️", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "+1", "a/b", "100%", ":)", '"\\', "é", "💩" * 16, "ʘ‿ʘ", "?q=1#x"], ids=ascii)
def test_any_short_text_can_be_a_reaction(chat, emoji):
    ann, bob, where, _ = chat
    assert react(bob, where, 3, emoji)["emoji"] == emoji
    assert shown(ann, where, 3)["reactions"] == {emoji: [bob.id]}
    react(bob, where, 3, emoji, on=False)
    assert "reactions" not in shown(ann, where, 3)


@pytest.mark.parametrize("emoji", ["x" * 65, "💩" * 17, " ", "\t", "a\nb", "\u200d", "\ufe0f\u00a0", "\x7f", "\u202e👍", "\u2028"],
                         ids=ascii)
def test_what_cannot_be_a_reaction_is_refused(chat, emoji):
    ann, bob, where, message = chat
    for method in ("PUT", "DELETE"):
        bob.refused("bad_request", method, path(where, 3, emoji), pointer="/path/emoji")
    assert shown(ann, where, 3) == message


@pytest.mark.parametrize("raw", ["%ff", "%c0%80", "%00", "%ed%a0%80", "%"])
def test_a_reaction_that_is_no_text_is_no_address(chat, raw):
    _, bob, where, _ = chat
    answer = bob.call("PUT", f"{path(where, 3)}/reactions/{raw}")
    assert answer.code in ("not_found", "bad_request")


def test_a_message_has_a_bound_of_different_emojis_and_one_that_is_there_is_not_one_more(chat, world):
    ann, bob, where, _ = chat
    bound = world.limits()["max_emojis"]
    emojis = [chr(0x1F600 + number) for number in range(bound)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda emoji: react(bob, where, 3, emoji), emojis))
    bob.refused("conflict", "PUT", path(where, 3, "one more"))
    react(ann, where, 3, emojis[0])
    react(bob, where, 3, emojis[1], on=False)
    react(bob, where, 3, "one more")
    assert len(shown(ann, where, 3)["reactions"]) == bound


def test_many_who_react_at_once_are_all_there(people):
    ann, *others = people(*("abcdefghijkl"))
    where = ann.group(*others)
    seq = ann.say(where, "vote")["seq"]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda who: react(who, where, seq, "👍"), [ann, *others]))
    events = ann.log(where, after=seq)
    assert len(events) == 12 and {event["sender"] for event in events} == {who.id for who in (ann, *others)}
    assert shown(ann, where, seq)["reactions"]["👍"] == [event["sender"] for event in events]


# --- many at once ---

def test_a_message_that_many_edit_react_to_and_delete_at_once_ends_as_the_log_says(chat):
    ann, bob, where, _ = chat

    def act(number):
        try:
            if number % 3 == 0:
                edit(ann, where, 3, f"edit {number}")
            elif number % 3 == 1:
                react(bob, where, 3, "👍", on=number % 2 == 0)
            else:
                react(ann, where, 3, chr(0x1F600 + number))
        except AssertionError as refusal:
            assert "conflict" in str(refusal)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        acts = [pool.submit(act, number) for number in range(60)]
        deletion = pool.submit(lambda: (time.sleep(0.1), delete(ann, where, 3))[1])
        for each in [*acts, deletion]:
            each.result()
    log = ann.log(where)
    assert log[-1] == deletion.result(), "nothing is done to it after its delete"
    assert shown(ann, where, 3)["deleted"] and not any("body" in event for event in log)


# --- who may: the rest is in test_permissions.py ---

def call_of(what, chat, seq):
    return {
        "edit": ("PATCH", path(chat, seq), {"body": {"text": "edited"}}),
        "delete": ("DELETE", path(chat, seq)),
        "react": ("PUT", path(chat, seq, "👍")),
        "take back": ("DELETE", path(chat, seq, "👍")),
    }[what]


@pytest.mark.parametrize("what", ["edit", "delete", "react", "take back"])
def test_what_is_not_there_is_no_message_or_is_not_to_be_seen_is_not_found(chat, what, person):
    ann, _, where, _ = chat
    late = person("late")
    ann.add(where, late, "admin")
    for who, seq in ((ann, 9999), (ann, 2 ** 53 + 1), (ann, 1), (late, 3)):
        who.refused("not_found", *call_of(what, where, seq))
    for seq in ("0", "x", "-1", "1.5", "01", str(2 ** 63)):
        ann.refused("not_found", *call_of(what, where, seq))
    ann.refused("not_found", *call_of(what, "4611686018427387904", 1))


def test_the_blocked_of_two_neither_edits_nor_reacts_but_takes_back_what_was_said(people):
    ann, bob = people("ann", "bob")
    where = ann.direct(bob)
    seqs = {who: who.say(where, "hello")["seq"] for who in (ann, bob)}
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    for what in ("edit", "react", "take back"):
        bob.refused("blocked", *call_of(what, where, seqs[bob]))
    bob.refused("forbidden", *call_of("delete", where, seqs[ann]))
    delete(bob, where, seqs[bob])
    edit(ann, where, seqs[ann], "may")
    bob.put(f"/v1/users/me/blocks/{ann.id}", want=204)
    ann.refused("blocked", *call_of("edit", where, seqs[ann]))


# --- in every view of the log ---

def test_the_list_of_chats_shows_the_last_event_as_it_is_now(chat):
    ann, bob, where, _ = chat

    def last():
        return next(item for item in bob.get("/v1/chats")["items"] if item["chat"]["id"] == where)["last_event"]

    edit(ann, where, 3, "edited")
    assert (last()["type"], last()["body"]) == ("edit", {"text": "edited"})
    delete(ann, where, 3)
    assert last()["type"] == "delete" and "body" not in last()


def test_sync_gives_messages_as_they_are_now(chat):
    ann, bob, where, _ = chat
    react(bob, where, 3, "👍")
    edit(ann, where, 3, "edited")
    events = bob.post("/v1/sync", {"chats": {where: 2}}, 200)["chats"][where]["events"]
    assert events == bob.log(where, after=2)
    assert (events[0]["body"], events[0]["reactions"]) == ({"text": "edited"}, {"👍": [bob.id]})
    delete(ann, where, 3)
    events = bob.post("/v1/sync", {"chats": {where: 2}}, 200)["chats"][where]["events"]
    assert [event.get("body") for event in events] == [None] * 4 and events[0]["deleted"]


def test_what_is_done_to_messages_is_delivered_like_messages(chat):
    ann, bob, where, _ = chat
    his = bob.online(auto_ack=True)
    his.until(lambda event: event["seq"] == 3)
    message = ann.say(where, "live")
    events = [message, react(bob, where, 4, "👍"), edit(ann, where, 4, "edited"), delete(ann, where, 4)]
    assert his.events(4) == events, "each as it was when it happened"


def test_an_inbox_has_nothing_of_what_was_deleted_meanwhile(chat):
    ann, bob, where, _ = chat
    his = bob.online(auto_ack=True)
    his.until(lambda event: event["seq"] == 3)
    his.close()
    ann.say(where, "kept")
    ann.say(where, "secret")
    edit(ann, where, 4, "kept and edited")
    edit(ann, where, 5, "secret still")
    react(ann, where, 4, "👍")
    delete(ann, where, 5)
    his = bob.online(auto_ack=True)
    events = his.until(lambda event: event["type"] == "delete")
    log = bob.log(where, after=3)
    assert events == log
    assert "secret" not in str(his.log) and events[0]["body"] == {"text": "kept and edited"}


def test_a_former_member_sees_what_was_done_in_their_time_and_what_was_deleted_after(chat):
    ann, bob, where, _ = chat
    second = ann.say(where, "second")["seq"]
    edit(ann, where, 3, "while he was there")
    react(ann, where, 3, "👍")
    ann.remove(where, bob)
    edit(ann, where, 3, "he has left")
    edit(ann, where, second, "he has left")
    react(ann, where, 3, "🎉")
    log = bob.log(where)
    assert (log[2]["body"], log[2]["reactions"]) == ({"text": "while he was there"}, {"👍": [ann.id]})
    assert log[2]["edited"] == log[4]["at"] and log[3]["body"] == {"text": "second"} and "edited" not in log[3]
    assert bob.post("/v1/sync", {"chats": {where: 0}}, 200)["chats"][where]["events"] == log
    assert ann.log(where)[2]["body"] == {"text": "he has left"}
    delete(ann, where, 3)
    log = bob.log(where)
    assert log[2]["deleted"] and "body" not in log[2] and "body" not in log[4]


def test_a_page_of_messages_that_were_edited_and_reacted_to_is_complete(chat):
    ann, bob, where, _ = chat
    seqs = [ann.say(where, f"message {number}")["seq"] for number in range(20)]
    for seq in seqs:
        edit(ann, where, seq, "x" * 4000)
        react(bob, where, seq, "👍")
    log = bob.log(where)
    assert [event["seq"] for event in log] == list(range(1, 64))
    assert sum(len(event.get("body", {}).get("text", "")) == 4000 for event in log) == 40


# --- after a crash ---

def test_what_was_done_is_still_so_after_chat_was_killed(chat, parley, allowed_errors):
    ann, bob, where, _ = chat
    edit(ann, where, 3, "edited")
    react(bob, where, 3, "👍")
    before = ann.log(where)
    parley.kill("chat")
    until(lambda: ann.call("GET", f"/v1/chats/{where}/events").status == 200, 20, "the log")
    assert ann.log(where) == before
    assert ann.patiently("PUT", path(where, 3, "👍"), 200).status == 200
