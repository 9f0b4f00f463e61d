// Messages on their way: written before they are sent, in order, under one client_id, until the log has them or refuses them.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { MemoryStorage, ParleyError } from "../../web/sdk/parley.js";
import { FakeParley, client, clock, hooks, online, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

const texts = (server, chat) => server.log(chat).map(({ body }) => body.text);
const refuse = (code, more = {}) => (socket, frame) => socket.push({ op: "error", id: frame.id, code, detail: `${code}, it says`, ...more });
const outcome = (promise) => promise.then((ok) => ok, (error) => error);

// Writes of which the first change is so wait until what this returns is called.
function hold(storage, isSo) {
  const write = storage.write.bind(storage), held = [];
  storage.write = (changes) => (isSo(changes[0]) ? new Promise((resolve) => held.push(() => resolve(write(changes)))) : write(changes));
  return () => held.splice(0).forEach((go) => go());
}

describe("sending", () => {
  test("a message goes out once, done has the server's seq", async () => {
    const server = new FakeParley();
    const { parley, all } = await online(server);
    const { client_id, done } = parley.send("c", { text: "hello", reply_to: 7, mentions: ["u-other"] });
    assert.deepEqual(await done, { chat: "c", seq: 1, at: server.log("c")[0].at });
    const [frame] = server.socket.of("send");
    assert.deepEqual({ ...frame, id: undefined }, { op: "send", id: undefined, chat: "c", client_id, body: { text: "hello" }, reply_to: 7, mentions: ["u-other"] });
    assert.deepEqual(all("pending").map(({ state, gone, seq }) => state ?? { gone, seq }), ["waiting", "sending", { gone: true, seq: 1 }]);
    assert.deepEqual(parley.pending(), []);
  });

  test("a body of the application's own goes out as it is", async () => {
    const server = new FakeParley();
    const { parley } = await online(server);
    await parley.send("c", { body: { text: "", poll: ["a", "b"] } }).done;
    assert.deepEqual(server.log("c")[0].body, { text: "", poll: ["a", "b"] });
  });

  test("written down first: a storage that takes its time holds it back", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { parley } = await online(server, { storage });
    let written;
    const write = storage.write.bind(storage);
    storage.write = (changes) => new Promise((resolve) => {
      written = () => resolve(write(changes));
    });
    parley.send("c", { text: "one" });
    await clock.advance(1_000);
    assert.equal(server.socket.of("send").length, 0);
    storage.write = write;
    written();
    await settle();
    assert.equal(server.socket.of("send").length, 1);
  });

  test("written down first, also when it is its turn meanwhile; and none passes one that is not written yet", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { parley } = await online(server, { storage });
    let answer;
    server.on.send = (socket, frame) => {
      answer = () => server.reply(socket, frame);
    };
    parley.send("c", { text: "first" });
    await settle();
    const written = hold(storage, ({ value }) => value?.body.text === "second");
    parley.send("c", { text: "second" });
    parley.send("c", { text: "third" });
    await settle();
    delete server.on.send;
    answer();
    await settle();
    assert.deepEqual(texts(server, "c"), ["first"]);
    written();
    await settle();
    assert.deepEqual(texts(server, "c"), ["first", "second", "third"]);
  });

  test("discarded while it is being written down, it is gone from the storage too", async () => {
    const storage = new MemoryStorage();
    const { parley } = client(new FakeParley(), { storage });
    const written = hold(storage, ({ value }) => value !== undefined);
    const { client_id } = parley.send("c", { text: "no, not that" });
    await settle();
    await parley.discard(client_id);
    written();
    await settle();
    assert.deepEqual(await storage.range("outbox", ""), []);
  });

  test("a storage that fails does not keep it from being sent", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { parley, all } = await online(server, { storage });
    storage.write = async () => {
      throw new Error("quota");
    };
    assert.equal((await parley.send("c", { text: "one" }).done).seq, 1);
    assert.match(all("warning")[0].error.message, /quota/);
  });

  test("of one chat in order and one at a time, of several beside each other", async () => {
    const server = new FakeParley();
    const held = [];
    server.on.send = (socket, frame) => held.push(() => server.reply(socket, frame));
    const { parley } = await online(server);
    for (let i = 0; i < 3; i++) for (const chat of ["a", "b"]) parley.send(chat, { text: `${chat}${i}` });
    await settle();
    assert.equal(held.length, 2);
    while (held.length > 0) {
      held.shift()();
      await settle();
    }
    assert.deepEqual([texts(server, "a"), texts(server, "b")], [["a0", "a1", "a2"], ["b0", "b1", "b2"]]);
  });

  test("given before there is a connection, sent when there is one", async () => {
    const server = new FakeParley();
    const { parley } = client(server);
    const sent = ["one", "two"].map((text) => parley.send("c", { text }).done);
    await settle();
    assert.equal(parley.pending("c").length, 2);
    await parley.connect();
    await Promise.all(sent);
    assert.deepEqual(texts(server, "c"), ["one", "two"]);
  });

  test("too many at once are refused at once", async () => {
    const { parley } = client(new FakeParley());
    const sent = Array.from({ length: 1001 }, (_, i) => parley.send("c", { text: `${i}` }));
    assert.equal((await outcome(sent[1000].done)).code, "rate_limited");
    assert.equal(parley.pending().length, 1000);
  });
});

