// Which events the application has, and what it gets next: each (chat, seq) once, of a chat in rising order, without a gap.
//
// Of each chat one number is kept: everything up to it has been handed over. What is not above it is a repeat; the next one is handed over;
// what comes after a gap waits, and the gap is read from the log. What the log does not give either the user may not see
// (a time without membership), so the log is asked once, and then what waits goes on.

import { Timer } from "./base.js";
import { LARGEST_PAGE } from "./rest.js";

const MAX_WAITING = 1000;       // events of a chat that wait in memory; further ones are read from the log instead
const MAX_CATCH_UP = 1000;      // events that a pulled chat may be behind; of more, the older ones are left to the timeline
const MAX_GAP = 10_000;         // the same for any other chat: then it was a pulled one
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

export class Sequence {
  #positions = new Map(); // chat -> everything up to this seq has been handed over
  #read = new Map();      // chat of which nothing has been handed over -> a page of its log was read up to this seq
  #lanes = new Map();     // chat -> Lane, where something waits
  #pulled = new Map();    // chat -> its head, of chats whose news are told by `head`
  #jumped = new Set();    // chats of which something was left out just before the position
  #held = false;          // a sync is under way: gaps are its business
  #log; #hand; #skipped; #random; #closed = false;

  // log(chat, after) gives a page; hand(event, previous) takes an event, previous is the seq before it or null if that is
  // not known; skipped({chat, after, before}) is told what a pulled chat leaves out.
  constructor({ log, hand, skipped, random }) {
    this.#log = log;
    this.#hand = hand;
    this.#skipped = skipped;
    this.#random = random;
  }

  position(chat) {
    return this.#positions.get(chat);
  }

  positions() {
    return this.#positions;
  }

