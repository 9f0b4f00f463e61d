// What is said once, and holds: how far was read, which chats are open, whose presence is wanted, who types. Said again after each
// reconnect, coalesced, and only as often as it changes something.

import { Timer } from "./base.js";

const READ_DELAY_MS = 200;
const READ_RETRY_MS = 5_000;
const TYPING_EVERY_MS = 3_000;
const TYPING_ENDS_MS = 6_000;    // without another keystroke, or another word of who types

export class Standing {
  #options; #reads = new Map();   // chat -> seq, until the server has it
  #wishes = new Map();            // tab -> {watch: [], presence: []}
  #said = { watch: "", presence: "" };
  #typing = new Map();            // chat -> {saidAt, end}: this person types
  #typers = new Map();            // "chat user" -> Timer: others type
  #readTimer = new Timer(() => this.#sayReads());
  #ready = false;

  // say(frame), ask(frame), store(changes), told(type, detail)
  constructor(options) {
    this.#options = options;
  }

  load(rows) {
    for (const { chat, seq } of rows) this.#remember(chat, seq);
  }

  // --- what the application, or another tab, wants ---

  read(chat, seq) {
    if (!this.#remember(chat, seq)) return;
    this.#options.store([{ table: "reads", group: "", key: chat, value: { chat, seq } }]);
    if (this.#ready && !this.#readTimer.runs) this.#readTimer.start(READ_DELAY_MS);
  }

  wish(tab, wishes) {
    this.#wishes.set(tab, wishes);
    this.#sayWishes();
  }

  forget(tab) {
    if (this.#wishes.delete(tab)) this.#sayWishes();
  }

  isWatched(chat) {
    return [...this.#wishes.values()].some(({ watch }) => watch.includes(chat));
  }

  typing(chat, on) {
    const known = this.#typing.get(chat);
    if (!on) {
      if (!known) return;
      known.end.stop();
      this.#typing.delete(chat);
      this.#options.say({ op: "typing", chat, on: false });
      return;
    }
    const entry = known ?? { saidAt: -Infinity, end: new Timer(() => this.typing(chat, false)) };
    this.#typing.set(chat, entry);
    entry.end.start(TYPING_ENDS_MS);
    if (Date.now() - entry.saidAt < TYPING_EVERY_MS) return;
    entry.saidAt = Date.now();
    this.#options.say({ op: "typing", chat, on: true });
  }

  // --- the connection ---

  start() {
    this.#ready = true;
    this.#said = { watch: "", presence: "" };
    this.#sayWishes();
    this.#sayReads();
  }

  stop() {
    this.#ready = false;
    this.#readTimer.stop();
    for (const { end } of this.#typing.values()) end.stop();
    this.#typing.clear();
  }

  // Somebody else types: it ends by itself when nothing more is heard of it.
  heardTyping({ chat, user, on }) {
    const key = `${chat} ${user}`;
    const known = this.#typers.get(key);
    known?.stop();
    this.#typers.delete(key);
    if (on) {
      const end = new Timer(() => {
        this.#typers.delete(key);
        this.#options.told("typing", { chat, user, on: false });
      });
      this.#typers.set(key, end);
      end.start(2 * TYPING_ENDS_MS);
    }
    if (on !== Boolean(known)) this.#options.told("typing", { chat, user, on });
  }

  close() {
    this.stop();
    for (const end of this.#typers.values()) end.stop();
    this.#typers.clear();
  }

  // --- saying it ---

  #remember(chat, seq) {
    if (seq <= (this.#reads.get(chat) ?? 0)) return false;
    this.#reads.set(chat, seq);
    return true;
  }

  #sayWishes() {
    if (!this.#ready) return;
    for (const [op, field] of [["watch", "chats"], ["presence", "users"]]) {
      const wanted = [...new Set([...this.#wishes.values()].flatMap((wishes) => wishes[op]))].sort();
      const text = wanted.join(" ");
      if (text === this.#said[op]) continue;
      this.#said[op] = text;
      this.#options.say({ op, [field]: wanted });
    }
  }

  async #sayReads() {
    const asked = [...this.#reads].map(async ([chat, seq]) => {
      const error = await this.#options.ask({ op: "read", chat, seq }).then(() => null, (problem) => problem);
      if (error?.temporary) return true;
      if (this.#reads.get(chat) === seq) {
        this.#reads.delete(chat);
        this.#options.store([{ table: "reads", group: "", key: chat }]);
      }
      return this.#reads.has(chat);
    });
    const again = await Promise.all(asked);
    if (this.#ready && again.includes(true)) this.#readTimer.start(READ_RETRY_MS);
  }
}
