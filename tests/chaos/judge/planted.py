"""Violations to plant into the legal history of test_check.py, one a function: its name is the sentence, its mark says
which invariants it breaks by itself. PLANTS lists them."""

import history

PLANTS = []
EVENT = history.Event._fields


def breaks(*invariants):
    def mark(plant):
        PLANTS.append((plant, set(invariants)))
        return plant

    return mark


# --- lines that belong together ---


def sent(w, client_id, at=0):
    """The invocation and the end of a send."""
    invoke = w.one("invoke", at, client_id=client_id)
    return invoke, next(
        row for row in w.lines if row["kind"] in ("ok", "refused", "unknown") and row["op"] == invoke["op"]
    )


def places(w, chat, seq):
    """All lines that show an event."""
    kinds = ("final", "event", "synced", "page_event")
    return [row for kind in kinds for row in w.all(kind, chat=chat, seq=seq)]


def content(row):
    return {name: row[name] for name in EVENT}


def last_event(w, actor, conn=None):
    rows = w.all("event", actor=actor) if conn is None else w.all("event", actor=actor, conn=conn)
    return rows[-1]


def shift(w, row, by):
    """Renumbers what follows a row on its connection."""
    first = int(row["n"])
    for other in w.lines:
        if other["kind"] in ("event", "ack") and (other["actor"], other["conn"]) == (row["actor"], row["conn"]) and int(other["n"]) >= first:
            other["n"] = str(int(other["n"]) + by)


def insert_before(w, row, event):
    """Another event on a connection, before a row."""
    n = row["n"]
    shift(w, row, 1)
    w.copy(row, -1, **content(event), n=n)


def take_out(w, row):
    w.drop(row)
    shift(w, row, -1)


def app_of(w, row):
    return w.one("app", actor=row["actor"], chat=row["chat"], seq=row["seq"])


# --- I1 ---


@breaks("I1")
def answered_ok_and_never_stored(w):
    invoke, ok = sent(w, "b4")
    w.copy(invoke, 10**6, op="x", client_id="new", via="rest")
    w.copy(ok, 10**6, op="x", seq=w.b.head + 1)


@breaks("I1", "I3")
def the_last_event_is_lost_after_it_was_answered_and_seen(w):
    w.drop(*w.all("final", chat=w.b.id, seq=w.b.head))
    for end in w.all("final_end", chat=w.b.id):
        end["last_seq"] = str(w.b.head - 1)


@breaks("I1")
def answered_with_the_seq_of_another_event(w):
    _, ok = sent(w, "back")
    ok["seq"] = str(int(ok["seq"]) - 1)


@breaks("I1")
def stored_with_other_bytes(w):
    _, ok = sent(w, "back")
    for row in places(w, w.a.id, ok["seq"]):
        row["hash"] = history.hash_of("something else")


@breaks("I1", "I2", "I3")
def gone_at_the_second_reading(w):
    w.drop(w.one("final", reading=2, chat=w.b.id, seq=w.b.head))
    w.one("final_end", reading=2, chat=w.b.id)["last_seq"] = str(w.b.head - 1)


# --- I2 ---


@breaks("I1", "I2", "I3")
def a_hole_in_the_log(w):
    _, ok = sent(w, "without u3")
    w.drop(*w.all("final", chat=w.a.id, seq=ok["seq"]))


@breaks("I2")
def a_seq_twice_in_the_log(w):
    w.copy(w.one("final", reading=1, chat=w.a.id, seq=5), 0)


@breaks("I2")
def the_head_is_above_the_last_event(w):
    w.one("final_end", reading=2, chat=w.a.id)["last_seq"] = str(w.a.head + 1)


@breaks("I2")
def the_log_changes_between_two_readings(w):
    w.one("final", reading=1, chat=w.a.id, seq=2)["subject"] = w.u5


@breaks("I1", "I2")
def a_message_loses_its_body_though_nothing_was_deleted(w):
    row = places(w, w.b.id, sent(w, "b1")[1]["seq"])
    for place in row:
        place["hash"] = "-"


