// Parley's SDK: chat for a page or for Node, without dependencies.
//
//   connection   one WebSocket that comes back by itself            src/connection.js, src/questions.js
//   inbox        what came: counted, stored, acknowledged           src/inbox.js, src/cache.js
//   sequence     what the application gets: once, in order, whole   src/sequence.js, src/resync.js
//   outbox       what is on its way                                 src/outbox.js
//   standing     reads, typing, watch, presence                     src/standing.js
//   timelines    a chat as a person sees it                         src/timeline.js
//   tabs         one connection for all tabs of a login             src/tabs.js
//
// What always holds: the application gets each (chat, seq) once, of a chat in rising order and without a gap. A message is written down
// before it is sent, and has one client_id until the log has it. Nothing is acknowledged that was not handed over and stored.
// A token is in a header or in the first frame, never in an address. After close() nothing of this runs.

import { DetailEvent, ParleyError, Timer, plainJson } from "./src/base.js";
import { Cache } from "./src/cache.js";
import { Connection } from "./src/connection.js";
import { Inbox } from "./src/inbox.js";
import { Outbox } from "./src/outbox.js";
import { Questions } from "./src/questions.js";
import { LARGEST_PAGE, Rest } from "./src/rest.js";
import { Resync } from "./src/resync.js";
import { Sequence } from "./src/sequence.js";
import { Standing } from "./src/standing.js";
import { IndexedDbStorage, Keeper, MemoryStorage, defaultStorage } from "./src/storage.js";
import { Tabs } from "./src/tabs.js";
import { Timeline } from "./src/timeline.js";

export { IndexedDbStorage, MemoryStorage, ParleyError, Timeline };

const ACTION_DEADLINE_MS = 15_000;              // waits for a connection so long
const FOLLOWER_DEADLINE_MS = 40_000;            // and for another tab's answer
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
const OWN_ENDINGS = new Set([4001, 4002]);      // another tab may have another login
const LOST = "The connection was lost; it may have happened all the same.";
const EPHEMERAL = new Set(["receipt", "presence", "head", "typing"]);

export class Parley extends EventTarget {
  #options; #rest; #keeper; #cache; #tabs; #connection; #questions; #sequence; #inbox; #resync; #outbox; #standing;
  #state = { state: "offline", code: null, retryAt: null };
  #timelines = new Set();
  #stale = new Set(); #staleTries = 0;   // timelines whose newest page could not be read
  #staleTimer = new Timer(() => this.#refreshStale());
  #watched = []; #presence = []; #pushedMembers = Infinity;
  #asked = new Map();   // id -> {resolve, reject, deadline}: questions to the leading tab
  #waiting = new Set(); // Waiters for a connection
  #loaded = null; #started = null; #number = 0; #wants = false; #stores = false; #closed = false; #hints = null;

  static async register({ url, fetch, username, password, display_name }) {
    const rest = new Rest({ url: originOf(url), fetch });
    return rest.call("POST", "/v1/users", { username, password, ...(display_name === undefined ? {} : { display_name }) });
  }

  // A device that the server knows keeps the name that it has there, which a person may have given it; one that the server does not
  // know any more begins anew.
  static async login({ url, fetch, username, password, device: { id, name } = {}, ...more }) {
    const rest = new Rest({ url: originOf(url), fetch });
    const begin = (device) => rest.call("POST", "/v1/sessions", { username, password, ...(device && { device }) });
    const beginNew = () => begin(name ? { name } : undefined);
    const session = await (id ? begin({ id }).catch((error) => {
      if (error.code !== "not_found") throw error;
      return beginNew();
    }) : beginNew());
    const parley = new Parley({ ...more, url, fetch, token: session.token, user: session.user.id, device: session.device.id });
    return { parley, session };
  }

