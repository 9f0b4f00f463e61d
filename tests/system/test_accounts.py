"""Accounts and passwords: who can be made, who gets in, and what an end takes with it."""

import statistics
import time

import pytest

from people import PASSWORD, RUN, numbers


def new_name():
    return f"acc-{RUN}-{next(numbers)}"


def test_an_account_has_its_username_in_lower_case_and_as_its_first_display_name(world):
    name = new_name()
    user = world.anyone.post("/v1/users", {"username": name.upper(), "password": PASSWORD})
    assert (user["username"], user["display_name"]) == (name, name)
    assert "avatar" not in user


def test_a_display_name_can_be_given_at_once_and_may_be_in_any_script(world):
    user = world.anyone.post("/v1/users", {"username": new_name(), "password": PASSWORD, "display_name": "Ада 🚲"})
    assert user["display_name"] == "Ада 🚲"


def test_a_username_is_unique_and_capitals_make_no_difference(world, person):
    ann = person()
    for name in (ann.username, ann.username.upper()):
        world.anyone.refused("username_taken", "POST", "/v1/users", {"username": name, "password": PASSWORD})


def test_the_password_is_nowhere_in_an_answer(world):
    name = new_name()
    first = world.anyone.call("POST", "/v1/users", {"username": name, "password": "brass and steam 7"})
    second = world.anyone.call("POST", "/v1/sessions", {"username": name, "password": "brass and steam 7"})
    assert first.status == second.status == 201
    assert b"brass" not in first.body + second.body and b"argon" not in first.body + second.body


@pytest.mark.parametrize("username", [
    "", "ab", "x" * 33, "with blank", "a/b", "naïve", "tab\tbed", "dot,comma", "'; drop table users.account; --",
], ids=repr)
def test_a_username_that_cannot_be_is_refused_with_the_field_named(world, username):
    world.anyone.refused("bad_request", "POST", "/v1/users", {"username": username, "password": PASSWORD},
                         pointer="/body/username")


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257, "é" * 129, "password123", "aaaaaaaaaa", "12345678"],
                         ids=lambda password: password[:12] or "empty")
def test_a_password_that_is_too_short_too_long_or_too_common_is_refused(world, password):
    world.anyone.refused("bad_request", "POST", "/v1/users", {"username": new_name(), "password": password},
                         pointer="/body/password")


@pytest.mark.parametrize("password", ["8 bytes!", "x7" * 128, "пароль из букв", " leading and trailing "],
                         ids=lambda password: password[:12])
def test_a_password_of_8_to_256_bytes_is_taken_whole(world, password):
    name = new_name()
    world.anyone.post("/v1/users", {"username": name, "password": password})
    world.anyone.post("/v1/sessions", {"username": name, "password": password})
    world.anyone.refused("unauthorized", "POST", "/v1/sessions", {"username": name, "password": password[:-1]})


def test_an_unknown_user_and_a_wrong_password_are_answered_alike(world, person):
    ann = person()
    answers = [world.anyone.refused("unauthorized", "POST", "/v1/sessions", {"username": name, "password": "wrong wrong"})
               for name in (ann.username, new_name(), "no such name!")]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1] == answers[2]


def test_an_unknown_user_takes_as_long_as_a_wrong_password(world, person):
    def seconds(name):
        began = time.monotonic()
        world.anyone.refused("unauthorized", "POST", "/v1/sessions", {"username": name, "password": "wrong wrong"})
        return time.monotonic() - began

    names = [(person().username, new_name()) for _ in range(3)]
    pairs = [(seconds(known), seconds(unknown)) for known, unknown in names for _ in range(3)]
    known, unknown = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    assert 0.4 < unknown / known < 2.5, pairs


def test_too_many_wrong_passwords_make_the_account_wait_but_not_its_own_devices(world, person):
    ann = person()
    wrong = {"username": ann.username, "password": "wrong wrong"}
    for _ in range(40):
        answer = world.anyone.call("POST", "/v1/sessions", wrong)
        if answer.status == 429:
            break
        assert answer.status == 401
    assert answer.status == 429 and answer.code == "rate_limited"
    world.anyone.refused("rate_limited", "POST", "/v1/sessions", {**wrong, "password": PASSWORD})
    ann.log_in(ann.device)  # guessing at an account does not lock its owner out


def test_a_new_password_replaces_the_old_one_and_ends_all_other_sessions(world, person):
    ann = person()
    other = ann.on_another_device()
    here, there = ann.online(), other.online()
    ann.put("/v1/users/me/password", {"old_password": PASSWORD, "new_password": "another mill of brass"}, 204)
    assert there.closed(2) == 4002
    other.refused("unauthorized", "GET", "/v1/users/me")
    ann.get("/v1/users/me")
    here.stays()
    login = {"username": ann.username}
    world.anyone.refused("unauthorized", "POST", "/v1/sessions", {**login, "password": PASSWORD})
    world.anyone.post("/v1/sessions", {**login, "password": "another mill of brass"})


