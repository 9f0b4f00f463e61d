// A chat as a person sees it: pages, live events, actions applied once, local echo, and the cache when offline.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { MemoryStorage } from "../../web/sdk/parley.js";
import { FakeBrowser, FakeParley, ME, client, clock, hooks, online, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

const texts = (timeline) => timeline.entries.map(({ event, pending }) => (event ? event.body?.text ?? event.type : `(${pending.body.text})`));
const fill = (server, count, options) => Array.from({ length: count }, () => server.append("c", {}, options));
const changes = (timeline) => {
  const told = [];
  timeline.addEventListener("change", ({ detail }) => told.push(detail));
  return told;
};

const act = (server, action) => server.act("c", action);

describe("pages", () => {
  test("opens with the newest page, goes back page by page to the beginning", async () => {
    const server = new FakeParley();
    fill(server, 120, { deliver: false });
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    const told = changes(timeline);
    assert.deepEqual([timeline.entries.length, timeline.entries[0].event.seq, timeline.hasOlder], [50, 71, true]);
    await timeline.loadOlder();
    assert.deepEqual([timeline.entries.length, timeline.hasOlder], [100, true]);
    await timeline.loadOlder(30);
    assert.deepEqual([timeline.entries.length, timeline.entries[0].event.seq, timeline.hasOlder], [120, 1, false]);
    await timeline.loadOlder();
    assert.deepEqual(told.map(({ kind, entries }) => [kind, entries.length]), [["prepended", 50], ["prepended", 20]]);
    assert.equal(timeline.get(3).event.seq, 3);
    assert.equal(timeline.get(999), undefined);
  });

  test("two calls of loadOlder() at once are one", async () => {
    const server = new FakeParley();
    fill(server, 120, { deliver: false });
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    await Promise.all([timeline.loadOlder(), timeline.loadOlder()]);
    assert.equal(timeline.entries.length, 100);
  });

  test("a page of nothing but reactions is passed over", async () => {
    const server = new FakeParley();
    fill(server, 3, { deliver: false });
    for (let i = 0; i < 100; i++) server.append("c", { type: "reaction", target: 1, emoji: "👍", on: i % 2 === 0 }, { deliver: false });
    fill(server, 20, { deliver: false });
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    assert.equal(timeline.entries.length, 20);
    await timeline.loadOlder();
    assert.equal(timeline.entries.length, 23);
  });

  test("an empty chat has an empty timeline", async () => {
    const server = new FakeParley();
    server.log("c");
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    assert.deepEqual([timeline.entries.length, timeline.hasOlder], [0, false]);
    server.append("c");
    assert.equal(timeline.entries.length, 1);
  });

  test("a chat that may not be read is refused", async () => {
    const server = new FakeParley();
    server.on.fetch = () => ({ status: 404, json: { code: "not_found", detail: "nothing here", temporary: false } });
    const { parley } = await online(server);
    await assert.rejects(parley.timeline("x"), { name: "ParleyError", code: "not_found", status: 404 });
  });
});

describe("live", () => {
  test("messages and membership are appended, once, also those that came while the page was read", async () => {
    const server = new FakeParley();
    fill(server, 3);
    const { parley } = await online(server);
    server.on.fetch = ({ query }) => {
      const json = structuredClone(server.page("c", query));
      fill(server, 2); // after the page was read, before it has come
      return { json };
    };
    const timeline = await parley.timeline("c");
    delete server.on.fetch;
    const told = changes(timeline);
    server.append("c", { type: "member_added", user: "u-new", body: undefined });
    server.deliver(server.log("c")[5]);
    assert.deepEqual(timeline.entries.map(({ event }) => event.seq), [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(told, [{ kind: "appended", entries: ["6"] }]);
  });

  test("ten thousand messages keep their order, and each is found", async () => {
    const server = new FakeParley();
    server.log("c");
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    for (let i = 0; i < 10_000; i++) {
      server.append("c");
      if (i % 60 === 0) await clock.advance(150);
    }
    await clock.advance(5_000);
    assert.equal(timeline.entries.length, 10_000);
    assert.equal(timeline.get(5_000).event.seq, 5_000);
  });
});

// Of a chat that this device has no event of yet: how many events it is not told of before the first one that it is.
const UNTOLD = [0, 1, 2, 120];

describe("the first live event of a chat joins the page that was read", () => {
  for (const untold of UNTOLD) {
    const last = 60 + untold + 1;
    const whole = (timeline) => {
      const shown = timeline.entries.map(({ event }) => event.seq);
      assert.equal(shown.at(-1), last);
      assert.deepEqual(shown, shown.map((_, i) => shown[0] + i));
    };
    const tell = (server) => {
      fill(server, untold, { deliver: false });
      fill(server, 1);
    };

    test(`${untold} after it: the page was there before`, async () => {
      const server = new FakeParley();
      fill(server, 60, { deliver: false });
      const { parley, seqs } = await online(server);
      const timeline = await parley.timeline("c");
      tell(server);
      await settle();
      whole(timeline);
      assert.equal(timeline.entries.length, 50 + untold + 1);
      assert.deepEqual(seqs("c"), Array.from({ length: untold + 1 }, (_, i) => 61 + i));
    });

    test(`${untold} after it: the page was being read`, async () => {
      const server = new FakeParley();
      fill(server, 60, { deliver: false });
      const { parley, seqs } = await online(server);
      server.on.fetch = ({ query }) => {
        const json = structuredClone(server.page("c", query));
        delete server.on.fetch;
        tell(server); // after the page was read, before it has come
        return { json };
      };
      const timeline = await parley.timeline("c");
      await settle();
      whole(timeline);
      while (timeline.hasOlder) await timeline.loadOlder();
      whole(timeline);
      assert.equal(timeline.entries.length, last);
      assert.deepEqual(seqs("c"), [last]);
    });
  }

  test("also when there was nothing in the page", async () => {
    const server = new FakeParley();
    server.log("c");
    const { parley } = await online(server);
    server.on.fetch = ({ query }) => {
      const json = structuredClone(server.page("c", query));
      delete server.on.fetch;
      fill(server, 2, { deliver: false });
      fill(server, 1);
      return { json };
    };
    const timeline = await parley.timeline("c");
    assert.deepEqual(timeline.entries.map(({ event }) => event.seq), [1, 2, 3]);
  });

  test("also when a sync comes first", async () => {
    const server = new FakeParley();
    fill(server, 60, { deliver: false });
    const { parley, seqs } = await online(server);
    const timeline = await parley.timeline("c");
    fill(server, 400, { deliver: false });
    server.socket.push({ op: "resync" });
    await clock.advance(100);
    assert.deepEqual(seqs("c"), Array.from({ length: 400 }, (_, i) => 61 + i));
    assert.equal(timeline.entries.length, 450);
  });

  test("also when another tab was told of it", async () => {
    const server = new FakeParley();
    const browser = new FakeBrowser();
    fill(server, 60, { deliver: false });
    await online(server, browser.tab().options);
    const { parley, seqs } = client(server, browser.tab().options);
    const timeline = await parley.timeline("c");
    fill(server, 2);
    await settle();
    await parley.connect(); // it hears no other tab before
    await settle();
    assert.deepEqual(seqs("c"), [61, 62]);
    assert.equal(timeline.entries.length, 52);
  });

  test("also when the page was read by the application itself", async () => {
    const server = new FakeParley();
    fill(server, 3, { deliver: false });
    const { parley, seqs } = await online(server);
    assert.equal((await parley.history("c")).last_seq, 3);
    fill(server, 2, { deliver: false });
    fill(server, 1);
    await settle();
    assert.deepEqual(seqs("c"), [4, 5, 6]);
  });

  test("a page of long ago is not what it joins", async () => {
    const server = new FakeParley();
    fill(server, 60, { deliver: false });
    const { parley, seqs } = await online(server);
    await parley.history("c", { before: 20 });
    await parley.history("c", { after: 20, limit: 5 });
    fill(server, 1);
    await settle();
    assert.deepEqual(seqs("c"), [61]);
  });

  test("of a large chat nothing is read again that is in the page", async () => {
    const server = new FakeParley();
    fill(server, 60, { deliver: false });
    const { parley, seqs } = await online(server);
    await parley.timeline("c");
    server.socket.push({ op: "head", chat: "c", seq: 60 });
    await settle();
    fill(server, 1);
    assert.deepEqual(seqs("c"), [61]);
  });

  test("of a large chat its head is joined to it, however far", async () => {
    const server = new FakeParley();
    fill(server, 60, { deliver: false });
    const { parley, seqs } = await online(server);
    const timeline = await parley.timeline("c");
    fill(server, 500, { deliver: false });
    server.socket.push({ op: "head", chat: "c", seq: 560 });
    await settle();
    await settle();
    assert.deepEqual(seqs("c"), Array.from({ length: 500 }, (_, i) => 61 + i));
    assert.equal(timeline.entries.length, 550);
  });

  test("a page that is older than what was skipped meanwhile is read anew", async () => {
    const server = new FakeParley();
    fill(server, 3);
    const { parley } = await online(server);
    let late;
    server.on.fetch = ({ query }) => {
      const json = structuredClone(server.page("c", query));
      delete server.on.fetch;
      return new Promise((resolve) => {
        late = () => resolve({ json });
      });
    };
    const opening = parley.timeline("c");
    await settle();
    fill(server, 5_000, { deliver: false });
    server.socket.push({ op: "head", chat: "c", seq: 5_003 });
    await settle();
    await settle();
    late();
    const timeline = await opening;
    await settle();
    const shown = timeline.entries.map(({ event }) => event.seq);
    assert.equal(shown.at(-1), 5_003);
    assert.deepEqual(shown, shown.map((_, i) => shown[0] + i));
  });
});

// actions, then what the message shows
const ACTS = [
  ["an edit", [{ type: "edit", target: 2, body: { text: "better" } }], { body: { text: "better" } }],
  ["two edits", [{ type: "edit", target: 2, body: { text: "better" } }, { type: "edit", target: 2, body: { text: "best" } }], { body: { text: "best" } }],
  ["a deletion", [{ type: "delete", target: 2 }], { deleted: true, body: undefined, edited: undefined }],
  ["an edit, then a deletion", [{ type: "edit", target: 2, body: { text: "better" } }, { type: "delete", target: 2 }], { deleted: true, body: undefined }],
  ["a reaction", [{ type: "reaction", target: 2, emoji: "👍", on: true }], { reactions: { "👍": ["u-other"] } }],
  ["a reaction given twice", [1, 2].map(() => ({ type: "reaction", target: 2, emoji: "👍", on: true })), { reactions: { "👍": ["u-other"] } }],
  ["a reaction taken back", [true, false].map((on) => ({ type: "reaction", target: 2, emoji: "👍", on })), { reactions: undefined }],
  ["two reactions, one taken back", [["👍", true], ["🎉", true], ["👍", false]].map(([emoji, on]) => ({ type: "reaction", target: 2, emoji, on })), { reactions: { "🎉": ["u-other"] } }],
];
const subset = (event, want) => Object.fromEntries(Object.keys(want).map((name) => [name, event[name]]));

describe("actions show on their target, once", () => {
  for (const [name, actions, want] of ACTS) {
    test(`${name}: live`, async () => {
      const server = new FakeParley();
      fill(server, 3);
      const { parley } = await online(server);
      const timeline = await parley.timeline("c");
      const told = changes(timeline);
      for (const action of actions) act(server, action);
      assert.deepEqual(subset(timeline.get(2).event, want), want);
      assert.equal(timeline.entries.length, 3);
      assert.ok(told.every(({ kind, entries }) => kind === "changed" && entries[0] === "2"));
    });

    test(`${name}: in the page already, and then once more live`, async () => {
      const server = new FakeParley();
      fill(server, 3);
      const { parley } = await online(server);
      await settle();
      const held = actions.map((action) => {
        const deliver = server.deliver;
        server.deliver = () => {};
        const event = act(server, action);
        server.deliver = deliver;
        return event;
      });
      const timeline = await parley.timeline("c");
      for (const event of held) server.deliver(event);
      await settle();
      assert.deepEqual(subset(timeline.get(2).event, want), want);
    });

    test(`${name}: while the page is being read`, async () => {
      const server = new FakeParley();
      fill(server, 3);
      const { parley } = await online(server);
      server.on.fetch = ({ query }) => {
        const json = structuredClone(server.page("c", query));
        for (const action of actions) act(server, action);
        return { json };
      };
      const timeline = await parley.timeline("c");
      assert.deepEqual(subset(timeline.get(2).event, want), want);
    });

    test(`${name}: from the cache`, async () => {
      const server = new FakeParley();
      const storage = new MemoryStorage();
      fill(server, 3);
      const { parley } = await online(server, { storage });
      await (await parley.timeline("c")).loadOlder();
      for (const action of actions) act(server, action);
      await clock.advance(500);
      parley.close();
      server.on.fetch = () => null;
      const { parley: offline } = client(server, { storage });
      const timeline = await offline.timeline("c");
      assert.deepEqual(subset(timeline.get(2).event, want), want);
      assert.equal(timeline.entries.length, 3);
    });
  }
});

describe("local echo", () => {
  test("shown at once, under one key, in its place when the log has it", async () => {
    const server = new FakeParley();
    fill(server, 1);
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    let answer;
    server.on.send = (socket, frame) => {
      answer = () => server.reply(socket, frame);
    };
    const { client_id } = parley.send("c", { text: "mine" });
    await settle();
    assert.deepEqual(texts(timeline), ["c 1", "(mine)"]);
    assert.equal(timeline.entries[1].key, client_id);
    server.append("c");
    assert.deepEqual(texts(timeline), ["c 1", "c 2", "(mine)"]);
    answer();
    await settle();
    assert.deepEqual(texts(timeline), ["c 1", "c 2", "mine"]);
    assert.deepEqual([timeline.entries[2].key, timeline.entries[2].event.seq, timeline.entries[2].pending], [client_id, 3, null]);
  });

  test("never absent and never twice, whichever of ok and event is first", async () => {
    for (const first of ["ok", "event"]) {
      const server = new FakeParley();
      server.log("c");
      const { parley } = await online(server);
      const timeline = await parley.timeline("c");
      const counts = [];
      timeline.addEventListener("change", () => counts.push(timeline.entries.length));
      server.on.send = (socket, frame) => {
        const deliver = server.deliver;
        if (first === "ok") server.deliver = () => {};
        const event = server.store(frame);
        server.deliver = deliver;
        socket.push({ op: "ok", id: frame.id, chat: "c", seq: event.seq, at: event.at });
        if (first === "ok") setTimeout(() => server.deliver(event), 100);
      };
      parley.send("c", { text: "mine" });
      await clock.advance(500);
      assert.ok(counts.every((count) => count === 1), `${first} first: ${counts}`);
      assert.equal(timeline.entries[0].event.body.text, "mine");
    }
  });

  test("a failed one says why, a discarded one goes", async () => {
    const server = new FakeParley();
    server.log("c");
    server.on.send = (socket, { id }) => socket.push({ op: "error", id, code: "blocked", detail: "no" });
    const { parley } = await online(server);
    const timeline = await parley.timeline("c");
    const { client_id } = parley.send("c", { text: "no" });
    await settle();
    assert.deepEqual([timeline.entries[0].pending.state, timeline.entries[0].pending.error.code], ["failed", "blocked"]);
    await parley.discard(client_id);
    assert.equal(timeline.entries.length, 0);
  });
});

describe("the cache", () => {
  const seen = async (count) => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { parley } = await online(server, { storage });
    for (let i = 0; i < count; i++) {
      server.append("c");
      if (i % 60 === 0) await clock.advance(150);
    }
    await clock.advance(1_000);
    parley.close();
    return { server, storage };
  };

  test("what was seen is shown when offline, and older pages of it", async () => {
    const { server, storage } = await seen(120);
    server.on.fetch = () => null;
    const { parley } = client(server, { storage });
    const timeline = await parley.timeline("c");
    assert.deepEqual([timeline.entries.length, timeline.entries.at(-1).event.seq], [50, 120]);
    const older = timeline.loadOlder();
    await clock.advance(10_000);
    await older;
    assert.deepEqual([timeline.entries.length, timeline.entries[0].event.seq], [100, 21]);
  });

  test("is shown at once and then brought up to date", async () => {
    const { server, storage } = await seen(10);
    fill(server, 5, { deliver: false });
    let answer;
    server.on.fetch = ({ query }) => new Promise((resolve) => {
      answer = () => resolve({ json: server.page("c", query) });
    });
    const { parley } = await online(server, { storage });
    const timeline = await parley.timeline("c");
    assert.equal(timeline.entries.length, 10);
    await settle();
    answer();
    await settle();
    assert.equal(timeline.entries.length, 15);
  });

  test("what does not join what is known begins anew", async () => {
    const { server, storage } = await seen(10);
    fill(server, 200, { deliver: false });
    const { parley } = await online(server, { storage });
    const timeline = await parley.timeline("c");
    await settle();
    const shown = timeline.entries.map(({ event }) => event.seq);
    assert.deepEqual([shown[0], shown.at(-1), shown.length, timeline.hasOlder], [161, 210, 50, true]);
    parley.close();
    server.on.fetch = () => null;
    const offline = await client(server, { storage }).parley.timeline("c");
    assert.equal(offline.entries[0].event.seq, 161);
    const older = assert.rejects(offline.loadOlder(), { code: "network" }); // what lies behind the gap is not what comes before it
    await clock.advance(20_000);
    await older;
  });

  test("is bounded per chat", async () => {
    const { storage } = await seen(2000);
    assert.ok((await storage.range("events", "c")).length <= 650);
  });

  test("is bounded in chats: those unused longest go first", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    await online(server, { storage });
    for (let i = 0; i < 250; i++) {
      server.append(`c${i}`);
      if (i % 20 === 0) await clock.advance(150);
    }
    await clock.advance(1_000);
    assert.equal((await storage.range("events", "c0")).length, 0);
    assert.equal((await storage.range("events", "c249")).length, 1);
  });

  test("a deleted text is gone from it, and so are its edits", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { parley } = await online(server, { storage });
    fill(server, 2);
    act(server, { type: "edit", target: 2, body: { text: "secret edit" } });
    await clock.advance(200);
    act(server, { type: "delete", target: 2 });
    await clock.advance(500);
    const kept = JSON.stringify(await storage.range("events", "c"));
    assert.ok(!kept.includes("secret edit") && !kept.includes("c 2"), kept);
    parley.close();
  });

  test("nor is a text kept that was deleted before it was written down", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    await online(server, { storage });
    fill(server, 2);
    server.append("c", { type: "delete", target: 2, client_id: undefined, body: undefined }); // in the same moment
    await clock.advance(500);
    const kept = JSON.stringify(await storage.range("events", "c"));
    assert.ok(kept.includes("c 1") && !kept.includes("c 2"), kept);
  });

  test("nor one of a page that is older than its deletion", async () => {
    const server = new FakeParley();
    const storage = new MemoryStorage();
    const { parley } = await online(server, { storage });
    fill(server, 3, { deliver: false });
    server.on.fetch = ({ query }) => {
      const json = structuredClone(server.page("c", query));
      act(server, { type: "delete", target: 2 });
      return clock.advance(200).then(() => ({ json })); // the deletion is handed over and stored first
    };
    await parley.timeline("c");
    await clock.advance(500);
    const kept = JSON.stringify(await storage.range("events", "c"));
    assert.ok(kept.includes("c 3") && !kept.includes("c 2"), kept);
  });

  test("opened offline with nothing known, it fills when there is a connection", async () => {
    const server = new FakeParley();
    fill(server, 5, { deliver: false });
    server.on.fetch = () => null;
    const { parley } = client(server);
    const opening = parley.timeline("c");
    await clock.advance(20_000);
    const timeline = await opening;
    assert.equal(timeline.entries.length, 0);
    delete server.on.fetch;
    await parley.connect();
    await settle();
    assert.equal(timeline.entries.length, 5);
  });
});

