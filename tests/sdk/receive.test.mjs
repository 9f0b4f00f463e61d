// What the application gets: each (chat, seq) once, of a chat in rising order, without a gap (I5, I6); and what is acknowledged.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { MemoryStorage } from "../../web/sdk/parley.js";
import { FakeParley, clock, hooks, online, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

const event = (chat, seq) => ({ chat, seq, type: "message", sender: "u-other", at: "2026-01-01T00:00:00.000Z", client_id: `s-${chat}-${seq}`, body: { text: `${chat} ${seq}` } });

// Seqs as they come on the wire, of a chat whose log has `log` events of which some may not be seen; and what is handed over.
const WIRE = [
  ["rising", { log: 3 }, [1, 2, 3], [1, 2, 3]],
  ["repeated at once", { log: 3 }, [1, 1, 2, 2, 2, 3], [1, 2, 3]],
  ["repeated later", { log: 4 }, [1, 2, 3, 1, 2, 3, 4], [1, 2, 3, 4]],
  ["begun late", { log: 9 }, [7, 8, 9], [7, 8, 9]],
  ["begun late, older ones after it", { log: 9 }, [7, 5, 6, 8], [7, 8]],
  ["a gap of one", { log: 3 }, [1, 3], [1, 2, 3]],
  ["a gap and more behind it", { log: 6 }, [1, 4, 5, 6], [1, 2, 3, 4, 5, 6]],
  ["a gap longer than a page", { log: 450 }, [1, 450], Array.from({ length: 450 }, (_, i) => i + 1)],
  ["reordered", { log: 4 }, [1, 4, 2, 3], [1, 2, 3, 4]],
  ["two gaps", { log: 7 }, [1, 3, 7], [1, 2, 3, 4, 5, 6, 7]],
  ["a gap that may not be seen", { log: 6, hidden: [2, 3, 4] }, [1, 5, 6], [1, 5, 6]],
  ["a gap of which a part may not be seen", { log: 6, hidden: [2, 4] }, [1, 5, 6], [1, 3, 5, 6]],
];

describe("on the wire", () => {
  for (const [name, { log, hidden = [] }, wire, handed] of WIRE) {
    test(name, async () => {
      const server = new FakeParley();
      for (let i = 0; i < log; i++) server.append("c", {}, { deliver: false });
      for (const seq of hidden) server.hidden.add(`c ${seq}`);
      const { seqs } = await online(server);
      for (const seq of wire) server.deliver(server.log("c")[seq - 1]);
      await clock.advance(1_000);
      assert.deepEqual(seqs("c"), handed);
      assert.equal(server.acked, wire.length);
    });
  }

  test("a gap that may not be seen is asked for once", async () => {
    const server = new FakeParley();
    for (let i = 0; i < 6; i++) server.append("c", {}, { deliver: false });
    for (const seq of [2, 3, 4]) server.hidden.add(`c ${seq}`);
    await online(server);
    for (const seq of [1, 5, 6]) server.deliver(server.log("c")[seq - 1]);
    await clock.advance(60_000);
    assert.equal(server.requests.length, 1);
    assert.deepEqual(server.requests[0].query, { after: "1", limit: "200" });
  });

  test("chats do not wait for each other's gaps", async () => {
    const server = new FakeParley();
    server.on.fetch = () => new Promise(() => {});
    const { seqs } = await online(server);
    server.append("a"); server.append("a", {}, { deliver: false }); server.append("a"); server.append("b"); server.append("b");
    await settle();
    assert.deepEqual(seqs("a"), [1]);
    assert.deepEqual(seqs("b"), [1, 2]);
  });

  test("a gap is read again until the log can be reached; nothing behind it passes or is acknowledged", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    server.on.fetch = () => ({ status: 503, json: { code: "unavailable", temporary: true } });
    server.append("c"); server.append("c", {}, { deliver: false }); server.append("c"); server.append("c");
    await clock.advance(30_000);
    assert.deepEqual(seqs("c"), [1]);
    assert.equal(server.acked, 1);
    delete server.on.fetch;
    await clock.advance(31_000);
    assert.deepEqual(seqs("c"), [1, 2, 3, 4]);
    assert.equal(server.acked, 3);
  });

  test("a gap of a chat that is gone is not waited for", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    server.append("c"); server.append("c", {}, { deliver: false }); server.append("c");
    server.on.fetch = () => ({ status: 404, json: { code: "not_found", temporary: false } });
    await clock.advance(1_000);
    assert.deepEqual(seqs("c"), [1, 3]);
  });

  test("what comes while a gap is being read is asked for as well", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    server.append("c"); server.append("c", {}, { deliver: false });
    let asked = 0;
    server.on.fetch = (request) => {
      const answer = { json: server.page("c", request.query) };
      if (asked++ === 0) { // after the page was read, before it has come
        server.append("c", {}, { deliver: false });
        server.append("c");
      }
      return answer;
    };
    server.append("c");
    await clock.advance(1_000);
    assert.deepEqual(seqs("c"), [1, 2, 3, 4, 5]);
  });

  test("a hole in n begins a new session, and nothing is lost", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    server.append("c");
    await clock.advance(200);
    const lost = server.socket.push.bind(server.socket);
    server.socket.push = (frame) => (frame.op === "event" && frame.n === 2 ? undefined : lost(frame));
    server.append("a"); server.append("b");
    await clock.advance(1_000);
    assert.equal(server.sockets.length, 2);
    assert.equal(server.sockets[1].sent[0].resume, undefined);
    assert.deepEqual([seqs("a"), seqs("b"), seqs("c")], [[1], [1], [1]]);
  });
});

