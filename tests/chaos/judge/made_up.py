"""Histories that never happened, for judging the judge: a server without faults and its devices, in memory, whose every
step writes the lines that the recorder would have written. What goes wrong (a lost answer, a lost connection, a wiped
inbox) is said by who calls; what follows from it is legal. A test then bends single lines."""

import json

import history

STEP_US = 1000


class Chat:
    def __init__(self, chat, shared, owner, partition):
        self.id, self.shared, self.owner, self.partition = chat, shared, owner, partition
        self.log, self.members, self.spans, self.deleted = [], set(), {}, set()

    @property
    def head(self):
        return len(self.log)

    def sees(self, user, seq):
        if self.shared and user in self.members:
            return True
        return any(first <= seq <= last for first, last in self.spans.get(user, ()))

    def shown(self, seq):
        event = self.log[seq - 1]
        return event._replace(hash="-") if seq in self.deleted else event


class Device:
    """`queue` is what the server keeps for it, oldest first; the first `sent` of it were sent on this session."""

    def __init__(self, actor, user, number):
        self.actor, self.user, self.id = actor, user, str(9000 + number)
        self.queue, self.parked, self.sent, self.acked_n = [], set(), 0, 0
        self.session, self.sessions, self.must_resync, self.is_ended = None, 0, False, False
        self.conn, self.conns, self.pipe, self.got_n = None, 0, [], 0
        self.has = set()


