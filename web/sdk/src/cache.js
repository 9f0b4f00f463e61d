// Events that were seen, so that a timeline shows them when offline. Each row names the event before it; a chain that breaks off ends what is
// shown, so nothing has to be kept in step. Bounded per chat and in chats.

import { LARGEST_PAGE } from "./rest.js";
import { applied, isAction, withoutContent } from "./timeline.js";

const MAX_ROWS = 500;        // of a chat
const TRIM_EVERY = 100;      // rows of a chat
const MAX_CHATS = 200;

export class Cache {
  #keeper;
  #added = new Map(); // chat -> rows since the last trim, the chat used longest ago first

  constructor(keeper) {
    this.#keeper = keeper;
  }

  // The chats that have rows from earlier, the one used longest ago first.
  load(chats) {
    for (const chat of chats) this.#added.set(chat, 0);
    return this.#evict();
  }

  // What is to be written for events that were handed over, each {event, previous}. A deleted text is gone from here too, and
  // so are its edits.
  async changes(batch) {
    const rows = new Map(); // "chat seq" -> {event, previous}
    const put = (row) => rows.set(`${row.event.chat} ${row.event.seq}`, row);
    for (const row of batch) {
      this.#count(row.event.chat, 1);
      if (row.event.type === "delete") {
        const { chat, target } = row.event;
        const known = await this.#keeper.range("events", chat, { above: target - 1 });
        for (const old of [...known, ...rows.values()]) if (old.event.chat === chat) put({ ...old, event: blanked(old.event, target) });
      }
      put(row);
    }
    return [...rows.values()].map(changeOf);
  }

  // A page that was read from the log; the event at `before` follows it, when that is given.
  async keep(chat, { items, more }, before) {
    if (items.length === 0) return;
    const known = await this.#keeper.get("events", chat, items[0].seq);
    const first = known?.previous ?? (more ? null : 0);
    const later = await this.#keeper.range("events", chat, { above: items[0].seq });
    const deleted = later.filter(({ event }) => event.type === "delete").map(({ event }) => event.target);
    const still = (event) => deleted.reduce(blanked, event); // the page may be older than a deletion
    const rows = items.map((event, i) => ({ event: still(event), previous: i > 0 ? items[i - 1].seq : first }));
    if (before !== null) {
      const next = later.find(({ event }) => event.seq === before);
      if (next) rows.push({ ...next, previous: items.at(-1).seq });
    }
    this.#count(chat, rows.length);
    await this.#keeper.write(rows.map(changeOf));
    await this.tidy();
  }

  // The newest part without a gap, as a page of the log that was read now would be; below a seq if that is given.
  async read(chat, { before, limit = LARGEST_PAGE } = {}) {
    const rows = await this.#keeper.range("events", chat, { newest: true, limit: MAX_ROWS + TRIM_EVERY });
    let start = rows.length;
    while (start > 0 && (start === rows.length || rows[start].previous === rows[start - 1].event.seq)) start--;
    const bySeq = new Map(rows.slice(start).map(({ event }) => [event.seq, event]));
    for (const action of [...bySeq.values()].filter(isAction)) {
      if (bySeq.has(action.target)) bySeq.set(action.target, applied(bySeq.get(action.target), action));
    }
    const items = [...bySeq.values()].filter(({ seq }) => before === undefined || seq < before);
    if (items.length === 0) return null;
    const page = items.slice(-limit);
    return { items: page, first_seq: page[0].seq, last_seq: page.at(-1).seq, more: page.length < items.length || rows[start].previous !== 0 };
  }

  // Trims chats that have grown. Not in the way of anything that waits.
  async tidy() {
    for (const [chat, added] of [...this.#added]) {
      if (added >= TRIM_EVERY) await this.#trim(chat);
    }
    await this.#evict();
  }

  #count(chat, rows) {
    const added = (this.#added.get(chat) ?? 0) + rows;
    this.#added.delete(chat);
    this.#added.set(chat, added);
  }

  async #trim(chat) {
    this.#added.set(chat, 0);
    const rows = await this.#keeper.range("events", chat, { newest: true, limit: MAX_ROWS });
    if (rows.length === MAX_ROWS) await this.#keeper.write([{ table: "events", group: chat, below: rows[0].event.seq }]);
  }

  async #evict() {
    const changes = [];
    for (const chat of [...this.#added.keys()].slice(0, Math.max(0, this.#added.size - MAX_CHATS))) {
      this.#added.delete(chat);
      changes.push({ table: "events", group: chat, below: Number.MAX_SAFE_INTEGER });
    }
    if (changes.length > 0) await this.#keeper.write(changes);
  }
}

// Without what a deletion of `target` takes from it.
function blanked(event, target) {
  const isTarget = event.seq === target, isEdit = event.type === "edit" && event.target === target;
  if (!isTarget && !isEdit) return event;
  return isTarget ? { ...withoutContent(event), deleted: true } : withoutContent(event);
}

function changeOf(row) {
  return { table: "events", group: row.event.chat, key: row.event.seq, value: row };
}
