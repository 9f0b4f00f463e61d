"""Judges of what devices were given (I4 to I6, I14, I16)."""

import collections

from judge_log import whole_logs
from judge_model import FOREVER

RUNS_SHOWN = 3


def owed(model, device, log, span):
    """The seqs of one stretch of membership that a device must be given: those that came after its login returned."""
    if model.is_pulled(log):
        return range(0)
    first = max(span.owed, log.owed_from(device.born))
    last = min(span.end, log.head)
    return range(int(first), int(last) + 1) if first <= last else range(0)


def is_ended(device):
    """Its session was, or may have been, ended after it was ready for the last time."""
    last_ready = device.connections[-1].ready.time if device.connections else -1
    return any(revoke.begun > last_ready or revoke.ended > last_ready for revoke in device.revokes)


# --- I4 ---


def delivered(model, verdict):
    for _ in whole_logs(model, verdict):
        pass  # only for what is missing
    for device in model.devices.values():
        if device.drained is None or is_ended(device):
            continue
        for log, span in model.spans_of(device.user):
            seqs = owed(model, device, log, span)
            verdict.check(len(seqs))
            lost = set(seqs).difference(device.received.get(log.chat, ()))
            for seq in sorted(lost):
                verdict.violate("never delivered", actor=device.actor, chat=log.chat, seq=seq, born=device.born)


# --- I5 ---


def handed_over_once(model, verdict):
    seen = set()
    for row in model.kinds["app"]:
        verdict.check()
        key = (row.actor, row.chat, row.seq)
        where = {"actor": row.actor, "chat": row.chat, "seq": row.seq, "time": row.time}
        if key in seen:
            verdict.violate("handed to the application twice", **where)
        seen.add(key)
        device = model.devices.get(row.actor)
        if device is not None and device.received[row.chat].get(row.seq, FOREVER) > row.time:
            verdict.violate("handed to the application before it came", **where)


# --- I6 ---


def in_order(model, verdict):
    highest_n = collections.defaultdict(int)  # (actor, session) -> n
    for connection in sorted(model.connections.values(), key=lambda c: c.ready.time if c.ready else c.begun):
        if connection.ready is None:
            for row in connection.events:
                verdict.violate("an event before `ready`", actor=row.actor, conn=row.conn, n=row.n, time=row.time)
            continue
        session = (connection.device, connection.ready.session)
        check_connection(verdict, connection, highest_n[session])
        highest_n[session] = max([highest_n[session], *(row.n for row in connection.events)])


def check_connection(verdict, connection, known_n):
    """A resumed connection goes on behind something that the device had; all others begin with 1."""
    last_seqs, last_n = {}, None
    most = known_n + 1 if connection.ready.state == "resumed" else 1
    for row in connection.events:
        verdict.check()
        event = row.event
        where = {"actor": row.actor, "conn": row.conn, "n": row.n, "chat": event.chat, "seq": event.seq, "time": row.time}
        if row.time < connection.ready.time:
            verdict.violate("an event before `ready`", **where)
        if last_n is None and not 1 <= row.n <= most:
            verdict.violate("the count began too high", most=most, **where)
        if last_n is not None and row.n != last_n + 1:
            verdict.violate("the count does not go up by one", after=last_n, **where)
        if event.seq <= last_seqs.get(event.chat, 0):
            verdict.violate("the seqs of a chat do not rise", after=last_seqs[event.chat], **where)
        last_n, last_seqs[event.chat] = row.n, max(event.seq, last_seqs.get(event.chat, 0))


# --- I14 ---


def kept(model, verdict):
    """What a connection brought and its device did not acknowledge comes again on a later one, unless the device went on
    where it was (`resumed` acknowledges what it had; a connection that never became ready may have done so) or was told
    to resync (it then names what it has)."""
    for device in model.devices.values():
        pending = {}  # (chat, seq) -> the row that brought it
        lost_tries = [attempt.begun for attempt in device.tries if attempt.ready is None]
        for connection in device.connections:
            forget_acknowledged(pending, lost_tries, connection)
            forget_resumed(model, pending, connection)
            if connection.ready.state == "resync" or connection.resynced:
                pending.clear()
            for row in connection.events:
                if pending.pop((row.event.chat, row.event.seq), None) is not None:
                    verdict.check()
            if connection is not device.connections[-1] and not connection.resynced:
                keep_unacked(model, device, pending, connection)
        if device.drained is not None and not device.revokes and not has_left_something(model, device):
            for (chat, seq), row in pending.items():
                verdict.check()
                where = {"actor": device.actor, "chat": chat, "seq": seq, "conn": row.conn, "n": row.n, "time": row.time}
                verdict.violate("not acknowledged, and never sent again", **where)


