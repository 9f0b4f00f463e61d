// A chat as a person sees it: the log's messages and changes by seq, with later edits, deletions and reactions applied, then what
// is still on its way.
//
// Pages of the log come with everything applied that happened before they were read; live actions are applied as they come, and those
// that came while a page was being read are applied to it again. All actions can be applied twice, so nothing is counted twice.

import { DetailEvent } from "./base.js";

const ACTIONS = new Set(["edit", "delete", "reaction"]);
const PAGE = 50;
const MAX_EMPTY_PAGES = 10; // pages with nothing but actions, in one loadOlder()

export const isAction = ({ type }) => ACTIONS.has(type);

// The target with the action applied; the same object when that changes nothing.
export function applied(target, action) {
  if (target.deleted) return target;
  switch (action.type) {
    case "edit":
      return action.body ? { ...target, body: action.body, edited: action.at } : target;
    case "delete":
      return { ...withoutContent(target), deleted: true };
    case "reaction":
      return reacted(target, action);
    default:
      return target;
  }
}

export function withoutContent(event) {
  const { body, reply_to, mentions, attachments, edited, reactions, ...rest } = event;
  return rest;
}

function reacted(target, { emoji, on, sender }) {
  const users = target.reactions?.[emoji] ?? [];
  if (users.includes(sender) === on) return target;
  const { [emoji]: old, ...others } = target.reactions ?? {};
  const now = on ? [...users, sender] : users.filter((user) => user !== sender);
  const reactions = now.length > 0 ? { ...target.reactions, [emoji]: now } : others;
  if (Object.keys(reactions).length > 0) return { ...target, reactions };
  const { reactions: none, ...rest } = target;
  return rest;
}

export class Timeline extends EventTarget {
  #source; #me;
  #log = [];               // entries of the log, by seq
  #bySeq = new Map();
  #last = 0;               // everything up to here that belongs here is here
  #first = null;           // and from here on
  #hasOlder = true;
  #landed = new Map();     // client_id -> entry: `ok` has come, the event has not
  #waiting = new Map();    // client_id -> entry of what is pending
  #loads = 0; #missed = []; // actions that came while pages were being read
  #entries = null;
  #older = null;           // a loadOlder() that runs
  #closed = false;

  // source: page(chat, range), cached(chat), keep(chat, page, connects), closed(timeline)
  constructor(chat, me, source) {
    super();
    this.chat = chat;
    this.#me = me;
    this.#source = source;
  }

  get entries() {
    this.#entries ??= [...this.#log, ...[...this.#landed.values()].sort((a, b) => a.event.seq - b.event.seq), ...this.#waiting.values()];
    return this.#entries;
  }

  get hasOlder() {
    return this.#hasOlder;
  }

  get(seq) {
    return this.#bySeq.get(seq);
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.closed(this);
  }

