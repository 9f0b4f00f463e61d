// Tabs of one login: one connection, every tab sees and says everything, and another tab takes over when the leading one goes.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { FakeBrowser, FakeParley, client, clock, hooks, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

async function open(browser, server, options = {}) {
  const { options: shared, kill, tab } = browser.tab();
  const sockets = [];
  class Socket extends server.WebSocket {
    constructor(...given) {
      super(...given);
      sockets.push(this);
    }

    push(frame) {
      if (tab.alive) super.push(frame);
    }
  }
  const made = client(server, { ...shared, WebSocket: Socket, ...options });
  made.parley.connect().catch(() => {});
  await settle();
  return { ...made, sockets, kill: () => {
    kill();
    for (const socket of sockets) Object.assign(socket, { onclose: null, onmessage: null, send: () => {} });
    sockets.at(-1)?.end(1006);
  } };
}

async function twoTabs(options) {
  const server = new FakeParley();
  const browser = new FakeBrowser();
  const first = await open(browser, server, options);
  const second = await open(browser, server, options);
  return { server, browser, first, second };
}

describe("side by side", () => {
  test("only one has a connection, both are online", async () => {
    const { server, first, second } = await twoTabs();
    assert.equal(server.sockets.length, 1);
    assert.deepEqual([first.parley.state, second.parley.state], ["online", "online"]);
  });

  test("both get every event, once and in order", async () => {
    const { server, first, second } = await twoTabs();
    for (let i = 0; i < 5; i++) server.append("c");
    await clock.advance(200);
    assert.deepEqual([first.seqs("c"), second.seqs("c")], [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]);
    assert.equal(server.acked, 5);
  });

  test("the other one sends too, and both see it on its way", async () => {
    const { server, first, second } = await twoTabs();
    server.on.send = () => {};
    const { client_id, done } = second.parley.send("c", { text: "from the second" });
    await settle();
    assert.deepEqual([first, second].map(({ parley }) => parley.pending("c").map(({ state }) => state)), [["sending"], ["sending"]]);
    server.deliver = () => {};
    const [frame] = server.socket.of("send");
    server.on.send = null;
    server.take(server.socket, frame);
    assert.equal((await done).seq, 1);
    await settle();
    assert.equal(server.log("c")[0].client_id, client_id);
    assert.deepEqual([first, second].map(({ parley }) => parley.pending("c").length), [0, 0]);
  });

  test("a refusal reaches the tab that sent, retry() and discard() work from either", async () => {
    const { server, first, second } = await twoTabs();
    server.on.send = (socket, { id }) => socket.push({ op: "error", id, code: "blocked", detail: "no" });
    const { client_id, done } = second.parley.send("c", { text: "no" });
    await assert.rejects(done, { code: "blocked" });
    await settle();
    assert.equal(first.parley.pending("c")[0].state, "failed");
    second.parley.retry(client_id);
    await settle();
    assert.equal(server.socket.of("send").length, 2);
    await first.parley.discard(client_id);
    await settle();
    assert.deepEqual(second.parley.pending("c"), []);
  });

  test("asks, reads, typing, watch and presence go through the one connection", async () => {
    const { server, first, second } = await twoTabs();
    first.parley.watch(["a"]);
    second.parley.watch(["b"]);
    second.parley.presence(["u-1"]);
    second.parley.read("c", 4);
    second.parley.typing("c", true);
    const ok = await second.parley.edit("c", 3, { text: "better" });
    assert.equal(ok.seq, 3);
    server.on.delete = (socket, { id }) => socket.push({ op: "error", id, code: "conflict", detail: "gone already" });
    await assert.rejects(second.parley.remove("c", 3), { name: "ParleyError", code: "conflict" });
    await clock.advance(300);
    assert.deepEqual(server.socket.of("watch").at(-1).chats, ["a", "b"]);
    assert.deepEqual(server.socket.of("presence").at(-1).users, ["u-1"]);
    assert.deepEqual(server.socket.of("read").map(({ seq }) => seq), [4]);
    assert.equal(server.socket.of("typing")[0].on, true);
  });

  test("what is ephemeral, and a resync, reaches both", async () => {
    const { server, first, second } = await twoTabs();
    server.socket.push({ op: "receipt", chat: "c", user: "u-other", read: 3 });
    server.socket.push({ op: "typing", chat: "c", user: "u-other", on: true });
    server.socket.push({ op: "resync" });
    await clock.advance(200);
    for (const { all } of [first, second]) {
      assert.equal(all("receipt").length, 1);
      assert.equal(all("typing").length, 1);
      assert.deepEqual(all("resync"), [{ gone: [] }]);
    }
  });

  test("a tab whose channel has lost something reads it from the log", async () => {
    const { server, browser, second } = await twoTabs();
    browser.loses = ({ kind, event }) => kind === "event" && (event.seq === 2 || event.seq === 3);
    for (let i = 0; i < 5; i++) server.append("c");
    await clock.advance(500);
    assert.deepEqual(second.seqs("c"), [1, 2, 3, 4, 5]);
  });
});

