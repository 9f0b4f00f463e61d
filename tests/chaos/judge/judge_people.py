"""Judges of who may see and do what: history pages, membership, revocation, receipts (I10 to I13, I18)."""

import collections
import fnmatch

from judge_log import of_send, whole_logs
from judge_model import FOREVER

REVOCATION_US = 1_000_000
# `bus:outlast_the_queue` stops delivery for as long as it takes to publish so much.
EXCUSES = ("freeze:delivery*", "freeze:user*", "kill:delivery*", "kill:user*", "bus:outlast_the_queue")

# --- I10 ---


def read_back(model, verdict):
    for _ in whole_logs(model, verdict):
        pass  # only for what is missing
    for page in model.pages.values():
        log = model.logs.get(page.asked.chat)
        if not page.is_ok or log is None or not log.is_whole:
            continue
        spans = visible(model, log, model.user_of(page.actor))
        if spans:
            verdict.check()
            check_page(model, verdict, log, page, spans)


def visible(model, log, user):
    """What a user sees of a chat, as [first, last]. None where that depends on the moment, or cannot be told."""
    spans = log.spans.get(user)
    if not spans or any(span.owed != span.allowed for span in spans):
        return None
    if log.history == "shared":
        return [(1, FOREVER)] if len(spans) == 1 and spans[0].end == FOREVER else None
    return [(span.allowed, span.end) for span in spans]


def check_page(model, verdict, log, page, spans):
    after, limit = page.asked.after or 0, page.asked.limit or 50
    seqs = [row.event.seq for row in page.rows]
    where = {"actor": page.actor, "chat": log.chat, "op": page.asked.op, "after": after, "time": page.begun}
    if len(seqs) > limit:
        verdict.violate("a page of more than was asked for", seq=seqs[-1], limit=limit, **where)
    for expected, seq in zip(seqs_from(spans, after), seqs):
        if seq != expected:
            verdict.violate("a hole, a repeat or a step back in a page", seq=seq, expected=expected, **where)
            return
    if page.answer.more in ("false", "0"):
        last = seqs[-1] if seqs else after
        owed = highest_answered(model, log, page.begun, spans)
        if owed > last:
            verdict.violate("a page ends before what was answered ok before it", seq=owed, last=last, **where)


def seqs_from(spans, after):
    for first, last in spans:
        seq = max(first, after + 1)
        while seq <= last:
            yield seq
            seq += 1


def highest_answered(model, log, when, spans):
    """Of what was answered before a moment, the last that may be seen."""
    oks = model.oks.get(log.chat, ())
    answered = (send.answer.seq for send in oks if send.ended < when)
    return max((seq for seq in answered if any(first <= seq <= last for first, last in spans)), default=0)


# --- I11, I12 ---


def removed(model, verdict):
    for log in whole_logs(model, verdict):
        verdict.check(sum(span.end != FOREVER for spans in log.spans.values() for span in spans))
        for event in log.events.values():
            if event.type == "message" and not log.allows(event.sender, event.seq):
                verdict.violate("written by who was no member", actor=event.sender, chat=log.chat, seq=event.seq, client_id=event.client_id)
    for row in model.sightings():
        if stray_side(model, row) == "above":
            tell_stray(verdict, "told to who was no member any more", row)
    for changes in model.changes_of.values():
        check_sends_after_removal(model, verdict, changes)


def added(model, verdict):
    """Checked on each addition of which the added user was told."""
    additions, told = set(), set()
    for log in whole_logs(model, verdict):
        for user, spans in log.spans.items():
            additions.update((log.chat, span.allowed, user) for span in spans if not span.is_first)
    for row in model.sightings():
        if stray_side(model, row) == "below":
            tell_stray(verdict, "told to who was not yet a member", row)
        told.add((row.event.chat, row.event.seq, model.user_of(row.actor)))
    verdict.check(len(additions & told))


def tell_stray(verdict, what, row):
    verdict.violate(what, actor=row.actor, chat=row.event.chat, seq=row.event.seq, time=row.time, kind=row.kind)


def stray_side(model, row):
    """None: the actor may see it. Else `above` a removal or `below` an addition. Between two stretches of membership it
    is the addition that is broken once it has been asked for."""
    log, user, seq = model.logs[row.event.chat], model.user_of(row.actor), row.event.seq
    if user is None or not log.is_whole or log.allows(user, seq):
        return None
    spans = log.spans.get(user, ())
    is_ever_above = any(span.end < seq for span in spans)
    is_ever_below = any(span.allowed > seq for span in spans)
    if log.history == "shared" and is_ever_below:
        return None  # a member sees all of it, and has been one at some time
    if not is_ever_above:
        return "below" if is_ever_below else "above"
    return "below" if is_ever_below and is_added_again(model, log.chat, user, row.time) else "above"


def is_added_again(model, chat, user, when):
    changes = [change for change in model.changes_of.get((chat, user), ()) if change.begun < when]
    return bool(changes) and changes[-1].asked.change == "add"


