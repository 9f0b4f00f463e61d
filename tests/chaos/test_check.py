"""The judge is judged. A made-up history that is legal throughout is valid; each way of breaking the contract that is
planted into it makes exactly the invariants invalid that it breaks; what is merely unlucky stays valid."""

import json
import pathlib
import random
import subprocess
import sys
import threading

import pytest

import check
import history
from made_up import World

HERE = pathlib.Path(__file__).parent
ALL = {name for name, _, _ in check.INVARIANTS}


def legal():
    """A bit of everything. u1 owns both chats; u3 is removed and comes back, u4 is added later, u5 logs out."""
    w = World()
    w.u1, w.u2, w.u3, w.u4, w.u5 = (w.user() for _ in range(5))
    w.d1, w.d2, w.d3, w.d4, w.d5 = (w.device(user) for user in w.users)
    w.d6, w.d7 = w.device(w.u2), w.device(w.u5)
    w.a = w.chat(w.u1, [w.u2, w.u3, w.u5])  # events 1 to 4
    w.b = w.chat(w.u1, [w.u2], shared=True)
    for device in w.devices.values():
        w.connect(device)
    talk(w)
    members_come_and_go(w)
    connections_come_and_go(w)
    sessions_end(w)
    w.page(w.d2, w.a, 0, 200)
    w.page(w.d2, w.a, 2, 5)
    w.page(w.d3, w.a, 0, 200)
    delete_one(w)
    w.latencies()
    w.finish()
    return w


def talk(w):
    """Pipelined on a connection, again with the same client_id, again with another body, an answer that was lost."""
    ops = [w.invoke(w.d1, w.a, f"p{i}") for i in range(3)]
    w.p_seqs = [w.store(op) for op in ops]
    for op, seq in zip(ops, w.p_seqs):
        w.answer(op, seq)
    w.send(w.d2, w.a, "a1")
    w.send(w.d2, w.a, "a1", rest=True)
    w.send(w.d2, w.a, "a1", body="another")
    w.send(w.d1, w.b, "b1")
    w.send_lost(w.d2, w.b, "b2", stored=True)
    w.send(w.d2, w.b, "b2")
    w.send_lost(w.d2, w.b, "b3", stored=False)
    w.send(w.d2, w.b, "b3")
    for device in w.devices.values():
        w.read(device)
    w.receipt(w.d2, w.a, 5, 3)
    w.receipt(w.d2, w.a, 7, 6)
    w.snapshot()
    for device in w.devices.values():
        w.ack(device)
    w.snapshot()


def members_come_and_go(w):
    w.change(w.a, "remove", w.u3)
    w.send(w.d3, w.a, "late")
    w.send(w.d1, w.a, "without u3")
    w.change(w.a, "add", w.u4)
    w.change(w.a, "add", w.u3)
    w.send(w.d3, w.a, "back")
    w.change(w.b, "add", w.u4)
    w.send(w.d4, w.b, "b4")
    for device in w.devices.values():
        w.read(device)


def connections_come_and_go(w):
    """d2 resumes, d3 comes back for its inbox, d4 loses it and is told so, d6 is told on its connection."""
    w.close(w.d2)
    w.send(w.d1, w.a, "while d2 is away")
    w.connect(w.d2)
    w.close(w.d3)
    w.park(w.d3)
    w.send(w.d1, w.a, "while d3 is away")
    w.park(w.d3)
    for device in (w.d1, w.d2, w.d4, w.d5, w.d6, w.d7):
        w.read(device)
        w.ack(device)
    w.snapshot()
    w.connect(w.d3, resume=False)
    w.read(w.d3)
    w.ack(w.d3)
    w.close(w.d4)
    w.fault("kill:redis", "begin", "proven")
    w.send(w.d1, w.a, "while redis is away")
    w.wipe(w.d4)
    w.wipe(w.d6)
    w.read(w.d1)
    w.fault("kill:redis", "over", "recovered")
    w.snapshot()
    w.connect(w.d4)
    w.fault("clock:+1h", "begin", "proven")
    w.send(w.d1, w.a, "an hour later")
    for device in (w.d1, w.d2, w.d3):
        w.read(device)
    w.fault("clock:+1h", "over", "recovered")


def sessions_end(w):
    w.revoke(w.d7, "password")  # ends d5
    w.wait(3)
    w.send(w.d1, w.a, "while d5 is logged out")
    w.login(w.d5)
    w.connect(w.d5, resume=False)
    w.revoke(w.d7, "logout")
    w.wait(3)
    w.send(w.d1, w.a, "while d7 is logged out")


def delete_one(w):
    """d3 gets the rest of its inbox after the delete, d5 reads a page after it."""
    w.read(w.d3)
    w.ack(w.d3)
    w.close(w.d3)
    w.target = w.send(w.d1, w.a, "soon gone")
    w.delete(w.d1, w.a, w.target)
    w.connect(w.d3, resume=False)
    w.read(w.d3)
    w.page(w.d5, w.a, 0, 200)
    w.ack(w.d3)


def judged(world, folder):
    world.save(folder)
    return check.judge(folder)


def said(judgement):
    return {name: verdict.first or verdict.missing for name, verdict in judgement.verdicts.items() if verdict.word != "valid"}


def test_a_legal_history_is_valid_and_every_invariant_was_checked(tmp_path):
    judgement = judged(legal(), tmp_path)
    assert judgement.word == "valid", said(judgement)
    assert all(verdict.checked > 0 for verdict in judgement.verdicts.values())