def forget_acknowledged(pending, lost_tries, connection):
    while lost_tries and lost_tries[0] < connection.ready.time:
        begun = lost_tries.pop(0)
        for key in [key for key, row in pending.items() if row.time < begun]:
            del pending[key]


def forget_resumed(model, pending, connection):
    if connection.ready.state != "resumed":
        return
    for key, row in list(pending.items()):
        before = model.connections[(row.actor, row.conn)]
        if before.ready.session == connection.ready.session:
            del pending[key]


def keep_unacked(model, device, pending, connection):
    for row in connection.events:
        if row.n > connection.acked and model.logs[row.event.chat].allows(device.user, row.event.seq):
            pending[(row.event.chat, row.event.seq)] = row


def has_left_something(model, device):
    """/v1/sync told it that a chat is gone."""
    return any(row.actor == device.actor for row in model.kinds["gone"])


# --- I16 ---


class Snapshot:
    def __init__(self, name):
        self.name, self.begin, self.end = name, FOREVER, None
        self.cursors, self.inboxes, self.states = {}, collections.defaultdict(set), {}


def snapshots(model):
    found = {}
    for kind in ("cursor", "inbox", "inbox_device", "snapshot_end"):
        for row in model.kinds[kind]:
            snapshot = found.setdefault(row.snapshot, Snapshot(row.snapshot))
            snapshot.begin = min(snapshot.begin, row.time)
            if kind == "cursor":
                snapshot.cursors[row.partition] = row.offset
            elif kind == "inbox":
                snapshot.inboxes[row.device].add((row.chat, row.seq))
            elif kind == "inbox_device":
                snapshot.states[row.device] = row.state
            else:
                snapshot.end = row.time
    return sorted((s for s in found.values() if s.end is not None), key=lambda s: s.end)


def cursor_is_behind(model, verdict):
    """At or below the cursor everything is acknowledged, parked, or its device was told to resync."""
    taken = snapshots(model)
    if not taken:
        return
    places = {(row.chat, row.seq): row for row in model.kinds["feed"]}
    if not places:
        verdict.lack("the feed")
    for _ in whole_logs(model, verdict):
        pass  # only for what is missing
    for device in model.devices.values():
        for log, span in model.spans_of(device.user):
            open_seqs = [seq for seq in owed(model, device, log, span) if (log.chat, seq) in places]
            check_cursor(model, verdict, (device, log, open_seqs), places, taken)


def check_cursor(model, verdict, owing, places, taken):
    """What was settled once stays settled, so that each snapshot only looks at what was open before."""
    device, log, open_seqs = owing
    settled = device.settled.get(log.chat, {})
    for snapshot in taken:
        still_open = []
        inbox = snapshot.inboxes[device.id]
        for at, seq in enumerate(open_seqs):
            place = places[(log.chat, seq)]
            if place.offset > snapshot.cursors.get(place.partition, 0):
                still_open.extend(open_seqs[at:])
                break
            verdict.check()
            if settled.get(seq, FOREVER) <= snapshot.end:
                continue
            still_open.append(seq)
            if (log.chat, seq) not in inbox and not is_excused(model, device, log, seq, snapshot):
                verdict.violate(
                    "the cursor is above what is neither acknowledged nor parked",
                    actor=device.actor, chat=log.chat, seq=seq, partition=place.partition, offset=place.offset,
                    cursor=snapshot.cursors[place.partition], snapshot=snapshot.name, time=snapshot.end,
                )  # fmt: skip
        open_seqs = still_open


def is_excused(model, device, log, seq, snapshot):
    """It is, or was since the event, told to resync; its session was ended; or Redis was hurt since, and the record of
    the device is gone, or the event is in the window of its connection."""
    state = snapshot.states.get(device.id, "absent")
    if state == "resync" or any(revoke.begun < snapshot.end for revoke in device.revokes):
        return True
    born = first_birth(model, log, seq)
    told_until = device.next_ready(snapshot.end)
    if any(born < when <= told_until for when, _ in device.resyncs):
        return True
    hurt = [fault.begin for fault in model.faults.values() if "redis" in fault.name and fault.begin < snapshot.end]
    if state == "absent" and hurt:
        return True
    received = device.received[log.chat].get(seq, FOREVER)
    return received <= snapshot.end and any(begin > born for begin in hurt)


def first_birth(model, log, seq):
    event = log.events[seq]
    sends = model.keys.get((event.sender, log.chat, event.client_id)) if event.type == "message" else None
    return sends[0].begun if sends else model.first_time
