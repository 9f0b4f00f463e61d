"""Members and roles: who may do what to whom, and what it does to what they see."""

import pytest

STRANGER = "4611686018427387904"


class Cast:
    """A group with one of each role, beside a former member and a stranger."""

    def __init__(self, people):
        names = ("owner", "admin", "member", "reader", "former", "stranger")
        self.__dict__.update(zip(names, people(*names)))
        self.chat = self.owner.group(title="Cast")
        for who, role in (("admin", "admin"), ("member", "member"), ("reader", "reader"), ("former", "member")):
            self.owner.add(self.chat, getattr(self, who), role)
        self.former.leave(self.chat)

    def __getitem__(self, name):
        return getattr(self, name)


# For each who acts: the code of a refusal, None where it is allowed. What is done to the chat is in test_chat_roles.py.
MATRIX = {
    #                          owner   admin        member       reader       former        stranger
    "read the receipts":      (None, None, None, None, "not_member", "not_found"),
    "move a receipt":         (None, None, None, None, "not_member", "not_found"),
    "read the log":           (None, None, None, None, None, "not_found"),
    "write":                  (None, None, None, "forbidden", "not_member", "not_found"),
}


def do(cast, what):
    """The call that this is, apart from who makes it."""
    chat = f"/v1/chats/{cast.chat}"
    message = {"client_id": "matrix", "body": {"text": "matrix"}}
    return {
        "read the receipts": ("GET", f"{chat}/receipts"),
        "move a receipt": ("PUT", f"{chat}/receipts", {"read": 1}),
        "read the log": ("GET", f"{chat}/events"),
        "write": ("POST", f"{chat}/messages", message),
    }[what]


def test_the_matrix_of_roles_holds_for_every_call_in_rest(people):
    """The refusals, which change nothing; what is allowed is done below."""
    cast = Cast(people)
    wrong = []
    for what, codes in MATRIX.items():
        for who, code in zip(("owner", "admin", "member", "reader", "former", "stranger"), codes):
            if code is not None:
                answer = cast[who].call(*do(cast, what))
                if answer.code != code:
                    wrong.append(f"{who}: {what}: {answer.status} {answer.code}, not {code}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", ["owner", "admin", "member", "reader", "former"])
def test_what_the_matrix_allows_is_done(people, who):
    cast = Cast(people)
    for what, codes in MATRIX.items():
        allowed = dict(zip(("owner", "admin", "member", "reader", "former"), codes))
        if allowed[who] is None:
            answer = cast[who].call(*do(cast, what))
            assert answer.status in (200, 201, 204), (what, answer.body)


