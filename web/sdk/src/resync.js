// After the server has lost an inbox: asks for everything above the known positions, page by page, while live events wait for their turn.

import { ParleyError, Timer } from "./base.js";

const PAGE = 200;
const FIRST_LOOK = 200;          // events of a chat that was never seen here; its timeline has the rest
const MAX_NAMED = 2000;          // the server's max_sync_chats
const MAX_NAMED_BYTES = 60_000;
const MAX_IDLE_ROUNDS = 3;       // answers with nothing but "there is more"
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;

export class Resync {
  #options; #running = false; #again = false; #closed = false; #tries = 0;
  #pause = new Timer(() => this.#run());
  #starts = new Map(); // chat that was never seen -> where to begin
  #gone = new Set();   // chats that the user is not in any more

  // call(method, path, body); sequence; begun(); ended({gone}); failed(error) when it cannot be done at all.
  constructor(options) {
    this.#options = options;
  }

  start() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    this.#options.begun();
    this.#options.sequence.hold();
    this.#run();
  }

  close() {
    this.#closed = true;
    this.#pause.stop();
  }

  async #run() {
    const gone = new Set();
    try {
      await this.#all(gone);
    } catch (error) {
      if (this.#closed) return;
      if (error.temporary) return this.#later();
      this.#options.failed(error);
    }
    if (this.#closed) return;
    if (this.#again) {
      this.#again = false;
      return this.#run();
    }
    this.#finish(gone);
  }

  #finish(gone) {
    this.#running = false;
    this.#tries = 0;
    for (const chat of gone) this.#gone.add(chat);
    this.#options.sequence.release();
    this.#options.ended({ gone: [...gone] });
  }

  #later() {
    const limitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#tries++);
    this.#pause.start(limitMs * (0.5 + this.#options.random() / 2));
  }

  async #all(gone) {
    for (let more = true, idle = 0; more && !this.#closed;) {
      const answer = await this.#options.call("POST", "/v1/sync", { chats: this.#named(), limit: PAGE });
      if (this.#closed) return;
      for (const chat of answer.gone) gone.add(chat);
      const took = this.#take(answer.chats);
      more = took.more;
      idle = took.moved ? 0 : idle + 1;
      if (more && idle === MAX_IDLE_ROUNDS) throw new ParleyError("unavailable", "The server says that there is more, and does not give it.");
      this.#tries = 0;
    }
  }

  #take(chats) {
    let more = false, moved = false;
    for (const [chat, part] of Object.entries(chats)) {
      more ||= part.more;
      if (this.#beginsFar(chat, part)) {
        this.#starts.set(chat, part.last_seq - FIRST_LOOK);
        moved = true;
      } else if (part.more && this.#options.sequence.leavesOut(chat, part.last_seq)) {
        moved = true;
      } else {
        this.#options.sequence.accept(chat, part.events);
        moved ||= part.events.length > 0;
      }
    }
    return { more, moved };
  }

  #beginsFar(chat, { events, last_seq, more }) {
    const isKnown = this.#options.sequence.position(chat) !== undefined || this.#starts.has(chat);
    return more && !isKnown && last_seq - (events.at(-1)?.seq ?? 0) > FIRST_LOOK;
  }

  // Chats that the user has left are named last: if there is no room, they may come again in vain.
  #named() {
    const known = new Map([...this.#starts, ...this.#options.sequence.positions()]);
    const chats = {};
    let bytes = 0, named = 0;
    for (const chat of [...known.keys()].sort((a, b) => this.#gone.has(a) - this.#gone.has(b))) {
      bytes += chat.length + 24;
      if (++named > MAX_NAMED || bytes > MAX_NAMED_BYTES) break;
      chats[chat] = known.get(chat);
    }
    return chats;
  }
}
