"""Search: whose messages, by which words, in which order; and how it behaves under load and when it takes too long."""

import contextlib
import re
import subprocess
import threading
import time

import pytest

from rest import Refused
from server import until

SEARCH = "/v1/search"
LAG = "parley_chat_index_lag_events"


def metric(world, name):
    text = world.operations.want("GET", "/chat/metrics", 200)
    return int(re.search(rf"^{name} (\d+)$", text, re.MULTILINE).group(1))


def indexed(world):
    """What was sent is in the index, and not only in what a search looks at one by one."""
    until(lambda: metric(world, LAG) == 0, 30, "the index")
    time.sleep(0.3)  # the metric is taken before a slice
    until(lambda: metric(world, LAG) == 0, 30, "the index")


def search(person, q, **query):
    """The page; waits when the person has searched too often."""
    while True:
        answer = person.call("GET", SEARCH, query={"q": q, **query})
        if answer.status == 429:
            time.sleep(int(answer.headers["Retry-After"]))
            continue
        if answer.status != 200:
            raise Refused(f"{q!r} {query} answered {answer.status}: {answer.body[:500]}")
        return answer.value


def found(person, q, **query):
    """Texts of what is found, newest first."""
    page = search(person, q, **query)
    assert page["next_cursor"] is None
    return [item["event"]["body"]["text"] for item in page["items"]]


@pytest.fixture(params=["just sent", "indexed"])
def settle(request, world):
    """Called between sending and searching: tests with it hold for what the index has, and for what it lacks."""
    return (lambda: None) if request.param == "just sent" else lambda: indexed(world)


# --- words ---

LANGUAGES = [
    ("Die Große Straße nach München", ["strasse", "STRASSE", "STRAẞE", "straße", "munchen", "MÜNCHEN", "große straße", "münch gro"]),
    ("L'été à Besançon, un cœur naïf", ["ete", "été", "ÉTÉ", "besancon", "coeur", "cœur", "NAIF", "l été"]),
    ("Ёлка стоит у реки, а майор спит", ["елка", "ЁЛКА", "река реки".split()[1], "МАЙОР", "стоит спит"]),
    ("Ο Οδυσσεύς στην Αθήνα", ["οδυσσευς", "ΟΔΥΣΣΕΥΣ", "αθηνα", "ΑΘΉΝΑ", "οδυσσ"]),
    ("اللغة العَرَبِيَّة جميلة، أحمد", ["العربية", "العَرَبِيَّة", "جميله", "احمد", "أحمد"]),
    ("हिन्दी में लिखा है।", ["हिन्दी", "लिखा", "हिन्"]),
    ("İstanbul'da ılık bir gün ISPARTA", ["istanbul", "İSTANBUL", "ilik", "ILIK", "ısparta", "gun"]),
    ("上海今天天气很好", ["上", "好", "上海", "天气", "今天天气", "天气很好", "上海今天天气很好"]),
    ("この文章は日本語で書かれています", ["日", "日本", "日本語で", "書かれ", "ます"]),
    ("나는 한국어를 공부합니다", ["한", "국어", "한국어", "공부합", "한국어를 공부"]),
    ("ｶﾀｶﾅ ＡＢＣ１２３", ["カタカナ", "ｶﾀ", "タカ", "abc123", "ＡＢＣ"]),
    ("สวัสดีครับ", ["สวัสดี", "ครับ", "ดีค"]),
    ("gut gemacht 👍🏽 und ❤️ 5€", ["👍", "👍🏽", "❤", "❤️", "€", "gut 👍"]),
]


@pytest.mark.parametrize("text, questions", LANGUAGES, ids=[text[:12] for text, _ in LANGUAGES])
def test_a_text_is_found_in_its_language_whatever_the_case_and_the_accents(person, settle, text, questions):
    ann = person("ann")
    chat = ann.group()
    ann.say(chat, text)
    ann.say(chat, "something else, quite")
    settle()
    for question in questions:
        page = search(ann, question)
        assert [item["event"]["body"]["text"] for item in page["items"]] == [text], question
        pieces = page["items"][0]["highlights"]
        assert "".join(piece["text"] for piece in pieces) == text
        assert any(piece["hit"] for piece in pieces), question


@pytest.mark.parametrize("text, questions", [
    ("Die Große Straße", ["rasse", "strassen", "tra"]),            # a word is found by its beginning only
    ("上海今天天气很好", ["海上", "今气", "天气好", "上海天气"]),  # a run only as it stands
    ("майор", ["маиор"]),
    ("ab ba ab", ["aba"]),
    ("日本 本日 日日", ["日本日"]),                                # all its pairs are there, it is not
])
def test_what_only_looks_alike_is_not_found(person, settle, text, questions):
    ann = person("ann")
    ann.say(ann.group(), text)
    settle()
    for question in questions:
        assert found(ann, question) == [], question


