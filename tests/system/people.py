"""People with accounts and devices, and the chats that they make: what most tests begin with."""

import itertools
import os

from live import Socket, new_client_id
from rest import Rest

PASSWORD = "a mill that thinks in brass"
RUN = f"{os.getpid():x}"
numbers = itertools.count(1)


def new_name(word="u"):
    return f"{word}.{RUN}.{next(numbers)}"


class Device:
    """A session of a device; `rest` carries its token."""

    def __init__(self, person, session):
        self.person = person
        self.token = session["token"]
        self.id = session["device"]["id"]
        self.rest = person.world.rest.with_token(self.token)
        self.sockets = []

    def connect(self, resume=None, auto_ack=True, auth=True):
        socket = self.person.world.socket(auto_ack=auto_ack)
        self.sockets.append(socket)
        if auth:
            socket.auth(self.token, resume)
        return socket


class Person:
    """An account. Logs in when first needed; `rest` and `connect` are of the first device."""

    def __init__(self, world, word="u", password=PASSWORD):
        self.world, self.password = world, password
        self.username = new_name(word)
        self.user = world.rest.post("/v1/users", {"username": self.username, "password": password}).want(201)
        self.id = self.user["id"]
        self.devices = []

    def log_in(self, device=None):
        body = {"username": self.username, "password": self.password}
        if device is not None:
            body["device"] = device
        session = self.world.rest.post("/v1/sessions", body).want(201)
        self.devices.append(Device(self, session))
        return self.devices[-1]

    @property
    def device(self):
        return self.devices[0] if self.devices else self.log_in()

    @property
    def rest(self):
        return self.device.rest

    def connect(self, **how):
        return self.device.connect(**how)

    # --- what people do ---

    def group(self, *others, kind="group", **members):
        return self.rest.post("/v1/chats", {"kind": kind, "members": [other.id for other in others],
                                            **members}).want(201)["id"]

    def direct(self, other):
        answer = self.rest.post("/v1/chats", {"kind": "direct", "members": [other.id]})
        assert answer.status in (200, 201), answer
        return answer.body["id"]

    def post(self, chat, text, client_id=None, **members):
        """The answer of POST …/messages."""
        return self.rest.post(f"/v1/chats/{chat}/messages",
                              {"client_id": client_id or new_client_id(), "body": {"text": text}, **members})

    def say(self, chat, text, **members):
        return self.post(chat, text, **members).want(201)

    def log(self, chat, query=""):
        return self.rest.get(f"/v1/chats/{chat}/events{query}").want(200)

    def texts(self, chat, query="?limit=200"):
        return [event["body"]["text"] for event in self.log(chat, query)["items"] if event["type"] == "message"]

    def add(self, chat, other, role=None):
        return self.rest.put(f"/v1/chats/{chat}/members/{other.id}", {"role": role} if role else {}).want(200)

    def remove(self, chat, other):
        return self.rest.delete(f"/v1/chats/{chat}/members/{other.id}").want(204)


class World:
    """What a test gets: people on a running system; what they opened is closed at its end."""

    def __init__(self, system):
        self.system = system
        self.rest = Rest(system.host, system.port)
        self.operations = Rest(system.host, system.ops_port)
        self.people = []
        self.loose = []

    def person(self, word="u", **how):
        self.people.append(Person(self, word, **how))
        return self.people[-1]

    def persons(self, *words):
        return [self.person(word) for word in words]

    def socket(self, **how):
        self.loose.append(Socket(self.system.host, self.system.port, **how))
        return self.loose[-1]

    def close(self):
        for socket in self.loose:
            socket.drop()
        for person in self.people:
            for device in person.devices:
                device.rest.close()
        self.rest.close()
        self.operations.close()
