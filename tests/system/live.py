"""A device on the WebSocket: every frame, in and out, is held against asyncapi.yaml."""

import json
import random
import select
import ssl
import struct
import time

import contract
import websocket


class Closed(AssertionError):
    """The server closed the connection; `code` is None when it did so without saying why."""

    def __init__(self, code, reason=""):
        super().__init__(f"closed with {code} {reason}")
        self.code = code


class Refused(AssertionError):
    """op `error`."""

    def __init__(self, frame):
        super().__init__(json.dumps(frame))
        self.frame, self.code = frame, frame["code"]


class Socket:
    """Frames are read when somebody waits for something. Events go to `events`, receipts to `receipts`; with auto_ack
    each event is acknowledged as it is read. n is checked to rise by one."""

    def __init__(self, host, port, origin=None, subprotocols=("parley.v1",), auto_ack=True, headers=None):
        self.auto_ack = auto_ack
        self.events, self.receipts, self.answers, self.others = [], [], {}, []
        self.n = 0
        self.ready = None
        self.closed_with = None
        self.ids = 0
        self.wire = websocket.create_connection(
            f"ws://{host}:{port}/v1/ws", timeout=10, subprotocols=list(subprotocols), origin=origin,
            suppress_origin=origin is None, header=headers or [], skip_utf8_validation=True)

    # --- frames ---

    def put(self, op, **members):
        """Writes a frame, right or wrong."""
        frame = {"op": op, **{name: value for name, value in members.items() if value is not None}}
        contract.note_frame_from_client(frame)
        self.wire.settimeout(10)
        self.wire.send(json.dumps(frame))

    def put_raw(self, text):
        self.wire.settimeout(10)
        self.wire.send(text)

    def read(self, seconds):
        """Reads one frame and puts it where it belongs; False when there was none in time. Raises Closed."""
        if self.closed_with:
            raise self.closed_with
        if not self.has_bytes(seconds):
            return False
        self.wire.settimeout(10)
        try:
            opcode, data = self.wire.recv_data(control_frame=True)
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            self.end(None)
        except ssl.SSLError:
            raise
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
            self.end(code, data[2:].decode(errors="replace"))
        if opcode in (websocket.ABNF.OPCODE_PING, websocket.ABNF.OPCODE_PONG):
            self.others.append({"op": "protocol ping" if opcode == websocket.ABNF.OPCODE_PING else "protocol pong",
                                "data": data})
            return True
        if opcode != websocket.ABNF.OPCODE_TEXT:
            raise contract.Broken(f"a frame with opcode {opcode}")
        self.place(contract.check_frame_to_client(data.decode()))
        return True

    def has_bytes(self, seconds):
        """The client reads a frame's exact bytes, so what is waiting is in the kernel."""
        if any(self.wire.frame_buffer.recv_buffer):
            return True
        return bool(select.select([self.wire.sock], [], [], max(seconds, 0))[0])

    def end(self, code, reason=""):
        self.closed_with = Closed(code, reason)
        self.wire.shutdown()
        raise self.closed_with

    def place(self, frame):
        op = frame["op"]
        if op == "event":
            if frame["n"] != self.n + 1:
                raise contract.Broken(f"n is {frame['n']} after {self.n}")
            self.n = frame["n"]
            self.events.append(frame["event"])
            if self.auto_ack:
                self.put("ack", n=self.n)
        elif op in ("ok", "error", "pong") and frame.get("id") is not None:
            if frame["id"] in self.answers:
                raise contract.Broken(f"answered twice: {frame}")
            self.answers[frame["id"]] = frame
        elif op == "receipt":
            self.receipts.append(frame)
        else:
            self.others.append(frame)

    def wait(self, condition, seconds=5, what="a frame"):
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {seconds} s: {what}; events {self.events[-5:]}, answers "
                                     f"{list(self.answers.items())[-5:]}, others {self.others[-5:]}")
            self.read(left)

    # --- ops ---

    def auth(self, token, resume=None, seconds=5):
        """Returns the frame `ready`."""
        number = None
        if resume:
            session, number = resume
            resume = {"session": session, "n": number}
        self.put("auth", token=token, resume=resume)
        frame = self.wait_other("ready", seconds, place_n=number)
        self.ready = frame
        return frame

    def wait_other(self, op, seconds=5, place_n=None):
        """A frame without an id: ready, error, resync, bye."""

        def take():
            for frame in self.others:
                if frame["op"] == op:
                    self.others.remove(frame)
                    if op == "ready":
                        self.n = place_n if frame["state"] == "resumed" else 0
                    return frame
            return None

        return self.wait(take, seconds, op)

    def ask(self, op, **members):
        """Writes an op with an id; the id."""
        self.ids += 1
        name = f"{op}-{self.ids}"
        self.put(op, id=name, **members)
        return name

    def answer(self, name, seconds=10):
        frame = self.wait(lambda: self.answers.get(name), seconds, f"an answer to {name}")
        if frame["op"] == "error":
            raise Refused(frame)
        return frame

    def call(self, op, **members):
        return self.answer(self.ask(op, **members))

    def send(self, chat, text, client_id=None, **members):
        """Sends a message, until it is stored (`unavailable` may be tried again); the frame `ok`."""
        client_id = client_id or new_client_id()
        while True:
            try:
                return self.call("send", chat=chat, client_id=client_id, body={"text": text}, **members)
            except Refused as refused:
                if refused.code not in ("unavailable", "rate_limited"):
                    raise
                time.sleep(0.1)

    # --- what to expect ---

    def take_event(self, seconds=5, **members):
        """The next event that has these members; earlier ones are dropped."""

        def take():
            while self.events:
                event = self.events.pop(0)
                if all(event.get(name) == value for name, value in members.items()):
                    return event
            return None

        return self.wait(take, seconds, f"an event with {members}")

    def take_texts(self, count, chat=None, seconds=10):
        """The texts of the next messages, in the order in which they came."""
        texts = []

        def enough():
            while self.events and len(texts) < count:
                event = self.events.pop(0)
                if event["type"] == "message" and chat in (None, event["chat"]):
                    texts.append(event["body"]["text"])
            return len(texts) >= count

        self.wait(enough, seconds, lambda: f"{count} messages, have {texts}")
        return texts

    def settle(self, seconds=0.3):
        """Reads what comes until it has been quiet for so long; for tests that say that nothing comes."""
        while self.read(seconds):
            pass
        return self.events

    def close_code(self, seconds=5):
        """Reads on until the server closes; the code."""
        end = time.monotonic() + seconds
        try:
            while True:
                left = end - time.monotonic()
                assert left > 0, f"was not closed within {seconds} s"
                self.read(left)
        except Closed as closed:
            return closed.code

    def close(self):
        """An orderly goodbye."""
        if not self.closed_with:
            try:
                self.wire.close(timeout=2)
            except (OSError, websocket.WebSocketException):
                pass
            self.closed_with = Closed(1000)

    def drop(self):
        """As when a cable is pulled: no close frame."""
        if not self.closed_with:
            self.closed_with = Closed(None)
            self.wire.shutdown()


def new_client_id():
    return f"c{random.getrandbits(64):016x}"
