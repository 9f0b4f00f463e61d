"""docs/permissions.md: every cell of its tables is done over REST, and does what it says."""

import itertools
import os

import pytest

from contract import ROOT

with open(os.path.join(ROOT, "docs/permissions.md"), encoding="utf-8") as page:
    TABLES = [[[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines] for is_table, lines in
              itertools.groupby(page, key=lambda line: line.startswith("|")) if is_table]
COLUMNS = TABLES[0][0][1:]
ROWS = {row[0]: row[1:] for table in TABLES for row in table[2:]}
KEYS = itertools.count(1)
IN_GROUP = {"anonymous": None, "stranger": "stranger", "former member": "former", "reader": "reader", "member": "member",
            "admin": "admin", "owner": "owner"}


class Group:
    """Somebody of every kind, and another of every role for things to be done to. Everybody has written."""

    def __init__(self, people):
        self.who = dict(zip(("owner", "admin", "member", "reader", "former", "stranger"), people(*"oamrfs")))
        self.other = dict(zip(("owner", "admin", "member", "new"), people(*"pbnx")))
        owner = self.who["owner"]
        self.chat = owner.group(title="Everybody")
        self.seqs = {}
        for name, person in [*self.who.items(), *self.other.items()]:
            if person is not owner and name not in ("stranger", "new"):
                owner.add(self.chat, person, "member")
        for name, person in self.who.items():
            if name != "stranger":
                self.seqs[person] = person.say(self.chat, f"of {name}")["seq"]
        self.anothers = self.other["member"].say(self.chat, "of another")["seq"]
        for people_of_roles in (self.who, self.other):
            for role in ("admin", "reader", "owner"):
                if role in people_of_roles and people_of_roles[role] is not owner:
                    owner.add(self.chat, people_of_roles[role], role)
        self.who["former"].leave(self.chat)

    def person(self, column):
        return self.who.get(IN_GROUP[column])


class Direct:
    """Two, of whom the other may have blocked the one who acts."""

    def __init__(self, people, is_blocked):
        self.acting, partner, stranger = people("acting", "partner", "new")
        self.other = {"owner": partner, "admin": partner, "member": partner, "new": stranger}
        self.chat = partner.direct(self.acting)
        self.seqs = {self.acting: self.acting.say(self.chat, "own")["seq"]}
        self.anothers = partner.say(self.chat, "of another")["seq"]
        if is_blocked:
            partner.put(f"/v1/users/me/blocks/{self.acting.id}", want=204)

    def person(self, _):
        return self.acting


def call_of(what, scene, person):
    """The call, and what it answers when it may be done. Who has no message of their own tries another's."""
    chat, other = f"/v1/chats/{scene.chat}", scene.other
    own = f"{chat}/messages/{scene.seqs.get(person, scene.anothers)}"
    anothers = f"{chat}/messages/{scene.anothers}"
    edited, message = {"body": {"text": "edited"}}, {"client_id": f"p{next(KEYS)}", "body": {"text": "x"}}
    return {
        "write": ("POST", f"{chat}/messages", 201, message),
        "reply": ("POST", f"{chat}/messages", 201, {**message, "reply_to": scene.anothers}),
        "edit own": ("PATCH", own, 200, edited),
        "edit another's": ("PATCH", anothers, 200, edited),
        "delete own": ("DELETE", own, 200),
        "delete another's": ("DELETE", anothers, 200),
        "react": ("PUT", f"{anothers}/reactions/x", 200),
        "take a reaction back": ("DELETE", f"{anothers}/reactions/x", 200),
        "read the log": ("GET", f"{chat}/events", 200),
        "move the own receipt": ("PUT", f"{chat}/receipts", 200, {"read": 1}),
        "read the receipts": ("GET", f"{chat}/receipts", 200),
        "read the chat": ("GET", chat, 200),
        "read the members": ("GET", f"{chat}/members", 200),
        "change own settings": ("PATCH", f"{chat}/me", 200, {"pinned": True}),
        "change the chat": ("PATCH", chat, 200, {"title": "Changed"}),
        "add a member": ("PUT", f"{chat}/members/{other['new'].id}", 200, {}),
        "add an admin": ("PUT", f"{chat}/members/{other['new'].id}", 200, {"role": "admin"}),
        "make an owner": ("PUT", f"{chat}/members/{other['member'].id}", 200, {"role": "owner"}),
        "lower a member": ("PUT", f"{chat}/members/{other['member'].id}", 200, {"role": "reader"}),
        "lower an admin": ("PUT", f"{chat}/members/{other['admin'].id}", 200, {"role": "member"}),
        "lower an owner": ("PUT", f"{chat}/members/{other['owner'].id}", 200, {"role": "admin"}),
        "remove a member": ("DELETE", f"{chat}/members/{other['member'].id}", 204),
        "remove an admin": ("DELETE", f"{chat}/members/{other['admin'].id}", 204),
        "remove an owner": ("DELETE", f"{chat}/members/{other['owner'].id}", 204),
        "leave": ("DELETE", f"{chat}/members/{person.id if person else other['member'].id}", 204),
        "delete the chat": ("DELETE", chat, 204),
    }[what]


def check(what, column, scene, person):
    """What is wrong with the cell; None when it holds."""
    method, path, status, *body = call_of(what, scene, person)
    caller = person if person is not None else scene.other["member"]
    wanted = ROWS[what][COLUMNS.index(column)]
    answer = caller.call(method, path, *body, **({} if person is not None else {"token": None}))
    holds = answer.status == status if wanted == "yes" else answer.code == wanted
    return None if holds else f"{what}, {column}: {answer.status} {answer.code}, not {wanted}"


def test_the_tables_have_one_form_and_the_rows_are_told_apart():
    assert all(table[0][1:] == COLUMNS for table in TABLES) and len(TABLES) == 2
    assert len(ROWS) == sum(len(table) - 2 for table in TABLES)
    assert all(len(cells) == len(COLUMNS) for cells in ROWS.values())


# What may be done changes the scene, so the refusals of all rows share one, and each row with a `yes` has its own.

def test_every_refusal_in_a_group(people):
    scene = Group(people)
    wrong = [check(what, column, scene, scene.person(column)) for what in ROWS for column in IN_GROUP
             if ROWS[what][COLUMNS.index(column)] != "yes"]
    assert not any(wrong), [each for each in wrong if each]


@pytest.mark.parametrize("column", [column for column in IN_GROUP if column != "anonymous"])
def test_everything_that_may_be_done_in_a_group(people, column):
    """The rows stand in an order in which one leaves the next possible, but for the last ones."""
    wrong, scene = [], Group(people)
    for what, cells in ROWS.items():
        if cells[COLUMNS.index(column)] != "yes":
            continue
        if what in ("lower a member", "lower an admin", "lower an owner", "remove a member", "leave", "delete the chat"):
            scene = Group(people)
        elif what == "react":
            scene.anothers = scene.other["admin"].say(scene.chat, "to react to")["seq"]
        wrong.append(check(what, column, scene, scene.person(column)))
    assert not any(wrong), [each for each in wrong if each]


@pytest.mark.parametrize("column", ["in a direct chat", "blocked in it"])
def test_everything_in_a_direct_chat(people, column):
    scene = Direct(people, column == "blocked in it")
    wrong = [check(what, column, scene, scene.acting) for what in ROWS]
    assert not any(wrong), [each for each in wrong if each]