  // What an earlier page, or another tab, has handed over already.
  know(chat, seq) {
    if (seq > this.#at(chat)) this.#positions.set(chat, seq);
  }

  // The newest page of a log was read up to this seq: the first event that is handed over joins it.
  joins(chat, seq) {
    if (!this.#positions.has(chat)) this.#read.set(chat, Math.max(seq, this.#read.get(chat) ?? 0));
  }

  // Another tab has handed over everything up to this seq. What the page here has not is read from the log.
  follow(chat, seq) {
    if (this.#positions.has(chat) || this.#read.has(chat)) this.expect(chat, seq);
    else this.know(chat, seq);
  }

  // An event from the wire. done() is called when it has been handed over, or turned out to be a repeat.
  offer(event, done = () => {}) {
    const { chat, seq } = event;
    if (seq <= this.#at(chat)) return done();
    this.#goOn(chat, seq);
    const isNext = this.#positions.has(chat) ? seq === this.#at(chat) + 1 : !this.#held;
    if (isNext && !this.#lanes.has(chat)) {
      this.#give(event);
      return done();
    }
    this.#lane(chat).wait(event, done);
    this.#fill(chat);
  }

  // There are events up to this seq, which may not come by themselves.
  expect(chat, seq) {
    if (!this.#positions.has(chat) && seq <= this.#read.get(chat)) this.know(chat, seq);
    if (seq <= this.#at(chat)) return;
    this.#goOn(chat, seq);
    const lane = this.#lane(chat);
    lane.target = Math.max(lane.target, seq);
    this.#fill(chat);
  }

  // The head of a pulled chat; `wanted` if its events are to be handed over all the same.
  head(chat, seq, wanted) {
    if (seq > (this.#pulled.get(chat) ?? 0)) this.#pulled.set(chat, seq);
    if (wanted) this.want(chat);
  }

  want(chat) {
    if (this.#pulled.has(chat)) this.expect(chat, this.#pulled.get(chat));
  }

  // Whether a chat whose log goes on to `head` is too far behind for all of it; then it goes on near the end.
  leavesOut(chat, head) {
    if (!this.#positions.has(chat) || head - this.#at(chat) <= MAX_GAP) return false;
    this.#jump(chat, head - LARGEST_PAGE);
    return true;
  }

  // What was read from the log, in its order: whatever it leaves out the user may not see.
  accept(chat, events) {
    for (const event of events) {
      if (!this.#closed && event.seq > this.#at(chat)) this.#give(event);
    }
    this.#lanes.get(chat)?.passed(this.#at(chat));
  }

  // Until release() whatever is not known to be the next one waits. A sync goes on from what was read, too.
  hold() {
    this.#held = true;
    for (const [chat, seq] of this.#read) this.know(chat, seq);
  }

  release() {
    this.#held = false;
    for (const chat of [...this.#lanes.keys()]) this.#fill(chat);
  }

  close() {
    this.#closed = true;
    for (const lane of this.#lanes.values()) lane.pause.stop();
    this.#lanes.clear();
  }

  // The first that is told of a chat does not join the page that was read: what lies between is handed over before it.
  #goOn(chat, seq) {
    if (!this.#positions.has(chat) && seq > this.#read.get(chat) + 1) this.know(chat, this.#read.get(chat));
  }

  #at(chat) {
    return this.#positions.get(chat) ?? -1;
  }

  // Of a chat that was never seen the first event may have any seq: the user joined later, or this device is new.
  #follows(chat, seq) {
    return !this.#positions.has(chat) || seq === this.#positions.get(chat) + 1;
  }

  #lane(chat) {
    if (!this.#lanes.has(chat)) this.#lanes.set(chat, new Lane(() => this.#fill(chat)));
    return this.#lanes.get(chat);
  }

  #give(event) {
    const { chat, seq } = event;
    const previous = this.#jumped.delete(chat) ? null : this.#positions.get(chat) ?? null;
    this.#positions.set(chat, seq);
    this.#read.delete(chat);
    this.#hand(event, previous);
  }

  async #fill(chat) {
    const lane = this.#lanes.get(chat);
    if (!lane || lane.filling || this.#held) return;
    lane.filling = true;
    try {
      await this.#readOn(chat, lane);
    } catch (error) {
      if (this.#closed) return;
      if (error.temporary) lane.later(this.#random);
      else this.#finish(chat, lane); // the log does not tell: the chat is gone, or the user may not see it any more
    } finally {
      lane.filling = false;
    }
  }

  // Reads the log until it has come to what waits.
  async #readOn(chat, lane) {
    this.#leaveOut(chat, lane);
    for (;;) {
      if (this.#closed || this.#held) return;
      this.#drain(chat, lane, (seq) => this.#follows(chat, seq));
      if (this.#at(chat) >= lane.target) return this.#finish(chat, lane);
      const asked = lane.target;
      const page = await this.#log(chat, this.#at(chat));
      lane.tries = 0;
      this.accept(chat, page.items);
      if (page.more && page.items.length > 0) continue;
      this.#drain(chat, lane, (seq) => seq <= asked); // what the log had not, when it was asked, there is not for us
      this.know(chat, asked);
    }
  }

  // Far behind, only the end is handed over, and the rest is left to the timeline.
  #leaveOut(chat, lane) {
    const limit = this.#pulled.has(chat) ? MAX_CATCH_UP : MAX_GAP;
    if (this.#positions.has(chat) ? lane.target - this.#at(chat) <= limit : lane.waiting.size > 0) return;
    this.#jump(chat, Math.min(lane.target - LARGEST_PAGE, ...[...lane.waiting.keys()].map((seq) => seq - 1)));
  }

  #jump(chat, seq) {
    const after = this.#positions.get(chat);
    this.#positions.set(chat, Math.max(0, seq));
    this.#jumped.add(chat);
    if (after !== undefined) this.#skipped({ chat, after, before: seq + 1 });
  }

  #drain(chat, lane, may) {
    for (const { event, done } of lane.inOrder()) {
      if (this.#closed || !may(event.seq)) return;
      lane.waiting.delete(event.seq);
      if (event.seq > this.#at(chat)) this.#give(event);
      done();
    }
  }

  #finish(chat, lane) {
    this.#drain(chat, lane, () => true);
    lane.passed(lane.target);
    lane.pause.stop();
    this.#lanes.delete(chat);
  }
}

// What waits of one chat, and up to which seq the log is to be read for it.
class Lane {
  waiting = new Map(); // seq -> {event, done}
  target = 0;
  filling = false;
  tries = 0;
  #later = [];         // {seq, done} of repeats, and of events for which there was no room: the log has them

  constructor(again) {
    this.pause = new Timer(again);
  }

  wait(event, done) {
    this.target = Math.max(this.target, event.seq);
    if (this.waiting.has(event.seq) || this.waiting.size >= MAX_WAITING) this.#later.push({ seq: event.seq, done });
    else this.waiting.set(event.seq, { event, done });
  }

  inOrder() {
    return [...this.waiting.values()].sort((a, b) => a.event.seq - b.event.seq);
  }

  passed(position) {
    for (const { event, done } of this.inOrder()) {
      if (event.seq > position) break;
      this.waiting.delete(event.seq);
      done();
    }
    const passed = this.#later.filter(({ seq }) => seq <= position);
    this.#later = this.#later.filter(({ seq }) => seq > position);
    for (const { done } of passed) done();
  }

  later(random) {
    const limitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.tries++);
    this.pause.start(limitMs * (0.5 + random() / 2));
  }
}
