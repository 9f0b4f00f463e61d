"""The judge is judged. A made-up history that is legal throughout is valid; each way of breaking the contract that is
planted into it makes exactly the invariants invalid that it breaks; what is merely unlucky stays valid."""

import json
import pathlib
import subprocess
import sys
import threading

import pytest

import check
import history
from chance import Chance
from made_up import World
from planted import PLANTS, sent
from unlucky import UNLUCKY

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
    w.read(w.d3)
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
    w.close(w.d2)
    w.connect(w.d2, resume=False)
    w.read(w.d2)


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


# --- what breaks the contract ---


def with_consequences(broken):
    """I15 and I21 are other invariants, in a history in which Redis was hurt and clocks jumped."""
    broken = set(broken)
    if broken & {"I4", "I5", "I6"}:
        broken.add("I15")
    if broken & {"I1", "I2", "I4"}:
        broken.add("I21")
    return broken


@pytest.mark.parametrize("plant, broken", PLANTS, ids=[plant.__name__ for plant, _ in PLANTS])
def test_a_planted_violation_is_found_and_nothing_else(plant, broken, tmp_path):
    world = legal()
    plant(world)
    judgement = judged(world, tmp_path)
    assert judgement.named("invalid") == with_consequences(broken), said(judgement)
    assert judgement.status == 1


def test_every_invariant_is_broken_by_a_plant():
    broken = set().union(*(with_consequences(broken) for _, broken in PLANTS))
    assert broken == ALL and len(PLANTS) >= 45


# --- what does not ---


@pytest.mark.parametrize("bend", UNLUCKY, ids=[bend.__name__ for bend in UNLUCKY])
def test_what_is_only_unlucky_stays_valid(bend, tmp_path):
    world = legal()
    bend(world)
    world.save(tmp_path)
    if hasattr(world, "is_cut"):
        with open(tmp_path / "load.tsv", "a") as file:
            file.write("999999999\td1\tac")
    judgement = check.judge(tmp_path)
    assert judgement.word == "valid", said(judgement)
    assert judgement.cut == hasattr(world, "is_cut")


# --- what cannot be known ---


def without(*kinds):
    return lambda w: w.drop(*(row for kind in kinds for row in w.all(kind)))


def without_a_reading(w):
    w.drop(w.one("final_end", reading=2, chat=w.b.id))


ON_LOGS = {"I1", "I2", "I3", "I4", "I7", "I10", "I11", "I12", "I16", "I21"}
UNKNOWN = [
    ("a log that was read only once", without_a_reading, ON_LOGS | {"I15"}),
    ("no snapshots", without("cursor", "inbox", "inbox_device", "snapshot_end"), {"I16"}),
    ("snapshots that are not whole", without("snapshot_end"), {"I16"}),
    ("no feed", without("feed"), {"I16"}),
    ("no batches", without("batch"), {"I17"}),
    ("no faults", without("fault"), {"I15", "I21"}),
    ("faults that are not proven", lambda w: w.drop(*w.all("fault", phase="proven")), {"I15", "I21"}),
    ("nothing handed over", without("app"), {"I5", "I15"}),
    ("no device drained", without("drained"), {"I4", "I15", "I21"}),
    ("no pages", without("page_begin", "page_event", "page_end"), {"I10"}),
    ("no revocation", without("revoke_invoke", "revoke_ok"), {"I13"}),
    ("no receipts", without("receipt_invoke", "receipt_ok", "receipt_seen"), {"I18"}),
    ("no deletes", lambda w: w.drop(w.one("delete_ok")), {"I19"}),
    ("two windows", lambda w: w.drop(*w.all("latency", window="hurt:1")), {"I22"}),
    ("few samples", lambda w: w.drop(w.one("latency", window="quiet:0")), {"I22"}),
    ("a history that ends before an answer", lambda w: w.drop(*w.all("memory"), sent(w, "while d7 is logged out")[1]), {"I20"}),
]


@pytest.mark.parametrize("bend, unknown", [case[1:] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN])
def test_what_was_not_seen_is_unknown(bend, unknown, tmp_path):
    world = legal()
    bend(world)
    judgement = judged(world, tmp_path)
    assert (judgement.named("unknown"), judgement.named("invalid")) == (unknown, set()), said(judgement)
    assert judgement.status == 2


def test_a_waived_invariant_that_was_checked_on_nothing_does_not_count(tmp_path):
    world = legal()
    world.drop(*world.all("batch"))
    world.meta["waived"] = {"I17": "no subscriber here"}
    judgement = judged(world, tmp_path)
    assert judgement.verdicts["I17"].word == "waived" and judgement.word == "valid"


def test_a_violation_weighs_more_than_what_is_unknown(tmp_path):
    world = legal()
    world.copy(world.one("app"))
    world.drop(*world.all("batch"))
    assert judged(world, tmp_path).status == 1


