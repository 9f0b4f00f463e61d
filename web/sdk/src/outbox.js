// Messages on their way: written down before they are sent, sent in the order in which they were given, one at a time per chat,
// with the same client_id over all tries, until the log has them or refuses them.
//
// One at a time, because a server that is asked too fast refuses one message and takes the next. What is indefinite
// (a lost connection, `unavailable`) is sent again: the client_id makes that harmless. Every tab has a view of all that waits;
// the leading one sends.

import { Deferred, ParleyError, Timer, newId, plainJson } from "./base.js";

const MAX_PENDING = 1000;
const MAX_SENDING = 32;
const MAX_INTERNAL_TRIES = 3;    // `internal` may be the message's fault
const LONGEST_DELAY_MS = 30_000;
const FIRST_DELAY_MS = 500;

export class Outbox {
  #options; #items = new Map(); // client_id -> Item
  #lanes = new Map();           // chat -> Lane
  #gone = new Set();            // what others have settled before this tab knew of it
  #sending = 0; #run = 0; #leads = false; #sends = false; #lastOrder = 0; #closed = false;

  // store(changes) writes and never fails; ask(frame) gives the server's ok; changed(detail) is told to the application;
  // share(message) reaches the other tabs.
  constructor(options) {
    this.#options = options;
  }

