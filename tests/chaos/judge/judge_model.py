"""What a history tells, put together once: people, devices and their connections, requests with their ends, the logs. Nothing
is judged here. All times are microseconds of the history's clock, and `FOREVER` is after all of them."""

import bisect
import collections
import math

from history import HistoryError

FOREVER = math.inf
EVERYTHING = (1, FOREVER)


class Request:
    """Something that was asked for: a send, a membership change, a revocation, a receipt, a page."""

    __slots__ = ("asked", "actor", "begun", "ended", "outcome", "answer", "first_begun", "is_first", "rows")

    def __init__(self, row):
        self.asked, self.actor, self.begun = row, row.actor, row.time
        self.ended, self.outcome, self.answer = FOREVER, None, None
        self.first_begun, self.is_first = row.time, True  # of sends: over all with the same key
        self.rows = []  # of pages: the events

    @property
    def is_ok(self):
        return self.outcome == "ok"

    @property
    def may_happen_until(self):
        """When it has happened or never will. What ended indefinitely may still happen at any time."""
        return FOREVER if self.outcome in (None, "unknown") else self.ended


class Connection:
    def __init__(self, row):
        self.device, self.number, self.begun = row.actor, row.conn, row.time
        self.ready = None
        self.closed = FOREVER
        self.events, self.acked, self.resynced, self.last_frame = [], 0, False, row.time


class Device:
    def __init__(self, row):
        self.actor, self.user, self.id = row.actor, row.user, row.device
        self.logins = [row.time]
        self.connections = []  # those that became ready, in that order
        self.tries = []  # all, in the order in which they were begun
        self.received = collections.defaultdict(dict)  # chat -> seq -> when first
        self.settled = collections.defaultdict(dict)  # chat -> seq -> when it may have been acknowledged
        self.windows = collections.defaultdict(collections.deque)  # session -> what is not acknowledged
        self.resyncs = []  # when it was told to, and by what: (time, "ready" or "frame")
        self.revokes = []  # the requests that may have ended its session
        self.drained = None

    @property
    def born(self):
        return self.logins[0]

    def next_ready(self, after):
        return next((c.ready.time for c in self.connections if c.ready.time > after), FOREVER)


class Span:
    """A user's time in a chat, seqs inclusive: certain from `owed` on, possible from `allowed` on."""

    __slots__ = ("owed", "allowed", "end", "is_first")

    def __init__(self, owed, allowed, is_first):
        self.owed, self.allowed, self.end, self.is_first = owed, allowed, FOREVER, is_first


class Log:
    """A chat as it was read at the end. `events` is the later of the two readings that is whole."""

    def __init__(self, chat):
        self.chat, self.history, self.is_known = chat, "joined", False
        self.readings = {1: [], 2: []}
        self.ends = {}  # reading -> its final_end
        self.events = {}
        self.spans = collections.defaultdict(list)
        self.deletes, self.edits, self.bare, self.most_members = 0, 0, [], 0
        self.born_times, self.born_seqs = [], []

    @property
    def is_whole(self):
        return 1 in self.ends and 2 in self.ends

    @property
    def head(self):
        return max(self.events, default=0)

    def put_together(self):
        self.events = {event.seq: event for event in self.readings[2] or self.readings[1]}
        for event in self.events.values():
            self.deletes += event.type == "delete"
            self.edits += event.type == "edit"
            if event.type == "message" and event.hash == "-":
                self.bare.append(event.seq)

    def allows(self, user, seq):
        return any(span.allowed <= seq <= span.end for span in self.spans.get(user, ()))

    def owed_from(self, when):
        """The first seq that certainly came after a moment."""
        at = bisect.bisect_right(self.born_times, when)
        return self.born_seqs[at] if at < len(self.born_seqs) else FOREVER

    def set_births(self, births):
        """births: (time, seq), the seq did not exist before that time; nor did those above it."""
        lowest = FOREVER
        for when, seq in sorted(births, reverse=True):
            lowest = min(lowest, seq)
            self.born_times.append(when)
            self.born_seqs.append(lowest)
        self.born_times.reverse()
        self.born_seqs.reverse()