describe("what could not be read", () => {
  const unavailable = { status: 503, json: { code: "unavailable", temporary: true } };

  test("is read when the server is well again, also when the connection has stayed", async () => {
    const server = new FakeParley();
    fill(server, 5, { deliver: false });
    const { parley } = await online(server);
    server.on.fetch = () => unavailable;
    const opening = parley.timeline("c");
    await clock.advance(40_000);
    const timeline = await opening;
    assert.deepEqual([timeline.entries.length, timeline.hasOlder, server.sockets.length], [0, true, 1]);
    delete server.on.fetch;
    await clock.advance(31_000);
    assert.equal(timeline.entries.length, 5);
    const asked = server.requests.length;
    await clock.advance(120_000);
    assert.equal(server.requests.length, asked);
  });

  test("is not asked for more often than is good for the server, nor for a timeline that is closed", async () => {
    const server = new FakeParley();
    const { parley } = await online(server);
    server.on.fetch = () => unavailable;
    const opening = parley.timeline("c");
    await clock.advance(600_000);
    assert.ok(server.requests.length < 100, `${server.requests.length} requests in ten minutes`);
    (await opening).close();
    const asked = server.requests.length;
    await clock.advance(120_000);
    assert.equal(server.requests.length, asked);
  });
});

test("own messages are known by their client_id, others' by their seq", async () => {
  const server = new FakeParley();
  server.append("c", { sender: ME, client_id: "from-another-device" });
  server.append("c");
  const { parley } = await online(server);
  const timeline = await parley.timeline("c");
  assert.deepEqual(timeline.entries.map(({ key }) => key), ["from-another-device", "2"]);
});

test("a closed timeline changes no more, and costs nothing", async () => {
  const server = new FakeParley();
  fill(server, 1);
  const { parley } = await online(server);
  const timeline = await parley.timeline("c");
  const told = changes(timeline);
  timeline.close();
  server.append("c");
  assert.deepEqual(told, []);
});