@breaks("I2")
def a_hole_in_the_offsets(w):
    w.drop(w.one("feed", partition=0, offset=3))


@breaks("I2")
def an_offset_twice(w):
    w.one("feed", partition=1, offset=3)["offset"] = "2"


@breaks("I2")
def an_event_twice_in_the_feed(w):
    rows = w.all("feed", partition=1)
    w.copy(rows[-1], offset=len(rows) + 1)


@breaks("I2")
def an_event_in_the_feeds_of_two_partitions(w):
    w.copy(w.all("feed", partition=1)[-1], partition=0, offset=len(w.all("feed", partition=0)) + 1)


@breaks("I2", "I17")
def the_last_event_is_missing_in_the_feed(w):
    w.drop(w.all("feed", partition=0)[-1])


@breaks("I2")
def offsets_in_another_order_than_seqs(w):
    one, other = w.one("feed", partition=0, offset=2), w.one("feed", partition=0, offset=3)
    one["seq"], other["seq"] = other["seq"], one["seq"]


@breaks("I2", "I3")
def one_device_sees_another_body(w):
    w.one("event", actor="d2", seq=sent(w, "p1")[1]["seq"], chat=w.a.id)["hash"] = history.hash_of("mangled")


@breaks("I2", "I3")
def a_page_shows_another_sender(w):
    w.one("page_event", seq=sent(w, "p1")[1]["seq"])["sender"] = w.u5


# --- I3 ---


@breaks("I3")
def an_event_that_is_not_in_the_log(w):
    last = last_event(w, "d1")
    w.copy(last, 1, n=int(last["n"]) + 1, seq=w.a.head + 1, chat=w.a.id, client_id="ghost")


@breaks("I3")
def a_resync_brings_what_is_not_in_the_log(w):
    w.copy(w.one("synced", actor="d4"), chat=w.a.id, seq=w.a.head + 9)


@breaks("I3")
def refused_and_in_the_log(w):
    _, ok = sent(w, "without u3")
    at = w.lines.index(ok)
    w.lines[at] = {"time": ok["time"], "actor": ok["actor"], "kind": "refused", "op": ok["op"], "code": "rate_limited"}


# --- I4 ---


@breaks("I4")
def the_last_event_never_comes(w):
    row = last_event(w, "d1")
    w.drop(row, app_of(w, row))


@breaks("I4")
def a_resync_leaves_one_out(w):
    row = w.one("synced", actor="d4", chat=w.a.id)
    w.drop(row, app_of(w, row))


@breaks("I4", "I16")
def a_device_gets_nothing_at_all(w):
    w.drop(*w.all("event", actor="d1"), *w.all("app", actor="d1"))


@breaks("I4")
def a_device_that_logged_in_again_lacks_what_came_meanwhile(w):
    row = w.one("event", actor="d5", seq=sent(w, "while d5 is logged out")[1]["seq"])
    w.drop(app_of(w, row))
    take_out(w, row)


# --- I5 ---


@breaks("I5")
def handed_over_twice(w):
    w.copy(w.one("app", actor="d2", at=5))


@breaks("I5")
def handed_over_though_it_never_came(w):
    w.copy(w.one("app", actor="d5"), seq=998)


@breaks("I5")
def handed_over_before_it_came(w):
    w.one("app", actor="d1", at=4)["time"] -= 1500


# --- I6 ---


@breaks("I6")
def two_events_change_places(w):
    one, other = w.all("event", actor="d1", chat=w.a.id)[5:7]
    first, second = app_of(w, one), app_of(w, other)
    first["seq"], second["seq"] = second["seq"], first["seq"]
    mine, theirs = content(one), content(other)
    one.update(theirs)
    other.update(mine)


@breaks("I6")
def the_count_skips_a_number(w):
    last_event(w, "d1")["n"] = "998"


@breaks("I6")
def a_new_session_begins_with_two(w):
    shift(w, w.one("event", actor="d3", conn=2), 1)


@breaks("I6")
def a_resumed_session_goes_on_too_far(w):
    shift(w, w.one("event", actor="d2", conn=2), 5)


