"""Judges of the log itself: what was answered is in it, in the right order, once (I1 to I3, I7 to I9, I17, I19)."""

import collections

from judge_model import FOREVER


def whole_logs(model, verdict):
    """The logs that were read twice to their ends; what is missing is said."""
    for log in model.logs.values():
        if log.is_whole:
            yield log
        else:
            verdict.lack(f"the log of chat {log.chat} was not read twice to its end")


def of_send(send, **more):
    asked = send.asked
    return {"actor": send.actor, "chat": asked.chat, "op": asked.op, "client_id": asked.client_id, "time": send.begun, **more}


# --- I1 ---


def durable(model, verdict):
    for log in whole_logs(model, verdict):
        readings = {number: {event.seq: event for event in events} for number, events in log.readings.items()}
        for send in model.oks.get(log.chat, ()):
            verdict.check()
            for number, events in readings.items():
                if send.ended < log.ends[number].time:
                    find_stored(model, verdict, log, send, number, events.get(send.answer.seq))


def find_stored(model, verdict, log, send, number, stored):
    where = of_send(send, seq=send.answer.seq, reading=number)
    user = model.user_of(send.actor)
    if stored is None:
        verdict.violate("answered ok, and not in the log", **where)
    elif stored.client_id != send.asked.client_id or user not in (None, stored.sender):
        verdict.violate("answered ok with the seq of another event", stored=stored._asdict(), **where)
    elif not has_bytes_of_key(model, log, send, stored):
        verdict.violate("stored with other bytes than were sent", stored=stored._asdict(), **where)


def has_bytes_of_key(model, log, send, stored):
    """Which of several bodies with one client_id is right, I7 decides; here it only has to be one that was sent."""
    if log.edits or (stored.hash == "-" and model.lacks_body(log, stored)):
        return True
    key = (model.user_of(send.actor), log.chat, send.asked.client_id)
    return any(other.asked.hash == stored.hash for other in model.keys[key])


# --- I2 ---


def gapless(model, verdict):
    for log in whole_logs(model, verdict):
        for number, events in log.readings.items():
            verdict.check(len(events))
            check_run(verdict, log, number, [event.seq for event in events])
        check_readings(model, verdict, log)
        check_bodies(model, verdict, log)
    for row in model.sightings():
        log = model.logs[row.event.chat]
        stored = log.events.get(row.event.seq)
        verdict.check()
        if stored is not None and not model.is_same(log, row.event, stored):
            tell_difference(verdict, row, stored)
    check_feed(model, verdict)


def tell_difference(verdict, row, stored):
    verdict.violate(
        "seen otherwise than it is in the log",
        actor=row.actor, chat=row.event.chat, seq=row.event.seq, time=row.time, kind=row.kind,
        seen=row.event._asdict(), stored=stored._asdict(),
    )  # fmt: skip


def check_run(verdict, log, number, seqs):
    for expected, seq in enumerate(seqs, 1):
        if seq != expected:
            verdict.violate(
                "a hole, a repeat or a step back in the log", chat=log.chat, seq=seq, expected=expected, reading=number
            )
            return
    end = log.ends[number]
    if (end.last_seq or 0) != len(seqs):
        verdict.violate("the log ends before its head", chat=log.chat, seq=len(seqs), head=end.last_seq, reading=number, time=end.time)


def check_readings(model, verdict, log):
    first, second = log.readings[1], log.readings[2]
    if len(second) < len(first):
        verdict.violate("the log became shorter", chat=log.chat, seq=len(second), was=len(first))
    for before, after in zip(first, second):
        if not model.is_same(log, before, after):
            verdict.violate(
                "the log changed", chat=log.chat, seq=before.seq, was=before._asdict(), stored=after._asdict()
            )


def check_bodies(model, verdict, log):
    lost = [seq for seq in log.bare if not model.lacks_body(log, log.events[seq])]
    if lost:
        verdict.violate("more messages without a body than deletes", chat=log.chat, seq=lost[0], bare=len(log.bare), deletes=log.deletes)


def check_feed(model, verdict):
    places, fed = collections.defaultdict(list), {}
    for row in model.kinds["feed"]:
        verdict.check()
        places[row.partition].append(row)
        if fed.setdefault((row.chat, row.seq), row) is not row:
            verdict.violate("an event has two places in the feed", chat=row.chat, seq=row.seq, partition=row.partition, offset=row.offset)
    for partition, rows in places.items():
        check_partition(verdict, partition, sorted(rows, key=lambda row: row.offset))
    if not fed:
        return
    for log in model.logs.values():
        for seq in log.events:
            if (log.chat, seq) not in fed:
                verdict.violate("an event of the log has no place in the feed", chat=log.chat, seq=seq)


