"""The SDK as a device of a test: a Node process that runs it, and a network that can be cut."""

import contextlib
import itertools
import json
import os
import selectors
import shutil
import socket
import subprocess
import threading

from contract import ROOT
from server import until

NODE = shutil.which("node")
WS = "/usr/share/nodejs/ws"


class SdkDevice:
    """What the SDK told is in `told`; `events(chat)`, `sent` are the parts of it that most tests look at."""

    def __init__(self, person, url=None, folder=None):
        self.person = person
        self.url = url or "http://%s:%d" % person.address
        self.folder = folder
        self.numbers = itertools.count(1)
        self.told, self.sent = [], []
        self.process = None

    def start(self):
        options = {"url": self.url, "token": self.person.token, "user": self.person.id, "folder": self.folder}
        self.process = subprocess.Popen(
            [NODE, f"{ROOT}/tests/system/sdk_device.mjs", json.dumps(options)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1)
        threading.Thread(target=self.read_all, args=[self.process], daemon=True).start()
        return self

    def read_all(self, process):
        for line in process.stdout:
            self.told.append(json.loads(line))

    def say(self, command, **given):
        number = next(self.numbers)
        self.process.stdin.write(json.dumps({"id": number, "command": command, **given}) + "\n")
        self.process.stdin.flush()
        return number

    def ask(self, command, seconds=30, **given):
        """Waits until the command has been carried out."""
        number = self.say(command, **given)
        answer = until(lambda: next((line for line in list(self.told) if line["type"] in ("finished", "refused")
                                     and line["detail"]["id"] == number), None), seconds, f"{command} is done")
        assert answer["type"] == "finished", answer

    def send(self, chat, text):
        self.sent.append((chat, text))
        self.say("send", chat=chat, text=text)

    def all(self, kind):
        return [line["detail"] for line in list(self.told) if line["type"] == kind]

    def events(self, chat):
        return [event for event in self.all("event") if event["chat"] == chat]

    def seqs(self, chat):
        return [event["seq"] for event in self.events(chat)]

    def state(self):
        states = self.all("state")
        return states[-1]["state"] if states else None

    def await_seq(self, chat, seq, seconds=60):
        until(lambda: self.seqs(chat)[-1:] >= [seq], seconds, f"{self.person.username} has {seq} of {chat}; it has "
              f"{self.seqs(chat)[-5:]}, {self.all('state')[-3:]}, {self.all('warning')}", 0.05)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self, seconds=10):
        """Asks it to close, and holds it to what it promises: nothing is left running, nothing was written aside."""
        self.say("close")
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise AssertionError("the process goes on after close()") from error
        assert self.process.returncode == 0 and self.process.stderr.read() == ""

    def check(self):
        assert not self.all("unhandled"), self.all("unhandled")
        assert not self.all("warning"), self.all("warning")
        assert not self.all("skipped"), self.all("skipped")


class Network:
    """Between a device and the front door. What is cut off gets an end; what falls into a hole gets nothing at all."""

    def __init__(self, address):
        self.upstream = address
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.pairs = []
        self.is_hole = self.is_away = self.is_ending = False
        self.lock = threading.Lock()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_ending:
            for key, _ in self.selector.select(0.05):
                with self.lock:
                    if key.fileobj is self.listener:
                        self.accept()
                    elif key.fileobj.fileno() >= 0:
                        self.forward(key.fileobj, key.data)

    def accept(self):
        client, _ = self.listener.accept()
        if self.is_away:
            client.close()
            return
        server = socket.create_connection(self.upstream)
        self.pairs.append((client, server))
        self.selector.register(client, selectors.EVENT_READ, server)
        self.selector.register(server, selectors.EVENT_READ, client)

    def forward(self, source, target):
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        if self.is_hole:
            return
        try:
            if data:
                target.sendall(data)
                return
        except OSError:
            pass
        self.drop(next(pair for pair in self.pairs if source in pair))

    def drop(self, pair):
        self.pairs.remove(pair)
        for end in pair:
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(end)
            end.close()

    def cut(self):
        """Every connection ends now; new ones are possible."""
        with self.lock:
            for pair in list(self.pairs):
                self.drop(pair)

    @contextlib.contextmanager
    def away(self):
        self.is_away = True
        self.cut()
        yield
        self.is_away = False

    @contextlib.contextmanager
    def hole(self):
        """Connections stay open and nothing passes; afterwards the old ones are gone."""
        self.is_hole = True
        yield
        self.cut()
        self.is_hole = False

    def end(self):
        self.is_ending = True
        self.thread.join(5)
        self.cut()
        self.listener.close()


def has_sdk():
    return NODE is not None and os.path.isdir(WS)
