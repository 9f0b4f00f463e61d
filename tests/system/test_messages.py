"""Messages by REST: durable, once, in order, as they were written. The log as it is read."""

import concurrent.futures
import random

import pytest

from people import texts_of


@pytest.fixture
def chat(people):
    """A group of two, as (ann, bob, its id)."""
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


def path(chat, rest="messages"):
    return f"/v1/chats/{chat}/{rest}"


# --- writing ---

def test_a_message_is_answered_with_its_event_which_is_the_same_for_everybody(chat):
    ann, bob, where = chat
    event = ann.say(where, "Good morning", client_id="first")
    assert (event["chat"], event["seq"], event["sender"], event["client_id"], event["body"]) == (
        where, 3, ann.id, "first", {"text": "Good morning"})
    assert ann.log(where)[-1] == bob.log(where)[-1] == event
    assert ann.get(f"/v1/chats/{where}")["last_seq"] == 3


def test_the_same_client_id_gives_the_same_event_however_often(chat):
    ann, _, where = chat
    first = ann.say(where, "once", client_id="k", reply_to=1)
    ann.say(where, "another")
    for _ in range(3):
        assert ann.say(where, "once", client_id="k", reply_to=1, want=200) == first
    assert ann.texts(where) == ["once", "another"]


@pytest.mark.parametrize("change", [
    {"body": {"text": "other"}}, {"body": {"text": "once", "more": 1}}, {"reply_to": 1}, {"mentions": []},
    {"attachments": [{"name": "x"}]},
], ids=str)
def test_the_same_client_id_with_other_content_is_a_conflict_and_the_first_stays(chat, change):
    ann, _, where = chat
    message = {"client_id": "k", "body": {"text": "once"}}
    ann.post(path(where), message)
    answer = ann.call("POST", path(where), {**message, **change})
    # Whether an empty list of mentions is other content than none is a matter of taste.
    assert answer.code == "conflict" or change == {"mentions": []} and answer.status == 200
    assert ann.texts(where) == ["once"]


def test_a_client_id_is_of_one_sender_in_one_chat(chat):
    ann, bob, where = chat
    elsewhere = ann.group(bob)
    events = [ann.say(where, "a", client_id="k"), bob.say(where, "b", client_id="k"), ann.say(elsewhere, "c", client_id="k")]
    assert [event["seq"] for event in events] == [3, 4, 3]


def test_the_same_message_sent_many_times_at_once_is_in_the_log_once(chat):
    ann, _, where = chat
    message = {"client_id": "storm", "body": {"text": "once"}}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ann.call("POST", path(where), message), range(24)))
    assert sorted(answer.status for answer in answers) == [200] * 23 + [201]
    assert len({answer.value["seq"] for answer in answers}) == 1
    assert ann.texts(where) == ["once"]