def test_all_words_must_be_there_in_any_order(person, settle):
    ann = person("ann")
    chat = ann.group()
    for text in ("red green", "green blue red", "red blue"):
        ann.say(chat, text)
    settle()
    assert found(ann, "red green") == ["green blue red", "red green"]
    assert found(ann, "green, RED!") == ["green blue red", "red green"]
    assert found(ann, "yellow red") == []


@pytest.mark.parametrize("question", [
    "fat & rat", "fat | rat", "!fat rat", "fat <-> rat", "(fat rat", "fat:* rat", "fat:A rat", "'fat' rat", "fat\\ rat", "fat* %rat_",
    "fat'; drop table chat.event; -- rat", "#fat rat", "|fat rat", "$1 fat rat", "fat\nrat", "fat\trat", "\"fat\" rat", "fat && rat || rat"])
def test_no_character_has_a_meaning_of_its_own(person, question):
    """Operators, quotes and SQL are separators; the words among them are words."""
    ann = person("ann")
    chat = ann.group()
    everything = "fat cat rat 1; drop table chat.event a"
    ann.say(chat, everything)
    ann.say(chat, "fat alone")
    assert found(ann, question) == [everything]


def test_a_long_text_is_shown_around_what_was_found(person):
    ann = person("ann")
    text = "hay " * 500 + "the needle " + "straw " * 500
    ann.say(ann.group(), text)
    pieces = search(ann, "needle")["items"][0]["highlights"]
    shown = "".join(piece["text"] for piece in pieces)
    assert [piece["text"] for piece in pieces if piece["hit"]] == ["needle"]
    assert shown.startswith("…") and shown.endswith("…") and len(shown) < 260
    assert shown.strip("…") in text


def test_highlights_are_plain_text(person):
    ann = person("ann")
    text = '<b>bold</b> & "quoted" <script>'
    ann.say(ann.group(), text)
    pieces = search(ann, "bold script")["items"][0]["highlights"]
    assert "".join(piece["text"] for piece in pieces) == text
    assert [piece["text"] for piece in pieces if piece["hit"]] == ["bold", "script"]


def test_a_hit_is_the_event_as_history_has_it(people, settle):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    first = ann.say(chat, "question about lunch")
    bob.say(chat, {"text": "lunch at one", "own": {"key": [1, 2]}}, reply_to=first["seq"], mentions=[ann.id])
    settle()
    wanted = {event["seq"]: event for event in ann.log(chat)}
    for item in search(ann, "lunch")["items"]:
        assert item["event"] == wanted[item["event"]["seq"]]


def test_a_word_longer_than_any_lexeme_is_found_by_its_beginning(person, settle):
    ann = person("ann")
    word = "x" * 5000
    ann.say(ann.group(), word)
    settle()
    assert found(ann, "xxx") == [word]
    assert found(ann, "x" * 256) == [word]


# --- who ---

def test_a_stranger_finds_nothing_and_is_told_nothing(people, settle):
    ann, bob, eve = people("ann", "bob", "eve")
    chat = ann.group(bob)
    ann.say(chat, "secret plans")
    settle()
    assert found(bob, "secret", chat=chat) == found(bob, "secret") == ["secret plans"]
    assert found(eve, "secret") == []
    eve.refused("not_found", "GET", SEARCH, query={"q": "secret", "chat": chat})
    eve.refused("not_found", "GET", SEARCH, query={"q": "secret", "chat": 4711})
    eve.world.anyone.refused("unauthorized", "GET", SEARCH, query={"q": "secret"})


def test_every_role_searches(people):
    owner, admin, member, reader = people("owner", "admin", "member", "reader")
    chat = owner.group(admin, member, reader)
    owner.add(chat, admin, "admin")
    owner.add(chat, reader, "reader")
    owner.say(chat, "for all of you")
    for person in (owner, admin, member, reader):
        assert found(person, "all", chat=chat) == ["for all of you"]