def check_sends_after_removal(model, verdict, changes):
    """From the answer of a removal to the next wish to add, nothing new of the user is stored. A message that was sent
    before that answer may have been stored then, and be answered again."""
    chat, user = changes[0].asked.chat, changes[0].asked.user
    adds = [change for change in changes if change.asked.change == "add"]
    for removal in changes:
        if removal.asked.change != "remove" or not removal.is_ok:
            continue
        if any(add.begun < removal.ended and add.may_happen_until > removal.begun for add in adds):
            continue  # this addition may come after the removal
        until = min((add.begun for add in adds if add.begun > removal.ended), default=FOREVER)
        for send in sends_of(model, user, chat):
            if not removal.ended < send.first_begun or not send.begun < until:
                continue
            verdict.check()
            if send.is_ok and send.ended < until:
                verdict.violate("a send after the removal was answered ok", removed=removal.ended, **of_send(send, seq=send.answer.seq))


def sends_of(model, user, chat):
    if not hasattr(model, "sends_by_user"):
        model.sends_by_user = collections.defaultdict(list)
        for send in model.sends.values():
            model.sends_by_user[(model.user_of(send.actor), send.asked.chat)].append(send)
    return model.sends_by_user[(user, chat)]


# --- I13 ---


def revoked(model, verdict):
    slack_us = model.meta.get("revoke_slack_us", 0)
    for revoke in model.revokes.values():
        deadline = revoke.ended + REVOCATION_US + slack_us
        if not revoke.is_ok or deadline > model.last_time or is_revocation_excused(model, revoke.ended, deadline):
            continue
        for device in revoke.rows:
            for connection in connections_of_session(device, revoke):
                verdict.check()
                check_ended(verdict, revoke, connection, max(deadline, looked_at(model, connection, deadline)))


def looked_at(model, connection, deadline):
    """When the recorder had certainly read what came before the deadline; 0: it did not say."""
    looks = (row.time for row in model.kinds["looked"] if (row.actor, row.conn) == (connection.device, connection.number))
    return min((time for time in looks if time >= deadline), default=0)


def connections_of_session(device, revoke):
    """Those of the ended session: ready before it was to be ended, or later though nobody had logged in again."""
    next_login = next((login for login in device.logins if login > revoke.begun), FOREVER)
    for connection in device.connections:
        if connection.ready.time < min(next_login, FOREVER) and connection.closed > revoke.ended:
            yield connection


def check_ended(verdict, revoke, connection, deadline):
    where = {"actor": connection.device, "conn": connection.number, "op": revoke.asked.op, "how": revoke.asked.how, "time": revoke.ended}
    if connection.last_frame > deadline:
        verdict.violate("a frame on a session that had been ended", frame=connection.last_frame, **where)
    elif connection.closed > deadline:
        closed = connection.closed if connection.closed != FOREVER else None
        verdict.violate("the connection of an ended session stayed open", closed=closed, **where)


def is_revocation_excused(model, begin, end):
    """Nobody can close a socket while the daemons that know of it are stopped."""
    patterns = model.meta.get("excuses_revocation", EXCUSES)
    for fault in model.faults.values():
        is_meant = any(fnmatch.fnmatch(fault.name, pattern) for pattern in patterns)
        if is_meant and fault.begin < end and fault.until("recovered") > begin:
            return True
    return False


# --- I18 ---


def watermarks(model, verdict):
    receipts = collections.defaultdict(list)
    for receipt in model.receipts.values():
        receipts[(receipt.asked.chat, model.user_of(receipt.actor))].append(receipt)
        if receipt.is_ok:
            check_receipt(model, verdict, receipt.answer, receipt.asked.chat)
    for row in model.kinds["receipt_seen"]:
        check_receipt(model, verdict, row, row.chat)
    for (chat, user), of_user in receipts.items():
        check_rising(model, verdict, chat, user, of_user)


def check_receipt(model, verdict, row, chat):
    if row.delivered is None and row.read is None:
        return
    verdict.check()
    where = {"actor": row.actor, "chat": chat, "delivered": row.delivered, "read": row.read, "time": row.time, "kind": row.kind}
    if None not in (row.delivered, row.read) and row.read > row.delivered:
        verdict.violate("read above delivered", **where)
    log = model.logs.get(chat)
    if log is None or not log.is_whole:
        verdict.lack(f"the log of chat {chat} was not read twice to its end")
    elif max(row.delivered or 0, row.read or 0) > log.head:
        verdict.violate("a watermark above the head", head=log.head, **where)


def check_rising(model, verdict, chat, user, receipts):
    """An answer never tells less than one that had come before it was asked for. Not over the end of a membership: with
    it the watermarks end."""
    removals = [c for c in model.changes_of.get((chat, user), ()) if c.asked.change == "remove"]
    for column in ("delivered", "read"):
        told = [r for r in receipts if r.is_ok and getattr(r.answer, column) is not None]
        answered, highest = sorted(told, key=lambda r: r.ended), None
        at = 0
        for receipt in sorted(told, key=lambda r: r.begun):
            while answered[at].ended < receipt.begun:
                if highest is None or getattr(answered[at].answer, column) >= getattr(highest.answer, column):
                    highest = answered[at]
                at += 1
            if highest is None:
                continue
            if any(removal.begun < receipt.ended and removal.may_happen_until > highest.begun for removal in removals):
                highest = None
                continue
            verdict.check()
            now, before = getattr(receipt.answer, column), getattr(highest.answer, column)
            if now < before:
                where = {"actor": receipt.actor, "chat": chat, "op": receipt.asked.op, "time": receipt.ended}
                verdict.violate("a watermark went back", column=column, now=now, before=before, **where)
