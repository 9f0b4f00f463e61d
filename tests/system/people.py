"""Who the tests are about: accounts with tokens, devices and chats."""

import itertools
import os

from live import Socket
from rest import Rest

ROUND_S = 1.0  # after which a device that logs in is not given what was said before, for want of knowing when it came
PASSWORD = "a mill that thinks in brass"
RUN = os.urandom(3).hex()
numbers = itertools.count(1)


class Person(Rest):
    """An account with one session; calls go in its name."""

    def __init__(self, world, name):
        super().__init__(world.contract, world.address)
        self.world = world
        self.username = f"{name}-{RUN}-{next(numbers)}"
        self.password = PASSWORD
        self.profile = self.post("/v1/users", {"username": self.username, "password": self.password})
        self.id = self.profile["id"]
        self.device = None
        self.log_in()

    def log_in(self, device=None):
        """A session: on a new device, or again on the one with this id."""
        body = {"username": self.username, "password": self.password}
        if device is not None:
            body["device"] = {"id": device}
        session = self.post("/v1/sessions", body)
        self.token, self.device = session["token"], session["device"]["id"]
        return session

    def on_another_device(self):
        """The same account with a device and a session of its own."""
        other = Person.__new__(Person)
        other.__dict__.update(self.__dict__)
        other.log_in()
        return other

    # --- chats ---

    def group(self, *others, kind="group", **more):
        return self.post("/v1/chats", {"kind": kind, "members": [other.id for other in others], **more})["id"]

    def direct(self, other, want=201):
        return self.post("/v1/chats", {"kind": "direct", "members": [other.id]}, want)["id"]

    def say(self, chat, text, client_id=None, want=201, **more):
        """A message by REST; returns the event."""
        body = text if isinstance(text, dict) else {"text": text}
        message = {"client_id": client_id or f"c{next(numbers)}", "body": body, **more}
        return self.post(f"/v1/chats/{chat}/messages", message, want)

    def add(self, chat, other, role=None):
        return self.put(f"/v1/chats/{chat}/members/{other.id}", {"role": role} if role else {})

    def remove(self, chat, other):
        self.delete(f"/v1/chats/{chat}/members/{other.id}")

    def leave(self, chat):
        self.remove(chat, self)

    def log(self, chat, after=0):
        """All of the log that this person may see."""
        events = []
        while True:
            page = self.get(f"/v1/chats/{chat}/events", after=after, limit=200)
            events += page["items"]
            if not page["more"]:
                return events
            after = page["last_seq"]

    def texts(self, chat):
        return texts_of(self.log(chat))

    def roles(self, chat):
        return {member["user"]: member["role"] for member in self.pages(f"/v1/chats/{chat}/members", 200)}

    # --- live ---

    def socket(self, **options):
        """A connection that is not yet authenticated."""
        return self.world.socket(**options)

    def online(self, want=None, resume=None, **options):
        """An authenticated connection of this person's device."""
        socket = self.socket(**options)
        socket.auth(self.token, resume, want)
        return socket


def texts_of(events):
    return [event["body"]["text"] for event in events if event["type"] == "message"]


class World:
    """What a test gets: makes people, remembers sockets so that nothing found wrong on one is lost."""

    def __init__(self, contract, address, ops_address):
        self.contract = contract
        self.address = address
        self.anyone = Rest(contract, address)
        self.operations = Rest(contract, ops_address)
        self.sockets = []

    def person(self, name="ann"):
        return Person(self, name)

    def people(self, *names):
        return [self.person(name) for name in names]

    def socket(self, **options):
        self.sockets.append(Socket(self.contract, self.address, **options))
        return self.sockets[-1]

    def limits(self):
        return self.anyone.get("/v1/limits")

    def let_go(self):
        """Ends all connections; returns what was found wrong on them."""
        faults = []
        for socket in self.sockets:
            socket.drop()
            faults += socket.faults
        self.sockets.clear()
        return faults
