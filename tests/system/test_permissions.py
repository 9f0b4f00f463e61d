"""The first table of docs/permissions.md, what may be done with messages: every cell is done over REST, and does what it says."""

import itertools
import os

import pytest

from contract import ROOT

with open(os.path.join(ROOT, "docs/permissions.md"), encoding="utf-8") as page:
    TABLE = next([[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines] for is_table, lines in
                 itertools.groupby(page, key=lambda line: line.startswith("|")) if is_table)
COLUMNS = TABLE[0][1:]
ROWS = {row[0]: row[1:] for row in TABLE[2:]}
KEYS = itertools.count(1)
IN_GROUP = {"anonymous": None, "stranger": "stranger", "former member": "former", "reader": "reader", "member": "member",
            "admin": "admin", "owner": "owner"}


class Group:
    """Somebody of every kind, and two more for things to be done to. Everybody has written."""

    def __init__(self, people):
        self.who = dict(zip(("owner", "admin", "member", "reader", "former", "stranger"), people(*"oamrfs")))
        self.other = dict(zip(("admin", "member"), people(*"bn")))
        owner = self.who["owner"]
        self.chat = owner.group(title="Everybody")
        self.seqs = {}
        for name, person in [*self.who.items(), *self.other.items()]:
            if person is not owner and name != "stranger":
                owner.add(self.chat, person, "member")
        for name, person in self.who.items():
            if name != "stranger":
                self.seqs[person] = person.say(self.chat, f"of {name}")["seq"]
        self.anothers = self.other["member"].say(self.chat, "of another")["seq"]
        for person, role in ((self.who["admin"], "admin"), (self.other["admin"], "admin"), (self.who["reader"], "reader")):
            owner.add(self.chat, person, role)
        self.who["former"].leave(self.chat)

    def person(self, column):
        return self.who.get(IN_GROUP[column])


class Direct:
    """Two, of whom the other may have blocked the one who acts."""

    def __init__(self, people, is_blocked):
        self.acting, partner = people("acting", "partner")
        self.chat = partner.direct(self.acting)
        self.seqs = {self.acting: self.acting.say(self.chat, "own")["seq"]}
        self.anothers = partner.say(self.chat, "of another")["seq"]
        if is_blocked:
            partner.put(f"/v1/users/me/blocks/{self.acting.id}", want=204)

    def person(self, _):
        return self.acting


def call_of(what, scene, person):
    """The call, and what it answers when it may be done. Who has no message of their own tries another's."""
    chat = f"/v1/chats/{scene.chat}"
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
    }[what]


def check(what, column, scene, person):
    """What is wrong with the cell; None when it holds."""
    method, path, status, *body = call_of(what, scene, person)
    wanted = ROWS[what][COLUMNS.index(column)]
    answer = person.call(method, path, *body) if person is not None else scene.other["member"].call(method, path, *body, token=None)
    holds = answer.status == status if wanted == "yes" else answer.code == wanted
    return None if holds else f"{what}, {column}: {answer.status} {answer.code}, not {wanted}"


def test_the_table_is_whole_and_its_rows_are_told_apart():
    assert len(ROWS) == len(TABLE) - 2 > 10
    assert all(len(cells) == len(COLUMNS) for cells in ROWS.values())


def test_every_refusal_in_a_group(people):
    scene = Group(people)
    wrong = [check(what, column, scene, scene.person(column)) for what in ROWS for column in IN_GROUP
             if ROWS[what][COLUMNS.index(column)] != "yes"]
    assert not any(wrong), [each for each in wrong if each]


@pytest.mark.parametrize("column", [column for column in IN_GROUP if column != "anonymous"])
def test_everything_that_may_be_done_in_a_group(people, column):
    """The rows stand in an order in which one leaves the next possible."""
    wrong, scene = [], Group(people)
    for what, cells in ROWS.items():
        if cells[COLUMNS.index(column)] != "yes":
            continue
        if what == "react":
            scene.anothers = scene.other["admin"].say(scene.chat, "to react to")["seq"]
        wrong.append(check(what, column, scene, scene.person(column)))
    assert not any(wrong), [each for each in wrong if each]


@pytest.mark.parametrize("column", ["in a direct chat", "blocked in it"])
def test_everything_in_a_direct_chat(people, column):
    scene = Direct(people, column == "blocked in it")
    wrong = [check(what, column, scene, scene.acting) for what in ROWS]
    assert not any(wrong), [each for each in wrong if each]
