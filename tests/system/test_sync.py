"""POST /v1/sync: what a device lacks, in all chats at once."""

import pytest

from people import texts_of


def sync(person, have=None, **more):
    return person.post("/v1/sync", {"chats": have or {}, **more}, 200)


def sync_whole(person, have=None, limit=50):
    """As a client does: asks until nothing is left; events by chat, and what is gone."""
    have, events, gone = dict(have or {}), {}, set()
    for _ in range(200):
        answer = sync(person, have, limit=limit)
        gone |= set(answer["gone"])
        for chat, part in answer["chats"].items():
            assert len(part["events"]) <= limit
            seqs = [event["seq"] for event in part["events"]]
            assert seqs == sorted(set(seqs)) and all(seq > have.get(chat, 0) for seq in seqs)
            assert not part["more"] or part["last_seq"] > (seqs[-1] if seqs else have.get(chat, 0))
            events.setdefault(chat, []).extend(part["events"])
            have[chat] = max([have.get(chat, 0), *seqs])
        if not any(part["more"] for part in answer["chats"].values()):
            return events, gone
    raise AssertionError("sync has no end")


@pytest.fixture
def pair(people):
    ann, bob = people("ann", "bob")
    return ann, bob, ann.direct(bob), ann.group(bob, title="group")


def test_with_nothing_every_chat_comes_from_the_beginning(pair):
    ann, bob, direct, group = pair
    ann.say(direct, "a")
    ann.say(group, "b")
    answer = sync(bob)
    assert set(answer["chats"]) == {direct, group} and answer["gone"] == []
    for chat in (direct, group):
        part = answer["chats"][chat]
        assert part["events"] == bob.log(chat)
        assert (part["last_seq"], part["more"]) == (3, False)


def test_a_chat_that_was_joined_and_left_while_the_device_was_away_comes_though_it_cannot_name_it(pair, people):
    ann, _, _, group = pair
    eve = people("eve")[0]
    ann.add(group, eve)
    said = ann.say(group, "while eve is in")
    ann.remove(group, eve)
    ann.say(group, "not for eve")
    events, gone = sync_whole(eve)
    assert [event["seq"] for event in events[group]] == [said["seq"] - 1, said["seq"], said["seq"] + 1]
    assert gone == {group}
    assert sync(eve, {group: said["seq"] + 1}) == {"chats": {}, "gone": [group]}


def test_what_the_device_has_is_left_out_and_a_chat_without_news_still_says_so(pair):
    ann, bob, direct, group = pair
    ann.say(direct, "a")
    answer = sync(bob, {direct: 2, group: 2})
    assert texts_of(answer["chats"][direct]["events"]) == ["a"]
    assert answer["chats"][group] == {"events": [], "last_seq": 2, "more": False}


def test_a_chat_that_was_not_named_comes_too(pair):
    ann, bob, direct, group = pair
    ann.say(group, "new to you")
    answer = sync(bob, {direct: 2})
    assert texts_of(answer["chats"][group]["events"]) == ["new to you"]


def test_more_is_true_until_all_is_there_and_nothing_is_lost_or_twice(pair):
    ann, bob, direct, group = pair
    want = {direct: [f"d{i}" for i in range(23)], group: [f"g{i}" for i in range(11)]}
    for chat, texts in want.items():
        for text in texts:
            ann.say(chat, text)
    first = sync(bob, limit=5)
    assert all(part["more"] and len(part["events"]) <= 5 for part in first["chats"].values())
    for limit in (1, 5, 200):
        events, gone = sync_whole(bob, limit=limit)
        assert {chat: texts_of(part) for chat, part in events.items()} == want and not gone


def test_a_device_that_claims_more_than_there_is_gets_nothing_and_the_head(pair):
    _, bob, direct, _ = pair
    part = sync(bob, {direct: 1000})["chats"][direct]
    assert (part["events"], part["last_seq"], part["more"]) == ([], 2, False)


