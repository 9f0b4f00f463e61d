"""The form of a history, as one table, and who writes and reads it. README.md beside this file says what the kinds mean.

A line is `time_us, actor, kind, columns…`, separated by tabs; `-` stands for no value. A row that was read is a named tuple
of its kind with the fields `time`, `actor`, `kind` and one for each column; the seven columns of an event are one field
`event`, and sightings of the same event share one `Event`, which keeps a million deliveries small.

    history = read("/tmp/run")       # HistoryError names the file and the line that cannot be read
    for row in history.kinds["ok"]: print(row.time, row.op, row.seq)"""

import collections
import gc
import hashlib
import json
import operator
import pathlib
import threading
import time

# A column that ends in # is a whole number, in #? a whole number or `-`. EVENT stands for the columns of Event.
KINDS = {
    "user": "user",
    "device": "user device",
    "chat": "chat chat_kind history",
    "connect": "conn#",
    "ready": "conn# state session inbox#?",
    "closed": "conn# code#",
    "event": "conn# n# EVENT",
    "ack": "conn# n#",
    "resync": "conn#",
    "app": "chat seq#",
    "synced": "op EVENT",
    "gone": "op chat",
    "invoke": "op via chat client_id hash",
    "ok": "op seq#",
    "refused": "op code",
    "unknown": "op why",
    "member_invoke": "op change chat user",
    "member_ok": "op",
    "member_refused": "op code",
    "member_unknown": "op why",
    "revoke_invoke": "op how device",
    "revoke_ok": "op",
    "revoke_unknown": "op why",
    "looked": "conn#",
    "receipt_invoke": "op via chat delivered#? read#?",
    "receipt_ok": "op delivered#? read#?",
    "receipt_refused": "op code",
    "receipt_unknown": "op why",
    "receipt_seen": "chat user delivered#? read#?",
    "page_begin": "op chat after#? limit#?",
    "page_event": "op EVENT",
    "page_end": "op last_seq#? more",
    "page_failed": "op code",
    "delete_ok": "chat target# seq#",
    "drained": "conn#",
    "final": "reading# EVENT",
    "final_end": "reading# chat last_seq#?",
    "feed": "partition# offset# chat seq#",
    "batch": "partition# epoch# first# count#",
    "cursor": "snapshot partition# offset#",
    "inbox": "snapshot device chat seq#",
    "inbox_device": "snapshot device state",
    "snapshot_end": "snapshot",
    "fault": "name shot# phase detail",
    "memory": "process rss_kib#",
    "latency": "group window us#",
}

Event = collections.namedtuple("Event", "chat seq type sender subject client_id hash")
EVENT_WIDTH = len(Event._fields)


class HistoryError(Exception):
    """Something is not of the form of a history."""


class Shape:
    """One kind: how many columns it has, and how they become a row."""

    def __init__(self, kind, columns):
        names, self.numbers, self.optional, self.event_at = [], [], [], None
        for place, column in enumerate(columns.split()):
            if column == "EVENT":
                self.event_at = place
            elif column.endswith("#?"):
                self.optional.append(place)
            elif column.endswith("#"):
                self.numbers.append(place)
            names.append("event" if column == "EVENT" else column.rstrip("#?"))
        self.width = len(names) + (EVENT_WIDTH - 1 if self.event_at is not None else 0)
        self.row = collections.namedtuple(kind, ["time", "actor", "kind", *names])


SHAPES = {kind: Shape(kind, columns) for kind, columns in KINDS.items()}


