"""Profiles, search and blocks."""

import pytest

from people import RUN


OPEN = {"privacy": {"read_receipts": True, "presence": True}}


def test_a_profile_is_the_same_for_its_owner_and_for_others_but_for_the_privacy_switches(people):
    ann, bob = people("ann", "bob")
    assert ann.get("/v1/users/me") == {**ann.profile, **OPEN}
    assert bob.get(f"/v1/users/{ann.id}") == ann.profile == ann.get(f"/v1/users/{ann.id}")


def test_a_change_touches_only_what_is_named(people):
    ann, bob = people("ann", "bob")
    changed = ann.patch("/v1/users/me", {"avatar": "/pictures/7"})
    assert changed == {**ann.profile, **OPEN, "avatar": "/pictures/7"}
    changed = ann.patch("/v1/users/me", {"display_name": "Ann Example"})
    assert changed == {**ann.profile, **OPEN, "avatar": "/pictures/7", "display_name": "Ann Example"}
    assert {**bob.get(f"/v1/users/{ann.id}"), **OPEN} == changed
    assert ann.patch("/v1/users/me", {}) == changed
    assert "avatar" not in ann.patch("/v1/users/me", {"avatar": None})


@pytest.mark.parametrize("change, pointer", [
    ({"display_name": ""}, "/body/display_name"), ({"display_name": "é" * 65}, "/body/display_name"),
    ({"display_name": None}, "/body/display_name"), ({"avatar": "x" * 2049}, "/body/avatar"),
    ({"avatar": 7}, "/body/avatar"), ({"avatar": ""}, "/body/avatar"), ({"username": "other"}, "/body/username"),
    ({"id": "7"}, "/body/id"), ({"created_at": "2026-01-02T03:04:05.678Z"}, "/body/created_at"),
    ({"privacy": None}, "/body/privacy"), ({"privacy": True}, "/body/privacy"), ({"privacy": []}, "/body/privacy"),
    ({"privacy": {"read_receipts": 0}}, "/body/privacy/read_receipts"),
    ({"privacy": {"read_receipts": None}}, "/body/privacy/read_receipts"),
    ({"privacy": {"presence": "false"}}, "/body/privacy/presence"),
    ({"privacy": {"presence": False, "typing": False}}, "/body/privacy/typing"),
    ({"privacy": {"presence": False}, "flags": 2}, "/body/flags"),
], ids=str)
def test_a_change_that_cannot_be_is_refused_and_nothing_changes(person, change, pointer):
    ann = person()
    ann.refused("bad_request", "PATCH", "/v1/users/me", change, pointer=pointer)
    assert ann.get("/v1/users/me") == {**ann.profile, **OPEN}


# --- privacy ---

def test_each_privacy_switch_is_set_by_itself_and_stays(people):
    ann, bob = people("ann", "bob")
    assert ann.patch("/v1/users/me", {"privacy": {"read_receipts": False}})["privacy"] == {
        "read_receipts": False, "presence": True}
    assert ann.patch("/v1/users/me", {"privacy": {"presence": False}})["privacy"] == {
        "read_receipts": False, "presence": False}
    assert ann.patch("/v1/users/me", {"privacy": {}, "display_name": "Ann"})["privacy"] == {
        "read_receipts": False, "presence": False}
    assert ann.patch("/v1/users/me", {"privacy": {"read_receipts": True, "presence": False}})["privacy"] == {
        "read_receipts": True, "presence": False}
    assert ann.on_another_device().get("/v1/users/me")["privacy"] == {"read_receipts": True, "presence": False}
    assert bob.get("/v1/users/me")["privacy"] == OPEN["privacy"]


def test_nobody_else_is_shown_what_a_user_hides(world, people):
    ann, bob = people("ann", "bob")
    ann.patch("/v1/users/me", {"privacy": {"read_receipts": False, "presence": False}})
    assert "privacy" not in bob.get(f"/v1/users/{ann.id}")
    assert bob.get("/v1/users", q=ann.username)["items"] == [ann.profile]
    assert "privacy" not in ann.log_in()["user"]
    world.anyone.refused("unauthorized", "PATCH", "/v1/users/me", {"privacy": {"presence": True}})


def test_the_changes_behind_a_privacy_switch_still_reach_chats_and_sockets(people):
    """Who reads the feed passes over what it does not know."""
    ann, bob = people("ann", "bob")
    chat, socket = ann.direct(bob), ann.online()
    for read_receipts in (False, True, False):
        ann.patch("/v1/users/me", {"privacy": {"read_receipts": read_receipts}})
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    bob.refused("blocked", "POST", f"/v1/chats/{chat}/messages", {"client_id": "b1", "body": {"text": "let me in"}})
    socket.stays()
    ann.delete("/v1/sessions/current")
    assert socket.closed(2) == 4002