describe("acknowledging", () => {
  test("within a tenth of a second, and cumulatively", async () => {
    const server = new FakeParley();
    await online(server);
    for (let i = 0; i < 5; i++) server.append("c");
    await clock.advance(99);
    assert.equal(server.socket.of("ack").length, 0);
    await clock.advance(2);
    assert.deepEqual(server.socket.of("ack"), [{ op: "ack", n: 5 }]);
  });

  test("at once when a third of the window is open", async () => {
    const server = new FakeParley();
    await online(server);
    for (let i = 0; i < 22; i++) server.append("c");
    await settle();
    await settle();
    assert.equal(server.socket.of("ack").at(-1)?.n, 22);
  });

  test("a thousand events do not stand still for want of an ack, in few acks", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    for (let i = 0; i < 1000; i++) server.append("c");
    await clock.advance(200);
    assert.equal(seqs("c").length, 1000);
    assert.equal(server.acked, 1000);
    assert.ok(server.socket.of("ack").length < 60, `${server.socket.of("ack").length} acks`);
  });

  test("nothing that is not stored", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    let stored;
    const write = storage.write.bind(storage);
    const { seqs } = await online(server, { storage });
    storage.write = (changes) => new Promise((resolve) => {
      stored = () => resolve(write(changes));
    });
    server.append("c");
    await clock.advance(5_000);
    assert.deepEqual(seqs("c"), [1]);
    assert.equal(server.acked, 0);
    stored();
    await clock.advance(200);
    assert.equal(server.acked, 1);
  });

  test("a storage that fails is told of and does not stop anything", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { seqs, all } = await online(server, { storage });
    storage.write = async () => {
      throw new Error("quota");
    };
    server.append("c");
    await clock.advance(200);
    assert.deepEqual(seqs("c"), [1]);
    assert.equal(server.acked, 1);
    assert.match(all("warning")[0].error.message, /quota/);
  });
});

