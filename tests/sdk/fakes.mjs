// What the SDK is tested against without a network: a clock that only the test moves, a Parley that keeps logs and inboxes and can be made to
// misbehave, and a browser whose tabs share a storage, locks and channels and can be killed.

import { MemoryStorage, Parley } from "../../web/sdk/parley.js";

export const ME = "u-me";
const WINDOW = 64;

// --- time ---

const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, now: Date.now };

export class Clock {
  now = 1_000_000;
  #timers = new Map();
  #number = 0;

  install() {
    globalThis.setTimeout = (run, ms = 0) => {
      this.#timers.set(++this.#number, { at: this.now + Math.max(0, ms), run });
      return this.#number;
    };
    globalThis.clearTimeout = (number) => this.#timers.delete(number);
    Date.now = () => this.now;
  }

  restore() {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    Date.now = real.now;
  }

  get pending() {
    return this.#timers.size;
  }

  async advance(ms) {
    const until = this.now + ms;
    for (;;) {
      await settle();
      const [number, timer] = [...this.#timers].sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0] ?? [];
      if (!timer || timer.at > until) break;
      this.#timers.delete(number);
      this.now = Math.max(this.now, timer.at);
      timer.run();
    }
    this.now = until;
  }
}

// All that follows from what has happened, without any time passing.
export const settle = () => new Promise((resolve) => setImmediate(resolve));

// --- the server ---

class FakeSocket {
  readyState = 0;
  sent = [];
  onopen = null; onmessage = null; onclose = null; onerror = null;

  constructor(server, url, protocol) {
    Object.assign(this, { server, url, protocol });
    server.sockets.push(this);
    queueMicrotask(() => server.connected(this));
  }

  // --- as the client sees it ---

  send(text) {
    const frame = JSON.parse(text);
    this.sent.push(frame);
    queueMicrotask(() => this.server.take(this, frame));
  }

  close(code) {
    this.closedWith = code ?? 1005;
    this.readyState = 3;
    this.server.dropped(this);
  }

  // --- as the server sees it ---

  open() {
    if (this.readyState !== 0) return;
    this.readyState = 1;
    this.onopen?.({});
  }

  push(frame) {
    if (this.readyState === 1) this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  end(code = 1006) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.server.dropped(this);
    this.onclose?.({ code });
  }

  of(op) {
    return this.sent.filter((frame) => frame.op === op);
  }
}

// Keeps logs; what it does with a frame or a request can be replaced: on.send = (socket, frame) => …, on.fetch = (request) => answer or undefined.
export class FakeParley {
  sockets = [];
  requests = [];
  logs = new Map();      // chat -> events
  hidden = new Set();    // "chat seq" that this user may not see
  heartbeat = 30;
  user = ME;
  memberCount = 2;
  verdict = null;        // the next `ready` says this
  silent = false;        // nobody answers a new connection
  limits = {};           // more of them
  on = {};
  #device = { session: 0, n: 0, acked: 0, window: new Map(), queue: [], socket: null };

  constructor() {
    const server = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url, protocol) {
        super(server, url, protocol);
      }
    };
    this.fetch = (url, options) => this.#fetch(new URL(url), options);
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get acked() {
    return this.#device.acked;
  }

  log(chat) {
    if (!this.logs.has(chat)) this.logs.set(chat, []);
    return this.logs.get(chat);
  }

  // Into the log, and to the device.
  append(chat, fields = {}, { deliver = true } = {}) {
    const log = this.log(chat);
    const seq = log.length + 1;
    const event = { chat, seq, type: "message", sender: "u-other", at: new Date(Date.UTC(2026, 0, 1) + seq).toISOString(),
      client_id: `s-${chat}-${seq}`, body: { text: `${chat} ${seq}` }, ...fields };
    log.push(event);
    if (deliver) this.deliver(event);
    return event;
  }

  // An edit, a deletion or a reaction: an event, and what the log shows of its target from then on.
  act(chat, action, options) {
    const event = this.append(chat, { client_id: undefined, body: undefined, ...action }, { deliver: false });
    const target = this.log(chat)[action.target - 1];
    if (action.type === "edit") Object.assign(target, { body: action.body, edited: event.at });
    else if (action.type === "delete") this.#erase(chat, target);
    else react(target, event);
    if (options?.deliver !== false) this.deliver(event);
    return event;
  }