def test_a_stranger_gets_the_same_answer_for_a_foreign_chat_and_a_missing_one(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    for call in (("GET", ""), ("PATCH", "", {"title": "x"}), ("DELETE", ""), ("GET", "/members"), ("GET", "/events"),
                 ("GET", "/receipts"), ("PUT", "/receipts", {"read": 1}), ("PATCH", "/me", {}),
                 ("PUT", f"/members/{bob.id}", {}), ("DELETE", f"/members/{bob.id}"),
                 ("POST", "/messages", {"client_id": "1", "body": {"text": "x"}})):
        answers = []
        for each in (chat, STRANGER):
            answers.append(bob.refused("not_found", call[0], f"/v1/chats/{each}{call[1]}", *call[2:]))
            answers[-1].pop("request_id")
        assert answers[0] == answers[1], call


def test_adding_again_with_the_same_role_or_none_changes_nothing(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    assert ann.add(chat, bob) == {"user": bob.id, "role": "member"}
    assert ann.add(chat, bob, "admin") == {"user": bob.id, "role": "admin"}
    assert ann.add(chat, bob) == ann.add(chat, bob, "admin") == {"user": bob.id, "role": "admin"}
    assert [(event["type"], event.get("role")) for event in ann.log(chat)] == [
        ("member_added", "owner"), ("member_added", "member"), ("role_changed", "admin")]


def test_a_new_member_of_a_channel_is_a_reader_unless_said_otherwise(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(kind="channel")
    assert ann.add(chat, bob)["role"] == "reader" and ann.add(chat, cat, "member")["role"] == "member"
    cat.say(chat, "I may write")


@pytest.mark.parametrize("body, pointer", [
    ({"role": "king"}, "/body/role"), ({"role": None}, "/body/role"), ({"role": 4}, "/body/role"),
    ({"user": "7"}, "/body/user"),
], ids=str)
def test_a_role_that_there_is_not_is_refused(people, body, pointer):
    ann, bob = people("ann", "bob")
    ann.refused("bad_request", "PUT", f"/v1/chats/{ann.group()}/members/{bob.id}", body, pointer=pointer)


def test_who_is_not_there_cannot_be_added_or_removed(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    ann.refused("not_found", "PUT", f"/v1/chats/{chat}/members/{STRANGER}", {})
    ann.refused("not_found", "DELETE", f"/v1/chats/{chat}/members/{bob.id}")


def test_the_members_of_a_direct_chat_cannot_change(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.direct(bob)
    ann.refused("forbidden", "PUT", f"/v1/chats/{chat}/members/{cat.id}", {})
    ann.refused("forbidden", "PUT", f"/v1/chats/{chat}/members/{bob.id}", {"role": "owner"})
    ann.refused("forbidden", "DELETE", f"/v1/chats/{chat}/members/{bob.id}")
    ann.refused("forbidden", "DELETE", f"/v1/chats/{chat}/members/{ann.id}")


def test_the_last_owner_hands_over_before_leaving_or_stepping_down(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.refused("conflict", "DELETE", f"/v1/chats/{chat}/members/{ann.id}")
    ann.refused("conflict", "PUT", f"/v1/chats/{chat}/members/{ann.id}", {"role": "admin"})
    ann.add(chat, bob, "owner")
    ann.leave(chat)
    assert bob.roles(chat) == {bob.id: "owner"}
    ann.refused("not_member", "GET", f"/v1/chats/{chat}")


def test_anybody_may_leave(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(bob)
    ann.add(chat, cat, "reader")
    bob.leave(chat)
    cat.leave(chat)
    assert ann.roles(chat) == {ann.id: "owner"} and ann.get(f"/v1/chats/{chat}")["member_count"] == 1


def test_an_admin_may_step_down_but_not_up(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    ann.add(chat, bob, "admin")
    bob.refused("forbidden", "PUT", f"/v1/chats/{chat}/members/{bob.id}", {"role": "owner"})
    assert bob.add(chat, bob, "member")["role"] == "member"


def test_the_members_come_in_pages(people):
    ann, *others = people("ann", *["m"] * 6)
    chat = ann.group(*others)
    members = ann.pages(f"/v1/chats/{chat}/members", 3)
    assert {member["user"] for member in members} == {ann.id, *(other.id for other in others)} and len(members) == 7


def test_a_removed_member_gets_the_removal_as_the_last_event_and_nothing_after(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat, sentinel = ann.group(bob, cat), ann.group(bob)
    live = bob.online()
    ann.say(chat, "before")
    ann.remove(chat, bob)
    ann.say(chat, "after")
    ann.say(sentinel, "sentinel")
    events = live.until(lambda event: event["chat"] == sentinel and event["type"] == "message")
    assert live.silent()
    mine = [event for event in events if event["chat"] == chat]
    assert (mine[-1]["type"], mine[-1]["user"], mine[-1]["by"]) == ("member_removed", bob.id, ann.id)
    assert mine == bob.log(chat), "the log ends for them where it ended live"
    assert ann.texts(chat) == ["before", "after"]
    bob.refused("not_member", "POST", f"/v1/chats/{chat}/messages", {"client_id": "1", "body": {"text": "x"}})
    live.refused("not_member", {"op": "send", "id": "1", "chat": chat, "client_id": "1", "body": {"text": "x"}})
    assert [item["chat"]["id"] for item in bob.get("/v1/chats")["items"]] == [sentinel]


def test_a_removal_that_was_answered_holds_for_sends_that_follow(people):
    ann, bob = people("ann", "bob")
    for number in range(5):
        chat = ann.group(bob)
        live = bob.online()
        ann.remove(chat, bob)
        live.refused("not_member", {"op": "send", "id": "1", "chat": chat, "client_id": "1", "body": {"text": "x"}})
        assert number >= 0 and ann.texts(chat) == []


def test_who_joins_sees_the_log_from_their_joining_on_unless_history_is_shared(people):
    ann, bob, cat = people("ann", "bob", "cat")
    for history, before in (("joined", []), ("shared", ["before"])):
        chat = ann.group(bob, history=history)
        ann.say(chat, "before")
        ann.add(chat, cat)
        ann.say(chat, "after")
        assert cat.texts(chat) == [*before, "after"]
        assert cat.log(chat)[0]["seq"] == (1 if history == "shared" else 4)
        assert bob.texts(chat) == ["before", "after"]


def test_who_joins_gets_live_what_comes_from_their_joining_on(people):
    ann, cat = people("ann", "cat")
    chat = ann.group(history="shared")
    live = cat.online()
    ann.say(chat, "before")
    ann.add(chat, cat)
    ann.say(chat, "after")
    live.event(chat=chat, seq=3, type="member_added", user=cat.id)
    live.event(chat=chat, seq=4, type="message")


def test_history_made_shared_opens_the_past_and_made_joined_closes_it(people):
    ann, bob = people("ann", "bob")
    chat = ann.group()
    ann.say(chat, "past")
    ann.add(chat, bob)
    assert bob.texts(chat) == []
    ann.patch(f"/v1/chats/{chat}", {"history": "shared"})
    assert bob.texts(chat) == ["past"]
    ann.patch(f"/v1/chats/{chat}", {"history": "joined"})
    assert bob.texts(chat) == []


def test_who_comes_back_sees_both_of_their_times_and_not_what_was_between(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.say(chat, "first time")
    ann.remove(chat, bob)
    ann.say(chat, "between")
    ann.add(chat, bob)
    ann.say(chat, "second time")
    assert bob.texts(chat) == ["first time", "second time"]
    bob.say(chat, "hello again")
    ann.remove(chat, bob)
    assert bob.texts(chat) == ["first time", "second time", "hello again"], "a former member may read on"
