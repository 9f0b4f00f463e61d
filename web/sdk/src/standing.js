// What is said once, and holds: how far was read, which chats are open, whose presence is wanted, who types. Said again after each
// reconnect, coalesced, and only as often as it changes something.

import { Timer } from "./base.js";

const READ_DELAY_MS = 200;
const READ_RETRY_MS = 5_000;
const TYPING_EVERY_MS = 3_000;
const TYPING_ENDS_MS = 5_000;    // without another keystroke
const SLACK_MS = 1_000;          // for the way of what is told in time
const MOST = { watch: 50, presence: 200 }; // unless the server says otherwise

export class Standing {
  #options; #reads = new Map();   // chat -> seq, until the server has it
  #wishes = new Map();            // tab -> {watch: [], presence: []}
  #said = { watch: [], presence: [] };
  #refused = new Set();           // chats that the server does not let this user watch
  #limits = {};
  #typing = new Map();            // chat -> {saidAt, end}: this person types
  #typers = new Map();            // "chat user" -> Timer: others type
  #readTimer = new Timer(() => this.#sayReads());
  #wishTimer = new Timer(() => this.#sayWishes());
  #ready = false;

  // say(frame), ask(frame), store(changes), told(type, detail); watching(chats): those that are open from now on
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

  start(limits = {}) {
    this.#ready = true;
    this.#limits = limits;
    this.#said = { watch: [], presence: [] };
    this.#refused.clear();
    this.#sayWishes();
    this.#sayReads();
  }

  stop() {
    this.#ready = false;
    this.#readTimer.stop();
    this.#wishTimer.stop();
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
      end.start((this.#limits.typing_ms ?? TYPING_ENDS_MS) + SLACK_MS);
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
    this.#sayWish("watch", "chats", this.#limits.max_watched_chats);
    this.#sayWish("presence", "users", this.#limits.max_followed_users);
  }

  async #sayWish(op, field, most = MOST[op]) {
    const all = new Set([...this.#wishes.values()].flatMap((wishes) => wishes[op]));
    const wanted = [...all].filter((id) => !this.#refused.has(id)).slice(0, most), before = this.#said[op];
    if (!this.#ready || (wanted.length === before.length && wanted.every((id) => before.includes(id)))) return;
    this.#said[op] = wanted;
    const error = await this.#options.ask({ op, [field]: wanted }).then(() => null, (problem) => problem);
    if (!this.#ready || this.#said[op] !== wanted) return;
    if (error) this.#wishRefused(op, wanted, error);
    else if (op === "watch") this.#options.watching(wanted.filter((chat) => !before.includes(chat)));
  }

  // One that is not the user's spoils the list; the detail names it.
  #wishRefused(op, wanted, error) {
    const named = wanted[error.detail.match(/^\/\w+\/(\d+)/)?.[1]];
    if (!error.temporary && named === undefined) return;
    this.#said[op] = [];
    if (!error.temporary) this.#refused.add(named);
    this.#wishTimer.start(error.temporary ? 1000 * (error.retryAfter ?? 1) : 0);
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
