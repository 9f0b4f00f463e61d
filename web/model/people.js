// Profiles. Views ask at any time and get what is known; what is not is asked for, and "change" says when it has come.

import { sparingly } from "../ui/dom.js";

const AT_ONCE = 6;              // requests under way
const SAVE_PAUSE_MS = 300;
const KEPT = 2000;              // profiles between visits

export class People extends EventTarget {
  #parley; #store;
  #known = new Map();           // id -> user; {gone: true} for one that is no more
  #wanted = new Set(); #asking = 0; #failed = new Set();
  #save = sparingly(() => this.#store.set("people", [...this.#known.values()].slice(-KEPT)), SAVE_PAUSE_MS);

  constructor(parley, store) {
    super();
    this.#parley = parley;
    this.#store = store;
  }

  async load() {
    for (const user of await this.#store.get("people") ?? []) if (!this.#known.has(user.id)) this.#known.set(user.id, user);
  }

  know(user) {
    const before = this.#known.get(user.id);
    if (before?.display_name === user.display_name && before?.username === user.username && before?.avatar === user.avatar) return;
    this.#known.set(user.id, user);
    this.#changed();
  }

  // The profile, or null until it is known.
  get(id) {
    const user = this.#known.get(id);
    if (!user) this.#ask(id);
    return user ?? null;
  }

  name(id) {
    return this.get(id)?.display_name ?? "…";
  }

  username(id) {
    return this.get(id)?.username ?? null;
  }

  // What could not be asked for while offline.
  retry() {
    const failed = [...this.#failed];
    this.#failed.clear();
    for (const id of failed) this.#ask(id);
  }

  #ask(id) {
    if (!id || this.#wanted.has(id) || this.#failed.has(id)) return;
    this.#wanted.add(id);
    this.#next();
  }

  async #next() {
    if (this.#asking >= AT_ONCE) return;
    const id = [...this.#wanted].find((each) => !this.#known.has(each) && !this.#underWay.has(each));
    if (!id) return;
    this.#underWay.add(id);
    this.#asking++;
    try {
      this.#known.set(id, await this.#parley.request("GET", `/v1/users/${id}`));
    } catch (error) {
      if (error.status === 404) this.#known.set(id, { id, username: "", display_name: "Deleted account", gone: true });
      else this.#failed.add(id);
    }
    this.#wanted.delete(id);
    this.#underWay.delete(id);
    this.#asking--;
    this.#changed();
    this.#next();
  }

  #underWay = new Set();

  #changed() {
    this.#save();
    this.dispatchEvent(new Event("change"));
  }
}
