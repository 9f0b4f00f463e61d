// Random losses, repeats, refusals, resyncs, reloads and tabs that die, against a Parley that keeps its promises: whatever happens, the
// application gets each (chat, seq) once and in order, and what was sent is in the log once and in order.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { FakeBrowser, FakeParley, ME, client, clock, hooks, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

const CHATS = ["a", "b", "c"];
const STEPS = 250;
const SEEDS = Number(process.env.PARLEY_SDK_SEEDS ?? 40);

// mulberry32: small, and the same everywhere.
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

class World {
  constructor(seed) {
    this.random = randomOf(seed);
    this.server = new FakeParley();
    this.browser = new FakeBrowser();
    this.tabs = [];
    this.sent = new Map(CHATS.map((chat) => [chat, []])); // texts, in the order of send(), per tab
    this.number = 0;
    this.trouble = true;
    this.#misbehave();
    for (const chat of CHATS) this.server.append(chat);
  }

  chance(part) {
    return this.trouble && this.random() < part;
  }

  pick(list) {
    return list[Math.floor(this.random() * list.length)];
  }

  // Answers get lost before or after what they answer, requests fail, events are repeated.
  #misbehave() {
    const { server } = this;
    server.on.send = (socket, frame) => {
      if (this.chance(0.05)) return socket.end(1006);
      if (this.chance(0.08)) return socket.push({ op: "error", id: frame.id, code: this.pick(["unavailable", "rate_limited"]), detail: "later", retry_after: 1 });
      const { chat, seq, at } = server.store(frame);
      if (this.chance(0.05)) return socket.end(1006);
      socket.push({ op: "ok", id: frame.id, chat, seq, at });
      if (this.chance(0.1)) server.deliver(this.pick(server.log(chat)));
      return undefined;
    };
    server.on.auth = (socket, frame) => {
      if (this.chance(0.1)) return socket.end(1006);
      if (this.chance(0.05)) return undefined;
      if (this.chance(0.2)) server.verdict ??= "inbox";
      return server.ready(socket, frame);
    };
    server.on.fetch = () => {
      if (this.chance(0.1)) return null;
      if (this.chance(0.1)) return { status: 503, json: { code: "unavailable", temporary: true, retry_after: 1 } };
      return undefined;
    };
    this.browser.loses = ({ kind }) => kind === "event" && this.chance(0.05);
  }

  open() {
    const { options, kill, tab } = this.browser.tab();
    const { server } = this;
    const sockets = [];
    class Socket extends server.WebSocket {
      constructor(...given) {
        super(...given);
        sockets.push(this);
      }
    }
    const made = client(server, { ...options, WebSocket: Socket, random: this.random });
    const entry = { ...made, name: `t${++this.number}`, sent: new Map(CHATS.map((chat) => [chat, []])), known: new Map(), kill: () => {
      kill();
      for (const socket of sockets) {
        Object.assign(socket, { onclose: null, onmessage: null, send: () => {} });
        socket.end(1006);
      }
      made.parley.close(); // its timers; nothing that it does reaches anybody
    } };
    this.tabs.push(entry);
    made.parley.connect().catch(() => {});
    made.parley.timeline(this.pick(CHATS)).then((timeline) => {
      entry.timeline = timeline;
    }, () => {}); // closed before it was there
    return entry;
  }

  send(tab) {
    const chat = this.pick(CHATS), text = `${tab.name} ${++this.number}`;
    tab.parley.send(chat, { text });
    this.sent.get(chat).push({ tab: tab.name, text });
  }

  async step() {
    const dice = this.random();
    const tab = this.pick(this.tabs);
    if (dice < 0.25) this.server.append(this.pick(CHATS));
    else if (dice < 0.45) this.send(tab);
    else if (dice < 0.5) this.act();
    else if (dice < 0.56) this.server.socket?.end(this.pick([1006, 1001, 4008]));
    else if (dice < 0.58) this.server.wipe();
    else if (dice < 0.60 && this.server.socket?.isReady) this.wipeLive();
    else if (dice < 0.65) this.server.append(this.pick(CHATS), {}, { deliver: false });
    else if (dice < 0.67 && this.tabs.length < 3) this.open();
    else if (dice < 0.69 && this.tabs.length > 1) await this.leave(tab);
    else await clock.advance(this.pick([0, 5, 50, 500, 3_000]));
    await settle();
  }

  act() {
    const chat = this.pick(CHATS);
    const messages = this.server.log(chat).filter(({ type, deleted }) => type === "message" && !deleted);
    if (messages.length === 0) return;
    const target = this.pick(messages).seq;
    const action = this.pick([{ type: "edit", body: { text: `better ${++this.number}` } }, { type: "delete" },
      { type: "reaction", emoji: "👍", on: true }, { type: "reaction", emoji: "👍", on: false }, { type: "reaction", emoji: "🎉", on: true }]);
    if (this.server.log(chat)[target - 1].sender === ME && action.type !== "reaction") return; // own texts are looked for in the end
    this.server.act(chat, { ...action, target }, { deliver: this.random() < 0.8 });
  }

  wipeLive() {
    this.server.wipe();
    this.server.verdict = null;
    this.server.socket.push({ op: "resync" });
  }

  // A tab that is killed before its message was written has not sent it; what counts is what was written.
  async leave(tab) {
    await settle();
    this.check(tab);
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    if (this.random() < 0.5) tab.kill();
    else tab.parley.close();
  }

  check({ seqs, name }) {
    for (const chat of CHATS) {
      const handed = seqs(chat);
      handed.forEach((seq, i) => assert.ok(i === 0 || seq === handed[i - 1] + 1, `${name} was given of ${chat}: ${handed}`));
    }
  }

  // The trouble ends; everything arrives.
  async finish() {
    this.trouble = false;
    for (const chat of CHATS) this.server.append(chat); // so that nothing that was not delivered stays unknown
    await clock.advance(120_000);
    for (const tab of this.tabs) {
      this.check(tab);
      assert.deepEqual(tab.parley.pending(), [], `${tab.name} still has something on its way`);
      for (const chat of CHATS) assert.equal(tab.seqs(chat).at(-1) ?? this.server.log(chat).length, this.server.log(chat).length, `${tab.name} lacks the end of ${chat}`);
    }
    for (const chat of CHATS) this.checkLog(chat);
    for (const { name, timeline } of this.tabs) if (timeline) this.checkTimeline(name, timeline);
  }

  // It shows the log as it is now, from some message on.
  checkTimeline(name, timeline) {
    const shown = timeline.entries.map(({ event }) => event);
    const log = this.server.log(timeline.chat).filter(({ type }) => type === "message");
    assert.deepEqual(shown, JSON.parse(JSON.stringify(log.slice(-shown.length))), `${name} shows of ${timeline.chat}`);
    assert.equal(new Set(timeline.entries.map(({ key }) => key)).size, shown.length, "two entries have the same key");
    assert.ok(shown.length > 0);
  }

  checkLog(chat) {
    const inLog = this.server.log(chat).filter(({ sender }) => sender === ME).map(({ body }) => body.text);
    const sent = this.sent.get(chat);
    assert.deepEqual([...inLog].sort(), sent.map(({ text }) => text).sort(), `of ${chat} not everything is in the log once`);
    for (const name of new Set(sent.map(({ tab }) => tab))) {
      const own = sent.filter(({ tab }) => tab === name).map(({ text }) => text);
      assert.deepEqual(inLog.filter((text) => own.includes(text)), own, `the order of ${name} in ${chat}`);
    }
  }
}

describe("at random", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    test(`seed ${seed}`, async () => {
      const world = new World(seed);
      world.open();
      await clock.advance(100);
      for (let i = 0; i < STEPS; i++) await world.step();
      await world.finish();
    });
  }
});