def test_one_who_is_blocked_still_finds_what_was_said(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    bob.say(chat, "before the block")
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    assert found(ann, "block") == found(bob, "block") == ["before the block"]


def test_a_former_member_does_not_search_there_any_more(people, settle):
    ann, bob = people("ann", "bob")
    chat, other = ann.group(bob), ann.group(bob)
    ann.say(chat, "word one")
    ann.say(other, "word two")
    ann.remove(chat, bob)
    ann.say(chat, "word three")
    settle()
    assert found(bob, "word") == ["word two"]
    bob.refused("not_member", "GET", SEARCH, query={"q": "word", "chat": chat})
    assert found(ann, "word", chat=chat) == ["word three", "word one"]


@pytest.mark.parametrize("history, seen", [("joined", ["word two"]), ("shared", ["word two", "word one"])])
def test_who_came_later_finds_what_the_chats_history_allows(people, settle, history, seen):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    ann.patch(f"/v1/chats/{chat}", {"history": history})
    ann.say(chat, "word one")
    ann.add(chat, bob)
    ann.say(chat, "word two")
    settle()
    assert found(bob, "word") == found(bob, "word", chat=chat) == seen


def test_who_was_away_for_a_while_finds_what_was_said_in_their_times(people, settle):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "word one")
    ann.remove(chat, bob)
    ann.say(chat, "word two")
    ann.add(chat, bob)
    ann.say(chat, "word three")
    settle()
    assert found(bob, "word") == ["word three", "word one"]
    assert found(ann, "word") == ["word three", "word two", "word one"]


def test_a_deleted_chat_is_not_searched(people, settle):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "gone with the chat")
    settle()
    ann.delete(f"/v1/chats/{chat}")
    for person in (ann, bob):
        assert found(person, "gone") == []
        person.refused("not_found", "GET", SEARCH, query={"q": "gone", "chat": chat})


def test_by_chat_by_sender_and_by_time(people, settle):
    ann, bob = people("ann", "bob")
    one, two = ann.group(bob), ann.group(bob)
    events = [ann.say(one, "tea one"), bob.say(one, "tea two"), ann.say(two, "tea three"), bob.say(two, "tea four")]
    settle()
    assert found(ann, "tea") == ["tea four", "tea three", "tea two", "tea one"]
    assert found(ann, "tea", chat=one) == ["tea two", "tea one"]
    assert found(ann, "tea", sender=bob.id) == ["tea four", "tea two"]
    assert found(ann, "tea", sender=bob.id, chat=one) == ["tea two"]
    assert found(ann, "tea", sender=4711) == []
    assert found(ann, "tea", before=events[2]["at"]) == [e["body"]["text"] for e in reversed(events) if e["at"] < events[2]["at"]]
    assert found(ann, "tea", before="2020-01-01T00:00:00Z") == []


# --- what is done to messages ---

def test_an_edited_message_is_found_by_its_latest_text_only(person, settle):
    ann = person("ann")
    chat = ann.group()
    seq = ann.say(chat, "first wording")["seq"]
    ann.say(chat, "another first")
    settle()
    ann.patch(f"/v1/chats/{chat}/messages/{seq}", {"body": {"text": "second version"}})
    assert found(ann, "wording") == [] and found(ann, "second") == ["second version"]  # at once
    settle()
    assert found(ann, "wording") == [] and found(ann, "second") == ["second version"]
    assert found(ann, "first") == ["another first"]
    event = search(ann, "version")["items"][0]["event"]
    assert event["seq"] == seq and event["edited"]


def test_a_deleted_message_is_not_found(parley, person, settle):
    ann = person("ann")
    chat = ann.group()
    seq = ann.say(chat, "regretted words")["seq"]
    edited = ann.say(chat, "regretted too")["seq"]
    ann.patch(f"/v1/chats/{chat}/messages/{edited}", {"body": {"text": "regretted again"}})
    settle()
    for message in (seq, edited):
        ann.delete(f"/v1/chats/{chat}/messages/{message}", want=200)
    assert found(ann, "regretted") == []
    indexed(ann.world)
    assert found(ann, "regretted") == []
    assert parley.psql(f"select count(*) from chat.search_document where chat_id = {chat}").strip() == "0"


# --- pages ---

def pages(person, q, limit, between=lambda: None, **query):
    """All items, page by page; no page but the last may be short."""
    items, cursor = [], None
    while True:
        page = search(person, q, limit=limit, cursor=cursor, **query)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items
        assert len(page["items"]) == limit
        between()


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_pages_have_each_message_once_newest_first(people, settle, limit):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(3)]
    sent = [ann.say(chats[number % 3], f"tick {number}") for number in range(8)]
    settle()
    items = pages(bob, "tick", limit)
    assert texts_of(items) == newest_first(sent)


def texts_of(items):
    return [item["event"]["body"]["text"] for item in items]


def newest_first(events):
    """Their texts in the order of a search. Messages of one millisecond are in the order of their chats, not of their sending."""
    return [event["body"]["text"] for event in sorted(
        events, key=lambda event: (event["at"], int(event["chat"]), event["seq"]), reverse=True)]