@breaks("I6")
def an_event_on_a_connection_that_never_became_ready(w):
    w.copy(w.one("connect", actor="d6"), conn=9)
    w.copy(w.one("event", actor="d6"), conn=9)


@breaks("I6")
def an_event_comes_twice_on_one_connection(w):
    row = last_event(w, "d2")
    w.copy(row, n=int(row["n"]) + 1)


@breaks("I6")
def an_event_before_the_connection_is_ready(w):
    ready = w.one("ready", actor="d5", conn=2)
    ready["time"] = w.one("event", actor="d5", conn=2, at=1)["time"] - 1


# --- I7 ---


@breaks("I1", "I7")
def sent_again_and_given_another_seq(w):
    again = w.all("invoke", client_id="a1")[1]
    ok = w.one("ok", op=again["op"])
    ok["seq"] = str(int(ok["seq"]) + 1)


@breaks("I4", "I7")
def stored_twice(w):
    twin = {**content(w.one("final", reading=1, chat=w.b.id, seq=sent(w, "b1")[1]["seq"])), "seq": w.b.head + 1}
    for reading in (1, 2):
        w.copy(w.one("final", reading=reading, chat=w.b.id, seq=w.b.head), 1, **twin)
        w.one("final_end", reading=reading, chat=w.b.id)["last_seq"] = str(w.b.head + 1)
    rows = w.all("feed", partition=1)
    w.copy(rows[-1], offset=len(rows) + 1, seq=w.b.head + 1)


@breaks("I7")
def another_body_with_a_known_client_id_is_answered_ok(w):
    refused = w.one("refused", code="conflict")
    ok = w.one("ok", op=w.one("invoke", client_id="a1")["op"])
    w.drop(refused)
    w.copy(ok, refused["time"] - ok["time"], op=refused["op"])


# --- I8 ---


def change_places(w, one, other):
    """Two sends of one connection: each is the other's message now."""
    (first, first_ok), (second, second_ok) = sent(w, one), sent(w, other)
    for name in ("client_id", "hash"):
        first[name], second[name] = second[name], first[name]
    first_ok["seq"], second_ok["seq"] = second_ok["seq"], first_ok["seq"]


@breaks("I8")
def the_second_passes_the_first(w):
    change_places(w, "p0", "p1")


@breaks("I8")
def the_last_passes_all(w):
    change_places(w, "p0", "p2")


@breaks("I8")
def a_new_message_passes_what_was_sent_again_before_it(w):
    """p0 was tried before, over REST; on the connection it still goes first."""
    change_places(w, "p0", "p1")
    invoke, ok = sent(w, "p1")
    w.copy(invoke, -5000, op="x", via="rest")
    w.lines.append({"time": invoke["time"] - 4000, "actor": "d1", "kind": "unknown", "op": "x", "why": "lost"})
    assert ok["kind"] == "ok"


# --- I9 ---


def send_later(w, client_id, than):
    invoke, ok = sent(w, client_id)
    after = sent(w, than)[1]["time"]
    invoke["time"], ok["time"] = after + 10, after + 20


@breaks("I9")
def sent_after_the_ok_of_another_and_below_it(w):
    send_later(w, "without u3", than="back")


@breaks("I9")
def sent_after_the_ok_of_another_device_and_below_it(w):
    send_later(w, "b1", than="b3")


# --- I10 ---


@breaks("I10")
def a_page_with_a_hole(w):
    w.drop(w.one("page_event", actor="d2", at=3))


@breaks("I10")
def a_page_that_ends_too_early(w):
    op = w.one("page_begin", actor="d2")["op"]
    w.drop(*w.all("page_event", op=op)[-2:])


@breaks("I10")
def an_empty_page(w):
    op = w.one("page_begin", actor="d2")["op"]
    w.drop(*w.all("page_event", op=op))


@breaks("I10")
def a_page_in_another_order(w):
    one, other = w.all("page_event", actor="d2")[2:4]
    one["time"], other["time"] = other["time"], one["time"]


@breaks("I10")
def a_page_of_more_than_was_asked_for(w):
    w.one("page_begin", actor="d2", after=2)["limit"] = "3"


