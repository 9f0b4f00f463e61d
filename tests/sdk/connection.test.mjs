// The connection: authentication first, the table of close codes, waiting with jitter, heartbeats, the browser's hints.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { FakeParley, client, clock, hooks, online, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

describe("connecting", () => {
  test("the first frame is auth with the token, which is in no address", async () => {
    const server = new FakeParley();
    await online(server);
    assert.deepEqual(server.socket.sent[0], { op: "auth", token: "secret-token" });
    assert.equal(server.socket.url, "ws://parley.test/v1/ws");
    assert.equal(server.socket.protocol, "parley.v1");
    assert.ok(!server.sockets.some(({ url }) => url.includes("secret")));
  });

  test("an https server is spoken to by wss", async () => {
    const server = new FakeParley();
    await online(server, { url: "https://parley.test" });
    assert.equal(server.socket.url, "wss://parley.test/v1/ws");
  });

  test("connect() resolves at ready and says connecting, then online", async () => {
    const server = new FakeParley();
    const { parley, all } = client(server);
    assert.equal(parley.state, "offline");
    await parley.connect();
    assert.equal(parley.state, "online");
    assert.deepEqual(all("state").map(({ state }) => state), ["connecting", "online"]);
  });

  test("connect() rejects when the token is refused", async () => {
    const server = new FakeParley();
    server.on.auth = (socket) => socket.end(4001);
    const { parley } = client(server);
    await assert.rejects(parley.connect(), { name: "ParleyError", code: "unauthorized" });
    assert.equal(parley.state, "ended");
  });

  test("a token of somebody else is refused", async () => {
    const server = new FakeParley();
    server.user = "u-somebody-else";
    const { parley, all } = client(server);
    await assert.rejects(parley.connect(), { code: "unauthorized" });
    assert.deepEqual([parley.state, all("warning")[0].error.code], ["ended", "unauthorized"]);
    await clock.advance(60_000);
    assert.equal(server.sockets.length, 1);
  });

  test("connect() rejects when it is closed meanwhile", async () => {
    const server = new FakeParley();
    server.silent = true;
    const { parley } = client(server);
    const connecting = parley.connect();
    await settle();
    parley.close();
    await assert.rejects(connecting, { code: "closed" });
    await assert.rejects(parley.connect(), { code: "closed" });
  });

  test("a server that does not answer is given up after ten seconds and tried again", async () => {
    const server = new FakeParley();
    server.silent = true;
    const { parley } = client(server);
    parley.connect().catch(() => {});
    await clock.advance(9_900);
    assert.equal(server.sockets.length, 1);
    await clock.advance(600);
    assert.equal(server.sockets.length, 2);
  });

  test("a runtime without WebSocket is told so at once", () => {
    assert.throws(() => client(new FakeParley(), { WebSocket: null }), /WebSocket/);
  });

  test("close() closes with 1000, says offline, and reconnects no more", async () => {
    const server = new FakeParley();
    const { parley, all } = await online(server);
    parley.close();
    parley.close();
    assert.equal(server.socket.closedWith, 1000);
    assert.equal(all("state").at(-1).state, "offline");
    await clock.advance(120_000);
    assert.equal(server.sockets.length, 1);
  });
});

// code, then: false when it does not come back, or the wait in ms, the least and what a random part of is added to it
const CODES = [
  [1000, 0, 250], [1001, 0, 250], [1005, 0, 250], [1006, 0, 250], [1011, 0, 250], [1012, 0, 250], [4999, 0, 250],
  [4008, 0, 0],
  [4029, 30_000, 250],
  [1002, false], [1003, false], [1007, false], [1009, false], [4001, false], [4002, false], [4003, false],
];

