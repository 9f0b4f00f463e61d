// Tabs of one login share one connection, since a device has only one (4003). The tab that holds the lock leads: it has the socket,
// sends, acknowledges and stores. The others see and say everything through a channel. When the leading tab goes, however it
// goes, the browser gives the lock to another.
//
// Where there are no locks (Node), or nothing shared (no named storage), an instance leads itself.

import { Timer, newId } from "./base.js";

const RESIGN_DELAY_MS = 1_000;

export class Tabs {
  id = newId();
  leads = false;
  #resigning = new Timer(() => this.resign());
  #name; #locks; #channel = null; #hear; #resign = () => {}; #abort = new AbortController(); #watched = new Map();

  // hear(message) gets what other tabs say.
  constructor({ name, locks, BroadcastChannel, hear }) {
    this.#locks = name ? locks : undefined;
    this.#name = name ? `parley:${name}` : null;
    this.#hear = hear;
    if (this.#locks && BroadcastChannel) {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }) => this.#take(data);
    }
  }

  // lead() is called when it is this tab's turn, gone(id) when a tab that was told of to watch() has ended.
  run(lead) {
    const begin = () => {
      this.leads = true;
      lead();
    };
    if (!this.#channel) return begin();
    this.#hold(this.#lockOf(this.id), () => {});
    this.#hold(this.#name, begin);
  }

  say(message) {
    this.#channel?.postMessage({ ...message, from: this.id });
  }

  // Another tab's lock is free only when that tab has ended: however it did.
  watch(id, gone) {
    if (!this.#channel || this.#watched.has(id)) return;
    this.#watched.set(id, true);
    this.#locks.request(this.#lockOf(id), { signal: this.#abort.signal }, () => {
      this.#watched.delete(id);
      gone(id);
    }).catch(() => {}); // we have ended first
  }

  // Lets another tab lead.
  resign() {
    this.leads = false;
    this.#resign();
  }

  // The same, when the others have had the time to hear why.
  resignLater() {
    this.#resigning.start(RESIGN_DELAY_MS);
  }

  close() {
    this.#resigning.stop();
    this.resign();
    this.#abort.abort();
    if (this.#channel) this.#channel.onmessage = null;
    this.#channel?.close();
    this.#channel = null;
  }

  #lockOf(id) {
    return `${this.#name}:tab:${id}`;
  }

  #hold(name, granted) {
    const { signal } = this.#abort;
    this.#locks.request(name, { signal }, () => {
      if (signal.aborted) return undefined;
      return new Promise((release) => {
        signal.addEventListener("abort", () => release());
        if (name === this.#name) this.#resign = release;
        granted();
      });
    }).catch(() => {}); // closed while it waited
  }

  #take(message) {
    if (message.to === undefined || message.to === this.id) this.#hear(message);
  }
}