# --- larger histories, drawn by chance ---


@pytest.mark.parametrize("seed", range(20))
def test_a_history_drawn_by_chance_is_never_invalid(seed, tmp_path):
    chance = Chance(seed)
    for _ in range(600):
        chance.step()
    chance.world.finish()
    judgement = judged(chance.world, tmp_path)
    assert judgement.named("invalid") == set(), said(judgement)
    assert judgement.named("unknown") <= {"I12", "I13", "I15", "I21", "I22"}, said(judgement)


# --- the form ---


BAD_LINES = [
    ("1\td1\tnothing\t1", "no kind 'nothing'"),
    ("1\td1\tack\t1", "ack has 2 columns, not 1"),
    ("1\td1\tack\t1\t2\t3", "ack has 2 columns, not 3"),
    ("1\td1\tack\t1\tone", "'one' is not a number"),
    ("1\td1\tack\t1\t-", "'-' is not a number"),
    ("1.5\td1\tack\t1\t1", "'1.5' is not a number"),
    ("1\td1", "a time, an actor and a kind"),
    ("", "a time, an actor and a kind"),
]


@pytest.mark.parametrize("line, reason", BAD_LINES)
def test_a_line_of_another_form_is_named(line, reason, tmp_path):
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "x.tsv").write_text(f"1\td1\tack\t1\t1\n{line}\n")
    with pytest.raises(history.HistoryError, match=f"x.tsv:2: .*{reason}"):
        history.read(tmp_path)


def test_meta_must_be_there(tmp_path):
    with pytest.raises(history.HistoryError, match="meta.json"):
        history.read(tmp_path)


def test_what_is_written_is_read(tmp_path):
    event = history.Event("7", 3, "message", "1", "-", "c1", history.hash_of("hello"))
    writer = history.Writer(tmp_path / "w.tsv", "d1")
    writer.write("event", 1, 2, event)
    writer.write("receipt_ok", "x", None, 4, actor="d2")
    writer.close()
    (tmp_path / "meta.json").write_text("{}")
    first, second = history.read(tmp_path).rows
    assert (first.actor, first.conn, first.n, first.event) == ("d1", 1, 2, event)
    assert (second.actor, second.delivered, second.read) == ("d2", None, 4) and first.time <= second.time


def test_what_cannot_be_read_is_not_written(tmp_path):
    writer = history.Writer(tmp_path / "w.tsv", "d1")
    for columns in (("ack", 1), ("nothing", 1), ("resync", "a\tb"), ("resync", "")):
        with pytest.raises(history.HistoryError):
            writer.write(*columns)
    assert (tmp_path / "w.tsv").read_text() == ""


def test_threads_do_not_mix_their_lines(tmp_path):
    writer = history.Writer(tmp_path / "w.tsv", "d1")
    threads = [threading.Thread(target=lambda: [writer.write("ack", 1, n) for n in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (tmp_path / "meta.json").write_text("{}")
    times = [int(line.split("\t")[0]) for line in (tmp_path / "w.tsv").read_text().splitlines()]
    assert len(history.read(tmp_path).rows) == 2000 and times == sorted(times)


def test_the_table_of_kinds_is_the_one_of_the_readme():
    text = (HERE.parent / "README.md").read_text()
    table = text[text.index("| kind | columns") :]
    kinds = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = set(" ".join(kinds).replace("`", " ").split())
    assert told == set(history.KINDS)


# --- the command ---


def run(folder, *arguments):
    command = [sys.executable, HERE / "check.py", folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_the_command_tells_its_verdict_by_its_status(tmp_path):
    world = legal()
    world.save(tmp_path)
    assert (run(tmp_path, "--quiet").returncode, run(tmp_path, "--quiet").stdout) == (0, "history valid\n")
    world.drop(*world.all("batch"))
    world.save(tmp_path)
    assert run(tmp_path).returncode == 2
    world.copy(world.one("app"))
    world.save(tmp_path)
    broken = run(tmp_path, "--json", tmp_path / "verdict.json")
    assert broken.returncode == 1 and "handed to the application twice: actor=d" in broken.stdout
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["verdict"] == "invalid" and verdict["invariants"][4]["violations"] == 1
    assert verdict["metrics"]["sends by outcome"]["unknown"] == 2 and verdict["faults"]["kill:redis"]["shots"] == 1


def test_the_command_says_where_a_history_cannot_be_read(tmp_path):
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "x.tsv").write_text("1\td1\tnothing\n")
    result = run(tmp_path)
    assert result.returncode == 2 and "x.tsv:1" in result.stderr


def test_an_end_without_a_beginning_is_not_a_history(tmp_path):
    world = legal()
    world.drop(world.one("invoke"))
    with pytest.raises(history.HistoryError, match="never begun"):
        judged(world, tmp_path)