describe("what the server could not take", () => {
  test("what would end the connection is refused here", async () => {
    const server = new FakeParley();
    server.limits = { max_frame_bytes: 1000 };
    const { parley } = await online(server);
    assert.equal((await outcome(parley.send("c", { text: "é".repeat(600) }).done)).code, "too_large");
    assert.equal((await parley.send("c", { text: "x".repeat(600) }).done).seq, 1);
    await assert.rejects(parley.edit("c", 1, { text: "x".repeat(1000) }), { code: "too_large" });
    assert.equal(server.sockets.length, 1);
  });

  test("half an emoji is mended", async () => {
    const server = new FakeParley();
    const { parley } = await online(server);
    await parley.send("c", { text: "a\ud83d b\ude00 c\ud83d\ude00" }).done;
    assert.equal(server.log("c")[0].body.text, "a\ufffd b\ufffd c\ud83d\ude00");
  });

  const deep = (levels) => (levels === 0 ? 1 : { deeper: deep(levels - 1) });
  for (const [name, message] of [["U+0000", { text: "a\0b" }], ["too deep", { body: { text: "x", deep: deep(40) } }]]) {
    test(`${name} is refused at once`, async () => {
      const { parley } = await online(new FakeParley());
      assert.throws(() => parley.send("c", message), { name: "ParleyError", code: "invalid_json" });
      await assert.rejects(parley.edit("c", 1, message.body ?? message), { name: "ParleyError", code: "invalid_json" });
    });
  }

  test("an answer without an id is the only question's", async () => {
    const server = new FakeParley();
    server.on.send = (socket) => socket.push({ op: "error", code: "invalid_json", detail: "/body/x: I cannot read this" });
    const { parley } = await online(server);
    assert.equal((await outcome(parley.send("c", { text: "x" }).done)).code, "invalid_json");
    assert.equal(parley.pending()[0].state, "failed");
  });

  test("any other answer without an id is nobody's", async () => {
    const server = new FakeParley();
    server.on.send = (socket) => socket.push({ op: "error", code: "rate_limited", detail: "too much typing", retry_after: 1 });
    const { parley } = await online(server);
    parley.send("c", { text: "x" });
    await settle();
    assert.equal(parley.pending()[0].state, "sending");
  });
});

