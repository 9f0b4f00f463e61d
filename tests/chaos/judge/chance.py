"""Larger legal histories, drawn by chance from a seed."""

import random

from made_up import World


class Chance:
    """Devices that lose answers, acknowledgements, connections and inboxes, in chats whose members come and go."""

    def __init__(self, seed):
        self.draw, self.world, self.sent = random.Random(seed), World(seed), []
        w = self.world
        for _ in range(6):
            w.user()
        for user in w.users + w.users[:3]:
            w.device(user)
        everybody = w.users[1:]
        self.chats = [w.chat(w.users[0], everybody[:3]), w.chat(w.users[0], everybody[:4], shared=True), w.chat(w.users[1], [w.users[2]])]
        for device in w.devices.values():
            w.connect(device)

    def device(self):
        return self.draw.choice([device for device in self.world.devices.values() if not device.is_ended])

    def step(self):
        steps = [self.send] * 12 + [self.read] * 12 + [self.ack] * 6 + [self.flap] * 3
        steps += [self.again, self.burst, self.lose, self.member, self.page, self.receipt, self.park, self.snapshot, self.delete]
        self.draw.choice(steps)()
        if self.draw.random() < 0.01:
            self.draw.choice([self.revoke, self.wipe, self.clock])()

    def own_chat(self, device):
        mine = [chat for chat in self.chats if device.user in chat.members]
        return self.draw.choice(mine or self.chats)

    def send(self):
        device = self.device()
        chat, client_id = self.draw.choice(self.chats), f"c{len(self.sent)}"
        self.sent.append((device.user, chat, client_id))
        self.world.send(device, chat, client_id, rest=self.draw.random() < 0.2)

    def again(self):
        if self.sent:
            user, chat, client_id = self.draw.choice(self.sent)
            device = self.draw.choice([device for device in self.world.devices.values() if device.user == user])
            self.world.send(device, chat, client_id, rest=True, body=self.draw.choice([None, None, "another"]))

    def burst(self):
        w, device, chat = self.world, self.device(), self.draw.choice(self.chats)
        ids = [f"c{len(self.sent) + i}" for i in range(4)]
        self.sent += [(device.user, chat, client_id) for client_id in ids]
        ops = [w.invoke(device, chat, client_id) for client_id in ids]
        results = [w.store(op) for op in ops]
        for op, result in zip(ops, results):
            w.answer(op, result)

    def lose(self):
        """The connection ends with messages on the way, of which the first were stored; all are sent again in order."""
        w, device, chat = self.world, self.device(), self.draw.choice(self.chats)
        ids = [f"c{len(self.sent) + i}" for i in range(3)]
        self.sent += [(device.user, chat, client_id) for client_id in ids]
        stored = self.draw.randrange(4)
        for at, client_id in enumerate(ids):
            w.send_lost(device, chat, client_id, stored=at < stored)
        w.connect(device, resume=self.draw.random() < 0.5)
        for client_id in ids:
            w.send(device, chat, client_id)

    def read(self):
        device = self.device()
        if device.conn is not None:
            self.world.read(device, self.draw.randrange(1, 12))

    def ack(self):
        device = self.device()
        if device.conn is not None and device.got_n:
            n = self.draw.randint(max(1, device.got_n - 5), device.got_n)
            self.world.ack(device, n, lost=self.draw.random() < 0.1)

    def flap(self):
        device = self.device()
        if device.conn is not None and self.draw.random() < 0.5:
            self.world.close(device)
        else:
            self.world.connect(device, resume=self.draw.random() < 0.6)

    def member(self):
        chat, user = self.draw.choice(self.chats[:2]), self.draw.choice(self.world.users[1:])
        change = "remove" if user in chat.members else "add"
        lost = self.draw.random() < 0.3
        self.world.change(chat, change, user, lost=lost, stored=not lost or self.draw.random() < 0.5)

    def page(self):
        device = self.device()
        chat = self.own_chat(device)
        if device.user in chat.members:
            self.world.page(device, chat, self.draw.randrange(chat.head), self.draw.choice([1, 5, 200]))

    def receipt(self):
        device, chat = self.device(), self.chats[2]
        if device.user in chat.members:
            self.world.receipt(device, chat, chat.head, chat.head - 1)

    def park(self):
        for device in self.world.devices.values():
            if self.draw.random() < 0.8:
                self.world.park(device)

    def snapshot(self):
        self.world.snapshot()

    def delete(self):
        device = next(iter(self.world.devices.values()))
        targets = [e.seq for e in self.chats[0].log if e.type == "message" and e.seq not in self.chats[0].deleted]
        if targets:
            self.world.delete(device, self.chats[0], self.draw.choice(targets))

    def revoke(self):
        w, device = self.world, self.draw.choice(list(self.world.devices.values())[3:])
        if device.is_ended:
            w.login(device)
            w.connect(device, resume=False)
        else:
            w.revoke(device, self.draw.choice(["logout", "session", "password"]))
            w.wait(2)

    def wipe(self):
        w, shot = self.world, self.world.now
        w.fault("kill:redis", "begin", "proven", shot=shot)
        for device in w.devices.values():
            w.wipe(device)
        w.fault("kill:redis", "over", "recovered", shot=shot)

    def clock(self):
        w, shot = self.world, self.world.now
        w.fault("clock:-1h", "begin", "proven", shot=shot)
        for _ in range(10):
            self.read()
        w.fault("clock:-1h", "over", "recovered", shot=shot)