def test_nobody_is_found_under_an_id_that_nobody_has(person):
    person().refused("not_found", "GET", "/v1/users/4611686018427387904")


def test_search_finds_by_the_beginning_of_the_username_in_order_and_in_pages(people):
    ann, *others = people("ann", "zoe", "zoe", "zoe")
    prefix = f"zoe-{RUN}"
    mine = sorted(other.username for other in others)
    found = [user["username"] for user in ann.pages("/v1/users", 2, q=prefix)]
    assert found == sorted(found) and set(mine) <= set(found)
    assert [user["username"] for user in ann.get("/v1/users", q=mine[0].upper())["items"]] == [mine[0]]
    assert others[0].profile in ann.pages("/v1/users", 200, q=prefix)


@pytest.mark.parametrize("q", ["%", "_", "a_b%", "\\", "'", "zoe ", "é"])
def test_a_search_for_what_no_username_begins_with_finds_nobody(person, q):
    assert person().get("/v1/users", q=q) == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 33}], ids=str)
def test_a_search_needs_something_to_search_for(person, query):
    person().refused("bad_request", "GET", "/v1/users", query=query, pointer="/query/q")


def test_a_cursor_that_is_none_is_refused(person):
    ann = person()
    for path, query in (("/v1/users", {"q": "a"}), ("/v1/sessions", {}), ("/v1/users/me/blocks", {}), ("/v1/chats", {})):
        for cursor in ("x", "!!!", "AAAA"):
            ann.refused("bad_request", "GET", path, query={**query, "cursor": cursor}, pointer="/query/cursor")


# --- blocks ---

def test_blocks_are_listed_latest_first_and_both_verbs_may_be_repeated(people):
    ann, bob, cat = people("ann", "bob", "cat")
    for _ in range(2):
        ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    ann.put(f"/v1/users/me/blocks/{cat.id}", want=204)
    assert [block["user"] for block in ann.pages("/v1/users/me/blocks", 1)] == [cat.id, bob.id]
    for _ in range(2):
        ann.delete(f"/v1/users/me/blocks/{bob.id}")
    assert ann.get("/v1/users/me/blocks")["items"] == [{"user": cat.id}]
    assert bob.get("/v1/users/me/blocks")["items"] == []


def test_nobody_blocks_themselves_or_somebody_who_is_not_there(person):
    ann = person()
    ann.refused("bad_request", "PUT", f"/v1/users/me/blocks/{ann.id}", pointer="/path/user")
    ann.refused("not_found", "PUT", "/v1/users/me/blocks/4611686018427387904")


def test_who_is_blocked_cannot_start_a_direct_chat_with_the_blocker(people):
    ann, bob = people("ann", "bob")
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    bob.refused("blocked", "POST", "/v1/chats", {"kind": "direct", "members": [ann.id]})


def test_who_is_blocked_cannot_write_in_the_direct_chat_until_the_block_is_taken_back(people):
    ann, bob = people("ann", "bob")
    chat = bob.direct(ann)
    socket = bob.online()
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    message = {"client_id": "b1", "body": {"text": "let me in"}}
    bob.refused("blocked", "POST", f"/v1/chats/{chat}/messages", message)
    socket.refused("blocked", {"op": "send", "id": "1", "chat": chat, **message})
    ann.say(chat, "the blocker still may")
    ann.delete(f"/v1/users/me/blocks/{bob.id}")
    bob.post(f"/v1/chats/{chat}/messages", message)
    assert ann.texts(chat) == ["the blocker still may", "let me in"]


def test_a_block_made_before_the_chat_holds_in_it(people):
    ann, bob = people("ann", "bob")
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    chat = ann.direct(bob)
    ann.say(chat, "I may")
    bob.refused("blocked", "POST", f"/v1/chats/{chat}/messages", {"client_id": "b1", "body": {"text": "I may not"}})


def test_two_who_block_each_other_are_both_silent_and_one_taken_back_frees_only_the_other(people):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    bob.put(f"/v1/users/me/blocks/{ann.id}", want=204)
    for who in (ann, bob):
        who.refused("blocked", "POST", f"/v1/chats/{chat}/messages", {"client_id": "b1", "body": {"text": "hello"}})
    ann.delete(f"/v1/users/me/blocks/{bob.id}")
    bob.say(chat, "I may again")
    ann.refused("blocked", "POST", f"/v1/chats/{chat}/messages", {"client_id": "b2", "body": {"text": "I may not"}})


def test_a_block_does_not_reach_into_groups(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    bob.say(chat, "still here")