def test_of_a_chat_that_was_left_the_rest_of_ones_time_comes_and_then_it_is_gone(pair):
    ann, bob, _, group = pair
    ann.say(group, "within")
    ann.remove(group, bob)
    ann.say(group, "after")
    events, gone = sync_whole(bob, {group: 2})
    assert gone == {group}
    assert texts_of(events[group]) == ["within"]
    assert (events[group][-1]["type"], events[group][-1]["user"]) == ("member_removed", bob.id)
    answer = sync(bob, {group: events[group][-1]["seq"]})
    assert answer["gone"] == [group] and group not in answer["chats"]


def test_what_one_never_was_in_is_gone_like_what_does_not_exist(pair, person):
    _, _, direct, group = pair
    stranger = person("stranger")
    answer = sync(stranger, {direct: 0, group: 7, "4611686018427387904": 0})
    assert sorted(answer["gone"]) == sorted([direct, group, "4611686018427387904"]) and answer["chats"] == {}


def test_a_deleted_chat_is_gone(pair):
    ann, bob, _, group = pair
    ann.delete(f"/v1/chats/{group}")
    assert group in sync(bob, {group: 2})["gone"]


@pytest.mark.parametrize("history, sees", [("joined", []), ("shared", ["before"])])
def test_a_joiner_gets_what_the_history_of_the_chat_allows(people, history, sees):
    ann, bob = people("ann", "bob")
    chat = ann.group(history=history)
    ann.say(chat, "before")
    ann.add(chat, bob)
    ann.say(chat, "since")
    events, _ = sync_whole(bob)
    assert texts_of(events[chat]) == [*sees, "since"]


def test_who_came_back_lacks_the_time_between(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "first time")
    ann.remove(chat, bob)
    ann.say(chat, "between")
    ann.add(chat, bob)
    ann.say(chat, "second time")
    for limit in (1, 2, 50):
        events, gone = sync_whole(bob, limit=limit)
        assert texts_of(events[chat]) == ["first time", "second time"] and not gone


@pytest.mark.parametrize("body, pointer", [
    ({}, "/body/chats"),
    ({"chats": []}, "/body/chats"),
    ({"chats": None}, "/body/chats"),
    ({"chats": {"1": "1"}}, "/body/chats/1"),
    ({"chats": {"1": -1}}, "/body/chats/1"),
    ({"chats": {"1": 1.5}}, "/body/chats/1"),
    ({"chats": {"1": None}}, "/body/chats/1"),
    ({"chats": {"1": 2**53}}, "/body/chats/1"),
    ({"chats": {}, "limit": 0}, "/body/limit"),
    ({"chats": {}, "limit": 201}, "/body/limit"),
    ({"chats": {}, "limit": "5"}, "/body/limit"),
    ({"chats": {}, "since": 1}, "/body/since"),
])
def test_a_bad_question_is_refused_with_its_pointer(person, body, pointer):
    person().refused("bad_request", "POST", "/v1/sync", body, pointer=pointer)


@pytest.mark.parametrize("name", ["0", "-1", "01", "x", "", "9223372036854775808"])
def test_a_name_that_is_no_id_is_refused(person, name):
    problem = person().refused("bad_request", "POST", "/v1/sync", {"chats": {name: 0}})
    assert problem["errors"][0]["pointer"].startswith("/body/chats")


def test_more_chats_than_the_bound_are_refused(world, person):
    bound = world.limits()["max_sync_chats"]
    chats = {str(i): 0 for i in range(1, bound + 2)}
    assert len(str(chats)) < 65536
    person().refused("bad_request", "POST", "/v1/sync", {"chats": chats}, pointer="/body/chats")


def test_one_answer_is_bounded_and_asking_again_gives_the_rest(people):
    ann, bob = people("ann", "bob")
    chats = [ann.group(bob) for _ in range(8)]
    for chat in chats:
        for i in range(20):
            ann.say(chat, str(i))
    events, gone = sync_whole(bob, limit=200)
    assert {chat: texts_of(part) for chat, part in events.items()} == {chat: [str(i) for i in range(20)] for chat in chats}
    assert not gone