  constructor({ url, token, user, device, storage = defaultStorage(user), fetch, WebSocket = globalThis.WebSocket, random = Math.random,
    locks = globalThis.navigator?.locks, BroadcastChannel = globalThis.BroadcastChannel }) {
    super();
    if (!WebSocket) throw new TypeError("This runtime has no WebSocket; give one as an option.");
    this.#options = { url: originOf(url), token, user, device, fetch, WebSocket, random };
    this.#rest = new Rest({ url: this.#options.url, token, fetch, random });
    this.#keeper = new Keeper(storage, (error) => this.#tell("warning", { error }));
    this.#cache = new Cache(this.#keeper);
    this.#tabs = new Tabs({ name: storage.name, locks, BroadcastChannel, hear: (message) => this.#hear(message) });
    this.#makeReceiver();
    this.#makeSender();
    this.#connection = new Connection({ ...this.#options, resume: () => this.#inbox.resumePoint(),
      ready: (frame) => this.#ready(frame), frame: (frame) => this.#frame(frame), state: (state) => this.#changed(state) });
  }

  get state() {
    return this.#state.state;
  }

  get user() {
    return this.#options.user;
  }

  // --- the connection ---

  async connect() {
    if (this.#closed) throw ParleyError.closed();
    this.#started ??= this.#start();
    await this.#started;
    await this.#online(Infinity);
  }

  close() {
    this.#end();
    this.#keeper.close();
  }

  // Ends the login everywhere in this browser, and forgets what was stored, also when the server cannot be told.
  async logout() {
    const { url, token, fetch } = this.#options;
    const told = new Rest({ url, token, fetch }).call("DELETE", "/v1/sessions/current").catch((error) => error);
    this.#tabs.say({ kind: "logout" });
    this.#end();
    await this.#keeper.forget();
    const error = await told;
    if (error && error.code !== "unauthorized") throw error;
  }

  async #start() {
    this.#wants = true;
    await this.#load();
    if (this.#closed) return;
    this.#takeHints();
    this.#tabs.run(() => this.#lead());
    if (!this.#tabs.leads) this.#follow();
  }

  #end() {
    if (this.#closed) return;
    this.#closed = true;
    this.#hints?.abort();
    this.#staleTimer.stop();
    this.#inbox.stop();
    for (const part of [this.#outbox, this.#standing, this.#resync, this.#sequence]) part.close();
    this.#questions.lose(ParleyError.closed());
    this.#connection.close();
    this.#rest.close();
    for (const id of [...this.#asked.keys()]) this.#answer(id)?.reject(ParleyError.closed());
    for (const waiter of [...this.#waiting]) waiter.end(ParleyError.closed());
    for (const timeline of [...this.#timelines]) timeline.close();
    this.#tabs.close();
    if (this.state !== "ended") this.#become({ state: "offline", code: null, retryAt: null });
  }

  // --- messages ---

  send(chat, message) {
    const given = this.#outbox.add(chat, message);
    this.#load();
    return given;
  }

  retry(clientId) {
    this.#outbox.retry(clientId);
  }

  discard(clientId) {
    return this.#outbox.discard(clientId);
  }

  pending(chat) {
    return this.#outbox.pending(chat);
  }

  async edit(chat, seq, body) {
    return this.#act({ op: "edit", chat, seq, body: plainJson(body) });
  }

  remove(chat, seq) {
    return this.#act({ op: "delete", chat, seq });
  }

  react(chat, seq, emoji, on) {
    return this.#act({ op: "react", chat, seq, emoji, on });
  }

  // --- what stands ---

  read(chat, seq) {
    this.#standing.read(chat, seq);
    if (!this.#tabs.leads) this.#tabs.say({ kind: "read", chat, seq });
  }

  typing(chat, on) {
    this.#standing.typing(chat, on);
  }

  watch(chats) {
    this.#watched = [...chats];
    this.#wish();
  }

  presence(users) {
    this.#presence = [...users];
    this.#wish();
  }

  // --- reading ---

  async timeline(chat) {
    if (this.#closed) throw ParleyError.closed();
    await this.#load();
    const timeline = new Timeline(chat, this.user, {
      page: (of, range) => this.#page(of, range), cached: (of) => this.#cache.read(of, { limit: 50 }),
      keep: (of, page, before) => this.#cache.keep(of, page, before), closed: (gone) => this.#forgetTimeline(gone),
    });
    this.#timelines.add(timeline);
    for (const pending of this.#outbox.pending(chat)) timeline.takePending(pending);
    const isShown = await timeline.open();
    const refreshed = this.#refresh(timeline);
    if (isShown) refreshed.catch(() => {}); // there is something to show
    else await refreshed;
    this.#sequence.want(chat);
    return timeline;
  }

  async history(chat, range) {
    const page = await this.#rest.history(chat, range);
    if (range?.before === undefined && range?.after === undefined) this.#sequence.joins(chat, page.last_seq);
    return page;
  }

  async receipts(chat) {
    const all = [];
    for await (const receipt of this.#rest.list(`/v1/chats/${encodeURIComponent(chat)}/receipts`)) all.push(receipt);
    return all;
  }

  request(method, path, body) {
    return this.#rest.call(method, path, body);
  }

  list(path) {
    return this.#rest.list(path);
  }

  // --- the parts ---

  #makeReceiver() {
    const { random } = this.#options;
    this.#sequence = new Sequence({ random, log: (chat, after) => this.#rest.history(chat, { after, limit: LARGEST_PAGE }),
      hand: (event, previous) => this.#hand(event, previous), skipped: (detail) => this.#skipped(detail) });
    this.#inbox = new Inbox({ sequence: this.#sequence, cache: this.#cache, write: (changes) => this.#keeper.write(changes),
      say: (frame) => this.#connection.say(frame), broken: () => this.#connection.renew(), isHidden });
    this.#resync = new Resync({ random, sequence: this.#sequence, call: (...call) => this.#rest.call(...call),
      begun: () => this.#inbox.hold(), failed: (error) => this.#tell("warning", { error }), ended: (detail) => this.#resynced(detail) });
  }

  #makeSender() {
    const { random } = this.#options;
    const store = (changes) => this.#keeper.write(changes);
    this.#questions = new Questions({ fits: (frame) => this.#connection.fits(frame), say: (frame) => this.#connection.say(frame), silence: () => this.#connection.renew() });
    this.#outbox = new Outbox({ random, store, ask: (frame) => this.#questions.ask(frame), changed: (detail) => this.#pendingChanged(detail),
      share: (message) => this.#tabs.say({ kind: "outbox", message }) });
    this.#standing = new Standing({ store, ask: (frame) => this.#questions.ask(frame), told: (type, detail) => this.#tell(type, detail),
      say: (frame) => this.#tabs.leads ? this.#connection.say(frame) : this.#tabs.say({ kind: "say", frame }),
      watching: (chats) => this.#lookAt(chats) });
  }

  // Once: what earlier pages have left.
  #load() {
    this.#loaded ??= this.#readStorage().then(async (positions) => {
      for (const { chat, seq } of positions) this.#sequence.know(chat, seq);
      this.#outbox.load(await this.#keeper.range("outbox", ""));
    });
    return this.#loaded;
  }

  #readStorage() {
    return this.#keeper.range("positions", "");
  }

  // --- leading and following ---

  // This tab has the connection from now on. Another one may have stored more than this one has seen.
  async #lead() {
    this.#loseAsked();
    const positions = await this.#readStorage();
    const point = await this.#keeper.get("meta", "", "point");
    this.#inbox.load(point, positions.map(({ chat, seq }) => [chat, seq]));
    this.#stores = true;
    this.#outbox.lead(await this.#keeper.range("outbox", ""));
    this.#standing.load(await this.#keeper.range("reads", ""));
    if (this.#closed) return;
    for (const { chat, seq } of positions) this.#sequence.expect(chat, seq);
    this.#cache.load(positions.sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ chat }) => chat));
    this.#tabs.say({ kind: "lead" });
    this.#wish();
    this.#connection.open();
  }

  async #follow() {
    this.#become({ state: "connecting", code: null, retryAt: null });
    this.#tabs.say({ kind: "hello" });
    this.#wish();
    const rows = await this.#keeper.range("outbox", "");
    if (!this.#closed && !this.#tabs.leads) this.#outbox.load(rows);
  }

  #followAnother() {
    this.#loseAsked();
    this.#follow();
  }

  // Nobody knows what became of what the tab was asked that led before.
  #loseAsked() {
    for (const id of [...this.#asked.keys()]) this.#answer(id)?.reject(new ParleyError("network", LOST));
  }

  // What the leading tab has got that this one, which slept, may have missed.
  #catchUp(positions) {
    for (const [chat, seq] of positions) this.#sequence.follow(chat, seq);
  }

  // What another tab says.
  #hear(message) {
    if (this.#closed) return undefined;
    if (message.kind === "outbox") return this.#outbox.heard(message.message);
    if (!this.#wants || this.state === "ended") return this.#hearEnded(message);
    switch (message.kind) {
      case "event": return this.#sequence.offer(message.event);
      case "frame": return this.#ephemeral(message.frame);
      case "state": return this.#tabs.leads ? undefined : this.#become(message.state);
      case "welcome": return this.#catchUp(message.positions);
      case "lead": return this.#followAnother();
      case "resync": return this.#tell("resync", message.detail);
      case "answer": return this.#answered(message);
      case "logout": return this.#logOutHere();
      default: return this.#tabs.leads ? this.#serve(message) : undefined;
    }
  }

  // A tab that opens while the lock is still held by one that has ended.
  #hearEnded({ kind, from }) {
    if (kind === "hello" && this.#tabs.leads) this.#tabs.say({ kind: "state", to: from, state: this.#state });
  }

  // What another tab wants of this one, which leads.
  #serve(message) {
    const { kind, from } = message;
    if (kind === "hello") {
      this.#tabs.say({ kind: "welcome", to: from, positions: [...this.#sequence.positions()] });
      this.#tabs.say({ kind: "state", to: from, state: this.#state });
    } else if (kind === "wishes") {
      this.#standing.wish(from, message.wishes);
      this.#tabs.watch(from, (gone) => this.#standing.forget(gone));
    } else if (kind === "read") {
      this.#standing.read(message.chat, message.seq);
    } else if (kind === "say") {
      this.#connection.say(message.frame);
    } else if (kind === "ask") {
      this.#ask(message.frame).then((ok) => ({ ok }), (error) => ({ error: ParleyError.toPlain(error) }))
        .then((answer) => this.#tabs.say({ kind: "answer", to: from, id: message.id, ...answer }));
    }
  }

  #logOutHere() {
    this.#become({ state: "ended", code: 4002, retryAt: null });
    this.#end();
    this.#keeper.forget();
  }

  #wish() {
    const wishes = { watch: this.#watched, presence: this.#presence };
    if (this.#tabs.leads) this.#standing.wish(this.#tabs.id, wishes);
    else this.#tabs.say({ kind: "wishes", wishes });
    if (this.#wants) for (const chat of this.#watched) this.#sequence.want(chat);
  }

  // --- from the connection ---

  #ready(frame) {
    if (frame.user !== this.user) return this.#isAnother(frame.user);
    this.#inbox.begin(frame);
    if (frame.state === "resync") this.#resync.start();
    this.#pushedMembers = frame.limits?.pushed_members ?? Infinity;
    this.#outbox.start();
    this.#standing.start(frame.limits);
  }

  // Nothing of a large chat waits in the inbox: how far is it, now that it is open again?
  async #lookAt(chats) {
    for (const chat of chats) {
      const { member_count, last_seq } = await this.#rest.call("GET", `/v1/chats/${encodeURIComponent(chat)}`).catch(() => ({}));
      if (member_count > this.#pushedMembers) this.#sequence.head(chat, last_seq, true);
    }
  }

  // What is stored here, and which messages are own ones, would be wrong.
  #isAnother(user) {
    this.#connection.close();
    this.#tell("warning", { error: new ParleyError("unauthorized", `The token is of user ${user}, not of ${this.user}.`) });
    this.#changed({ state: "ended", code: 4001, retryAt: null });
  }

  #frame(frame) {
    if (frame.op === "event") {
      this.#inbox.take(frame);
    } else if (frame.op === "ok" || frame.op === "error") {
      this.#questions.answered(frame);
    } else if (frame.op === "resync") {
      this.#resync.start();
    } else if (EPHEMERAL.has(frame.op)) {
      this.#tabs.say({ kind: "frame", frame });
      this.#ephemeral(frame);
    }
  }

  #changed(state) {
    if (state.state !== "online") {
      this.#inbox.stop();
      this.#outbox.stop();
      this.#standing.stop();
      this.#questions.lose(new ParleyError("network", LOST));
    }
    if (this.#closed) return;
    this.#become(state);
    if (state.state !== "ended") this.#tabs.say({ kind: "state", state });
    else this.#handOver(state);
  }

  // A refused token is this tab's own; every other ending is that of all tabs.
  #handOver(state) {
    if (OWN_ENDINGS.has(state.code)) return this.#tabs.close();
    this.#tabs.say({ kind: "state", state });
    this.#tabs.resignLater();
  }

  #become(state) {
    if (this.state === "ended") return;
    const before = this.#state;
    this.#state = state;
    if (state.state === "ended") this.#endHere(state.code);
    if (state.state === "online") this.#isOnline();
    if (before.state !== state.state || before.retryAt !== state.retryAt) this.#tell("state", { ...state });
  }

  #endHere(code) {
    for (const waiter of [...this.#waiting]) waiter.end(new ParleyError(code === 4001 ? "unauthorized" : "closed", `The connection has ended with ${code}.`));
    if (!this.#tabs.leads) this.#tabs.close();
  }

  #isOnline() {
    for (const waiter of [...this.#waiting]) waiter.end();
    this.#refreshStale();
  }

  // The browser's hints.
  #takeHints() {
    this.#hints = new AbortController();
    const { signal } = this.#hints;
    const hint = () => this.#tabs.leads && !isHidden() ? this.#connection.hint() : undefined;
    globalThis.addEventListener?.("online", hint, { signal });
    globalThis.addEventListener?.("offline", hint, { signal });
    globalThis.document?.addEventListener("visibilitychange", () => {
      hint();
      if (!this.#tabs.leads && !isHidden()) this.#tabs.say({ kind: "hello" });
    }, { signal });
  }

  // --- to the application ---

  #hand(event, previous) {
    if (this.#stores) {
      this.#tabs.say({ kind: "event", event });
      this.#inbox.keep(event, previous);
    }
    if (event.sender === this.user && event.client_id !== undefined) this.#outbox.seen(event);
    for (const timeline of this.#of(event.chat)) timeline.take(event);
    this.#tell("event", event);
  }

  #ephemeral({ op, ...detail }) {
    if (op === "typing") return this.#standing.heardTyping(detail);
    this.#tell(op, detail);
    if (op === "head") this.#sequence.head(detail.chat, detail.seq, this.#wantsEvents(detail.chat));
  }

  #wantsEvents(chat) {
    return this.#of(chat).length > 0 || this.#watched.includes(chat) || this.#standing.isWatched(chat);
  }

  #pendingChanged(detail) {
    for (const timeline of this.#of(detail.chat)) timeline.takePending(detail);
    this.#tell("pending", detail);
  }

  #skipped(detail) {
    for (const timeline of this.#of(detail.chat)) {
      timeline.skip();
      this.#refresh(timeline).catch(() => {});
    }
    this.#tell("skipped", detail);
  }

  #resynced(detail) {
    this.#inbox.release();
    this.#tabs.say({ kind: "resync", detail });
    this.#tell("resync", detail);
  }

  #tell(type, detail) {
    if (!this.#closed || type === "state") this.dispatchEvent(new DetailEvent(type, { detail }));
  }

  // --- asking ---

  async #act(frame) {
    const { chat, seq, at } = await this.#ask(frame);
    return { chat, seq, at };
  }

  async #ask(frame) {
    await this.#online(ACTION_DEADLINE_MS);
    if (this.#tabs.leads) return this.#questions.ask(frame);
    const id = `${this.#tabs.id}:${++this.#number}`;
    return new Promise((resolve, reject) => {
      const deadline = new Timer(() => this.#answer(id)?.reject(new ParleyError("network", "The tab that has the connection has not answered.")));
      deadline.start(FOLLOWER_DEADLINE_MS);
      this.#asked.set(id, { resolve, reject, deadline });
      this.#tabs.say({ kind: "ask", id, frame });
    });
  }

  #answered({ id, ok, error }) {
    const asked = this.#answer(id);
    if (ok) asked?.resolve(ok);
    else asked?.reject(ParleyError.fromPlain(error));
  }

  #answer(id) {
    const asked = this.#asked.get(id);
    asked?.deadline.stop();
    this.#asked.delete(id);
    return asked;
  }

  // Resolves when there is a connection.
  #online(deadlineMs) {
    if (this.#closed) return Promise.reject(ParleyError.closed());
    if (this.state === "online") return Promise.resolve();
    if (this.state === "ended") return Promise.reject(new ParleyError("closed", `The connection has ended with ${this.#state.code}.`));
    return new Promise((resolve, reject) => {
      const end = (error) => {
        deadline.stop();
        this.#waiting.delete(waiter);
        if (error) reject(error);
        else resolve();
      };
      const waiter = { end };
      const deadline = new Timer(() => end(new ParleyError("network", "There is no connection.")));
      if (deadlineMs !== Infinity) deadline.start(deadlineMs);
      this.#waiting.add(waiter);
    });
  }

  // --- timelines ---

  #of(chat) {
    return [...this.#timelines].filter((timeline) => timeline.chat === chat);
  }

  async #page(chat, range) {
    try {
      return await this.history(chat, range);
    } catch (error) {
      const cached = error.temporary && range.before !== undefined ? await this.#cache.read(chat, range) : null;
      if (!cached) throw error;
      return { ...cached, isCached: true };
    }
  }