describe("taking over", () => {
  for (const [name, end] of [["closed", (tab) => tab.parley.close()], ["killed", (tab) => tab.kill()]]) {
    test(`when the leading tab is ${name} the other has the connection, and nothing is lost or repeated`, async () => {
      const { server, first, second } = await twoTabs();
      for (let i = 0; i < 3; i++) server.append("c");
      await clock.advance(200);
      server.append("c"); // not acknowledged yet
      end(first);
      server.append("c");
      await clock.advance(1_000);
      assert.equal(server.sockets.length, 2);
      assert.equal(second.parley.state, "online");
      assert.deepEqual(second.seqs("c"), [1, 2, 3, 4, 5]);
      assert.ok(server.socket.sent[0].resume.n >= 3);
      assert.equal(server.acked, 5);
    });

    test(`what a tab was sending when it was ${name}, the other sends, once`, async () => {
      const { server, first, second } = await twoTabs();
      server.on.send = (socket, frame) => {
        if (socket === server.sockets[0]) server.store(frame); // no answer to the first
        else server.reply(socket, frame);
      };
      server.deliver = () => {};
      const { client_id } = first.parley.send("c", { text: "once" });
      second.parley.send("c", { text: "then" });
      await settle();
      end(first);
      await clock.advance(1_000);
      assert.deepEqual(server.log("c").map(({ body }) => body.text), ["once", "then"]);
      assert.equal(server.log("c")[0].client_id, client_id);
      assert.deepEqual(second.parley.pending(), []);
    });
  }

  test("what the other tab never heard of, and the server will not send again, is read from the log", async () => {
    const { server, browser, first, second } = await twoTabs();
    for (let i = 0; i < 2; i++) server.append("c");
    await clock.advance(200);
    browser.loses = ({ kind }) => kind === "event";
    server.append("c");
    await clock.advance(200);
    assert.equal(server.acked, 3);
    first.kill();
    await clock.advance(500);
    assert.deepEqual(second.seqs("c"), [1, 2, 3]);
  });

  test("what the leading tab could not write any more is written by the next", async () => {
    const { server, browser, first } = await twoTabs();
    server.append("c");
    first.kill(); // the other has heard of it, nobody has stored it
    await clock.advance(500);
    assert.equal(server.acked, 1);
    assert.deepEqual((await browser.rows()).filter(({ seq }) => seq).map(({ chat, seq }) => [chat, seq]), [["c", 1]]);
  });

  test("what the other tab had asked is told to be unknown", async () => {
    const { server, first, second } = await twoTabs();
    server.on.edit = () => {};
    const refused = assert.rejects(second.parley.edit("c", 1, { text: "x" }), { code: "network", temporary: true });
    await settle();
    first.kill();
    await clock.advance(1_000);
    await refused;
  });

  test("a follower that goes takes its wishes with it", async () => {
    const { server, second } = await twoTabs();
    second.parley.watch(["b"]);
    await settle();
    assert.deepEqual(server.socket.of("watch").at(-1).chats, ["b"]);
    second.kill();
    await settle();
    assert.deepEqual(server.socket.of("watch").at(-1).chats, []);
  });

  test("a new leader says what all tabs want", async () => {
    const { server, browser, first, second } = await twoTabs();
    const third = await open(browser, server);
    second.parley.watch(["b"]);
    third.parley.watch(["c"]);
    await settle();
    first.kill();
    await clock.advance(500);
    assert.deepEqual(server.socket.of("watch").at(-1).chats, ["b", "c"]);
  });

  test("a fresh tab knows what earlier tabs were given, and gets what is new", async () => {
    const { server, browser, first } = await twoTabs();
    for (let i = 0; i < 3; i++) server.append("c");
    await clock.advance(200);
    const third = await open(browser, server);
    server.append("c");
    await settle();
    assert.deepEqual([first.seqs("c"), third.seqs("c")], [[1, 2, 3, 4], [4]]);
  });
});