  // What an earlier page, or another tab, has left; what is not there any more has been settled meanwhile.
  load(rows) {
    const stored = new Set(rows.map(({ client_id }) => client_id));
    for (const item of [...this.#items.values()]) if (item.stored && !stored.has(item.client_id)) this.#drop(item);
    for (const row of rows) this.#adopt(row);
  }

  // Throws a ParleyError when the message is nothing that JSON can carry.
  add(chat, message) {
    const { text, body, reply_to, mentions, attachments } = plainJson(message);
    const item = new Item({ client_id: newId(), chat, body: body ?? { text }, reply_to, mentions, attachments,
      at: new Date().toISOString(), state: "waiting", order: this.#nextOrder() });
    if (this.#closed) {
      item.done.reject(ParleyError.closed());
    } else if (this.#items.size >= MAX_PENDING) {
      item.done.reject(new ParleyError("rate_limited", `${MAX_PENDING} messages wait already.`));
    } else {
      this.#items.set(item.client_id, item);
      this.#options.changed(item.pending());
      this.#keep(item);
    }
    return { client_id: item.client_id, done: item.done.promise };
  }

  retry(clientId) {
    const item = this.#items.get(clientId);
    if (item?.state !== "failed") return;
    this.#become(item, "waiting");
    this.#keep(item);
  }

  // What is being sent at this moment may still get into the log.
  async discard(clientId) {
    const item = this.#items.get(clientId);
    if (!item) return;
    this.#drop(item);
    this.#options.share({ gone: item.gone() });
    await this.#forget(item);
  }

  pending(chat) {
    return this.#inOrder().filter((item) => chat === undefined || item.chat === chat).map((item) => item.pending());
  }

  // The event of an own message has come, whichever tab or try it was: the log has it.
  seen({ chat, client_id, seq, at }) {
    const item = this.#items.get(client_id);
    if (item?.chat === chat) this.#settle(item, { chat, seq, at });
  }

  // Another tab has a new message, or says what became of one.
  heard({ item, gone }) {
    const known = this.#items.get(gone?.client_id);
    if (item) this.#adopt(item);
    else if (known) this.#drop(known, gone.seq ? gone : undefined);
    else this.#remember(gone.client_id);
    this.#pump();
  }

  // From here on this tab is the one that sends.
  lead(rows) {
    this.#leads = true;
    this.load(rows);
  }

  // The connection is ready.
  start() {
    this.#sends = true;
    this.#pump();
  }

  // The connection has gone: whatever was not answered will be sent again.
  stop() {
    this.#sends = false;
    this.#run++;
    this.#sending = 0;
    for (const lane of this.#lanes.values()) lane.pause.stop();
    this.#lanes.clear();
    for (const item of this.#items.values()) if (item.state === "sending") this.#become(item, "waiting");
  }

  close() {
    this.#closed = true;
    this.stop();
    for (const item of this.#items.values()) item.done.reject(ParleyError.closed());
  }

  // --- what is known of each ---

  // The clock may go back; the order does not.
  #nextOrder() {
    this.#lastOrder = Math.max(this.#lastOrder + 1, 1000 * Date.now());
    return this.#lastOrder;
  }

  #inOrder() {
    return [...this.#items.values()].sort((a, b) => a.order - b.order);
  }

  #remember(clientId) {
    this.#gone.add(clientId);
    if (this.#gone.size > MAX_PENDING) this.#gone.delete(this.#gone.values().next().value);
  }

  // Only the tab that sends knows whether something is being sent; it takes nothing but new work from the others.
  #adopt(row) {
    const known = this.#items.get(row.client_id);
    if (this.#gone.has(row.client_id)) return;
    if (!known) {
      const item = new Item(row);
      item.stored = true;
      this.#items.set(item.client_id, item);
      this.#options.changed(item.pending());
    } else if (known.state !== row.state && (!this.#leads || known.state === "failed")) {
      this.#become(known, row.state, row.error);
    }
  }

  #become(item, state, error) {
    if (item.state === "failed") item.done = new Deferred();
    item.state = state;
    item.error = error;
    if (state === "failed") item.done.reject(ParleyError.fromPlain(error));
    this.#options.changed(item.pending());
    if (this.#leads) this.#options.share({ item: item.row() });
  }

  #settle(item, ok) {
    this.#drop(item, ok);
    if (!this.#leads) return;
    this.#options.share({ gone: item.gone(ok) });
    this.#forget(item);
  }

  #drop(item, ok) {
    this.#items.delete(item.client_id);
    if (ok) item.done.resolve({ chat: item.chat, seq: ok.seq, at: ok.at });
    else item.done.reject(new ParleyError("closed", "The message was discarded."));
    this.#options.changed(item.gone(ok));
  }

  // Nothing is sent before it was written down (or could not be).
  async #keep(item) {
    await this.#options.store([{ table: "outbox", group: "", key: item.key, value: { ...item.row(), state: item.keptState } }]);
    if (this.#items.get(item.client_id) !== item) return this.#forget(item); // settled or discarded meanwhile
    item.stored = true;
    this.#options.share({ item: item.row() });
    this.#pump();
  }

  #forget(item) {
    return this.#options.store([{ table: "outbox", group: "", key: item.key }]);
  }

  // --- sending ---

  // Of each chat the first that has not failed, unless one is on its way or a pause was asked for.
  #pump() {
    const looked = new Set();
    for (const item of this.#inOrder()) {
      if (!this.#sends || this.#sending >= MAX_SENDING) return;
      if (item.state === "failed" || looked.has(item.chat)) continue;
      looked.add(item.chat);
      const lane = this.#lane(item.chat);
      if (item.stored && !lane.sending && !lane.pause.runs) this.#send(item, lane);
    }
  }

  #lane(chat) {
    if (!this.#lanes.has(chat)) this.#lanes.set(chat, { sending: false, tries: 0, pause: new Timer(() => this.#pump()) });
    return this.#lanes.get(chat);
  }

  async #send(item, lane) {
    const run = this.#run;
    lane.sending = true;
    this.#sending++;
    this.#become(item, "sending");
    const [ok, error] = await this.#options.ask(item.frame()).then((answer) => [answer], (problem) => [null, problem]);
    if (run !== this.#run) return;
    lane.sending = false;
    this.#sending--;
    const isThere = this.#items.get(item.client_id) === item;
    if (ok) {
      this.#lanes.delete(item.chat);
      if (isThere) this.#settle(item, ok);
    } else if (isThere) {
      this.#refused(item, lane, error);
    }
    this.#pump();
  }

  #refused(item, lane, error) {
    item.internal += error.code === "internal" ? 1 : 0;
    if (!error.temporary || item.internal >= MAX_INTERNAL_TRIES) {
      this.#become(item, "failed", ParleyError.toPlain(error));
      this.#keep(item);
      return;
    }
    const limitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** lane.tries++);
    lane.pause.start(1000 * (error.retryAfter ?? 0) + limitMs * this.#options.random());
    this.#become(item, "waiting");
  }
}

class Item {
  stored = false;  // it has been written down
  internal = 0;    // how often the server has said `internal`
  done = new Deferred();

  constructor({ client_id, chat, body, reply_to, mentions, attachments, at, state, error, order }) {
    Object.assign(this, { client_id, chat, body, reply_to, mentions, attachments, at, state, error, order });
    if (state === "failed") this.done.reject(ParleyError.fromPlain(error));
  }

  get key() {
    return `${String(this.order).padStart(17, "0")} ${this.client_id}`;
  }

  // Whether it is being sent nobody knows after a reload.
  get keptState() {
    return this.state === "failed" ? "failed" : "waiting";
  }

  row() {
    const { client_id, chat, body, reply_to, mentions, attachments, at, state, error, order } = this;
    return { client_id, chat, body, reply_to, mentions, attachments, at, state, error, order };
  }

  pending() {
    const { order, error, ...pending } = withoutAbsent(this.row());
    return error ? { ...pending, error: ParleyError.fromPlain(error) } : pending;
  }

  gone(ok) {
    return { client_id: this.client_id, chat: this.chat, gone: true, ...(ok ? { seq: ok.seq, at: ok.at } : {}) };
  }

  frame() {
    const { client_id, chat, body, reply_to, mentions, attachments } = this;
    return withoutAbsent({ op: "send", chat, client_id, body, reply_to, mentions, attachments });
  }
}

function withoutAbsent(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