# --- I11, I12 ---


@breaks("I11")
def a_removed_member_gets_an_event(w):
    gone = w.one("final", reading=1, chat=w.a.id, seq=sent(w, "without u3")[1]["seq"])
    back = w.one(
        "event", actor="d3", chat=w.a.id, seq=w.one("final", type="member_added", subject=w.u3, at=1, reading=1)["seq"]
    )
    add = w.all("member_invoke", change="add", user=w.u3)[0]
    insert_before(w, back, gone)
    inserted = w.one("event", actor="d3", chat=w.a.id, seq=gone["seq"])
    inserted["time"] = add["time"] - 1


@breaks("I11")
def a_removed_member_syncs_what_came_after(w):
    gone = w.one("final", reading=1, chat=w.a.id, seq=sent(w, "without u3")[1]["seq"])
    add = w.all("member_invoke", change="add", user=w.u3)[0]
    w.copy(w.one("synced"), add["time"] - 1 - w.one("synced")["time"], **content(gone), actor="d3", op="x")


@breaks("I1", "I11")
def a_send_after_the_removal_is_answered_ok(w):
    refused = sent(w, "late")[1]
    w.drop(refused)
    w.copy(sent(w, "p0")[1], refused["time"] - sent(w, "p0")[1]["time"], op=refused["op"], actor="d3", seq=sent(w, "without u3")[1]["seq"])
    w.drop(*sent(w, "without u3"))


@breaks("I11")
def a_send_after_the_removal_is_stored(w):
    (invoke, refused), (theirs, ok) = sent(w, "late"), sent(w, "without u3")
    for row in places(w, w.a.id, ok["seq"]):
        row.update(sender=w.u3, client_id="late", hash=invoke["hash"])
    w.drop(theirs, refused)
    ok.update(op=invoke["op"], actor="d3")


@breaks("I11")
def a_message_of_a_removed_member_is_stored_though_no_removal_was_answered(w):
    a_send_after_the_removal_is_stored(w)
    ok = w.one("member_ok")
    w.drop(ok)
    w.lines.append({"time": ok["time"], "actor": ok["actor"], "kind": "member_unknown", "op": ok["op"], "why": "lost"})


@breaks("I12")
def an_added_member_syncs_what_was_before(w):
    early = w.one("final", reading=1, chat=w.a.id, seq=2)
    w.copy(w.one("synced", actor="d4"), **content(early))


@breaks("I12")
def an_added_member_gets_an_event_of_before(w):
    first = w.one("event", actor="d4", chat=w.a.id)
    insert_before(w, first, w.one("final", reading=1, chat=w.a.id, seq=6))


@breaks("I10", "I12")
def who_came_back_reads_what_came_meanwhile(w):
    page = w.one("page_event", actor="d3")
    w.copy(page, **content(w.one("final", reading=1, chat=w.a.id, seq=sent(w, "without u3")[1]["seq"])))


# --- I13 ---


@breaks("I13")
def a_connection_is_closed_too_late(w):
    w.one("closed", actor="d5")["time"] += 1_500_000


@breaks("I13")
def a_connection_stays_open_after_a_new_password(w):
    w.drop(w.one("closed", actor="d5"))


@breaks("I13")
def a_connection_stays_open_after_a_logout(w):
    w.drop(w.one("closed", actor="d7"))


@breaks("I13")
def an_event_reaches_a_session_that_was_ended(w):
    later = w.one("event", actor="d6", chat=w.a.id, seq=sent(w, "while d7 is logged out")[1]["seq"])
    n = int(last_event(w, "d7")["n"]) + 1
    ended = w.all("revoke_ok", actor="d7")[1]["time"]
    w.copy(later, ended + 2_000_000 - later["time"], actor="d7", conn=1, n=n)
    w.one("closed", actor="d7")["time"] = ended + 2_100_000


@breaks("I13")
def a_connection_is_still_open_after_it_was_looked_at(w):
    ended = w.one("revoke_ok", actor="d7")["time"]
    closed = w.one("closed", actor="d5")
    closed["time"] = ended + 2_500_000
    w.lines.append({"time": ended + 1_200_000, "actor": "d5", "kind": "looked", "conn": closed["conn"]})