def test_many_writers_at_once_leave_a_log_without_gaps_and_each_writers_order(chat):
    ann, bob, where = chat

    def write(who):
        return [who.say(where, f"{who.username} {number}")["seq"] for number in range(25)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        seqs = list(pool.map(write, [ann, bob]))
    assert all(own == sorted(own) for own in seqs)
    log = ann.log(where)
    assert [event["seq"] for event in log] == list(range(1, 53))
    for who in (ann, bob):
        assert [text for text in texts_of(log) if text.startswith(who.username)] == [
            f"{who.username} {number}" for number in range(25)]


def test_what_is_answered_before_another_is_sent_stands_before_it(chat):
    ann, bob, where = chat
    seqs = [(ann, bob)[number % 2].say(where, str(number))["seq"] for number in range(20)]
    assert seqs == list(range(3, 23))


@pytest.mark.parametrize("body", [
    {"text": "Ünïcödé 𝄞 🚲‍♀️ עברית"}, {"text": "line\nbreak\r\n\ttab \" \\ / \u2028 \x7f"}, {"text": " "},
    {"text": "<script>alert(1)</script>'; drop table chat.event; --"}, {"text": "x" * 16384}, {"text": "é" * 8192},
    {"text": "t", "mood": {"deep": [1, 2.5, -3e2, None, True, {"": []}]}, "number": 12345678901234567890},
    {"text": "t", "Text": "another", "sender": "7", "seq": 9, "at": "never"},
], ids=lambda body: ascii(body)[:30])
def test_a_body_comes_back_as_it_was(chat, body):
    ann, bob, where = chat
    assert ann.say(where, body)["body"] == body
    assert bob.log(where)[-1]["body"] == body


def test_a_body_comes_back_byte_for_byte_even_in_what_json_leaves_open(chat):
    ann, bob, where = chat
    body = '{"z": 1, "text":"a\\u00e9\\/b",  "big":1.0000000000000000000001, "a":-0, "e":1E+2}'
    raw = f'{{"client_id":"bytes","body":{body}}}'.encode()
    answer = ann.call("POST", path(where), raw=raw)
    assert answer.status == 201 and body.encode() in answer.body
    assert body.encode() in bob.call("GET", path(where, "events")).body


@pytest.mark.parametrize("body, pointer", [
    (None, "/body/body"), ("text", "/body/body"), ([], "/body/body"), ({}, "/body/body/text"),
    ({"text": 7}, "/body/body/text"), ({"text": None}, "/body/body/text"), ({"text": ""}, "/body/body/text"),
    ({"text": "x" * 16385}, "/body/body/text"), ({"text": "é" * 8193}, "/body/body/text"), ({"Text": "x"}, "/body/body/text"),
], ids=lambda each: ascii(each)[:24])
def test_a_body_that_cannot_be_is_refused_with_the_field_named(chat, body, pointer):
    ann, _, where = chat
    ann.refused("bad_request", "POST", path(where), {"client_id": "k", "body": body}, pointer=pointer)
    assert ann.texts(where) == []


@pytest.mark.parametrize("more, pointer", [
    ({"client_id": ""}, "/body/client_id"), ({"client_id": "x" * 129}, "/body/client_id"),
    ({"client_id": "é" * 65}, "/body/client_id"), ({"client_id": 7}, "/body/client_id"),
    ({"reply_to": 0}, "/body/reply_to"), ({"reply_to": -1}, "/body/reply_to"), ({"reply_to": "3"}, "/body/reply_to"),
    ({"reply_to": 1.5}, "/body/reply_to"), ({"mentions": "7"}, "/body/mentions"), ({"mentions": [7]}, "/body/mentions/0"),
    ({"mentions": ["7", "7"]}, "/body/mentions/1"), ({"mentions": [str(n) for n in range(1, 102)]}, "/body/mentions"),
    ({"attachments": {}}, "/body/attachments"), ({"attachments": ["x"]}, "/body/attachments"),
    ({"attachments": [{}] * 11}, "/body/attachments"), ({"sender": "7"}, "/body/sender"), ({"seq": 1}, "/body/seq"),
    ({"at": "2026-01-02T03:04:05.678Z"}, "/body/at"), ({"id": "1"}, "/body/id"), ({"type": "message"}, "/body/type"),
], ids=lambda each: ascii(each)[:30])
def test_a_message_that_cannot_be_is_refused_with_the_field_named(chat, more, pointer):
    ann, _, where = chat
    ann.refused("bad_request", "POST", path(where), {"client_id": "k", "body": {"text": "x"}, **more}, pointer=pointer)
    assert ann.texts(where) == []


def test_replies_mentions_and_attachments_come_back_as_they_were(chat):
    ann, bob, where = chat
    more = {"reply_to": 1, "mentions": [bob.id, ann.id],
            "attachments": [{"url": "https://example.org/a.png", "bytes": 10, "nested": {"k": [1]}}, {}]}
    event = ann.say(where, "see", **more)
    assert {name: event[name] for name in more} == more
    assert bob.log(where)[-1] == event
    plain = ann.say(where, "plain")
    assert not set(more) & set(plain)


def test_a_reply_is_to_an_event_of_the_log(chat):
    ann, bob, where = chat
    assert ann.say(where, "to the last", reply_to=2)["reply_to"] == 2
    message = {"client_id": "k", "body": {"text": "to nothing"}}
    for seq in (4, 5, 2 ** 53 - 1):
        ann.refused("bad_request", "POST", path(where), {**message, "reply_to": seq}, pointer="/body/reply_to")
    assert bob.say(where, "to the new last", reply_to=3)["seq"] == 4
    assert ann.say(where, "to nothing", client_id="k", reply_to=4)["seq"] == 5, "a refused key is not used up"
    stranger = ann.world.person("stranger")
    stranger.refused("not_found", "POST", path(where), {**message, "reply_to": 99})


def test_a_text_may_be_empty_when_there_are_attachments(chat):
    ann, _, where = chat
    assert ann.say(where, "", attachments=[{"url": "x"}])["body"] == {"text": ""}


def test_a_message_of_the_largest_size_goes_through_and_a_larger_body_does_not(chat, world):
    ann, _, where = chat
    bound = world.limits()["max_body_bytes"]
    frame = '{"client_id":"%s","body":{"text":"t","pad":"%s"}}'
    empty = len(frame % ("a", ""))
    raw = (frame % ("a", "x" * (bound - empty))).encode()
    assert len(raw) == bound and ann.call("POST", path(where), raw=raw).status == 201
    raw = (frame % ("b", "x" * (bound - empty + 1))).encode()
    ann.refused("too_large", "POST", path(where), raw=raw)
    assert len(ann.texts(where)) == 1


# --- reading ---

@pytest.fixture
def log(chat):
    """A log of 27 events: two members, then 25 messages."""
    ann, bob, where = chat
    for number in range(25):
        ann.say(where, str(number))
    return ann, bob, where


@pytest.mark.parametrize("query, seqs, more", [
    ({}, range(1, 28), False), ({"after": 0}, range(1, 28), False), ({"after": 5, "limit": 3}, (6, 7, 8), True),
    ({"after": 24, "limit": 3}, (25, 26, 27), False), ({"after": 27}, (), False), ({"after": 9000}, (), False),
    ({"before": 5}, (1, 2, 3, 4), False), ({"before": 20, "limit": 4}, (16, 17, 18, 19), True),
    ({"before": 5, "limit": 4}, (1, 2, 3, 4), False), ({"before": 1}, (), False),
    ({"before": 9007199254740991, "limit": 2}, (26, 27), True), ({"limit": 1}, (1,), True),
], ids=str)
def test_a_page_has_what_was_asked_for_oldest_first(log, query, seqs, more):
    _, bob, where = log
    page = bob.get(path(where, "events"), **query)
    assert [event["seq"] for event in page["items"]] == list(seqs)
    first_last = (seqs[0], seqs[-1]) if seqs else (None, 27)
    assert (page["first_seq"], page["last_seq"], page["more"]) == (*first_last, more)


@pytest.mark.parametrize("query, pointer", [
    ({"after": 1, "before": 9}, None), ({"after": -1}, "/query/after"), ({"after": "x"}, "/query/after"),
    ({"after": "1.5"}, "/query/after"), ({"after": ""}, "/query/after"), ({"after": "01"}, "/query/after"),
    ({"after": 2 ** 63}, "/query/after"),
    ({"after": "1e3"}, "/query/after"), ({"after": "01"}, "/query/after"),
    ({"before": 0}, "/query/before"), ({"before": ""}, "/query/before"),
    ({"limit": 0}, "/query/limit"), ({"limit": 201}, "/query/limit"), ({"limit": -1}, "/query/limit"),
    ({"cursor": "x"}, "/query/cursor"), ({"offset": 1}, "/query/offset"),
], ids=str)
def test_a_page_that_cannot_be_is_refused_with_the_parameter_named(person, query, pointer):
    ann = person()
    ann.refused("bad_request", "GET", path(ann.group(), "events"), query=query, pointer=pointer)


def test_walking_forwards_and_backwards_meets_every_event_once(log):
    _, bob, where = log
    forwards, after = [], 0
    while True:
        page = bob.get(path(where, "events"), after=after, limit=4)
        forwards += page["items"]
        if not page["more"]:
            break
        after = page["last_seq"]
    backwards, before = [], 28
    while True:
        page = bob.get(path(where, "events"), before=before, limit=4)
        backwards = page["items"] + backwards
        if not page["more"]:
            break
        before = page["first_seq"]
    assert forwards == backwards == bob.log(where) and len(forwards) == 27


def test_the_pages_of_a_late_joiner_begin_where_they_may_see(log, person):
    ann, _, where = log
    cat = person("cat")
    ann.add(where, cat)
    for number in range(3):
        ann.say(where, f"late {number}")
    assert [event["seq"] for event in cat.get(path(where, "events"), limit=2)["items"]] == [28, 29]
    assert [event["seq"] for event in cat.get(path(where, "events"), after=5)["items"]] == [28, 29, 30, 31]
    page = cat.get(path(where, "events"), before=30)
    assert [event["seq"] for event in page["items"]] == [28, 29] and page["more"] is False
    assert cat.get(path(where, "events"), before=28)["items"] == []


def test_a_random_conversation_reads_the_same_to_all_its_members(people):
    random.seed(7)
    everybody = people("a", "b", "c", "d")
    chat = everybody[0].group(*everybody[1:])
    wrote = []
    for number in range(40):
        who = random.choice(everybody)
        wrote.append((who.id, f"{number} " + "z" * random.randrange(200)))
        who.say(chat, wrote[-1][1])
    for who in everybody:
        log = [(event["sender"], event["body"]["text"]) for event in who.log(chat) if event["type"] == "message"]
        assert log == wrote
