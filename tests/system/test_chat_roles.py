"""Who may do what with a chat: the second table of docs/permissions.md, cell by cell."""

import concurrent.futures
import json
import re

import pytest

from contract import ROOT, documents

PAGE = f"{ROOT}/docs/permissions.md"
CALL = re.compile(r"`([A-Z]+) ([^`]+)`(?: `([^`]+)`)?\Z")
IN_A_GROUP = ("anonymous", "stranger", "former member", "reader", "member", "admin", "owner")
IN_A_DIRECT_CHAT = ("in a direct chat", "blocked in it")


def rows_of_the_page():
    with open(PAGE, encoding="utf-8") as file:
        lines = [line for line in file if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    head = next(index for index, row in enumerate(cells) if row[:2] == ["what", "call"])
    return [dict(zip(cells[head], row)) for row in cells[head + 2:] if len(row) == len(cells[head])]


ROWS = rows_of_the_page()


class Cast:
    """The caller in this part, beside one of each role; each row gets a chat of its own."""

    def __init__(self, world, part):
        names = ("keeper", "owner", "admin", "member", "reader", "former", "new", "self")
        self.people = {name: world.person(name) for name in names}
        self.part, self.anyone = part, world.anyone
        if part == "blocked in it":
            self.people["owner"].put(f"/v1/users/me/blocks/{self.people['self'].id}", want=204)

    caller = property(lambda self: self.anyone if self.part == "anonymous" else self.people["self"])

    def chat(self):
        """A fresh one; and whose logs tells what happens in it."""
        keeper, caller, other = (self.people[name] for name in ("keeper", "self", "owner"))
        if self.part in IN_A_DIRECT_CHAT:
            return other.post("/v1/chats", {"kind": "direct", "members": [caller.id]}, (200, 201))["id"], other
        chat = keeper.group(title="Old")
        for role in ("owner", "admin", "member", "reader"):
            keeper.add(chat, self.people[role], role)
        keeper.add(chat, self.people["former"])
        self.people["former"].leave(chat)
        if self.part not in ("anonymous", "stranger"):
            keeper.add(chat, caller, "member" if self.part == "former member" else self.part)
        if self.part == "former member":
            caller.leave(chat)
        return chat, keeper

    def person_named(self, name):
        """Of the people in a direct chat there is only the other one."""
        if self.part in IN_A_DIRECT_CHAT and name not in ("self", "new", "former"):
            return self.people["owner"]
        return self.people[name]

    def call(self, chat, row):
        method, path, body = CALL.match(row["call"]).groups()
        path = re.sub(r"\{(\w+)\}", lambda found: self.person_named(found[1]).id, path)
        path = path.replace("…", f"/v1/chats/{chat}")
        return self.caller.call(method, path, *([json.loads(body)] if body else []))


def state_of(keeper, chat):
    return keeper.get(f"/v1/chats/{chat}"), keeper.roles(chat)


@pytest.mark.parametrize("part", [*IN_A_GROUP, *IN_A_DIRECT_CHAT])
def test_each_may_what_the_table_says_and_a_refusal_changes_nothing(world, part):
    cast, wrong = Cast(world, part), []
    for row in ROWS:
        chat, keeper = cast.chat()
        before = state_of(keeper, chat)
        answer, want = cast.call(chat, row), row[part]
        done = answer.status in (200, 204)
        if done != (want == "yes") or (not done and answer.code != want):
            wrong.append(f"{row['what']}: {answer.status} {answer.code}, not {want}")
        if not done and state_of(keeper, chat) != before:
            wrong.append(f"{row['what']}: refused, and something changed")
    assert not wrong, "\n".join(wrong)


def test_the_table_has_every_call_that_reads_or_changes_a_chat_or_its_members():
    inside = documents()["openapi.yaml"]["paths"]
    wanted = {(method.upper(), path) for path, item in inside.items() if path.startswith("/v1/chats/{chat}")
              for method, operation in item.items() if isinstance(operation, dict) and operation.get("tags") == ["chats"]}
    calls = [CALL.match(row["call"]).groups() for row in ROWS]
    found = {(method, re.sub(r"members/\{\w+\}", "members/{user}", path.replace("…", "/v1/chats/{chat}")))
             for method, path, _ in calls}
    assert len(wanted) == 7 and found == wanted


def test_the_table_has_a_word_in_every_cell():
    words = {"yes", "unauthorized", "not_found", "not_member", "forbidden"}
    assert len(ROWS) > 20
    assert {row[part] for row in ROWS for part in (*IN_A_GROUP, *IN_A_DIRECT_CHAT)} == words


# --- what the table cannot say ---

def test_the_matrix_holds_in_a_channel_too(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(bob, kind="channel")
    assert ann.roles(chat)[bob.id] == "reader"
    bob.refused("forbidden", "PATCH", f"/v1/chats/{chat}", {"title": "x"})
    bob.refused("forbidden", "PUT", f"/v1/chats/{chat}/members/{cat.id}", {})
    ann.add(chat, bob, "admin")
    assert bob.add(chat, cat) == {"user": cat.id, "role": "reader"}
    bob.patch(f"/v1/chats/{chat}", {"title": "x"})


def test_ownership_is_handed_over_and_the_former_owner_steps_down_or_leaves(people):
    ann, bob, cat = people("ann", "bob", "cat")
    chat = ann.group(bob, cat)
    ann.add(chat, bob, "owner")
    ann.add(chat, ann, "member")
    ann.refused("forbidden", "DELETE", f"/v1/chats/{chat}")
    bob.refused("conflict", "DELETE", f"/v1/chats/{chat}/members/{bob.id}")
    bob.refused("conflict", "PUT", f"/v1/chats/{chat}/members/{bob.id}", {"role": "reader"})
    bob.add(chat, cat, "owner")
    bob.leave(chat)
    assert cat.roles(chat) == {ann.id: "member", cat.id: "owner"}
    assert [(event["type"], event["user"], event.get("role")) for event in cat.log(chat)[3:]] == [
        ("role_changed", bob.id, "owner"), ("role_changed", ann.id, "member"), ("role_changed", cat.id, "owner"),
        ("member_removed", bob.id, None)]


def test_of_two_owners_who_leave_at_once_one_stays(people):
    ann, bob = people("ann", "bob")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            chat = ann.group(bob)
            ann.add(chat, bob, "owner")
            calls = [pool.submit(who.call, "DELETE", f"/v1/chats/{chat}/members/{who.id}") for who in (ann, bob)]
            assert sorted(call.result().status for call in calls) == [204, 409]


def test_own_settings_are_in_nobodys_view_but_ones_own_and_begin_anew_with_each_membership(people):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    muted = "2036-01-02T03:04:05.678Z"
    bob.patch(f"/v1/chats/{chat}/me", {"pinned": True, "archived": True, "muted_until": muted})
    shown = [ann.call("GET", path).body for path in (f"/v1/chats/{chat}", f"/v1/chats/{chat}/members",
                                                     f"/v1/chats/{chat}/events", "/v1/chats")]
    assert not any(muted.encode() in body or b'"pinned":true' in body or b'"archived":true' in body for body in shown)
    assert bob.get("/v1/chats")["items"][0]["me"] == {"muted_until": muted, "pinned": True, "archived": True}
    ann.remove(chat, bob)
    bob.refused("not_member", "PATCH", f"/v1/chats/{chat}/me", {"pinned": False})
    ann.add(chat, bob)
    assert bob.get("/v1/chats")["items"][0]["me"] == {"muted_until": None, "pinned": False, "archived": False}


@pytest.mark.parametrize("body, pointer", [
    ({"role": "admin", "by": "7"}, "/body/by"), ({"role": "admin", "sender": "7"}, "/body/sender"),
    ({"role": "admin", "at": "2026-01-02T03:04:05.678Z"}, "/body/at"), ({"role": "admin", "seq": 7}, "/body/seq"),
    ({"roles": ["admin"]}, "/body/roles"), ({"role": "OWNER"}, "/body/role"), ({"role": ""}, "/body/role"),
    ({"role": "former"}, "/body/role"), ({"role": ["owner"]}, "/body/role"),
], ids=str)
def test_a_membership_says_nothing_but_the_role(people, body, pointer):
    ann, bob = people("ann", "bob")
    chat = ann.group(bob)
    ann.refused("bad_request", "PUT", f"/v1/chats/{chat}/members/{bob.id}", body, pointer=pointer)
    assert ann.roles(chat)[bob.id] == "member"


@pytest.mark.parametrize("name", ["sender", "role", "at", "seq", "id", "created_at", "member_count", "owner", "me"])
def test_a_chat_takes_nothing_that_is_not_its_makers_to_say(person, name):
    ann = person()
    chat = ann.group()
    ann.refused("bad_request", "POST", "/v1/chats", {"kind": "group", "members": [], name: "x"}, pointer=f"/body/{name}")
    ann.refused("bad_request", "PATCH", f"/v1/chats/{chat}", {"title": "x", name: "x"}, pointer=f"/body/{name}")
    ann.refused("bad_request", "PATCH", f"/v1/chats/{chat}/me", {"pinned": True, name: "x"}, pointer=f"/body/{name}")
    item = ann.get("/v1/chats")["items"][0]
    assert (item["chat"]["title"], item["me"]["pinned"]) == (None, False)
