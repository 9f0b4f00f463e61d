"""usage: bus_garbage.py SEED SOCKET…   Writes onto each socket what nng does not speak, and prints how many it reached."""

import contextlib
import random
import socket
import sys

HELLO = b"\0SP\0\0\x30\0\0"  # nng's own first bytes, as a REQ says them


def ways(chance):
    return (
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        chance.randbytes(64),
        HELLO,
        HELLO + b"\x01" + b"\xff" * 8,                                          # a length that nobody has
        HELLO + b"\x01" + (20).to_bytes(8, "big") + chance.randbytes(20),       # a request of random bytes
        HELLO + b"\x01" + (9).to_bytes(8, "big") + b"\x80\0\0\x01\x01\x01\xff\xff\xff",  # one that breaks off
    )


def main():
    chance, reached = random.Random(int(sys.argv[1])), 0
    for path in sys.argv[2:]:
        for data in ways(chance):
            with socket.socket(socket.AF_UNIX) as wire, contextlib.suppress(OSError):
                wire.settimeout(2)
                wire.connect(path)
                reached += 1
                wire.sendall(data)
                if chance.random() < 0.5:
                    wire.recv(8)
    print(reached)


main()
