"""A device's WebSocket, each frame held against asyncapi.yaml.

A thread reads, so that pings are answered and frames are checked the moment they come; what it finds wrong is raised
in the test, at the latest when the socket is let go. Beyond the schemas it holds every connection to the rules that
always hold: n counts up by one, and the seqs of a chat rise."""

import collections
import contextlib
import itertools
import json
import socket
import threading
import time

import websocket

SECONDS = 10


class Closed(AssertionError):
    """The connection ended while the test waited for a frame."""


class Socket:
    def __init__(self, contract, address, *, origin=None, subprotocols=("parley.v1",), auto_ack=False):
        self.contract = contract
        self.auto_ack = auto_ack
        self.condition = threading.Condition()
        self.frames = collections.deque()  # came and were not yet asked for
        self.log = []                      # all that came
        self.faults = []
        self.close_code = None             # 0: ended without a close frame
        self.last_n = 0
        self.resume_n = 0
        self.acked = 0
        self.heads = {}                    # chat: the last seq that came
        self.ids = itertools.count(1)
        self.ready = None
        options = {"origin": origin} if origin else {"suppress_origin": True}
        self.wire = websocket.create_connection(
            f"ws://{address[0]}:{address[1]}/v1/ws", timeout=SECONDS, enable_multithread=True,
            subprotocols=list(subprotocols), **options)
        self.wire.settimeout(None)
        self.thread = threading.Thread(target=self.read_all, daemon=True)
        self.thread.start()

    # --- the reading thread ---

    def read_all(self):
        try:
            while self.close_code is None:
                opcode, frame = self.wire.recv_data_frame(control_frame=True)
                self.take(opcode, frame.data)
        except (websocket.WebSocketProtocolException, websocket.WebSocketPayloadException) as error:
            self.fault(f"a frame that RFC 6455 does not allow: {error}")
            self.ended(0)
        except (websocket.WebSocketException, OSError, ValueError):
            self.ended(0)

    def take(self, opcode, data):
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.ended(int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005)
        elif opcode == websocket.ABNF.OPCODE_TEXT:
            self.take_frame(data.decode("utf-8"))
        elif opcode == websocket.ABNF.OPCODE_BINARY:
            self.fault(f"a binary frame: {data[:100]!r}")

    def take_frame(self, text):
        try:
            frame = self.contract.check_frame(text)
            if frame["op"] == "ready":
                self.last_n = self.resume_n if frame["state"] == "resumed" else 0
            elif frame["op"] == "event":
                self.check_event(frame)
        except AssertionError as error:
            self.fault(str(error))
            frame = json.loads(text)
        if self.auto_ack and frame.get("op") == "event":
            self.ack()  # before the test sees it, and perhaps closes
        with self.condition:
            self.frames.append(frame)
            self.log.append(frame)
            self.condition.notify_all()

    def check_event(self, frame):
        n, event = frame["n"], frame["event"]
        if n != self.last_n + 1:
            self.fault(f"n went from {self.last_n} to {n}")
        if event["seq"] <= self.heads.get(event["chat"], 0):
            self.fault(f"seq {event['seq']} of chat {event['chat']} after {self.heads[event['chat']]}")
        self.last_n = n
        self.heads[event["chat"]] = event["seq"]

    def fault(self, text):
        with self.condition:
            self.faults.append(text)
            self.condition.notify_all()

    def ended(self, code):
        with self.condition:
            if self.close_code is None:
                self.close_code = code
            self.condition.notify_all()
        if code:
            try:
                self.contract.check_close(code)
            except AssertionError as error:
                self.fault(str(error))

    # --- what a test does ---

    def wait(self, find, what, seconds=SECONDS):
        """Waits until `find` (called with the lock held) gives something that is not None."""
        deadline = time.monotonic() + seconds
        with self.condition:
            while True:
                assert not self.faults, self.faults
                found = find()
                if found is not None:
                    return found
                if self.close_code is not None:
                    raise Closed(f"closed with {self.close_code} while waiting for {what}; unread: {list(self.frames)}")
                left = deadline - time.monotonic()
                assert left > 0, f"no {what} within {seconds} s; unread: {list(self.frames)[:10]}"
                self.condition.wait(left)

    def take_first(self, op, fields):
        for frame in self.frames:
            if frame.get("op") == op and all(frame.get(name) == value for name, value in fields.items()):
                self.frames.remove(frame)
                return frame
        return None

    def expect(self, op, seconds=SECONDS, **fields):
        """The first frame with this op and these fields that was not yet asked for; others stay for later."""
        return self.wait(lambda: self.take_first(op, fields), f"{op} {fields or ''}", seconds)

    def event(self, seconds=SECONDS, **fields):
        """The next event, whose members must be these."""
        event = self.expect("event", seconds)["event"]
        wrong = {name: event.get(name) for name, value in fields.items() if event.get(name) != value}
        assert not wrong, f"the next event has {wrong}, not {fields}: {event}"
        return event

    def events(self, count, seconds=SECONDS):
        return [self.event(seconds) for _ in range(count)]

    def until(self, condition, seconds=SECONDS):
        """Events up to the first for which the condition holds."""
        events = [self.event(seconds)]
        while not condition(events[-1]):
            events.append(self.event(seconds))
        return events

    def closed(self, seconds=SECONDS):
        """Waits for the end; returns the close code."""
        deadline = time.monotonic() + seconds
        with self.condition:
            while self.close_code is None:
                left = deadline - time.monotonic()
                assert left > 0, f"not closed within {seconds} s; unread: {list(self.frames)[:10]}"
                self.condition.wait(left)
            assert not self.faults, self.faults
            return self.close_code

    def stays(self):
        """It is still open and answers."""
        self.op({"op": "ping", "id": "stays"})
        self.expect("pong", id="stays")

    def silent(self, seconds=0.4, op="event"):
        """No event, or no frame with another op, comes for a while. (Frames of other kinds may.)"""
        deadline = time.monotonic() + seconds
        with self.condition:
            while True:
                events = [frame for frame in self.frames if frame["op"] == op]
                left = deadline - time.monotonic()
                if events or left <= 0:
                    assert not self.faults, self.faults
                    return not events
                self.condition.wait(left)

    def op(self, frame, valid=True):
        """Sends a frame; one that is meant to be refused is not held against the documents."""
        text = frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False)
        if valid:
            self.contract.check_frame(text, "fromClient")
        self.wire.send(text)

    def auth(self, token, resume=None, want=None):
        self.resume_n = resume["n"] if resume else 0
        self.op({"op": "auth", "token": token, **({"resume": resume} if resume else {})})
        ready = self.expect("ready")
        self.ready = ready
        if want is not None:
            assert ready["state"] == want, ready
        return ready

    def send(self, chat, text, client_id=None, **more):
        """Returns the id of the question, at once."""
        number = f"s{next(self.ids)}"
        body = text if isinstance(text, dict) else {"text": text}
        self.op({"op": "send", "id": number, "chat": chat, "client_id": client_id or f"{id(self):x}-{number}",
                 "body": body, **more})
        return number

    def said(self, chat, text, client_id=None, **more):
        """Sends and waits for the ok."""
        return self.expect("ok", id=self.send(chat, text, client_id, **more))

    def refused(self, code, frame):
        """The frame is answered with this error and the connection stays; returns the error."""
        self.op(frame, valid=False)
        error = self.expect("error")
        assert error["code"] == code, error
        return error

    def ack(self, n=None):
        self.acked = self.last_n if n is None else n
        try:
            self.op({"op": "ack", "n": self.acked})
        except (OSError, websocket.WebSocketException):
            pass  # it has ended meanwhile; what is not acknowledged comes again

    def resume_point(self, n=None):
        return {"session": self.ready["session"], "n": self.last_n if n is None else n}

    def close(self, code=1000):
        """Says goodbye and waits until the server has agreed."""
        try:
            self.wire.send_close(code)
            self.thread.join(SECONDS)
        except (OSError, websocket.WebSocketException):
            pass
        self.drop()

    def drop(self):
        """Ends the connection without a close frame."""
        with contextlib.suppress(OSError, AttributeError):  # it may have ended by itself
            self.wire.sock.shutdown(socket.SHUT_RDWR)  # a mere close would not wake the thread
        self.thread.join(SECONDS)
        self.wire.shutdown()
