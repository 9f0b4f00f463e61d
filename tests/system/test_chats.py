"""Chats: making, listing, changing, deleting, and one's own settings of them."""

import time

import pytest


def test_a_direct_chat_is_one_per_pair_whoever_asks(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    assert ann.direct(bob, 200) == bob.direct(ann, 200) == chat
    assert ann.post("/v1/chats", {"kind": "direct", "members": [ann.id, bob.id]}, 200)["id"] == chat
    whole = bob.get(f"/v1/chats/{chat}")
    assert (whole["kind"], whole["title"], whole["member_count"], whole["last_seq"]) == ("direct", None, 2, 2)
    assert ann.roles(chat) == {ann.id: "member", bob.id: "member"}


def test_a_group_belongs_to_its_maker_and_its_log_begins_with_its_members(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.post("/v1/chats", {"kind": "group", "title": "Brass", "description": "Mills.", "history": "shared",
                                  "avatar": "/a", "members": [bob.id, cat.id]})
    assert {name: chat[name] for name in ("kind", "title", "description", "history", "avatar", "member_count")} == {
        "kind": "group", "title": "Brass", "description": "Mills.", "history": "shared", "avatar": "/a", "member_count": 3}
    assert ann.roles(chat["id"]) == {ann.id: "owner", bob.id: "member", cat.id: "member"}
    log = cat.log(chat["id"])
    assert [(event["seq"], event["type"], event["by"]) for event in log] == [
        (seq, "member_added", ann.id) for seq in (1, 2, 3)]
    assert {event["user"]: event["role"] for event in log} == {ann.id: "owner", bob.id: "member", cat.id: "member"}
    assert chat["last_seq"] == 3


def test_in_a_channel_the_others_only_read(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob, kind="channel", title="News")
    assert ann.roles(chat) == {ann.id: "owner", bob.id: "reader"}
    ann.say(chat, "hear")
    bob.refused("forbidden", "POST", f"/v1/chats/{chat}/messages", {"client_id": "1", "body": {"text": "hear"}})
    assert bob.texts(chat) == ["hear"]


def test_a_chat_can_be_of_its_maker_alone(person):
    ann = person()
    chat = ann.post("/v1/chats", {"kind": "group", "members": []})
    assert (chat["member_count"], chat["last_seq"], chat["title"], chat["history"]) == (1, 1, None, "joined")


@pytest.mark.parametrize("body, pointer", [
    ({"members": []}, "/body/kind"),
    ({"kind": "room", "members": []}, "/body/kind"),
    ({"kind": "group"}, "/body/members"),
    ({"kind": "group", "members": "all"}, "/body/members"),
    ({"kind": "group", "members": [7]}, "/body/members/0"),
    ({"kind": "group", "members": ["07"]}, "/body/members/0"),
    ({"kind": "group", "members": ["4611686018427387904"]}, "/body/members/0"),
    ({"kind": "direct", "members": []}, "/body/members"),
    ({"kind": "direct", "members": [], "title": "x"}, None),
    ({"kind": "group", "members": [], "title": "x" * 257}, "/body/title"),
    ({"kind": "group", "members": [], "history": "all"}, "/body/history"),
    ({"kind": "group", "members": [], "owner": "7"}, "/body/owner"),
], ids=str)
def test_a_chat_that_cannot_be_is_refused_with_the_field_named(person, body, pointer):
    person().refused("bad_request", "POST", "/v1/chats", body, pointer=pointer)


def test_a_member_who_is_not_there_is_named_by_position(people):
    ann, bob = people("ann", "bob")
    ann.refused("bad_request", "POST", "/v1/chats", {"kind": "group", "members": [bob.id, "4611686018427387904"]},
                pointer="/body/members/1")


def test_a_direct_chat_has_exactly_one_other_member(people):
    ann, bob, cat = people("ann", "bob", "cat")
    for members in ([], [ann.id], [bob.id, cat.id]):
        ann.refused("bad_request", "POST", "/v1/chats", {"kind": "direct", "members": members}, pointer="/body/members")


def test_the_list_has_the_latest_first_with_where_the_caller_stands(people):
    ann, bob = people("ann", "bob")
    first, second, third = (ann.group(bob, title=title) for title in ("one", "two", "three"))
    bob.say(second, "hello")
    last = bob.say(first, "latest")
    items = ann.pages("/v1/chats", 2)
    assert [item["chat"]["id"] for item in items] == [first, second, third]
    assert items[0]["chat"] == ann.get(f"/v1/chats/{first}")
    assert items[0]["last_event"] == last and items[0]["last_seq"] == last["seq"] == 3
    assert [item["unread"] for item in items] == [1, 1, 0]
    assert [item["unread"] for item in bob.get("/v1/chats")["items"]] == [0, 0, 0]
    ann.put(f"/v1/chats/{first}/receipts", {"read": 3})
    item = ann.get("/v1/chats", limit=1)["items"][0]
    assert (item["read_seq"], item["unread"]) == (3, 0)
    assert item["me"] == {"muted_until": None, "pinned": False, "archived": False}


def test_unread_counts_the_messages_of_others_and_nothing_else(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(bob)
    bob.say(chat, "one")
    ann.say(chat, "own")
    ann.add(chat, cat)
    bob.say(chat, "two")
    assert ann.get("/v1/chats")["items"][0]["unread"] == 2


def test_who_joined_later_sees_as_unread_only_what_they_may_read(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    ann.say(chat, "before")
    ann.add(chat, bob)
    ann.say(chat, "after")
    assert bob.get("/v1/chats")["items"][0]["unread"] == 1


def test_nobody_sees_chats_of_others_in_their_list(people):
    ann, bob, cat = people("ann", "bob", "cat")
    ann.direct(bob)
    assert cat.get("/v1/chats") == {"items": [], "next_cursor": None}


# --- changing ---

def test_a_change_touches_what_is_named_and_stands_in_the_log(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob, title="Brass", description="Mills.")
    live = bob.online()
    live.events(2)
    whole = ann.patch(f"/v1/chats/{chat}", {"title": "Iron", "description": None})
    assert (whole["title"], whole["description"], whole["history"], whole["last_seq"]) == ("Iron", None, "joined", 3)
    event = live.event(type="chat_updated", seq=3, by=ann.id, sender=ann.id)
    assert event["title"] == "Iron" and event["description"] is None
    assert "avatar" not in event and "history" not in event
    assert ann.patch(f"/v1/chats/{chat}", {}) == whole == bob.get(f"/v1/chats/{chat}")
    whole = ann.patch(f"/v1/chats/{chat}", {"history": "shared", "avatar": "/a"})
    assert live.event(type="chat_updated", seq=4)["history"] == "shared"
    assert (whole["history"], whole["avatar"], whole["title"]) == ("shared", "/a", "Iron")


@pytest.mark.parametrize("change, pointer", [
    ({"title": 7}, "/body/title"), ({"title": "é" * 129}, "/body/title"), ({"description": "x" * 4097}, "/body/description"),
    ({"avatar": []}, "/body/avatar"), ({"history": None}, "/body/history"), ({"kind": "group"}, "/body/kind"),
    ({"last_seq": 9}, "/body/last_seq"),
], ids=lambda each: str(each)[:30])
def test_a_change_that_cannot_be_is_refused(person, change, pointer):
    ann = person()
    chat = ann.group()
    ann.refused("bad_request", "PATCH", f"/v1/chats/{chat}", change, pointer=pointer)
    assert ann.get(f"/v1/chats/{chat}")["last_seq"] == 1


def test_a_direct_chat_cannot_be_changed_or_deleted(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    ann.refused("forbidden", "PATCH", f"/v1/chats/{chat}", {"title": "us"})
    ann.refused("forbidden", "DELETE", f"/v1/chats/{chat}")


# --- deleting ---

def test_a_deleted_chat_takes_leave_of_each_member_and_is_gone(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    sockets = [ann.online(), bob.online()]
    ann.delete(f"/v1/chats/{chat}")
    for who, socket in zip((ann, bob), sockets):
        last = socket.until(lambda event, who=who: event["type"] == "member_removed" and event["user"] == who.id)[-1]
        assert last["chat"] == chat and last["by"] == ann.id
        who.refused("not_found", "GET", f"/v1/chats/{chat}")
        who.refused("not_found", "GET", f"/v1/chats/{chat}/events")
        who.refused("not_found", "GET", f"/v1/chats/{chat}/members")
        who.refused("not_found", "GET", f"/v1/chats/{chat}/receipts")
        who.refused("not_found", "POST", f"/v1/chats/{chat}/messages", {"client_id": "1", "body": {"text": "x"}})
        assert who.get("/v1/chats")["items"] == []


# --- own settings ---

def test_own_settings_are_ones_own_and_change_one_by_one(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    settings = f"/v1/chats/{chat}/me"
    assert ann.patch(settings, {"pinned": True}) == {"muted_until": None, "pinned": True, "archived": False}
    muted = "2036-01-02T03:04:05.678Z"
    assert ann.patch(settings, {"muted_until": muted}) == {"muted_until": muted, "pinned": True, "archived": False}
    assert ann.patch(settings, {"muted_until": "2036-01-02T03:04:05Z"})["muted_until"] == "2036-01-02T03:04:05.000Z"
    assert ann.get("/v1/chats")["items"][0]["me"]["pinned"] is True
    assert bob.get("/v1/chats")["items"][0]["me"]["pinned"] is False
    assert ann.patch(settings, {"muted_until": None, "archived": True, "pinned": False}) == {
        "muted_until": None, "pinned": False, "archived": True}
    assert ann.get(f"/v1/chats/{chat}")["last_seq"] == 2, "the log says nothing of it"


@pytest.mark.parametrize("change, pointer", [
    ({"pinned": 1}, "/body/pinned"), ({"archived": "yes"}, "/body/archived"), ({"muted_until": 7}, "/body/muted_until"),
    ({"muted_until": "tomorrow"}, "/body/muted_until"), ({"muted_until": "2036-13-02T03:04:05Z"}, "/body/muted_until"),
    ({"muted_until": "2036-02-30T03:04:05Z"}, "/body/muted_until"),
    ({"muted_until": "2036-01-02T03:04:05+01:00"}, "/body/muted_until"), ({"color": "red"}, "/body/color"),
], ids=str)
def test_own_settings_that_cannot_be_are_refused(person, change, pointer):
    ann = person()
    ann.refused("bad_request", "PATCH", f"/v1/chats/{ann.group()}/me", change, pointer=pointer)


def test_times_are_of_now_and_rise(person):
    ann = person()
    chat = ann.group()
    for number in range(5):
        ann.say(chat, str(number))
    times = [event["at"] for event in ann.log(chat)]
    assert times == sorted(times)
    now = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - 60)), time.strftime(
        "%Y-%m-%dT%H:%M", time.gmtime(time.time() + 60))
    assert now[0] <= times[0][:16] <= now[1]