def check_partition(verdict, partition, rows):
    heads = {}
    for expected, row in enumerate(rows, 1):
        where = {"partition": partition, "offset": row.offset, "chat": row.chat, "seq": row.seq}
        if row.offset != expected:
            verdict.violate("a hole or a repeat in the offsets", expected=expected, **where)
            return
        if row.seq <= heads.get(row.chat, 0):
            verdict.violate("offsets and seqs are not in the same order", **where)
        heads[row.chat] = row.seq


# --- I3 ---


def only_the_log(model, verdict):
    for log in whole_logs(model, verdict):
        verdict.check(len(log.events))
    for row in model.sightings():
        log = model.logs[row.event.chat]
        if not log.is_whole:
            continue
        verdict.check()
        where = {"actor": row.actor, "chat": log.chat, "seq": row.event.seq, "time": row.time, "kind": row.kind}
        stored = log.events.get(row.event.seq)
        if stored is None:
            verdict.violate("delivered, and not in the log", seen=row.event._asdict(), **where)
        elif not model.is_same(log, row.event, stored):
            verdict.violate(
                "delivered, and another in the log", seen=row.event._asdict(), stored=stored._asdict(), **where
            )
    check_refused(model, verdict)


def check_refused(model, verdict):
    """A message all of whose sends were refused is nowhere."""
    stored = {(e.sender, e.chat, e.client_id): e for log in model.logs.values() for e in log.events.values() if e.type == "message"}
    for key, sends in model.keys.items():
        if any(send.outcome != "refused" for send in sends):
            continue
        verdict.check()
        if key in stored:
            where = of_send(sends[0], code=sends[0].answer.code, seq=stored[key].seq)
            verdict.violate("refused, and in the log", **where)


# --- I7 ---


def once(model, verdict):
    for (user, chat, client_id), sends in model.keys.items():
        oks = [send for send in sends if send.is_ok]
        verdict.check(len(oks))
        if len({send.answer.seq for send in oks}) > 1:
            seqs = sorted({send.answer.seq for send in oks})
            verdict.violate("one message was given several seqs", **of_send(oks[0], seq=seqs[0], seqs=seqs))
        check_conflicts(model, verdict, chat, sends, oks)
    for log in whole_logs(model, verdict):
        check_twins(verdict, log)


def check_conflicts(model, verdict, chat, sends, oks):
    if len({send.asked.hash for send in sends}) == 1:
        return
    log = model.logs.get(chat)
    for send in oks:
        stored = log.events.get(send.answer.seq)
        if stored and not log.edits and stored.hash not in ("-", send.asked.hash):
            verdict.violate("another body with the same client_id was answered ok", **of_send(send, seq=stored.seq))


def check_twins(verdict, log):
    seen = {}
    for event in log.events.values():
        if event.type != "message":
            continue
        twin = seen.setdefault((event.sender, event.client_id), event)
        if twin is not event:
            verdict.violate(
                "a message is twice in the log", chat=log.chat, seq=event.seq, twin=twin.seq, client_id=event.client_id
            )


# --- I8 ---


def pipelined(model, verdict):
    """Of the sends of one connection to one chat, in their order: each whose message was never sent elsewhere before its
    answer came lies above all that went before it. A retry that went before it counts (whatever stored it, it is stored
    by then); for a retry itself nothing follows: the earlier attempt of what stands behind it may have been stored."""
    lanes = collections.defaultdict(list)
    for send in model.sends.values():
        if send.is_ok and send.asked.via != "rest":
            lanes[(send.actor, send.asked.via, send.asked.chat)].append(send)
    for sends in lanes.values():
        check_lane(model, verdict, sends)


def check_lane(model, verdict, sends):
    highest = sends[0]
    for send in sends[1:]:
        if is_sent_once(model, send):
            verdict.check()
            if send.answer.seq <= highest.answer.seq:
                above = {"before": highest.asked.op, "before_seq": highest.answer.seq, "via": send.asked.via}
                verdict.violate("passed by what was sent after it", **of_send(send, seq=send.answer.seq, **above))
        if send.answer.seq > highest.answer.seq:
            highest = send


def is_sent_once(model, send):
    same = model.keys[(model.user_of(send.actor), send.asked.chat, send.asked.client_id)]
    return same[0] is send and (len(same) == 1 or same[1].begun > send.ended)


# --- I9 ---


