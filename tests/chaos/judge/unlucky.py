"""What may happen to the legal history of test_check.py without any fault of the server. The names say what; UNLUCKY lists
them."""

import random

import history
from planted import last_event, sent, take_out


def replace_end(w, client_id, kind, column, value):
    _, end = sent(w, client_id)
    at = w.lines.index(end)
    w.lines[at] = {"time": end["time"], "actor": end["actor"], "kind": kind, "op": end["op"], column: value}


def fault(w, name, phase, time_us):
    row = {"time": time_us, "actor": "run", "kind": "fault", "name": name, "shot": 1, "phase": phase, "detail": "-"}
    w.lines.append(row)


def lost_ok(w):
    replace_end(w, "without u3", "unknown", "why", "lost")


def late_ok_after_a_timeout(w):
    invoke, ok = sent(w, "back")
    w.lines.append(
        {"time": invoke["time"] + 1, "actor": invoke["actor"], "kind": "unknown", "op": invoke["op"], "why": "timeout"}
    )
    ok["time"] += 100


def the_same_ok_again(w):
    invoke, ok = sent(w, "p0")
    w.copy(invoke, 50_000, op="x", via="rest")
    w.copy(ok, 50_000, op="x")


def everything_again_on_a_new_connection(w):
    drained = w.one("drained", actor="d2")
    w.copy(w.one("connect", actor="d2"), drained["time"] + 10 - w.one("connect", actor="d2")["time"], conn=9)
    w.copy(w.one("ready", actor="d2"), drained["time"] + 11 - w.one("ready", actor="d2")["time"], conn=9, session="y", inbox=5)
    for at, row in enumerate(w.all("event", actor="d2", conn=1)[:5]):
        w.copy(row, drained["time"] + 20 + at - row["time"], conn=9, n=at + 1)


def the_end_of_a_file_is_missing(w):
    w.is_cut = True


def lines_in_any_order(w):
    random.Random(1).shuffle(w.lines)


def closed_just_in_time(w):
    w.one("closed", actor="d5")["time"] = w.one("revoke_ok", actor="d7")["time"] + 990_000


def looked(w, actor, conn, time):
    w.lines.append({"time": time, "actor": actor, "kind": "looked", "conn": conn})


def closed_in_time_and_read_late(w):
    """The recorder was busy: it says when it had read what had come before."""
    ended = w.one("revoke_ok", actor="d7")["time"]
    closed = w.one("closed", actor="d5")
    closed["time"] = ended + 2_500_000
    looked(w, "d5", closed["conn"], ended + 2_500_001)


def closed_late_because_delivery_was_frozen(w, name="freeze:delivery"):
    ended = w.one("revoke_ok", actor="d7")["time"]
    w.one("closed", actor="d5")["time"] = ended + 2_500_000
    fault(w, name, "begin", ended + 1)
    fault(w, name, "recovered", ended + 2_000_000)


def closed_late_because_delivery_outlasted_the_queue(w):
    closed_late_because_delivery_was_frozen(w, "bus:outlast_the_queue")


def answered_late_because_chat_was_frozen(w):
    invoke, end = sent(w, "late")
    end["time"] = invoke["time"] + 25_000_000
    for phase, after in (("begin", 1_000_000), ("over", 11_000_000)):
        fault(w, "freeze:chat", phase, invoke["time"] + after)


def others_wait_longer_within_the_noise(w):
    for row in w.all("latency"):
        row["us"] = "45000" if row["window"].startswith("hurt") else "900"


def others_wait_longer_in_one_window(w):
    for row in w.all("latency", window="hurt:1"):
        row["us"] = "900000"


def an_ack_was_lost_and_what_it_took_comes_again(w):
    row = w.one("event", actor="d3", conn=2)
    ack = w.one("ack", actor="d3", conn=1)
    w.copy(ack, w.one("closed", actor="d3")["time"] - 1 - ack["time"], n=int(last_event(w, "d3", 1)["n"]) - 1)
    assert row["time"] > ack["time"]


def a_connection_that_never_became_ready_resumed(w):
    row = w.one("connect", actor="d3", conn=2)
    w.copy(row, -10, conn=5)
    take_out(w, w.one("event", actor="d3", conn=2))


