"""HTTP and WebSocket byte by byte, for what no well-behaved client would send."""

import base64
import contextlib
import json
import os
import socket
import struct

SECONDS = 10
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, rsv=0, mask=True, length=None):
    """A frame; `length` claims another length than the payload has, in the 64-bit form."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size = len(payload)
    bit = 0x80 if mask else 0
    if length is not None:
        head += bytes([bit | 127]) + struct.pack("!Q", length)
    elif size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    key = os.urandom(4)
    pad = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


def close_payload(code, reason=b""):
    return struct.pack("!H", code) + reason


class Raw:
    """A TCP connection to the front door."""

    def __init__(self, address):
        self.wire = socket.create_connection(address, timeout=SECONDS)
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        self.wire.sendall(data)

    def read(self, count):
        while len(self.buffer) < count:
            more = self.wire.recv(65536)
            if not more:
                raise EOFError(f"ended after {self.buffer!r}")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            more = self.wire.recv(65536)
            if not more:
                raise EOFError(f"ended after {self.buffer!r}")
            self.buffer += more
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(lines[0].split()[1]), headers

    def read_answer(self):
        """Status, headers and body of an HTTP answer with a length or chunks."""
        status, headers = self.read_head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while True:
                line = b""
                while not line.endswith(b"\r\n"):
                    line += self.read(1)
                size = int(line, 16)
                body += self.read(size + 2)[:size]
                if size == 0:
                    return status, headers, body
        return status, headers, self.read(int(headers.get("content-length", 0)))

    def upgrade(self, want=101, pipelined=b"", **changes):
        """The handshake; `changes` replace headers (with _ for -), None leaves one out."""
        headers = {
            "Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Protocol": "parley.v1",
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        text = "GET /v1/ws HTTP/1.1\r\n"
        text += "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
        self.send(text.encode() + b"\r\n" + pipelined)
        status, answer = self.read_head()
        assert status == want, (status, answer, self.buffer)
        if status != 101:
            return answer
        accepts = {name: answer.get(name) for name in ("upgrade", "connection", "sec-websocket-protocol")}
        assert accepts["upgrade"].lower() == "websocket" and "upgrade" in accepts["connection"].lower(), answer
        return answer

    def say(self, op):
        self.send(frame(TEXT, json.dumps(op).encode()))

    def read_frame(self):
        """Opcode and payload; protocol pings are answered, fragments do not come from our server."""
        first, second = self.read(2)
        assert first & 0x80 and not first & 0x70, f"a fragment or reserved bits: {first:#x}"
        assert not second & 0x80, "a masked frame from the server"
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", self.read(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.read(8))[0]
        payload = self.read(size)
        if first & 0x0F == PING:
            self.send(frame(PONG, payload))
            return self.read_frame()
        return first & 0x0F, payload

    def read_op(self, op):
        """The next frame with this op."""
        while True:
            opcode, payload = self.read_frame()
            assert opcode == TEXT, (opcode, payload)
            value = json.loads(payload)
            if value["op"] == op:
                return value

    def close_code(self):
        """Reads on until the server closes, and agrees; returns its code, 0 when it ends without a close frame."""
        try:
            while True:
                opcode, payload = self.read_frame()
                if opcode == CLOSE:
                    with contextlib.suppress(OSError):  # otherwise the server waits for it
                        self.send(frame(CLOSE, payload))
                    return struct.unpack("!H", payload[:2])[0] if payload else 1005
        except (EOFError, ConnectionError):
            return 0

    def ended(self):
        """Waits until the server has ended the connection."""
        try:
            while self.wire.recv(65536):
                pass
        except ConnectionError:
            pass
        return True

    def close(self):
        self.wire.close()