def real_time(model, verdict):
    """What was answered before a message was first sent lies below it. In the order of the times, with a running maximum."""
    for chat, oks in model.oks.items():
        answered, highest = 0, None
        for send in sorted(oks, key=lambda send: send.first_begun):
            while oks[answered].ended < send.first_begun:
                if highest is None or oks[answered].answer.seq > highest.answer.seq:
                    highest = oks[answered]
                answered += 1
            if highest is None:
                continue
            verdict.check()
            if send.answer.seq <= highest.answer.seq and not is_same_message(model, send, highest):
                before = {"before": highest.asked.op, "before_seq": highest.answer.seq, "before_time": highest.ended}
                verdict.violate("sent after another's ok, and below it", **of_send(send, seq=send.answer.seq, **before))


def is_same_message(model, one, other):
    return one.asked.client_id == other.asked.client_id and model.user_of(one.actor) == model.user_of(other.actor)


# --- I17 ---


def one_owner(model, verdict):
    heads = collections.Counter()
    for row in model.kinds["feed"]:
        heads[row.partition] = max(heads[row.partition], row.offset)
    partitions = collections.defaultdict(list)
    for row in model.kinds["batch"]:
        partitions[row.partition].append(row)
    for partition, batches in partitions.items():
        verdict.check(len(batches))
        check_epochs(verdict, partition, sorted(batches, key=lambda row: (row.first, row.epoch)))
        check_ends(verdict, partition, batches, heads[partition])


def check_epochs(verdict, partition, batches):
    last_of_epoch, newest = {}, None
    for batch in batches:
        where = {"partition": partition, "offset": batch.first, "epoch": batch.epoch, "time": batch.time}
        if newest is not None and batch.epoch < newest.epoch:
            verdict.violate("an epoch came after a later one", later=newest.epoch, **where)
        if any(last >= batch.first for epoch, last in last_of_epoch.items() if epoch != batch.epoch):
            verdict.violate("offsets were published by two owners", **where)
        last_of_epoch[batch.epoch] = max(last_of_epoch.get(batch.epoch, 0), batch.first + batch.count - 1)
        if newest is None or batch.epoch > newest.epoch:
            newest = batch


def check_ends(verdict, partition, batches, head):
    for batch in batches:
        if head and batch.first + batch.count - 1 > head:
            verdict.violate("published, and not in the feed", partition=partition, offset=batch.first, count=batch.count, head=head, time=batch.time)


# --- I19 ---


def erased(model, verdict):
    deletes = {(row.chat, row.target): row for row in model.kinds["delete_ok"]}
    for row in deletes.values():
        log = model.logs.get(row.chat)
        if log is None or not log.is_whole:
            verdict.lack(f"the log of chat {row.chat} was not read twice to its end")
            continue
        verdict.check()
        check_erased_in_log(verdict, log, row)
    begins = asked_from(model)
    for row in model.sightings():
        deleted = deletes.get((row.event.chat, row.event.seq))
        if deleted is None or begins(row) <= deleted.time:
            continue
        verdict.check()
        if row.event.hash != "-":
            verdict.violate(
                "a deleted body was told", actor=row.actor, chat=row.event.chat, seq=row.event.seq, time=row.time, kind=row.kind, deleted=deleted.time
            )


def check_erased_in_log(verdict, log, row):
    for number, events in log.readings.items():
        target = next((event for event in events if event.seq == row.target), None)
        if target is not None and target.hash != "-" and row.time < log.ends[number].time:
            verdict.violate(
                "a deleted body is in the log", chat=log.chat, seq=row.target, deleted=row.time, reading=number
            )
    if row.seq not in log.events or log.events[row.seq].type != "delete":
        verdict.violate(
            "a delete was answered, and is not in the log", chat=log.chat, seq=row.seq, target=row.target, time=row.time
        )


def asked_from(model):
    """A function: the moment after which what a row shows was certainly asked for. Of live events that is never: they
    may have been on their way when the delete came. What waited in the inbox was read after the connection began."""
    syncs = begins_of_syncs(model)

    def begin(row):
        if row.kind == "page_event":
            return model.pages[row.op].begun
        if row.kind == "synced":
            return syncs[row.op]
        connection = model.connections[(row.actor, row.conn)]
        waited = connection.ready is not None and connection.ready.state == "inbox" and row.n <= (
            connection.ready.inbox or 0
        )
        return connection.begun if waited else -FOREVER

    return begin


def begins_of_syncs(model):
    """No line says when /v1/sync was asked: after what the device had been told last, or had got by it before."""
    begins, last, current = {}, collections.defaultdict(lambda: -FOREVER), {}
    marks = [row for row in model.kinds["ready"] if row.state == "resync"] + model.kinds["resync"] + model.kinds["synced"]
    for row in sorted(marks, key=lambda row: row.time):
        if row.kind != "synced":
            last[row.actor] = row.time
            continue
        if current.get(row.actor) != row.op:
            begins.setdefault(row.op, last[row.actor])
            current[row.actor] = row.op
        last[row.actor] = row.time
    return begins