describe("what is not known", () => {
  test("a lost connection: sent again with the same client_id, in the log once", async () => {
    const server = new FakeParley();
    server.on.send = (socket, frame) => {
      server.store(frame); // it has happened, and the answer is lost
      socket.end(1006);
    };
    const { parley, all } = await online(server);
    const { client_id, done } = parley.send("c", { text: "once" });
    await clock.advance(10);
    delete server.on.send;
    await clock.advance(1_000);
    assert.equal((await done).seq, 1);
    assert.deepEqual(texts(server, "c"), ["once"]);
    assert.deepEqual([...new Set(server.sockets.flatMap((socket) => socket.of("send")).map((frame) => frame.client_id))], [client_id]);
    assert.equal(all("event").length, 1);
  });

  test("no answer within twenty seconds: another connection, the same client_id", async () => {
    const server = new FakeParley();
    server.on.send = () => {};
    const { parley } = await online(server);
    const { done } = parley.send("c", { text: "late" });
    await clock.advance(19_000);
    assert.equal(server.sockets.length, 1);
    delete server.on.send;
    await clock.advance(2_000);
    assert.equal((await done).seq, 1);
  });

  test("its own event settles it, whatever became of the answer", async () => {
    const server = new FakeParley();
    server.on.send = (socket, frame) => server.store(frame);
    const { parley, all } = await online(server);
    const { done } = parley.send("c", { text: "seen" });
    assert.equal((await done).seq, 1);
    assert.deepEqual(parley.pending(), []);
    assert.equal(all("pending").at(-1).seq, 1);
    await clock.advance(60_000);
    assert.equal(server.log("c").length, 1);
  });

  test("somebody else's event with the same client_id does not", async () => {
    const server = new FakeParley();
    server.on.send = () => {};
    const { parley } = await online(server);
    const { client_id } = parley.send("c", { text: "mine" });
    server.append("c", { client_id });
    await settle();
    assert.equal(parley.pending("c").length, 1);
  });

  for (const code of ["unavailable", "rate_limited"]) {
    test(`${code}: again after its time, those behind it keep their order`, async () => {
      const server = new FakeParley();
      let refused = 0;
      server.on.send = (socket, frame) => (refused++ < 2 ? refuse(code, { retry_after: 3 })(socket, frame) : server.reply(socket, frame));
      const { parley } = await online(server);
      const sent = ["one", "two", "three"].map((text) => parley.send("c", { text }).done);
      await clock.advance(2_900);
      assert.equal(server.socket.of("send").length, 1);
      await clock.advance(10_000);
      await Promise.all(sent);
      assert.deepEqual(texts(server, "c"), ["one", "two", "three"]);
      assert.equal(new Set(server.socket.of("send").map(({ client_id }) => client_id)).size, 3);
    });
  }

  test("a pause of one chat does not hold another", async () => {
    const server = new FakeParley();
    server.on.send = (socket, frame) => (frame.chat === "a" ? refuse("unavailable", { retry_after: 60 })(socket, frame) : server.reply(socket, frame));
    const { parley } = await online(server);
    parley.send("a", { text: "waits" });
    assert.equal((await parley.send("b", { text: "goes" }).done).seq, 1);
  });

  test("internal is tried three times and then told", async () => {
    const server = new FakeParley();
    server.on.send = refuse("internal");
    const { parley } = await online(server);
    const { done } = parley.send("c", { text: "hm" });
    await clock.advance(20_000);
    assert.equal((await outcome(done)).code, "internal");
    assert.equal(server.socket.of("send").length, 3);
  });
});

const DEFINITE = ["bad_request", "too_large", "forbidden", "not_found", "not_member", "blocked", "conflict", "invalid_json"];