def test_pages_hang_together_while_messages_arrive_and_go_into_the_index(people, world):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(2)]
    sent = newest_first([ann.say(chats[number % 2], f"tick {number}") for number in range(30)])
    done = threading.Event()

    def keep_talking():
        number = 100
        while not done.wait(0.01):
            ann.say(chats[number % 2], f"tick {number}")
            number += 1
    talker = threading.Thread(target=keep_talking)
    talker.start()
    try:
        until(lambda: search(bob, "tick 100 ")["items"], 10, "the first of the others")
        items = pages(bob, "tick", 7, between=lambda: indexed_a_little(world))
    finally:
        done.set()
        talker.join()
    texts = texts_of(items)
    assert len(texts) == len(set(texts))
    assert [text for text in texts if text in sent] == sent


def indexed_a_little(world):
    """Until some more is in the index than before."""
    before = metric(world, "parley_chat_indexed_total")
    until(lambda: metric(world, "parley_chat_indexed_total") > before, 10, "a slice")


def test_a_page_of_large_messages_ends_early_and_goes_on(person, settle):
    """More than max_reply_bytes in all: a page is short then, and the next goes on behind it."""
    ann = person("ann")
    chat = ann.group()
    for number in range(80):
        ann.say(chat, {"text": f"large {number}", "fill": "x" * 60000})
    settle()
    seqs, cursor = [], None
    while True:
        page = search(ann, "large", limit=200, cursor=cursor)
        seqs += [item["event"]["seq"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(page["items"]) < 80
    assert seqs == sorted(set(seqs), reverse=True) and len(seqs) == 80


# --- bad input ---

@pytest.mark.parametrize("query, pointer", [
    ({}, "/query/q"),
    ({"q": ""}, "/query/q"),
    ({"q": "   "}, "/query/q"),
    ({"q": "x" * 257}, "/query/q"),
    ({"q": "ä" * 129}, "/query/q"),
    ({"q": "&|!"}, "/query/q"),
    ({"q": " ".join(f"w{number}" for number in range(17))}, "/query/q"),
    ({"q": "x", "chat": "abc"}, "/query/chat"),
    ({"q": "x", "chat": "0"}, "/query/chat"),
    ({"q": "x", "chat": "9223372036854775808"}, "/query/chat"),
    ({"q": "x", "sender": "1' or '1'='1"}, "/query/sender"),
    ({"q": "x", "before": "yesterday"}, "/query/before"),
    ({"q": "x", "before": "2026-02-30T00:00:00Z"}, "/query/before"),
    ({"q": "x", "before": "17"}, "/query/before"),
    ({"q": "x", "limit": "0"}, "/query/limit"),
    ({"q": "x", "limit": "201"}, "/query/limit"),
    ({"q": "x", "cursor": "nonsense"}, "/query/cursor"),
    ({"q": "x", "cursor": "1-2"}, "/query/cursor"),
    ({"q": "x", "cursor": "1-2-3-4"}, "/query/cursor"),
    ({"q": "x", "cursor": "1-2--3"}, "/query/cursor"),
    ({"q": "x", "cursor": "1-2-9223372036854775808"}, "/query/cursor"),
    ({"q": "x", "after": "1"}, "/query/after"),
])
def test_a_bad_question_is_refused_and_the_field_named(person, query, pointer):
    person("ann").refused("bad_request", "GET", SEARCH, query=query, pointer=pointer)


def test_what_is_no_text_is_refused(person):
    ann = person("ann")
    for bad in ("%ff", "%00", "a%00b", "%c3", "%"):
        ann.refused("bad_request", "GET", f"{SEARCH}?q={bad}")


def test_sixteen_words_are_taken(person):
    ann = person("ann")
    words = " ".join(f"w{number}" for number in range(16))
    ann.say(ann.group(), words)
    assert found(ann, words) == [words]


# --- limits, time, what is behind ---

def test_who_searches_too_often_is_told_when_to_come_again(people, world):
    ann, bob = people("ann", "bob")
    burst = world.limits()["searches_burst"]
    answers = [ann.call("GET", SEARCH, query={"q": "x"}) for _ in range(burst + 20)]
    assert {answer.status for answer in answers} == {200, 429}
    assert all(answer.status == 200 for answer in answers[:burst])
    assert answers[0].headers["RateLimit-Policy"].startswith(f'"search";q={burst};w=')
    assert int(re.search(r";r=(\d+)", answers[0].headers["RateLimit"]).group(1)) == burst - 1
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.code == "rate_limited" and ";r=0;" in refused.headers["RateLimit"]
    assert bob.call("GET", SEARCH, query={"q": "x"}).status == 200
    time.sleep(int(refused.headers["Retry-After"]))
    assert ann.call("GET", SEARCH, query={"q": "x"}).status == 200


@contextlib.contextmanager
def holding(parley, statement):
    """The statement's locks are held inside the block, for half a minute at most."""
    words = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", parley.run_dir, "-U", "parley_admin", "-d", "parley"]
    prefix = ["setpriv", "--reuid=parley", "--clear-groups"]
    process = subprocess.Popen([*prefix, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    process.stdin.write(f"begin; {statement}; select 'held';\n")
    process.stdin.flush()
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(10)


def test_a_search_that_takes_too_long_ends_and_the_others_go_on(parley, people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "patience")
    with holding(parley, "lock table chat.search_block in access exclusive mode"):
        began = time.monotonic()
        problem = ann.refused("unavailable", "GET", SEARCH, query={"q": "patience"})
        assert 1 < time.monotonic() - began < 5
        assert problem["temporary"] and "too long" in problem["detail"] and problem["retry_after"] == 5
        assert ann.texts(chat) == ["patience"]
        bob.say(chat, "others go on")
    assert found(bob, "patience") == ["patience"]


def test_more_searches_than_can_wait_are_told_to_come_later(parley, people, world):
    crowd = people(*["ann"] * 9)
    answers, lock = [], threading.Lock()

    def ask(person):
        for _ in range(10):
            answer = person.call("GET", SEARCH, query={"q": "x"})
            with lock:
                answers.append(answer)
    with holding(parley, "lock table chat.search_block in access exclusive mode"):
        threads = [threading.Thread(target=ask, args=(person,)) for person in crowd for _ in range(9)]
        for thread in threads:
            thread.start()
        until(lambda: any(answer.status == 503 for answer in answers), 15, "a refusal")
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} <= {200, 429, 503}
    refused = [answer for answer in answers if answer.status == 503]
    assert all(answer.code == "unavailable" and int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert metric(world, "parley_chat_searches_refused_total") > 0
    until(lambda: metric(world, "parley_chat_searches_waiting") == 0, 10, "the queue")


def test_what_the_index_lacks_is_found_all_the_same_within_a_bound(parley, people, world):
    ann, bob = people("ann", "bob")
    chat, other = ann.group(bob), ann.group(bob)
    old = ann.say(chat, "lagging zero")["seq"]
    indexed(world)
    with holding(parley, "lock table chat.search_cursor in exclusive mode"):
        ann.say(chat, "lagging one")
        ann.patch(f"/v1/chats/{chat}/messages/{old}", {"body": {"text": "lagging edited"}})
        page = search(bob, "lagging")
        assert page["complete"]
        assert [item["event"]["body"]["text"] for item in page["items"]] == ["lagging one", "lagging edited"]
        assert found(bob, "zero") == []
        for number in range(510):
            ann.say(other, f"lagging {number}")
        page = search(bob, "lagging", chat=other, limit=200)
        assert not page["complete"] and len(page["items"]) == 200
        assert search(bob, "lagging", chat=chat)["complete"]
        until(lambda: metric(world, LAG) >= 512, 5, "the lag")
    indexed(world)
    page = search(bob, "lagging 3", chat=other, limit=200)
    assert page["complete"] and page["items"][-1]["event"]["body"]["text"] == "lagging 3"


def test_what_postgres_cannot_index_is_passed_by(parley, people, world, allowed_errors):
    """A body that is damaged has no words; those around it are found."""
    allowed_errors.add("event_unreadable")
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    with holding(parley, "lock table chat.search_cursor in exclusive mode"):
        for text in ("sound one", "sound two", "sound three"):
            seq = ann.say(chat, text)["seq"]
            if text == "sound two":
                parley.psql(f"update chat.event set body = '{{\"text' where chat_id = {chat} and seq = {seq}")
    indexed(world)
    assert found(bob, "sound") == ["sound three", "sound one"]


def test_the_index_is_made_again_from_the_log(parley, people, world):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "made again")
    indexed(world)
    parley.psql("select chat.index_again()")
    assert parley.psql(f"select count(*) from chat.search_document where chat_id = {chat}").strip() == "0"
    parley.kill("chat")
    until(lambda: parley.psql(f"select count(*) from chat.search_document where chat_id = {chat}").strip() == "1", 30, "the index")
    assert bob.patiently("GET", SEARCH, 200, query={"q": "made"}).value["items"]
