// What the page knows of one chat.

import { applyToTarget } from "./timeline.js";

export function newEntry() {
  return {
    chat: null, title: null, last: null, head: 0, unread: 0, readSeq: 0,
    events: new Map(),     // seq -> event
    rows: new Map(),       // seq -> what is drawn of it
    waiting: new Map(),    // client_id -> text, until the event comes
    loaded: false,         // the newest page was read; from there on nothing is missing
    earlier: false,        // there is more before the first
  };
}

export function highestSeq(entry) {
  return Math.max(0, ...entry.events.keys());
}

export function lowestSeq(entry) {
  return Math.min(...entry.events.keys());
}

// Events may have overtaken the list: then they know better.
export function merge(entry, item) {
  entry.chat = item.chat;
  if (item.last_seq < entry.head) return;
  entry.head = item.last_seq;
  entry.last = item.last_event;
  if (item.read_seq < entry.readSeq) return;
  entry.readSeq = item.read_seq;
  entry.unread = item.unread;
}

// An event from the history: a message there is as edits and reactions have left it.
export function absorb(entry, event) {
  entry.events.set(event.seq, event);
  entry.waiting.delete(event.client_id);
}

// An event that arrives live or from a sync. Each seq counts once; false when it was known.
export function receive(entry, event, me) {
  if (entry.events.has(event.seq)) return false;
  absorb(entry, event);
  applyToTarget(event, entry.events.get(event.target));
  if (event.seq <= entry.head) return true;
  entry.head = event.seq;
  entry.last = event;
  if (event.type === "message" && event.sender !== me.id) entry.unread++;
  return true;
}