def test_a_wrong_old_password_is_forbidden_and_changes_nothing(person):
    ann = person()
    ann.refused("forbidden", "PUT", "/v1/users/me/password",
                {"old_password": "not this one", "new_password": "another mill of brass"})
    ann.log_in()


def test_a_new_password_is_held_to_the_same_rules(person):
    ann = person()
    for password in ("short", "x" * 257, "password123", ann.username):
        ann.refused("bad_request", "PUT", "/v1/users/me/password",
                    {"old_password": PASSWORD, "new_password": password}, pointer="/body/new_password")


def test_an_erased_account_is_gone_with_its_sessions_and_memberships_and_its_name_is_free(world, people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    bob.say(chat, "before")
    socket, other = bob.online(), ann.online()
    bob.delete("/v1/users/me")
    assert socket.closed(2) == 4002
    bob.refused("unauthorized", "GET", "/v1/users/me")
    ann.refused("not_found", "GET", f"/v1/users/{bob.id}")
    assert ann.get("/v1/users", q=bob.username)["items"] == []
    assert other.until(lambda event: event["type"] == "member_removed")[-1]["user"] == bob.id
    assert ann.roles(chat) == {ann.id: "owner"}
    assert ann.texts(chat) == ["before"]
    world.anyone.refused("unauthorized", "POST", "/v1/sessions", {"username": bob.username, "password": PASSWORD})
    world.anyone.post("/v1/users", {"username": bob.username, "password": PASSWORD})


def test_the_chat_of_an_erased_last_owner_goes_to_the_longest_standing_member_of_the_highest_role(people):
    ann, bob, cat, dan = people("ann", "bob", "cat", "dan")
    chat = ann.group(bob)
    ann.add(chat, cat, "admin")
    ann.add(chat, dan, "admin")
    ann.delete("/v1/users/me")
    assert cat.roles(chat) == {bob.id: "member", cat.id: "owner", dan.id: "admin"}


def test_an_heir_is_made_owner_in_the_log_before_the_erased_owner_leaves_it(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob, kind="channel")
    ann.delete("/v1/users/me")
    assert [(event["type"], event["user"], event.get("role"), event["by"]) for event in bob.log(chat)[2:]] == [
        ("role_changed", bob.id, "owner", ann.id), ("member_removed", ann.id, None, ann.id)]
    bob.say(chat, "mine now")
    bob.delete(f"/v1/chats/{chat}")


def test_a_chat_with_another_owner_needs_no_heir(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(bob, cat)
    ann.add(chat, cat, "owner")
    ann.delete("/v1/users/me")
    assert cat.roles(chat) == {bob.id: "member", cat.id: "owner"}


def test_who_was_written_to_by_an_erased_account_reads_on_and_finds_nobody_behind_it(world, people):
    ann, bob = people("ann", "bob")
    chat = bob.direct(ann)
    bob.say(chat, "I shall be gone")
    bob.delete("/v1/users/me")
    assert ann.texts(chat) == ["I shall be gone"]
    sender = ann.log(chat)[2]["sender"]
    assert sender == bob.id
    ann.refused("not_found", "GET", f"/v1/users/{sender}")
    assert ann.get("/v1/chats")["items"][0]["chat"]["member_count"] == 1
    again = world.anyone.post("/v1/users", {"username": bob.username, "password": PASSWORD})
    assert again["id"] != bob.id, "a name may come back, an id never"
    assert ann.direct(type("Again", (), again)) != chat


def test_a_token_that_is_still_believed_makes_no_chats_for_an_erased_account(people):
    ann, bob = people("ann", "bob")
    bob.get("/v1/chats")  # metadata believes the token for half a second from here on
    bob.delete("/v1/users/me")
    for kind, members in (("group", []), ("group", [ann.id]), ("direct", [ann.id])):
        answer = bob.call("POST", "/v1/chats", {"kind": kind, "members": members})
        assert answer.code in ("conflict", "unauthorized"), answer.body
    assert ann.get("/v1/chats")["items"] == []


def test_nobody_can_be_made_a_member_who_is_erased(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    bob.delete("/v1/users/me")
    ann.refused("not_found", "PUT", f"/v1/chats/{chat}/members/{bob.id}", {})
    ann.refused("bad_request", "POST", "/v1/chats", {"kind": "direct", "members": [bob.id]}, pointer="/body/members/0")