  // What cannot be read now is read later; what may not be read at all is told.
  async #refresh(timeline) {
    this.#stale.delete(timeline);
    try {
      await timeline.refresh();
      this.#staleTries = 0;
    } catch (error) {
      if (this.#closed || !this.#timelines.has(timeline)) return;
      if (error.temporary) this.#refreshLater(timeline);
      else if (timeline.entries.length > 0) this.#tell("warning", { error });
      else {
        timeline.close();
        throw error;
      }
    }
  }

  // When there is a connection again; if there is one already, after a while.
  #refreshLater(timeline) {
    this.#stale.add(timeline);
    if (this.state !== "online" || this.#staleTimer.runs) return;
    const limitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#staleTries++);
    this.#staleTimer.start(limitMs * (0.5 + this.#options.random() / 2));
  }

  #refreshStale() {
    this.#staleTimer.stop();
    for (const timeline of [...this.#stale]) this.#refresh(timeline).catch(() => {});
  }

  #forgetTimeline(timeline) {
    this.#timelines.delete(timeline);
    this.#stale.delete(timeline);
  }
}

function originOf(url) {
  const origin = url ?? globalThis.location?.origin;
  if (!origin) throw new TypeError("Which server? Give its url.");
  return origin;
}

function isHidden() {
  return globalThis.document?.visibilityState === "hidden";
}