  // Neither the message nor its edits have a body any more.
  #erase(chat, target) {
    for (const name of ["body", "reply_to", "mentions", "attachments", "edited", "reactions"]) delete target[name];
    target.deleted = true;
    for (const event of this.log(chat)) if (event.type === "edit" && event.target === target.seq) delete event.body;
  }

  deliver(event) {
    this.#device.queue.push(event);
    this.flush();
  }

  // Everything that waits is gone, as after FLUSHALL.
  wipe() {
    this.#device.queue = [];
    this.#device.window.clear();
    this.verdict = "resync";
  }

  flush() {
    const device = this.#device;
    while (device.socket?.isReady && device.queue.length > 0 && device.n - device.acked < WINDOW) {
      const event = device.queue.shift();
      device.window.set(++device.n, event);
      device.socket.push({ op: "event", n: device.n, event: structuredClone(event) });
    }
  }

  dropped(socket) {
    if (this.#device.socket === socket) this.#device.socket = null;
  }

  // --- frames ---

  connected(socket) {
    if (!this.silent) socket.open();
  }

  take(socket, frame) {
    if (socket.readyState !== 1) return;
    if (this.on[frame.op]) this.on[frame.op](socket, frame);
    else this.reply(socket, frame);
  }

  reply(socket, frame) {
    switch (frame.op) {
      case "auth": return this.ready(socket, frame);
      case "ack": return this.#ack(socket, frame);
      case "ping": return socket.push({ op: "pong" });
      case "send": return this.#send(socket, frame);
      default: return frame.id === undefined ? undefined : socket.push({ op: "ok", id: frame.id, chat: frame.chat, seq: frame.seq, at: "2026-01-01T00:00:00.000Z" });
    }
  }

  ready(socket, { resume }) {
    const device = this.#device;
    const canResume = resume && resume.session === String(device.session) && resume.n >= device.acked && resume.n <= device.n;
    const state = this.verdict ?? (canResume ? "resumed" : "inbox");
    this.verdict = null;
    if (state === "resumed") device.acked = resume.n;
    const again = [...device.window].filter(([n]) => n > device.acked).sort((a, b) => a[0] - b[0]).map(([, event]) => event);
    device.queue.unshift(...again);
    device.window.clear();
    if (state === "resumed") device.n = device.acked;
    else Object.assign(device, { session: device.session + 1, n: 0, acked: 0 });
    device.socket = socket;
    socket.isReady = true;
    socket.push({ op: "ready", session: String(device.session), user: this.user, device: "d-1", state, inbox: device.queue.length,
      heartbeat: this.heartbeat, limits: { window_events: WINDOW, ...this.limits } });
    this.flush();
  }

  #ack(socket, { n }) {
    const device = this.#device;
    if (device.socket !== socket) return;
    if (n > device.n) throw new Error(`ack ${n} above ${device.n}`);
    device.acked = Math.max(device.acked, n);
    for (const old of [...device.window.keys()]) if (old <= n) device.window.delete(old);
    this.flush();
  }

  // The same client_id has the same seq.
  store({ chat, client_id, body, reply_to }) {
    const known = this.log(chat).find((event) => event.sender === ME && event.client_id === client_id);
    return known ?? this.append(chat, { sender: ME, client_id, body, ...(reply_to ? { reply_to } : {}) });
  }

  #send(socket, frame) {
    const { chat, seq, at } = this.store(frame);
    socket.push({ op: "ok", id: frame.id, chat, seq, at });
  }

  // --- requests ---

  async #fetch(url, { method, body, headers, signal }) {
    await null;
    const request = { method, path: url.pathname, query: Object.fromEntries(url.searchParams), body: body && JSON.parse(body), headers };
    this.requests.push(request);
    const aborted = new Promise((resolve) => signal.addEventListener("abort", () => resolve(null)));
    const answer = await Promise.race([aborted, this.on.fetch ? this.on.fetch(request) : undefined]);
    if (answer === null) throw new Error("no network");
    const { status = 200, json = {}, headers: more = {} } = answer ?? this.answer(request);
    return { status, ok: status < 400, headers: new Map(Object.entries(more)), json: async () => structuredClone(json) };
  }

  answer({ method, path, query, body }) {
    const events = path.match(/^\/v1\/chats\/([^/]+)\/events$/);
    if (events) return { json: this.page(decodeURIComponent(events[1]), query) };
    const chat = path.match(/^\/v1\/chats\/([^/]+)$/)?.[1];
    if (this.logs.has(chat)) return { json: { id: chat, last_seq: this.logs.get(chat).length, member_count: this.memberCount } };
    if (method === "POST" && path === "/v1/sync") return { json: this.sync(body) };
    return { status: 404, json: { code: "not_found", detail: "There is nothing here", temporary: false } };
  }

  visible(chat) {
    return (this.logs.get(chat) ?? []).filter(({ seq }) => !this.hidden.has(`${chat} ${seq}`));
  }

  page(chat, { after, before, limit = 50 }) {
    const all = this.visible(chat);
    const chosen = after !== undefined ? all.filter(({ seq }) => seq > Number(after)) : all.filter(({ seq }) => seq < Number(before));
    const items = after !== undefined ? chosen.slice(0, Number(limit)) : chosen.slice(-Number(limit));
    return { items, first_seq: items[0]?.seq ?? null, last_seq: items.at(-1)?.seq ?? all.length, more: items.length < chosen.length };
  }

  sync({ chats, limit }, most = 1000) {
    const answer = {};
    let left = most;
    for (const chat of this.logs.keys()) {
      const lacking = this.visible(chat).filter(({ seq }) => seq > (chats[chat] ?? 0));
      const events = lacking.slice(0, Math.min(limit, left));
      left -= events.length;
      answer[chat] = { events, last_seq: this.visible(chat).at(-1)?.seq ?? 0, more: events.length < lacking.length };
    }
    return { chats: answer, gone: Object.keys(chats).filter((chat) => !this.logs.has(chat)) };
  }
}