describe("coming back", () => {
  test("resumed: from where it was, n goes on", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    server.append("c"); server.append("c");
    await clock.advance(200);
    server.socket.end(1006);
    server.append("c");
    await clock.advance(1_000);
    assert.deepEqual(server.socket.sent[0].resume, { session: "1", n: 2 });
    assert.deepEqual(seqs("c"), [1, 2, 3]);
    assert.equal(server.acked, 3);
  });

  test("resumed: what was handed over and not yet stored comes again, and is handed over once", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    server.append("c"); server.append("c");
    server.socket.end(1006);
    await clock.advance(1_000);
    assert.deepEqual(seqs("c"), [1, 2]);
    assert.equal(server.acked, 2);
  });

  test("inbox: a new session, n from one, repeats dropped", async () => {
    const server = new FakeParley();
    const { seqs } = await online(server);
    for (let i = 0; i < 3; i++) server.append("c");
    server.socket.end(1006);
    server.verdict = "inbox";
    server.append("c");
    await clock.advance(1_000);
    assert.equal(server.socket.of("auth").length, 1);
    assert.deepEqual(seqs("c"), [1, 2, 3, 4]);
    assert.equal(server.acked, 4);
  });

  test("what was being written when the connection was lost is not acknowledged to the next one before its time", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    await online(server, { storage });
    let written;
    const write = storage.write.bind(storage);
    storage.write = (changes) => new Promise((resolve) => {
      written = () => resolve(write(changes));
    });
    for (let i = 0; i < 3; i++) server.append("c");
    await settle();
    server.verdict = "inbox";
    const { flush } = server;
    server.flush = () => {}; // the inbox is slow
    server.socket.end(1006);
    await clock.advance(1_000);
    storage.write = write;
    written(); // the fake server throws at an ack above what it has sent
    await clock.advance(1_000);
    assert.equal(server.acked, 0);
    server.flush = flush;
    server.flush();
    await clock.advance(1_000);
    assert.equal(server.acked, 3);
  });

  test("a page that is opened again resumes from its storage, and hands over nothing twice", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const first = await online(server, { storage });
    server.append("c"); server.append("c");
    await clock.advance(200);
    first.parley.close();
    server.append("c");
    const second = await online(server, { storage });
    await clock.advance(200);
    assert.deepEqual(server.socket.sent[0].resume, { session: "1", n: 2 });
    assert.deepEqual(second.seqs("c"), [3]);
  });
});