describe("endings", () => {
  test("replaced by another connection of the device (4003): no tab fights for it", async () => {
    const { server, first, second } = await twoTabs();
    server.socket.end(4003);
    await clock.advance(60_000);
    assert.equal(server.sockets.length, 1);
    assert.deepEqual([first.parley.state, second.parley.state], ["ended", "ended"]);
    assert.equal(second.all("state").at(-1).code, 4003);
  });

  test("a refused token (4001): each tab finds out with its own", async () => {
    const { server, first, second } = await twoTabs();
    server.on.auth = (socket) => socket.end(4001);
    server.socket.end(4001);
    await clock.advance(1_000);
    assert.deepEqual([first.parley.state, second.parley.state], ["ended", "ended"]);
    assert.equal(server.sockets.length, 2);
  });

  test("a login of the same person with another token goes on when one has ended", async () => {
    const server = new FakeParley();
    const browser = new FakeBrowser();
    const first = await open(browser, server, { token: "old" });
    const second = await open(browser, server, { token: "new" });
    server.socket.end(4002);
    await clock.advance(1_000);
    assert.deepEqual([first.parley.state, second.parley.state], ["ended", "online"]);
    assert.equal(server.socket.sent[0].token, "new");
  });

  test("logout() in one tab ends the others and forgets what was stored", async () => {
    const { server, browser, first, second } = await twoTabs();
    server.append("c");
    await clock.advance(200);
    server.on.fetch = () => {
      for (let i = 0; i < 50; i++) server.append("c"); // handed over and not stored yet
      return { status: 204 };
    };
    await second.parley.logout();
    await settle();
    assert.deepEqual(first.all("state").at(-1), { state: "ended", code: 4002, retryAt: null });
    assert.equal(server.sockets.at(-1).readyState, 3);
    await clock.advance(1_000);
    assert.deepEqual(await browser.rows(), []);
  });
});

test("a message that was settled before this tab heard of it does not come back", async () => {
  const { server, browser, second } = await twoTabs();
  const { BroadcastChannel } = browser.tab().options;
  const channel = new BroadcastChannel("parley:shared");
  const message = { client_id: "x", chat: "c", body: { text: "x" }, at: "2026-01-01T00:00:00.000Z", state: "waiting", order: 1 };
  channel.postMessage({ kind: "outbox", message: { gone: { client_id: "x", chat: "c", gone: true, seq: 1, at: message.at } } });
  channel.postMessage({ kind: "outbox", message: { item: message } });
  await settle();
  assert.deepEqual([second.parley.pending(), server.socket.of("send")], [[], []]);
});

test("nothing is written after logout()", async () => {
  const { server, browser, first } = await twoTabs();
  server.append("c");
  await clock.advance(200);
  let read;
  browser.slow = () => new Promise((resolve) => {
    read = resolve;
  });
  server.append("c", { type: "delete", target: 1, body: undefined }); // what is to be written of it depends on what is there
  await settle();
  browser.slow = null;
  server.on.fetch = () => ({ status: 204 });
  await first.parley.logout();
  read();
  await clock.advance(500);
  assert.deepEqual(await browser.rows(), []);
});

test("instances without a shared storage have a connection each", async () => {
  const server = new FakeParley();
  const { options } = new FakeBrowser().tab();
  const { locks, BroadcastChannel } = options;
  for (let i = 0; i < 2; i++) await client(server, { locks, BroadcastChannel }).parley.connect();
  assert.equal(server.sockets.length, 2);
});