class World:
    def __init__(self, seed=1):
        self.now, self.lines, self.meta = 1_000_000, [], {"seed": seed, "variant": "made up", "waived": {}, "limits": {}}
        self.users, self.devices, self.chats, self.stored = [], {}, {}, {}
        self.ops, self.feeds, self.epoch, self.snapshots = {}, {}, 1, 0

    def write(self, actor, kind, *columns):
        self.now += STEP_US
        flat = []
        for column in columns:
            flat.extend(column if isinstance(column, history.Event) else (column,))
        names = history.KINDS[kind].replace("EVENT", " ".join(history.Event._fields)).split()
        row = {"time": self.now, "actor": actor, "kind": kind}
        row.update(zip([name.rstrip("#?") for name in names], [history.text_of(value) for value in flat], strict=True))
        self.lines.append(row)

    def wait(self, seconds):
        self.now += int(seconds * 1_000_000)

    # --- people and chats ---

    def user(self):
        number = len(self.users) + 1
        self.users.append(f"{100 + number}")
        self.write(f"u{number}", "user", self.users[-1])
        return self.users[-1]

    def device(self, user):
        number = len(self.devices) + 1
        device = self.devices[f"d{number}"] = Device(f"d{number}", user, number)
        self.write(device.actor, "device", user, device.id)
        return device

    def chat(self, owner, others, shared=False):
        chat = Chat(f"{700 + len(self.chats)}", shared, owner, len(self.chats) % 2)
        self.chats[chat.id] = chat
        for user in [owner, *others]:
            chat.members.add(user)
            chat.spans[user] = [(1, float("inf"))]
        for user in [owner, *others]:
            self.append(chat, "member_added", owner, subject=user)
        self.write(self.actor_of(owner), "chat", chat.id, "group", "shared" if shared else "joined")
        return chat

    def actor_of(self, user):
        return f"u{self.users.index(user) + 1}"

    # --- the log and what follows from it ---

    def append(self, chat, kind, sender, subject="-", client_id="-", body="-"):
        event = history.Event(chat.id, chat.head + 1, kind, sender, subject, client_id, body)
        chat.log.append(event)
        feed = self.feeds.setdefault(chat.partition, [])
        feed.append((chat.id, event.seq))
        self.write("tap", "batch", chat.partition, self.epoch, len(feed), 1)
        for device in self.devices.values():
            if device.user in chat.members and not device.must_resync:
                device.queue.append((chat.id, event.seq))
                self.push(device)
        return event

    def push(self, device):
        """Sends what is not sent. It lies in the pipe until the device reads it, or is lost with the connection."""
        while device.conn is not None and device.sent < len(device.queue):
            device.sent += 1
            device.pipe.append((device.acked_n + device.sent, device.queue[device.sent - 1]))

    def read(self, device, most=10**9):
        for _ in range(min(most, len(device.pipe))):
            n, (chat, seq) = device.pipe.pop(0)
            device.got_n = n
            self.write(device.actor, "event", device.conn, n, self.chats[chat].shown(seq))
            self.hand_over(device, chat, seq)

    def hand_over(self, device, chat, seq):
        if (chat, seq) not in device.has:
            device.has.add((chat, seq))
            self.write(device.actor, "app", chat, seq)

    def ack(self, device, n=None, lost=False):
        n = device.got_n if n is None else n
        self.write(device.actor, "ack", device.conn, n)
        if not lost:
            self.take_ack(device, n)

    def take_ack(self, device, n):
        count = max(0, n - device.acked_n)
        device.parked.difference_update(device.queue[:count])
        del device.queue[:count]
        device.acked_n, device.sent = device.acked_n + count, device.sent - count

    def park(self, device):
        device.parked.update(device.queue)

    # --- connections ---

    def connect(self, device, resume=True):
        if device.conn is not None:
            self.close(device, 4003)
        device.conns += 1
        device.pipe = []
        self.write(device.actor, "connect", device.conns)
        state = self.open_session(device, resume)
        device.conn = device.conns
        self.write(device.actor, "ready", device.conn, state, device.session, len(device.queue))
        self.push(device)
        if state == "resync":
            self.sync(device)

    def open_session(self, device, resume):
        if device.must_resync:
            device.must_resync = False
            self.renew(device)
            return "resync"
        if resume and device.session is not None:
            self.take_ack(device, device.got_n)
            device.sent = 0
            return "resumed"
        self.renew(device)
        return "inbox"

    def renew(self, device):
        device.sessions += 1
        device.session = f"{device.id}{device.sessions}"
        device.sent = device.acked_n = device.got_n = 0

    def close(self, device, code=0):
        """What was on its way to the device is lost."""
        self.write(device.actor, "closed", device.conn, code)
        device.conn, device.pipe = None, []

    def sync(self, device):
        op = self.new_op()
        for chat in self.chats.values():
            for event in chat.log:
                if chat.sees(device.user, event.seq) and (chat.id, event.seq) not in device.has:
                    self.write(device.actor, "synced", op, chat.shown(event.seq))
                    self.hand_over(device, chat.id, event.seq)

    def wipe(self, device):
        """Its inbox is lost. Who is connected is told so."""
        device.queue, device.parked, device.sent, device.acked_n = [], set(), 0, device.acked_n + device.sent
        if device.conn is None:
            device.must_resync, device.session = True, None
            return
        self.read(device)
        self.write(device.actor, "resync", device.conn)
        self.sync(device)

    # --- requests ---

    def new_op(self):
        self.ops[len(self.ops) + 1] = None
        return str(len(self.ops))

    def invoke(self, device, chat, client_id, body=None, rest=False):
        op, via = self.new_op(), "rest" if rest or device.conn is None else device.conn
        body = history.hash_of(body or f"body of {client_id}")
        self.write(device.actor, "invoke", op, via, chat.id, client_id, body)
        self.ops[int(op)] = (device, chat, client_id, body)
        return op

    def store(self, op):
        """What the server makes of a send: a seq, or the code of a refusal."""
        device, chat, client_id, body = self.ops[int(op)]
        key = (device.user, chat.id, client_id)
        if key in self.stored:
            seq = self.stored[key]
            return seq if chat.log[seq - 1].hash == body else "conflict"
        if device.user not in chat.members:
            return "not_member"
        self.stored[key] = chat.head + 1
        return self.append(chat, "message", device.user, client_id=client_id, body=body).seq

    def answer(self, op, result):
        device = self.ops[int(op)][0]
        self.write(device.actor, "ok" if isinstance(result, int) else "refused", op, result)
        return result

    def send(self, device, chat, client_id, body=None, rest=False):
        op = self.invoke(device, chat, client_id, body, rest)
        return self.answer(op, self.store(op))

    def send_lost(self, device, chat, client_id, stored, rest=False):
        """An answer that never came."""
        op = self.invoke(device, chat, client_id, rest=rest)
        if stored:
            self.store(op)
        self.write(device.actor, "unknown", op, "lost")

    def change(self, chat, change, user, lost=False, stored=True):
        op, actor = self.new_op(), self.actor_of(chat.owner)
        self.write(actor, "member_invoke", op, change, chat.id, user)
        if stored and (change == "add") != (user in chat.members):
            self.change_log(chat, change, user)
        self.write(actor, *(("member_unknown", op, "timeout") if lost else ("member_ok", op)))

    def change_log(self, chat, change, user):
        if change == "add":
            chat.members.add(user)
            chat.spans.setdefault(user, []).append((chat.head + 1, float("inf")))
            self.append(chat, "member_added", chat.owner, subject=user)
            return
        self.append(chat, "member_removed", chat.owner, subject=user)
        chat.members.remove(user)
        chat.spans[user][-1] = (chat.spans[user][-1][0], chat.head)

    def revoke(self, device, how="logout"):
        op = self.new_op()
        self.write(device.actor, "revoke_invoke", op, how, device.actor)
        ended = [device]
        if how == "password":
            ended = [other for other in self.devices.values() if other.user == device.user and other is not device]
        for other in ended:
            other.is_ended, other.session = True, None
        self.write(device.actor, "revoke_ok", op)
        for other in ended:
            if other.conn is not None:
                self.close(other, 4002)

    def login(self, device):
        device.is_ended = False
        self.write(device.actor, "device", device.user, device.id)

    def receipt(self, device, chat, delivered, read):
        op = self.new_op()
        self.write(device.actor, "receipt_invoke", op, "rest", chat.id, delivered, read)
        self.write(device.actor, "receipt_ok", op, delivered, read)
        self.write(device.actor, "receipt_seen", chat.id, device.user, delivered, read)

    def page(self, device, chat, after, limit):
        op = self.new_op()
        self.write(device.actor, "page_begin", op, chat.id, after, limit)
        seen = [event.seq for event in chat.log if event.seq > after and chat.sees(device.user, event.seq)]
        for seq in seen[:limit]:
            self.write(device.actor, "page_event", op, chat.shown(seq))
        last = seen[:limit][-1] if seen else chat.head
        self.write(device.actor, "page_end", op, last, len(seen) > limit)

    def delete(self, device, chat, target):
        chat.deleted.add(target)
        event = self.append(chat, "delete", device.user)
        self.write(device.actor, "delete_ok", chat.id, target, event.seq)

    # --- what others see ---

    def cursor(self, partition):
        """The last offset up to which everything is acknowledged or parked."""
        waiting = {place for device in self.devices.values() for place in device.queue if place not in device.parked}
        for offset, place in enumerate(self.feeds.get(partition, []), 1):
            if place in waiting:
                return offset - 1
        return len(self.feeds.get(partition, []))

    def snapshot(self):
        self.snapshots += 1
        name = f"s{self.snapshots}"
        for partition in self.feeds:
            self.write("dump", "cursor", name, partition, self.cursor(partition))
        for device in self.devices.values():
            for chat, seq in sorted(device.parked):
                self.write("dump", "inbox", name, device.id, chat, seq)
            self.write("dump", "inbox_device", name, device.id, "resync" if device.must_resync else "ok")
        self.write("dump", "snapshot_end", name)

    def fault(self, name, *phases, shot=1):
        for phase in phases:
            self.write("run", "fault", name, shot, phase, "-")

    def latencies(self, quiet_us=2000, hurt_us=3000, windows=3, samples=200):
        for window in range(windows):
            for sample in range(samples):
                self.write("run", "latency", "others", f"quiet:{window}", quiet_us + sample)
                self.write("run", "latency", "others", f"hurt:{window}", hurt_us + sample)

    # --- the end ---

    def drain(self):
        for device in self.devices.values():
            if device.is_ended:
                continue
            if device.conn is None:
                self.connect(device, resume=False)
            self.read(device)
            self.ack(device)
            self.write(device.actor, "drained", device.conn)

    def finish(self):
        self.drain()
        for reading in (1, 2):
            for chat in self.chats.values():
                for seq in range(1, chat.head + 1):
                    self.write(self.actor_of(chat.owner), "final", reading, chat.shown(seq))
                self.write(self.actor_of(chat.owner), "final_end", reading, chat.id, chat.head)
        for partition, places in self.feeds.items():
            for offset, (chat, seq) in enumerate(places, 1):
                self.write("dump", "feed", partition, offset, chat, seq)
        self.wait(30)
        self.write("run", "memory", "delivery", 20_000)

    # --- finding and bending lines ---

    def all(self, kind, **columns):
        wanted = {"kind": kind, **{name: str(value) for name, value in columns.items()}}
        return [row for row in self.lines if all(row[name] == value for name, value in wanted.items())]

    def one(self, kind, at=0, **columns):
        return self.all(kind, **columns)[at]

    def drop(self, *rows):
        self.lines = [row for row in self.lines if all(row is not gone for gone in rows)]

    def copy(self, row, after_us=1, **columns):
        """The same line again, a little later, with other columns."""
        again = {**row, "time": row["time"] + after_us, **{name: str(value) for name, value in columns.items()}}
        self.lines.append(again)
        return again

    def save(self, folder):
        """Lines in several files, as several processes would write them."""
        (folder / "meta.json").write_text(json.dumps(self.meta))
        files = {"tap": [], "dump": [], "run": [], "load": []}
        for row in self.lines:
            files[row["actor"] if row["actor"] in files else "load"].append("\t".join(map(str, row.values())))
        for name, lines in files.items():
            (folder / f"{name}.tsv").write_text("".join(line + "\n" for line in lines))