  // One page more, from the cache when offline; at once when there is none.
  loadOlder(limit = PAGE) {
    this.#older ??= this.#loadOlder(limit).finally(() => {
      this.#older = null;
    });
    return this.#older;
  }

  // --- what the SDK tells ---

  // What was seen before; true when there is something to show.
  async open() {
    const cached = await this.#read(() => this.#source.cached(this.chat));
    if (this.#closed || !cached || this.#first !== null) return this.#log.length > 0; // what came live meanwhile is newer
    this.#place(cached.items, cached.more);
    return this.#log.length > 0;
  }

  // Something is left out: what follows does not join what is shown.
  skip() {
    this.#forgetLog();
  }

  // The newest page. What is shown stays when the page joins it. A page that is older than what came live meanwhile may end before
  // it; then it is read once more.
  async refresh() {
    const isWhole = await this.#refreshOnce();
    if (!isWhole && !this.#closed) await this.#refreshOnce();
  }

  async #refreshOnce() {
    let isWhole = true;
    await this.#read(() => this.#source.page(this.chat, { limit: PAGE }), (page) => {
      isWhole = this.#first === null || page.last_seq >= this.#first - 1;
      if (!isWhole) return;
      if (page.items.length === 0) {
        this.#hasOlder = false;
        return;
      }
      if (this.#log.length === 0 || page.first_seq > this.#last + 1) this.#forgetLog();
      this.#source.keep(this.chat, page, null);
      this.#place(page.items, page.more);
    });
    return isWhole;
  }

  take(event) {
    if (this.#loads > 0 && isAction(event)) this.#missed.push(event);
    if (isAction(event)) this.#act(event);
    else if (!this.#bySeq.has(event.seq) && event.seq > (this.#first ?? 0)) this.#append(event);
    this.#last = Math.max(this.#last, event.seq);
    this.#first ??= event.seq;
  }

  takePending(detail) {
    const { client_id } = detail;
    const known = this.#waiting.get(client_id);
    if (!detail.gone) {
      this.#waiting.set(client_id, { key: client_id, event: null, pending: detail });
    } else {
      this.#waiting.delete(client_id);
      if (known && detail.seq && !this.#bySeq.has(detail.seq)) this.#landed.set(client_id, this.#land(known.pending, detail));
    }
    if (known || !detail.gone) this.#tell(known ? "changed" : "appended", [client_id]);
  }

  // --- the log ---

  async #loadOlder(limit) {
    if (this.#first === null) return this.refresh();
    for (let pages = 0, found = 0; this.#hasOlder && !this.#closed && found === 0 && pages < MAX_EMPTY_PAGES; pages++) {
      const before = this.#first;
      await this.#read(() => this.#source.page(this.chat, { before, limit }), (page) => {
        if (this.#first !== before) return; // the timeline has begun anew meanwhile
        if (!page.isCached) this.#source.keep(this.chat, page, before);
        found += this.#prepend(page.items);
        this.#first = page.first_seq ?? this.#first;
        this.#hasOlder = page.more;
      });
    }
  }

  // Reads, then takes what was read together with the actions that came meanwhile.
  async #read(ask, take = () => {}) {
    this.#loads++;
    try {
      const page = await ask();
      if (page && !this.#closed) take(page);
      for (const action of this.#missed) this.#act(action);
      return page;
    } finally {
      if (--this.#loads === 0) this.#missed = [];
    }
  }

  #forgetLog() {
    const keys = this.#log.map(({ key }) => key);
    this.#log = [];
    this.#bySeq.clear();
    this.#first = null;
    this.#last = 0;
    if (keys.length > 0) this.#tell("changed", keys);
  }

  // Events of the newest part, known ones and new ones; `hasOlder` says whether there is something before them.
  #place(items, hasOlder) {
    const changed = [], appended = [];
    for (const event of items) {
      if (isAction(event)) continue;
      const entry = this.#entry(event);
      const known = this.#bySeq.get(event.seq);
      if (known) {
        if (JSON.stringify(known.event) === JSON.stringify(event)) continue;
        this.#replace(entry);
        changed.push(entry.key);
      } else {
        this.#insert(entry);
        appended.push(entry.key);
      }
    }
    if (this.#first === null || items[0].seq <= this.#first) {
      this.#first = items[0].seq;
      this.#hasOlder = hasOlder;
    }
    this.#last = Math.max(this.#last, items.at(-1).seq);
    if (changed.length > 0) this.#tell("changed", changed);
    if (appended.length > 0) this.#tell("appended", appended);
  }

  #prepend(items) {
    const entries = items.filter((event) => !isAction(event) && !this.#bySeq.has(event.seq)).map((event) => this.#entry(event));
    for (const entry of entries) this.#bySeq.set(entry.event.seq, entry);
    this.#log = [...entries, ...this.#log];
    if (entries.length > 0) this.#tell("prepended", entries.map(({ key }) => key));
    return entries.length;
  }

  #append(event) {
    const entry = this.#entry(event);
    const shown = this.#waiting.has(entry.key) || this.#landed.has(entry.key);
    this.#insert(entry);
    this.#tell(shown ? "changed" : "appended", [entry.key]);
  }

  // Nearly always at the end.
  #insert(entry) {
    const { seq } = entry.event;
    let at = this.#log.length;
    while (at > 0 && this.#log[at - 1].event.seq > seq) at--;
    this.#log.splice(at, 0, entry);
    this.#bySeq.set(seq, entry);
    this.#waiting.delete(entry.key);
    this.#landed.delete(entry.key);
    this.#entries = null;
  }

  #act(action) {
    const entry = this.#bySeq.get(action.target);
    if (!entry) return;
    const event = applied(entry.event, action);
    if (event === entry.event) return;
    this.#replace({ ...entry, event });
    this.#tell("changed", [entry.key]);
  }

  #replace(entry) {
    this.#log[this.#indexOf(entry.event.seq)] = entry;
    this.#bySeq.set(entry.event.seq, entry);
    this.#entries = null;
  }

  #indexOf(seq) {
    let low = 0, high = this.#log.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#log[middle].event.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #entry(event) {
    const own = event.sender === this.#me && event.client_id !== undefined;
    return { key: own ? event.client_id : String(event.seq), event, pending: null };
  }

  // The server's ok says where it is; the event itself is on its way.
  #land({ client_id, chat, body, reply_to, mentions, attachments }, { seq, at }) {
    const event = { chat, seq, type: "message", sender: this.#me, at, client_id, body };
    return { key: client_id, event: { ...event, ...(reply_to && { reply_to }), ...(mentions && { mentions }), ...(attachments && { attachments }) }, pending: null };
  }

  #tell(kind, entries) {
    this.#entries = null;
    if (!this.#closed) this.dispatchEvent(new DetailEvent("change", { detail: { entries, kind } }));
  }
}