def a_batch_was_lost_on_the_bus(w):
    w.drop(*w.all("batch", partition=0)[3:6])


def another_owner_takes_over(w):
    for row in w.all("batch", partition=0)[4:]:
        row["epoch"] = "2"


def a_deleted_body_was_still_on_its_way(w):
    w.one("event", actor="d2", seq=w.target, chat=w.a.id)["hash"] = history.hash_of("body of soon gone")


def a_receipt_that_crossed_another(w):
    first, second = w.all("receipt_invoke")
    second["time"] = w.one("receipt_ok")["time"] - 1
    w.one("receipt_ok", at=1)["delivered"] = "4"
    w.one("receipt_ok", at=1)["read"] = "3"
    assert first["time"] < second["time"]


def watermarks_begin_again_after_a_removal(w):
    """u3 is told 5 before the removal and 1 after coming back."""
    before = w.all("member_invoke", user=w.u3)[0]["time"] - 100
    after = w.all("member_invoke", user=w.u3)[1]["time"] + 5000
    for op, when, value in (("x", before, 5), ("y", after, 1)):
        for kind, later in (("receipt_invoke", 0), ("receipt_ok", 5)):
            row = w.one(kind)
            w.copy(row, when + later - row["time"], op=op, actor="d3", delivered=value, read=value)


def an_event_is_passed_over_by_who_had_not_logged_in(w):
    """d6's login comes late: nothing that was sent before it is owed."""
    login = w.one("device", actor="d6")
    login["time"] = w.one("connect", actor="d6")["time"] - 1


def a_removal_answered_by_a_repetition(w):
    invoke, ok = w.one("member_invoke", change="remove"), w.one("member_ok")
    w.drop(ok)
    w.lines.append(
        {"time": ok["time"], "actor": ok["actor"], "kind": "member_unknown", "op": ok["op"], "why": "unavailable"}
    )
    w.copy(invoke, ok["time"] + 10 - invoke["time"], op="x")
    w.copy(ok, 20, op="x")


def sent_before_the_removal_and_answered_after_it(w):
    """A message of u3 that was stored in time; its repetition after the removal is answered with its seq."""
    refused = sent(w, "late")[1]
    row = {**sent(w, "a1")[0], "actor": "d2", "op": "x", "via": "rest", "time": refused["time"] + 1}
    w.lines.append(row)
    w.lines.append({"time": row["time"] + 1, "actor": "d2", "kind": "ok", "op": "x", "seq": sent(w, "a1")[1]["seq"]})


def a_stranger_whom_nobody_knows_connects(w):
    w.lines.append({"time": 5_000_000, "actor": "storm", "kind": "connect", "conn": 1})
    w.lines.append({"time": 5_000_001, "actor": "storm", "kind": "closed", "conn": 1, "code": 4001})


def a_waiver_for_what_was_checked(w):
    w.meta["waived"] = {"I7": "not needed"}


UNLUCKY = [
    lost_ok,
    late_ok_after_a_timeout,
    the_same_ok_again,
    everything_again_on_a_new_connection,
    the_end_of_a_file_is_missing,
    lines_in_any_order,
    closed_just_in_time,
    closed_in_time_and_read_late,
    closed_late_because_delivery_was_frozen,
    closed_late_because_delivery_outlasted_the_queue,
    answered_late_because_chat_was_frozen,
    others_wait_longer_within_the_noise,
    others_wait_longer_in_one_window,
    an_ack_was_lost_and_what_it_took_comes_again,
    a_connection_that_never_became_ready_resumed,
    a_batch_was_lost_on_the_bus,
    another_owner_takes_over,
    a_deleted_body_was_still_on_its_way,
    a_receipt_that_crossed_another,
    watermarks_begin_again_after_a_removal,
    an_event_is_passed_over_by_who_had_not_logged_in,
    a_removal_answered_by_a_repetition,
    sent_before_the_removal_and_answered_after_it,
    a_stranger_whom_nobody_knows_connects,
    a_waiver_for_what_was_checked,
]