def hash_of(text):
    """The `hash` of a body's text."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


# --- writing ---


def text_of(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if not text or any(mark in text for mark in "\t\n\r"):
        raise HistoryError(f"a column cannot hold {text!r}")
    return text


def line_of(time_us, actor, kind, columns):
    """One line without its end. An Event stands for its seven columns."""
    flat = []
    for column in columns:
        flat.extend(column if isinstance(column, Event) else (column,))
    shape = SHAPES.get(kind)
    if shape is None or shape.width != len(flat):
        raise HistoryError(f"{kind} does not have {len(flat)} columns")
    return "\t".join([str(time_us), text_of(actor), kind, *map(text_of, flat)])


class Writer:
    """Writes lines as they happen. Any thread may write; a line is in the file when write() returns."""

    def __init__(self, path, actor):
        self.actor = actor
        self.lock = threading.Lock()
        self.file = open(path, "a", buffering=1, encoding="utf-8")

    def write(self, kind, *columns, actor=None):
        with self.lock:  # the time is taken inside: the lines of a file are in the order of their times
            now_us = time.monotonic_ns() // 1000
            self.file.write(line_of(now_us, actor or self.actor, kind, columns) + "\n")

    def close(self):
        self.file.close()


# --- reading ---


class History:
    """All rows in the order of their times, and the same by kind. `cut` counts last lines that a killed writer left."""

    def __init__(self, rows, meta, cut):
        self.rows, self.meta, self.cut = rows, meta, cut
        self.kinds = {kind: [] for kind in KINDS}
        for row in rows:
            self.kinds[row.kind].append(row)


class Reader:
    def __init__(self):
        self.rows, self.cut = [], 0
        self.events, self.texts = {}, {}

    def number(self, text):
        if not (text.isascii() and text.isdigit()):
            raise HistoryError(f"{text!r} is not a number")
        return int(text)

    def event(self, columns):
        """Each different event exists once."""
        key = tuple(columns)
        event = self.events.get(key)
        if event is None:
            intern = self.texts.setdefault
            columns = [intern(column, column) for column in columns]
            columns[1] = self.number(columns[1])
            event = self.events[key] = Event._make(columns)
        return event

    def row(self, line):
        intern = self.texts.setdefault
        time_us, actor, kind, *columns = line.split("\t")
        shape = SHAPES.get(kind)
        if shape is None:
            raise HistoryError(f"there is no kind {kind!r}")
        if len(columns) != shape.width:
            raise HistoryError(f"{kind} has {shape.width} columns, not {len(columns)}")
        if shape.event_at is not None:
            end = shape.event_at + EVENT_WIDTH
            columns[shape.event_at : end] = [self.event(columns[shape.event_at : end])]
        for place in shape.numbers:
            columns[place] = self.number(columns[place])
        for place in shape.optional:
            columns[place] = None if columns[place] == "-" else self.number(columns[place])
        values = [intern(value, value) if value.__class__ is str else value for value in columns]
        return shape.row._make((self.number(time_us), intern(actor, actor), intern(kind, kind), *values))

    def file(self, path):
        with open(path, encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith("\n"):
                    self.cut += 1
                    return
                try:
                    self.rows.append(self.row(line[:-1]))
                except ValueError:
                    raise HistoryError(f"{path}:{number}: a line has a time, an actor and a kind") from None
                except HistoryError as error:
                    raise HistoryError(f"{path}:{number}: {error}") from None


def read_meta(folder):
    path = folder / "meta.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HistoryError(f"{path}: {error}") from None
    if not isinstance(meta, dict):
        raise HistoryError(f"{path}: it is not an object")
    return meta


def read(folder):
    """The history in a folder. HistoryError when anything in it is not of the form."""
    folder = pathlib.Path(folder)
    reader = Reader()
    was_collecting = gc.isenabled()
    gc.disable()  # nothing of what is read is garbage, and looking for it doubles the time
    try:
        for path in sorted(folder.glob("*.tsv")):
            reader.file(path)
    except UnicodeDecodeError as error:
        raise HistoryError(f"{folder}: it is not UTF-8: {error}") from None
    finally:
        if was_collecting:
            gc.enable()
    reader.rows.sort(key=operator.itemgetter(0))
    return History(reader.rows, read_meta(folder), reader.cut)