class Fault:
    def __init__(self, name, shot):
        self.name, self.shot, self.phases = name, shot, {}

    @property
    def begin(self):
        return self.phases.get("begin", FOREVER)

    def until(self, *phases):
        """When the first of these phases came; FOREVER when none did."""
        return min((self.phases[phase] for phase in phases if phase in self.phases), default=FOREVER)


class Model:
    def __init__(self, history):
        self.history, self.kinds, self.meta = history, history.kinds, history.meta
        self.first_time = history.rows[0].time if history.rows else 0
        self.last_time = history.rows[-1].time if history.rows else 0
        self.users, self.devices, self.devices_of = {}, {}, collections.defaultdict(list)
        self.logs = {}
        self.connections = {}
        self.faults = {}
        self.take_people()
        self.take_logs()
        self.take_requests()
        self.take_connections()
        self.take_faults()
        self.put_logs_together()

    # --- people ---

    def take_people(self):
        for row in self.kinds["user"]:
            self.users[row.actor] = row.user
        for row in self.kinds["device"]:
            if row.actor in self.devices:
                self.devices[row.actor].logins.append(row.time)
                continue
            device = self.devices[row.actor] = Device(row)
            self.devices_of[device.user].append(device)

    def user_of(self, actor):
        """None for an actor of whom the history does not say who it is."""
        device = self.devices.get(actor)
        return device.user if device else self.users.get(actor)

    # --- requests ---

    def pair(self, prefix, outcomes):
        """All requests of a kind by op. An end after an indefinite one replaces it: the answer came late."""
        requests = {}
        for row in self.kinds[prefix]:
            if requests.setdefault(row.op, request := Request(row)) is not request:
                raise HistoryError(f"the op {row.op} was begun twice")
        for kind, outcome in outcomes.items():
            for row in self.kinds[kind]:
                self.end_request(requests, row, outcome)
        return requests

    def end_request(self, requests, row, outcome):
        request = requests.get(row.op)
        if request is None:
            raise HistoryError(f"{row.kind} of the op {row.op}, which was never begun")
        if request.outcome in ("ok", "refused"):
            if outcome != "unknown":
                raise HistoryError(f"the op {row.op} ended twice")
            return
        request.ended, request.outcome, request.answer = row.time, outcome, row

    def take_requests(self):
        def ends(prefix):
            outcomes = {f"{prefix}{outcome}": outcome for outcome in ("ok", "refused", "unknown")}
            return {kind: outcome for kind, outcome in outcomes.items() if kind in self.kinds}

        self.sends = self.pair("invoke", ends(""))
        self.changes = self.pair("member_invoke", ends("member_"))
        self.revokes = self.pair("revoke_invoke", ends("revoke_"))
        self.receipts = self.pair("receipt_invoke", ends("receipt_"))
        self.pages = self.pair("page_begin", {"page_end": "ok", "page_failed": "refused"})
        for row in self.kinds["page_event"]:
            if row.op not in self.pages:
                raise HistoryError(f"page_event of the op {row.op}, which was never begun")
            self.pages[row.op].rows.append(row)
        self.take_keys()
        self.take_changes()
        self.take_revokes()

    def take_keys(self):
        """Sends by (user, chat, client_id); oks of a chat by the time of the answer."""
        self.keys = collections.defaultdict(list)
        self.oks = collections.defaultdict(list)
        for send in self.sends.values():
            asked = send.asked
            same = self.keys[(self.user_of(send.actor), asked.chat, asked.client_id)]
            same.append(send)
            send.first_begun, send.is_first = same[0].begun, len(same) == 1
            if send.is_ok:
                self.oks[asked.chat].append(send)
        for oks in self.oks.values():
            oks.sort(key=lambda send: send.ended)

    def take_changes(self):
        self.changes_of = collections.defaultdict(list)  # (chat, user) -> in order of their begin
        for change in self.changes.values():
            self.changes_of[(change.asked.chat, change.asked.user)].append(change)

    def take_revokes(self):
        """A new password ends all sessions but the one that set it, the others end the session that they name."""
        for revoke in self.revokes.values():
            named = self.devices.get(revoke.asked.device)
            if named is None:
                continue
            ended = [named]
            if revoke.asked.how == "password":
                keeper = self.devices.get(revoke.actor, named)
                ended = [device for device in self.devices_of[named.user] if device is not keeper]
            revoke.rows = [device for device in ended if device.born < revoke.begun]
            for device in revoke.rows:
                device.revokes.append(revoke)

    # --- connections ---

    def take_connections(self):
        steps = {
            "connect": self.on_connect,
            "ready": self.on_ready,
            "closed": self.on_closed,
            "event": self.on_event,
            "ack": self.on_ack,
            "resync": self.on_resync,
            "synced": self.on_synced,
            "drained": self.on_drained,
        }
        for row in self.history.rows:
            step = steps.get(row.kind)
            if step is not None:
                step(row)

    def connection(self, row):
        connection = self.connections.get((row.actor, row.conn))
        if connection is None:
            raise HistoryError(f"{row.kind} of {row.actor} on the connection {row.conn}, which was never begun")
        return connection

    def on_connect(self, row):
        connection = self.connections[(row.actor, row.conn)] = Connection(row)
        device = self.devices.get(row.actor)
        if device is None:
            return
        device.tries.append(connection)
        # It may resume with all that it has, which acknowledges that, though no line says so.
        for window in device.windows.values():
            for _, chat, seq in window:
                device.settled[chat].setdefault(seq, row.time)
            window.clear()

    def on_ready(self, row):
        connection = self.connection(row)
        connection.ready, connection.last_frame = row, row.time
        device = self.devices.get(row.actor)
        if device is not None:
            device.connections.append(connection)
            if row.state == "resync":
                device.resyncs.append((row.time, "ready"))

    def on_closed(self, row):
        self.connection(row).closed = row.time

    def on_event(self, row):
        connection, event = self.connection(row), row.event
        connection.events.append(row)
        connection.last_frame = row.time
        device = self.devices.get(row.actor)
        if device is not None:
            device.received[event.chat].setdefault(event.seq, row.time)
            session = connection.ready.session if connection.ready else None
            device.windows[session].append((row.n, event.chat, event.seq))

    def on_ack(self, row):
        connection = self.connection(row)
        connection.acked = max(connection.acked, row.n)
        device = self.devices.get(row.actor)
        if device is None or connection.ready is None:
            return
        window = device.windows[connection.ready.session]
        while window and window[0][0] <= row.n:
            _, chat, seq = window.popleft()
            device.settled[chat].setdefault(seq, row.time)

    def on_resync(self, row):
        connection = self.connection(row)
        connection.resynced, connection.last_frame = True, row.time
        if row.actor in self.devices:
            self.devices[row.actor].resyncs.append((row.time, "frame"))

    def on_synced(self, row):
        device = self.devices.get(row.actor)
        if device is not None:
            device.received[row.event.chat].setdefault(row.event.seq, row.time)
            device.settled[row.event.chat].setdefault(row.event.seq, row.time)

    def on_drained(self, row):
        if row.actor in self.devices:
            self.devices[row.actor].drained = row.time

    # --- faults ---

    def take_faults(self):
        for row in self.kinds["fault"]:
            fault = self.faults.setdefault((row.name, row.shot), Fault(row.name, row.shot))
            fault.phases.setdefault(row.phase, row.time)

    def proven_faults(self, word):
        return [fault for fault in self.faults.values() if word in fault.name and "proven" in fault.phases]

    # --- logs ---

    def log(self, chat):
        if chat not in self.logs:
            self.logs[chat] = Log(chat)
        return self.logs[chat]

    def take_logs(self):
        for row in self.kinds["chat"]:
            self.log(row.chat).history = row.history
            self.log(row.chat).is_known = True
        for row in self.kinds["final"]:
            if row.reading not in (1, 2):
                raise HistoryError(f"there is no pass {row.reading} over a log")
            self.log(row.event.chat).readings[row.reading].append(row.event)
        for row in self.kinds["final_end"]:
            self.log(row.chat).ends[row.reading] = row

    def put_logs_together(self):
        for kind in ("event", "synced", "page_event"):
            for row in self.kinds[kind]:
                if row.event.chat not in self.logs:
                    self.log(row.event.chat)
        for chat in self.oks:
            self.log(chat)
        self.deleted = {(row.chat, row.target) for row in self.kinds["delete_ok"]}
        for log in self.logs.values():
            log.put_together()
            self.find_spans(log)
            log.set_births(self.births(log))

    def births(self, log):
        """The moment before which an event cannot have existed: its first invocation. Of first members none is known."""
        for event in log.events.values():
            sends = self.keys.get((event.sender, log.chat, event.client_id))
            if event.type == "message" and sends:
                yield sends[0].begun, event.seq
            word = {"member_added": "add", "member_removed": "remove"}.get(event.type)
            begun = [c.begun for c in self.changes_of.get((log.chat, event.subject), ()) if c.asked.change == word]
            if begun and event.seq > log.first_run:
                yield begun[0], event.seq

    def find_spans(self, log):
        log.first_run = self.length_of_first_run(log)
        members = 0
        for seq in sorted(log.events):
            event = log.events[seq]
            spans = log.spans[event.subject] if event.subject != "-" else ()
            is_member = bool(spans) and spans[-1].end == FOREVER
            if event.type == "member_added" and not is_member:
                spans.append(self.span_from(log, event))
                members += 1
            elif event.type == "member_removed" and is_member:
                spans[-1].end = seq
                members -= 1
            log.most_members = max(log.most_members, members)

    def length_of_first_run(self, log):
        """How many events at the head may be those of the first members: added, one after the other, by the creator."""
        length = 0
        while (event := log.events.get(length + 1)) is not None:
            if event.type != "member_added" or event.sender != log.events[1].sender:
                break
            length += 1
        return length

    def span_from(self, log, event):
        """Who stands in the first run was there from the start, unless they were asked to be added and not to be removed
        before that; then it cannot be told, and neither is asked for."""
        if event.seq > log.first_run:
            return Span(event.seq, event.seq, False)
        changes = self.changes_of.get((log.chat, event.subject), ())
        is_certain = not changes or changes[0].asked.change == "remove"
        return Span(1 if is_certain else event.seq, 1, True)

    # --- what several judges ask ---

    def spans_of(self, user):
        """(log, span) of all times of a user as a member."""
        if not hasattr(self, "spans_by_user"):
            self.spans_by_user = collections.defaultdict(list)
            for log in self.logs.values():
                for member, spans in log.spans.items():
                    self.spans_by_user[member].extend((log, span) for span in spans)
        return self.spans_by_user[user]

    def is_pulled(self, log):
        """Chats of many members are not pushed: their devices are only told the head."""
        return log.most_members > self.meta.get("limits", {}).get("max_pushed_members", 1000)

    def lacks_body(self, log, event):
        """May this message be without a body? Not every delete was answered, but each is in the log."""
        return (log.chat, event.seq) in self.deleted or len(log.bare) <= log.deletes

    def is_same(self, log, seen, stored):
        """Is that what lies in the log? A body may be gone by now, or have been edited."""
        if seen == stored:
            return True
        if seen._replace(hash="-") != stored._replace(hash="-"):
            return False
        return log.edits > 0 or (
            "-" in (seen.hash, stored.hash) and stored.hash == "-" and self.lacks_body(log, stored)
        )

    def sightings(self):
        for kind in ("event", "synced", "page_event"):
            yield from self.kinds[kind]
