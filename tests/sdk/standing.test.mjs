// What is said once, and holds: reads, typing, watch, presence; and what is asked: edits, deletions, reactions.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { MemoryStorage } from "../../web/sdk/parley.js";
import { FakeParley, client, clock, hooks, online, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

describe("read", () => {
  test("coalesced, the highest is said", async () => {
    const server = new FakeParley();
    const { parley } = await online(server);
    for (const seq of [3, 5, 4, 5]) parley.read("c", seq);
    parley.read("d", 1);
    await clock.advance(1_000);
    assert.deepEqual(server.socket.of("read").map(({ chat, seq }) => [chat, seq]), [["c", 5], ["d", 1]]);
  });

  test("kept until it was said: over a lost connection and a reload", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    server.on.read = (socket) => socket.end(1006);
    const first = await online(server, { storage });
    first.parley.read("c", 7);
    await clock.advance(250);
    first.parley.close();
    delete server.on.read;
    await online(server, { storage });
    await clock.advance(100);
    assert.deepEqual(server.socket.of("read").map(({ seq }) => seq), [7]);
    assert.deepEqual(await storage.range("reads", ""), []);
  });

  test("said again when it cannot be taken now, not when it is refused", async () => {
    const server = new FakeParley();
    server.on.read = (socket, { id, chat }) => socket.push({ op: "error", id, code: chat === "a" ? "unavailable" : "bad_request", detail: "no", retry_after: 1 });
    const { parley } = await online(server);
    parley.read("a", 1);
    parley.read("b", 99);
    await clock.advance(30_000);
    const said = server.socket.of("read").map(({ chat }) => chat);
    assert.ok(said.filter((chat) => chat === "a").length > 2);
    assert.equal(said.filter((chat) => chat === "b").length, 1);
  });
});

describe("typing", () => {
  test("at most once in three seconds, and ends by itself", async () => {
    const server = new FakeParley();
    const { parley } = await online(server);
    for (let i = 0; i < 40; i++) {
      parley.typing("c", true);
      await clock.advance(250);
    }
    assert.equal(server.socket.of("typing").filter(({ on }) => on).length, 4);
    await clock.advance(10_000);
    assert.deepEqual(server.socket.of("typing").at(-1), { op: "typing", chat: "c", on: false });
    assert.equal(server.socket.of("typing").length, 5);
  });

  test("its end is said once, and only after a beginning", async () => {
    const server = new FakeParley();
    const { parley } = await online(server);
    parley.typing("c", false);
    parley.typing("c", true);
    parley.typing("c", false);
    parley.typing("c", false);
    await clock.advance(20_000);
    assert.deepEqual(server.socket.of("typing").map(({ on }) => on), [true, false]);
  });

  test("of others: changes only, and it ends when nothing more is heard", async () => {
    const server = new FakeParley();
    const { all } = await online(server);
    for (const on of [true, true, false, false, true]) server.socket.push({ op: "typing", chat: "c", user: "u-other", on });
    await clock.advance(30_000);
    assert.deepEqual(all("typing").map(({ on }) => on), [true, false, true, false]);
  });
});