function react(target, { emoji, on, sender }) {
  const users = new Set(target.reactions?.[emoji]);
  if (on) users.add(sender);
  else users.delete(sender);
  const reactions = { ...target.reactions, [emoji]: [...users] };
  if (users.size === 0) delete reactions[emoji];
  if (Object.keys(reactions).length > 0) target.reactions = reactions;
  else delete target.reactions;
}

// --- a browser ---

class FakeLocks {
  #held = new Map();   // name -> queue of {tab, run}

  of(tab) {
    return { request: (name, { signal }, run) => this.#request(name, signal, run, tab) };
  }

  kill(tab) {
    for (const [name, queue] of this.#held) {
      const first = queue[0];
      this.#held.set(name, queue.filter((entry) => entry.tab !== tab));
      if (first?.tab === tab) this.#next(name);
    }
  }

  #request(name, signal, run, tab) {
    return new Promise((resolve, reject) => {
      const entry = { tab, run: async () => {
        const outcome = await run();
        if (this.#held.get(name)?.[0] !== entry) return;
        this.#held.get(name).shift();
        resolve(outcome);
        this.#next(name);
      } };
      signal?.addEventListener("abort", () => {
        const queue = this.#held.get(name) ?? [];
        if (queue.indexOf(entry) > 0) {
          queue.splice(queue.indexOf(entry), 1);
          reject(new Error("AbortError"));
        }
      });
      const queue = this.#held.get(name) ?? [];
      this.#held.set(name, [...queue, entry]);
      if (queue.length === 0) this.#next(name);
    });
  }

  #next(name) {
    const [first] = this.#held.get(name) ?? [];
    if (first) queueMicrotask(first.run);
  }
}

// Tabs of one origin. kill() is what happens to a tab that crashes: nothing of it runs any more.
export class FakeBrowser {
  #locks = new FakeLocks();
  #channels = new Set();
  #storage = new MemoryStorage();
  loses = () => false; // messages between tabs
  slow = null;         // a promise that reading waits for

  // All that is stored.
  async rows() {
    const tables = await Promise.all(["meta", "positions", "outbox", "reads"].map((table) => this.#storage.range(table, "")));
    return [...tables.flat(), ...await this.#storage.range("events", "c")];
  }

  tab() {
    const browser = this;
    const tab = { alive: true };
    class Channel {
      constructor(name) {
        Object.assign(this, { name, tab });
        browser.#channels.add(this);
      }

      postMessage(message) {
        if (!tab.alive || browser.loses(message)) return;
        const copy = structuredClone(message);
        for (const other of browser.#channels) {
          if (other !== this && other.name === this.name) queueMicrotask(() => other.tab.alive && other.onmessage?.({ data: copy }));
        }
      }

      close() {
        browser.#channels.delete(this);
      }
    }
    const forever = new Promise(() => {});
    const storage = new Proxy(this.#storage, {
      get: (target, name) => {
        if (name === "name") return "shared";
        if (name === "range" && browser.slow) return (...given) => browser.slow().then(() => target.range(...given));
        return typeof target[name] === "function" ? (...given) => (tab.alive ? target[name](...given) : forever) : target[name];
      },
    });
    const kill = () => {
      tab.alive = false;
      browser.#locks.kill(tab);
    };
    return { options: { locks: this.#locks.of(tab), BroadcastChannel: Channel, storage }, kill, tab };
  }
}

// --- what most tests begin with ---

// An instance that is never closed would go on in the next test.
const open = new Set();
export const clock = new Clock();

export function client(server, options = {}) {
  const parley = new Parley({ url: "http://parley.test", token: "secret-token", user: ME, storage: new MemoryStorage(), random: () => 0.5,
    fetch: server.fetch, WebSocket: server.WebSocket, ...options });
  const told = [];
  for (const type of ["state", "event", "pending", "receipt", "typing", "presence", "head", "resync", "skipped", "warning"]) {
    parley.addEventListener(type, ({ detail }) => told.push({ type, detail }));
  }
  open.add(parley);
  return { parley, told, seqs: (chat) => told.filter(({ type, detail }) => type === "event" && detail.chat === chat).map(({ detail }) => detail.seq),
    all: (type) => told.filter((entry) => entry.type === type).map(({ detail }) => detail) };
}

export async function online(server, options) {
  const made = client(server, options);
  await made.parley.connect();
  return made;
}

// Every test ends with nothing left of the SDK: no timer, no call, no socket.
export function hooks({ beforeEach, afterEach }, assert) {
  beforeEach(() => {
    clock.now = 1_000_000;
    clock.install();
  });
  afterEach(async () => {
    for (const parley of open) parley.close();
    open.clear();
    await clock.advance(2_000); // goodbyes
    const left = clock.pending;
    clock.restore();
    assert.equal(left, 0, "timers are left after close()");
  });
}