describe("resync", () => {
  const wiped = async (chats, options) => {
    const server = new FakeParley();
    const made = await online(server, options);
    for (const [chat, count] of Object.entries(chats)) for (let i = 0; i < count; i++) server.append(chat);
    await clock.advance(500);
    server.socket.end(1006);
    return { server, ...made };
  };

  test("asks with the known positions, hands over what lacks, and tells", async () => {
    const { server, seqs, all } = await wiped({ a: 3, b: 2 });
    for (let i = 0; i < 4; i++) server.append("a");
    server.append("new");
    server.wipe();
    await clock.advance(1_000);
    assert.deepEqual(server.requests.find(({ path }) => path === "/v1/sync").body, { chats: { a: 3, b: 2 }, limit: 200 });
    assert.deepEqual([seqs("a"), seqs("b"), seqs("new")], [[1, 2, 3, 4, 5, 6, 7], [1, 2], [1]]);
    assert.deepEqual(all("resync"), [{ gone: [] }]);
  });

  test("goes on until there is no more, also when an answer has nothing of a chat", async () => {
    const { server, seqs } = await wiped({ a: 1, b: 1 });
    for (let i = 0; i < 450; i++) server.append("a");
    for (let i = 0; i < 30; i++) server.append("b");
    server.wipe();
    const sync = server.sync.bind(server);
    server.sync = (body) => sync(body, 100);
    await clock.advance(1_000);
    assert.equal(seqs("a").length, 451);
    assert.equal(seqs("b").length, 31);
    assert.ok(server.requests.filter(({ path }) => path === "/v1/sync").length >= 5);
  });

  test("goes on for one chat when the others have all", async () => {
    const { server, seqs } = await wiped({ a: 1, b: 1 });
    for (let i = 0; i < 450; i++) server.append("a");
    server.wipe();
    await clock.advance(1_000);
    assert.equal(seqs("a").length, 451);
  });

  test("tells which chats are gone", async () => {
    const { server, all } = await wiped({ a: 2, b: 2 });
    server.logs.delete("b");
    server.wipe();
    await clock.advance(1_000);
    assert.deepEqual(all("resync"), [{ gone: ["b"] }]);
  });

  test("live events wait for their turn, also of chats that were never seen", async () => {
    const { server, seqs } = await wiped({ a: 2 });
    for (let i = 0; i < 3; i++) server.append("a");
    for (let i = 0; i < 3; i++) server.append("new");
    server.wipe();
    let answer;
    server.on.fetch = (request) => (request.path === "/v1/sync" ? new Promise((resolve) => {
      const json = server.sync(request.body);
      answer = () => resolve({ json });
    }) : undefined);
    await clock.advance(1_000);
    server.append("a"); server.append("new"); // these come live, while the answer is on its way
    await settle();
    assert.deepEqual([seqs("a"), seqs("new")], [[1, 2], []]);
    answer();
    await clock.advance(1_000);
    assert.deepEqual([seqs("a"), seqs("new")], [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4]]);
  });

  test("nothing is acknowledged before it is done", async () => {
    const { server } = await wiped({ a: 2 });
    server.wipe();
    server.on.fetch = (request) => (request.path === "/v1/sync" ? null : undefined);
    await clock.advance(1_000);
    server.append("a"); server.append("b");
    await clock.advance(20_000);
    assert.equal(server.acked, 0);
    delete server.on.fetch;
    await clock.advance(31_000);
    assert.equal(server.acked, 2);
  });

  test("survives a lost connection in the middle of it", async () => {
    const { server, seqs, all } = await wiped({ a: 2 });
    for (let i = 0; i < 5; i++) server.append("a");
    server.wipe();
    server.on.fetch = (request) => (request.path === "/v1/sync" ? null : undefined);
    await clock.advance(1_000);
    server.socket.end(1006);
    delete server.on.fetch;
    await clock.advance(40_000);
    assert.deepEqual(seqs("a"), [1, 2, 3, 4, 5, 6, 7]);
    assert.equal(all("resync").length, 1);
  });

  test("comes also in the middle of a connection, and again while one is under way", async () => {
    const server = new FakeParley();
    const { seqs, all } = await online(server);
    server.append("a");
    await settle();
    server.append("a", {}, { deliver: false });
    server.socket.push({ op: "resync" });
    await clock.advance(100);
    assert.deepEqual(seqs("a"), [1, 2]);
    let asked = 0;
    server.on.fetch = (request) => {
      if (asked++ > 0) return undefined;
      const answer = { json: server.sync(request.body) };
      server.append("a", {}, { deliver: false });
      server.socket.push({ op: "resync" });
      return answer;
    };
    server.socket.push({ op: "resync" });
    await clock.advance(100);
    assert.deepEqual(seqs("a"), [1, 2, 3]);
    assert.equal(all("resync").length, 2);
  });

  test("of a chat that was never seen the end is handed over, not all of a long log", async () => {
    const { server, seqs } = await wiped({ a: 1 });
    for (let i = 0; i < 3000; i++) server.append("long", {}, { deliver: false });
    server.wipe();
    await clock.advance(1_000);
    assert.equal(seqs("long").length, 200);
    assert.equal(seqs("long").at(-1), 3000);
  });

  test("a resync that is refused for good is told of, and events go on", async () => {
    const { server, seqs, all } = await wiped({ a: 1 });
    server.wipe();
    server.on.fetch = ({ path }) => (path === "/v1/sync" ? { status: 400, json: { code: "bad_request", temporary: false } } : undefined);
    await clock.advance(1_000);
    server.append("a");
    await clock.advance(1_000);
    assert.equal(all("warning")[0].error.code, "bad_request");
    assert.deepEqual(seqs("a"), [1, 2]);
  });
});

