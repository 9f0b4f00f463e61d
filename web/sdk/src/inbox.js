// Deliveries of one session: counted, handed on, written down, and then acknowledged. An ack says that everything up to n has been
// handed over and is stored, never less. What is not acknowledged comes again, and is a repeat by (chat, seq).

import { Timer } from "./base.js";

const ACK_DELAY_MS = 100;

export class Inbox {
  #options; #session = null;
  #connection = 0;       // counts them: what is left over of an earlier one counts for nothing
  #received = 0;         // the last n that came
  #taken = 0;            // everything up to this n was handed over
  #safe = 0;             // and is written down
  #acked = 0;            // and the server knows it
  #finished = new Set(); // n above #taken
  #stored = new Map();   // chat -> the highest seq that is written down, or about to be
  #batch = [];           // {event, previous} to be written
  #writing = false;
  #window = 64; #held = false; #ready = false;
  #ackTimer = new Timer(() => this.#ack());

  // sequence takes the events; cache says what is to be written of them; write(changes) never fails; say(frame);
  // broken() is told when n has a hole; isHidden() when the timers of this page are slow.
  constructor(options) {
    this.#options = options;
  }

  load(point, positions) {
    this.#session = point?.session ?? null;
    this.#safe = point?.n ?? 0;
    for (const [chat, seq] of positions) this.#stored.set(chat, seq);
  }

  resumePoint() {
    return this.#session === null ? null : { session: this.#session, n: this.#safe };
  }

  begin({ session, state, limits }) {
    this.#connection++;
    this.#ready = true;
    this.#session = session;
    if (state !== "resumed") this.#safe = 0;
    this.#received = this.#taken = this.#acked = this.#safe;
    this.#finished.clear();
    this.#window = limits?.window_events ?? this.#window;
  }

  stop() {
    this.#ready = false;
    this.#ackTimer.stop();
  }

  // What a hole in n leaves out is lost to this session; in a new one everything comes that was not acknowledged.
  take({ n, event }) {
    if (n <= this.#received) return;
    if (n > this.#received + 1) {
      this.#session = null;
      this.#options.broken();
      return;
    }
    this.#received = n;
    const connection = this.#connection;
    this.#options.sequence.offer(event, () => this.#finish(connection, n, event));
  }

  // An event has been handed to the application.
  keep(event, previous) {
    if (event.seq <= (this.#stored.get(event.chat) ?? -1)) return;
    this.#stored.set(event.chat, event.seq);
    this.#batch.push({ event, previous });
    this.#write();
  }

  // While a resync is under way nothing is acknowledged: the server would take it for carried out.
  hold() {
    this.#held = true;
  }

  release() {
    this.#held = false;
    this.#write();
  }

  #finish(connection, n, event) {
    this.keep(event, null); // a repeat that the tab which led before could not write any more
    if (connection !== this.#connection) return;
    this.#finished.add(n);
    this.#write();
  }

  #advance() {
    while (this.#finished.delete(this.#taken + 1)) this.#taken++;
    return this.#held ? this.#safe : this.#taken;
  }

  // One write at a time; what comes meanwhile is the next one.
  async #write() {
    if (this.#writing) return;
    this.#writing = true;
    await null; // all that comes in this turn together
    for (;;) {
      const safe = this.#advance(), connection = this.#connection, events = this.#batch;
      if (events.length === 0 && safe === this.#safe) break;
      this.#batch = [];
      const point = { table: "meta", group: "", key: "point", value: { session: this.#session, n: safe } };
      await this.#options.write([...await this.#changes(events), point]);
      if (connection === this.#connection) this.#safe = safe;
      this.#scheduleAck();
      if (events.length > 0) await this.#options.cache.tidy();
    }
    this.#writing = false;
  }

  async #changes(events) {
    const changes = await this.#options.cache.changes(events), positions = new Map();
    for (const { event: { chat, seq, at } } of events) positions.set(chat, { chat, seq, at });
    for (const [chat, value] of positions) changes.push({ table: "positions", group: "", key: chat, value });
    return changes;
  }

  // Often enough that the window never closes for want of an ack, seldom enough to cost nothing.
  #scheduleAck() {
    if (this.#safe - this.#acked >= this.#window / 3 || this.#options.isHidden()) this.#ack();
    else if (this.#safe > this.#acked && !this.#ackTimer.runs) this.#ackTimer.start(ACK_DELAY_MS);
  }

  #ack() {
    this.#ackTimer.stop();
    if (!this.#ready || this.#safe <= this.#acked) return;
    this.#acked = this.#safe;
    this.#options.say({ op: "ack", n: this.#safe });
  }
}