describe("close codes", () => {
  for (const [code, least, more] of CODES.filter(([, wait]) => wait !== false)) {
    for (const part of [0, 0.5, 0.996]) {
      test(`${code} comes back after ${least + part * more} ms with a random part of ${part}`, async () => {
        const server = new FakeParley();
        const { parley, all } = await online(server, { random: () => part });
        server.socket.end(code);
        const waitMs = least + part * more;
        assert.deepEqual(all("state").at(-1), { state: "offline", code, retryAt: clock.now + waitMs });
        if (waitMs > 0) {
          await clock.advance(waitMs - 1);
          assert.equal(server.sockets.length, 1);
        }
        await clock.advance(2);
        assert.equal(server.sockets.length, 2);
        assert.equal(parley.state, "online");
      });
    }
  }

  for (const [code] of CODES.filter(([, wait]) => wait === false)) {
    test(`${code} ends it`, async () => {
      const server = new FakeParley();
      const { parley, all } = await online(server);
      server.socket.end(code);
      assert.deepEqual(all("state").at(-1), { state: "ended", code, retryAt: null });
      await clock.advance(600_000);
      assert.equal(server.sockets.length, 1);
      assert.equal(parley.state, "ended");
      await assert.rejects(parley.connect(), { name: "ParleyError" });
    });
  }

  test("after bye the server's time is kept, in a random part", async () => {
    for (const part of [0, 0.25, 0.999]) {
      const server = new FakeParley();
      const { all } = await online(server, { random: () => part });
      server.socket.push({ op: "bye", reason: "restart", retry_after: 8 });
      server.socket.end(1001);
      assert.equal(all("state").at(-1).retryAt, clock.now + part * 8_000);
    }
  });

  test("an error before ready says when to come back", async () => {
    const server = new FakeParley();
    server.on.auth = (socket) => {
      socket.push({ op: "error", code: "unavailable", detail: "later", retry_after: 4 });
      socket.end(1001);
    };
    const { parley, all } = client(server);
    parley.connect().catch(() => {});
    await settle();
    assert.equal(all("state").at(-1).retryAt, clock.now + 2_000);
  });

  test("waits grow, up to half a minute, and begin anew after a good connection", async () => {
    const server = new FakeParley();
    const { all } = await online(server, { random: () => 1 });
    const delays = [];
    server.on.auth = (socket) => socket.end(1006);
    for (let i = 0; i < 10; i++) {
      if (i === 0) server.socket.end(1006);
      const { retryAt } = all("state").at(-1);
      delays.push(retryAt - clock.now);
      await clock.advance(retryAt - clock.now);
      await settle();
    }
    assert.deepEqual(delays, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    delete server.on.auth;
    await clock.advance(40_000);
    server.socket.end(1006);
    assert.equal(all("state").at(-1).retryAt - clock.now, 250);
  });

  test("a server that ends every connection at once is not hammered", async () => {
    const server = new FakeParley();
    await online(server, { random: () => 1 });
    server.on.auth = (socket, frame) => {
      server.ready(socket, frame);
      socket.end(4008);
    };
    server.socket.end(4008);
    await clock.advance(10_000);
    assert.ok(server.sockets.length < 10, `${server.sockets.length} connections in ten seconds`);
  });
});

describe("liveness", () => {
  test("a connection that is silent is asked, and found dead within two heartbeats", async () => {
    const server = new FakeParley();
    server.heartbeat = 10;
    await online(server);
    const [socket] = server.sockets;
    server.on.ping = () => {};
    await clock.advance(10_100);
    assert.equal(socket.of("ping").length, 1);
    await clock.advance(9_900);
    assert.equal(server.sockets.length, 2);
    assert.equal(socket.readyState, 3);
  });

  test("a connection that answers stays, one that talks is not asked", async () => {
    const server = new FakeParley();
    server.heartbeat = 10;
    const { parley } = await online(server);
    await clock.advance(100_000);
    assert.equal(server.sockets.length, 1);
    assert.ok(server.socket.of("ping").length >= 4);
    const asked = server.socket.of("ping").length;
    for (let i = 0; i < 20; i++) {
      server.socket.push({ op: "presence", user: "u-other", online: true });
      await clock.advance(5_000);
    }
    assert.ok(server.socket.of("ping").length <= asked + 1);
    assert.equal(parley.state, "online");
  });

  test("what is no frame of Parley's ends the connection and is tried again", async () => {
    const server = new FakeParley();
    await online(server);
    server.socket.push("<html>");
    await clock.advance(1_000);
    assert.equal(server.sockets.length, 2);
  });

  test("unknown frames and unknown fields are ignored", async () => {
    const server = new FakeParley();
    const { parley, all } = await online(server);
    server.socket.push({ op: "something_new", x: 1 });
    server.socket.push({ op: "presence", user: "u-other", online: true, mood: "fine" });
    assert.equal(all("presence").length, 1);
    assert.equal(parley.state, "online");
  });
});

describe("hints of the browser", () => {
  const listeners = new Map();
  const given = { add: globalThis.addEventListener };
  beforeEach(() => {
    listeners.clear();
    globalThis.addEventListener = (type, run, { signal }) => {
      listeners.set(type, run);
      signal.addEventListener("abort", () => listeners.delete(type));
    };
  });
  afterEach(() => {
    globalThis.addEventListener = given.add;
  });

  test("online ends a wait of our own", async () => {
    const server = new FakeParley();
    await online(server, { random: () => 1 });
    server.on.auth = (socket) => socket.end(1006);
    server.socket.end(1006);
    await clock.advance(5_000);
    delete server.on.auth;
    const before = server.sockets.length;
    listeners.get("online")();
    await settle();
    assert.equal(server.sockets.length, before + 1);
  });

  for (const [name, end] of [["bye, and no close frame", (socket) => {
    socket.push({ op: "bye", reason: "restart", retry_after: 20 });
    socket.end(1006);
  }], ["4029", (socket) => socket.end(4029)], ["bye", (socket) => {
    socket.push({ op: "bye", reason: "restart", retry_after: 20 });
    socket.end(1001);
  }]]) {
    test(`online does not end a wait that the server asked for: ${name}`, async () => {
      const server = new FakeParley();
      await online(server);
      end(server.socket);
      listeners.get("online")();
      await settle();
      assert.equal(server.sockets.length, 1);
    });
  }

  test("offline makes the connection prove itself", async () => {
    const server = new FakeParley();
    await online(server);
    server.on.ping = () => {};
    listeners.get("offline")();
    await clock.advance(5_500);
    assert.equal(server.sockets.length, 2);
  });

  test("close() listens no more", async () => {
    const { parley } = await online(new FakeParley());
    assert.ok(listeners.size > 0);
    parley.close();
    assert.equal(listeners.size, 0);
  });
});