describe("pulled chats", () => {
  test("a head alone is told and nothing is read", async () => {
    const server = new FakeParley();
    const { all } = await online(server);
    server.socket.push({ op: "head", chat: "big", seq: 5000 });
    await clock.advance(1_000);
    assert.deepEqual(all("head"), [{ chat: "big", seq: 5000 }]);
    assert.equal(server.requests.length, 0);
  });

  test("of a watched one what lacks is read, and of one that comes to be watched", async () => {
    const server = new FakeParley();
    const { parley, seqs } = await online(server);
    server.append("big");
    await settle();
    for (let i = 0; i < 9; i++) server.append("big", {}, { deliver: false });
    server.socket.push({ op: "head", chat: "big", seq: 5 });
    await clock.advance(100);
    assert.deepEqual(seqs("big"), [1]);
    parley.watch(["big"]);
    await clock.advance(100);
    assert.deepEqual(seqs("big"), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    for (let i = 0; i < 2; i++) server.append("big", {}, { deliver: false });
    server.socket.push({ op: "head", chat: "big", seq: 12 });
    await clock.advance(100);
    assert.equal(seqs("big").at(-1), 12);
  });

  test("far behind, only the end is read, and what is left out is told", async () => {
    const server = new FakeParley();
    const { parley, seqs, all } = await online(server);
    server.append("big");
    await settle();
    for (let i = 0; i < 4999; i++) server.append("big", {}, { deliver: false });
    parley.watch(["big"]);
    server.socket.push({ op: "head", chat: "big", seq: 5000 });
    await clock.advance(100);
    assert.deepEqual(all("skipped"), [{ chat: "big", after: 1, before: 4801 }]);
    assert.equal(seqs("big").length, 201);
    assert.equal(seqs("big").at(-1), 5000);
  });
});

describe("large chats that were away", () => {
  const away = async (memberCount) => {
    const server = new FakeParley();
    Object.assign(server, { limits: { pushed_members: 100 }, memberCount });
    const made = await online(server);
    server.append("big");
    made.parley.watch(["big"]);
    await clock.advance(300);
    server.socket.end(1006);
    for (let i = 0; i < 5; i++) server.append("big", {}, { deliver: false });
    server.requests.length = 0;
    await clock.advance(1_000);
    return { server, ...made };
  };

  test("of an open one what was said meanwhile is read after each reconnect", async () => {
    const { seqs } = await away(5000);
    assert.deepEqual(seqs("big"), [1, 2, 3, 4, 5, 6]);
  });

  test("of a chat that is not large the inbox has it, and no log is read", async () => {
    const { server } = await away(100);
    assert.deepEqual(server.requests.map(({ path }) => path), ["/v1/chats/big"]);
  });
});

test("everything else is told as it came", async () => {
  const server = new FakeParley();
  const { all } = await online(server);
  server.socket.push({ op: "receipt", chat: "c", user: "u-other", delivered: 3, read: 2 });
  server.socket.push({ op: "presence", user: "u-other", online: false, last_seen: "2026-01-01T00:00:00.000Z" });
  assert.deepEqual(all("receipt"), [{ chat: "c", user: "u-other", delivered: 3, read: 2 }]);
  assert.deepEqual(all("presence"), [{ user: "u-other", online: false, last_seen: "2026-01-01T00:00:00.000Z" }]);
});

test("a listener that closes the connection in the middle of an event gets nothing more", async () => {
  const server = new FakeParley();
  const { parley, seqs } = await online(server);
  parley.addEventListener("event", () => parley.close());
  server.socket.push({ op: "event", n: 1, event: event("c", 1) });
  server.socket.push({ op: "event", n: 2, event: event("c", 2) });
  assert.deepEqual(seqs("c"), [1]);
});