describe("watch and presence", () => {
  const lists = (server) => server.socket.sent.filter(({ op }) => op === "watch" || op === "presence").map(({ op, chats, users }) => [op, ...(chats ?? users)]);

  test("said when they change, and again after each reconnect", async () => {
    const server = new FakeParley();
    const { parley } = client(server);
    parley.watch(["b", "a"]);
    await parley.connect();
    parley.watch(["a", "b"]);
    parley.presence(["u-other"]);
    assert.deepEqual(lists(server), [["watch", "b", "a"], ["presence", "u-other"]]);
    server.socket.end(1006);
    await clock.advance(1_000);
    assert.deepEqual(lists(server), [["watch", "a", "b"], ["presence", "u-other"]]);
    parley.watch([]);
    assert.deepEqual(lists(server).at(-1), ["watch"]);
  });

  test("never more than the server takes", async () => {
    const server = new FakeParley();
    server.limits = { max_watched_chats: 3, max_followed_users: 2 };
    const { parley } = await online(server);
    parley.watch(["a", "b", "c", "d"]);
    parley.presence(["u-1", "u-2", "u-3"]);
    assert.deepEqual(lists(server), [["watch", "a", "b", "c"], ["presence", "u-1", "u-2"]]);
  });

  test("a chat that may not be watched does not keep the others from it", async () => {
    const server = new FakeParley();
    server.on.watch = (socket, frame) => {
      const bad = frame.chats.indexOf("x");
      if (bad < 0) return server.reply(socket, frame);
      return socket.push({ op: "error", id: frame.id, code: "not_found", detail: `/chats/${bad}: x is not a chat of yours` });
    };
    const { parley } = await online(server);
    parley.watch(["a", "x", "b"]);
    await clock.advance(1_000);
    assert.deepEqual(lists(server), [["watch", "a", "x", "b"], ["watch", "a", "b"]]);
  });

  test("said again when it came too fast", async () => {
    const server = new FakeParley();
    server.on.presence = (socket, { id }) => socket.push({ op: "error", id, code: "rate_limited", detail: "too fast", retry_after: 2 });
    const { parley } = await online(server);
    parley.presence(["u-1"]);
    await clock.advance(1_900);
    assert.equal(lists(server).length, 1);
    delete server.on.presence;
    await clock.advance(200);
    assert.equal(lists(server).length, 2);
    await clock.advance(10_000);
    assert.equal(lists(server).length, 2);
  });

  test("a server that knows nothing of them is asked once", async () => {
    const server = new FakeParley();
    server.on.watch = (socket, { id }) => socket.push({ op: "error", id, code: "bad_request", detail: "/op: is not known" });
    const { parley } = await online(server);
    parley.watch(["a"]);
    await clock.advance(60_000);
    assert.equal(lists(server).length, 1);
  });
});

const ACTIONS = [
  ["edit", (parley) => parley.edit("c", 3, { text: "better" }), { op: "edit", chat: "c", seq: 3, body: { text: "better" } }],
  ["remove", (parley) => parley.remove("c", 3), { op: "delete", chat: "c", seq: 3 }],
  ["react", (parley) => parley.react("c", 3, "👍", true), { op: "react", chat: "c", seq: 3, emoji: "👍", on: true }],
];

describe("actions", () => {
  for (const [name, act, frame] of ACTIONS) {
    test(`${name} asks, and gives the server's word`, async () => {
      const server = new FakeParley();
      const { parley } = await online(server);
      const ok = await act(parley);
      assert.deepEqual({ ...server.socket.of(frame.op)[0], id: undefined }, { ...frame, id: undefined });
      assert.deepEqual(Object.keys(ok), ["chat", "seq", "at"]);
      server.on[frame.op] = (socket, { id }) => socket.push({ op: "error", id, code: "forbidden", detail: "not yours" });
      await assert.rejects(act(parley), { name: "ParleyError", code: "forbidden", detail: "not yours" });
    });

    test(`${name} waits for a connection, but not for ever`, async () => {
      const server = new FakeParley();
      const { parley } = client(server);
      const asked = act(parley);
      await parley.connect();
      await asked;
      server.silent = true;
      server.socket.end(1006);
      const refused = assert.rejects(act(parley), { code: "network", temporary: true });
      await clock.advance(15_000);
      await refused;
    });

    test(`${name} that was not answered when the connection was lost is told so`, async () => {
      const server = new FakeParley();
      server.on[frame.op] = (socket) => socket.end(1006);
      const { parley } = await online(server);
      await assert.rejects(act(parley), { code: "network", temporary: true });
    });
  }

  test("close() ends what waits", async () => {
    const server = new FakeParley();
    server.on.edit = () => {};
    const { parley } = await online(server);
    const ended = assert.rejects(parley.edit("c", 1, { text: "x" }), { code: "closed" });
    await settle();
    parley.close();
    await ended;
  });
});