@breaks("I13")
def an_ended_session_connects_again(w):
    ended = w.all("revoke_ok", actor="d7")[1]["time"]
    for kind in ("connect", "ready"):
        row = w.one(kind, actor="d7")
        w.copy(row, ended + 1_500_000 - row["time"], conn=2)


# --- I14 ---


@breaks("I14")
def what_was_not_acknowledged_does_not_come_again(w):
    take_out(w, w.one("event", actor="d3", conn=2))


@breaks("I14")
def one_in_the_middle_does_not_come_again(w):
    take_out(w, w.one("event", actor="d3", conn=2, at=2))


# --- I16 ---


@breaks("I16")
def the_cursor_is_above_what_nobody_acknowledged(w):
    w.one("cursor", snapshot="s1", partition=0)["offset"] = str(w.a.head and 8)


@breaks("I16")
def a_parked_event_is_in_no_inbox(w):
    w.drop(w.one("inbox", snapshot="s3", device=w.d3.id, at=1))


@breaks("I16")
def an_inbox_is_empty_below_the_cursor(w):
    w.drop(*w.all("inbox", snapshot="s3", device=w.d3.id))


@breaks("I16")
def acknowledged_only_after_the_snapshot(w):
    w.one("ack", actor="d1")["time"] = w.one("snapshot_end", snapshot="s2")["time"] + 1


# --- I17 ---


@breaks("I17")
def an_older_owner_publishes_after_a_newer(w):
    w.one("batch", partition=0)["epoch"] = "2"


@breaks("I17")
def an_offset_is_published_by_two_owners(w):
    w.copy(w.all("batch", partition=0)[-1], epoch=2)


@breaks("I17")
def more_is_published_than_is_in_the_feed(w):
    w.all("batch", partition=1)[-1]["count"] = "5"


# --- I18 ---


@breaks("I18")
def a_watermark_goes_back(w):
    w.one("receipt_ok", at=1).update(delivered="4", read="3")


@breaks("I18")
def read_is_above_delivered(w):
    w.one("receipt_seen")["read"] = "6"


@breaks("I18")
def delivered_is_above_the_head(w):
    w.one("receipt_seen")["delivered"] = "998"


# --- I19 ---


@breaks("I2", "I3", "I19")
def the_log_still_has_a_deleted_body(w):
    for row in w.all("final", chat=w.a.id, seq=w.target):
        row["hash"] = history.hash_of("body of soon gone")


@breaks("I19")
def an_inbox_still_has_a_deleted_body(w):
    w.one("event", actor="d3", conn=3, chat=w.a.id, seq=w.target)["hash"] = history.hash_of("body of soon gone")


@breaks("I19")
def a_page_still_has_a_deleted_body(w):
    w.one("page_event", actor="d5", seq=w.target)["hash"] = history.hash_of("body of soon gone")


@breaks("I19")
def a_delete_that_is_not_in_the_log(w):
    w.one("delete_ok")["seq"] = str(w.a.head + 1)


# --- I20 ---


@breaks("I20")
def a_send_is_never_answered(w):
    w.drop(sent(w, "b4")[1])


@breaks("I20")
def a_refusal_comes_after_the_deadline(w):
    sent(w, "late")[1]["time"] += 25_000_000


@breaks("I20")
def a_change_of_membership_is_never_answered(w):
    w.drop(w.one("member_ok"))


@breaks("I20")
def a_receipt_is_never_answered(w):
    w.drop(w.one("receipt_ok"))


# --- I22 ---


@breaks("I22")
def the_others_wait_longer_in_every_window(w):
    for row in w.all("latency"):
        if row["window"].startswith("hurt"):
            row["us"] = "200000"


@breaks("I22")
def the_others_wait_longer_in_most_windows(w):
    for row in w.all("latency", window="hurt:1")[-5:] + w.all("latency", window="hurt:2")[-5:]:
        row["us"] = "120000"