describe("refused for good", () => {
  for (const code of DEFINITE) {
    test(`${code}: failed, told why, and those behind it go on`, async () => {
      const server = new FakeParley();
      server.on.send = (socket, frame) => (frame.body.text === "bad" ? refuse(code)(socket, frame) : server.reply(socket, frame));
      const { parley } = await online(server);
      const { client_id, done } = parley.send("c", { text: "bad" });
      const next = parley.send("c", { text: "good" }).done;
      const error = await outcome(done);
      assert.ok(error instanceof ParleyError);
      assert.deepEqual([error.code, error.temporary, error.detail], [code, false, `${code}, it says`]);
      assert.equal((await next).seq, 1);
      const [pending] = parley.pending("c");
      assert.deepEqual([pending.client_id, pending.state, pending.error.code], [client_id, "failed", code]);
      await clock.advance(120_000);
      assert.equal(server.socket.of("send").length, 2);
    });
  }

  test("retry() sends it again with the same client_id", async () => {
    const server = new FakeParley();
    server.on.send = refuse("blocked");
    const { parley } = await online(server);
    const { client_id } = parley.send("c", { text: "again" });
    await settle();
    delete server.on.send;
    parley.retry(client_id);
    await settle();
    assert.deepEqual(texts(server, "c"), ["again"]);
    assert.equal(server.log("c")[0].client_id, client_id);
    assert.deepEqual(parley.pending(), []);
  });

  test("discard() forgets it, also in the storage", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    server.on.send = refuse("blocked");
    const { parley, all } = await online(server, { storage });
    const { client_id } = parley.send("c", { text: "away" });
    await settle();
    await parley.discard(client_id);
    assert.deepEqual(all("pending").at(-1), { client_id, chat: "c", gone: true });
    assert.deepEqual(await storage.range("outbox", ""), []);
    await parley.discard("nobody");
    parley.retry("nobody");
  });
});

describe("reloads", () => {
  test("what was not answered is sent by the next page, with its client_id, in order", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    server.on.send = (socket, frame) => (frame.body.text === "one" ? server.store(frame) && undefined : undefined); // no answers
    server.deliver = () => {};
    const first = await online(server, { storage });
    const ids = ["one", "two", "three"].map((text) => first.parley.send("c", { text }).client_id);
    await settle();
    first.parley.close();
    delete server.on.send;
    delete server.deliver;
    const second = client(server, { storage });
    await second.parley.connect();
    await clock.advance(100);
    assert.deepEqual(server.log("c").map(({ client_id }) => client_id), ids);
    assert.deepEqual(second.parley.pending(), []);
    assert.deepEqual(await storage.range("outbox", ""), []);
  });

  test("they are there to be shown before there is a connection", async () => {
    const storage = new MemoryStorage();
    const first = client(new FakeParley(), { storage });
    first.parley.send("c", { text: "offline" });
    await settle();
    first.parley.close();
    const second = client(new FakeParley(), { storage });
    const timeline = await second.parley.timeline("c").catch(() => null);
    assert.equal(second.parley.pending("c")[0].body.text, "offline");
    timeline?.close();
  });

  test("failed ones stay failed, with the reason", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    server.on.send = refuse("blocked");
    const first = await online(server, { storage });
    first.parley.send("c", { text: "no" });
    await settle();
    first.parley.close();
    const second = await online(server, { storage });
    await clock.advance(10_000);
    assert.equal(server.socket.of("send").length, 0);
    const [pending] = second.parley.pending();
    assert.deepEqual([pending.state, pending.error.code, pending.error instanceof ParleyError], ["failed", "blocked", true]);
  });

  test("closing right after send() does not lose it", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const first = await online(server, { storage });
    const { done } = first.parley.send("c", { text: "last words" });
    first.parley.close();
    assert.equal((await outcome(done)).code, "closed");
    await settle();
    await online(server, { storage });
    await settle();
    assert.deepEqual(texts(server, "c"), ["last words"]);
  });

  test("a rejected done that nobody looks at is no unhandled rejection", async () => {
    const seen = [];
    const listen = (reason) => seen.push(reason);
    process.on("unhandledRejection", listen);
    const server = new FakeParley();
    server.on.send = refuse("blocked");
    const { parley } = await online(server);
    parley.send("c", { text: "no" });
    await settle();
    parley.close();
    await settle();
    process.off("unhandledRejection", listen);
    assert.deepEqual(seen, []);
  });
});
