// Who is typing and who is online: ephemeral, from the socket only.

const TYPING_MS = 8000;         // without another word about it, nobody types for longer
const MOST_WATCHED = 200;

export class Presence extends EventTarget {
  #parley; #me;
  #typing = new Map();          // chat -> Map(user -> timer)
  #online = new Map();          // user -> {online, last_seen}
  #wanted = "";

  constructor({ parley, me, signal }) {
    super();
    this.#parley = parley;
    this.#me = me;
    parley.addEventListener("typing", ({ detail }) => this.#onTyping(detail), { signal });
    parley.addEventListener("presence", ({ detail }) => this.#onPresence(detail), { signal });
  }

  #onTyping({ chat, user, on }) {
    if (user === this.#me) return;
    const users = this.#typing.get(chat) ?? new Map();
    this.#typing.set(chat, users);
    clearTimeout(users.get(user));
    users.delete(user);
    if (on) users.set(user, setTimeout(() => this.#onTyping({ chat, user, on: false }), TYPING_MS));
    this.dispatchEvent(new Event("change"));
  }

  // Whoever has written something is not typing it any more.
  wrote(event) {
    if (event.type === "message" && this.#typing.get(event.chat)?.has(event.sender)) this.#onTyping({ chat: event.chat, user: event.sender, on: false });
  }

  #onPresence({ user, online, last_seen }) {
    this.#online.set(user, { online, last_seen: last_seen ?? this.#online.get(user)?.last_seen ?? null });
    this.dispatchEvent(new Event("change"));
  }

  typing(chat) {
    return [...this.#typing.get(chat)?.keys() ?? []];
  }

  of(user) {
    return this.#online.get(user) ?? null;
  }

  isOnline(user) {
    return this.#online.get(user)?.online === true;
  }

  // Whose presence is of interest.
  watch(users) {
    const wanted = [...new Set(users)].slice(0, MOST_WATCHED);
    const key = [...wanted].sort().join();
    if (key === this.#wanted) return;
    this.#wanted = key;
    this.#parley.presence(wanted);
  }

  // Without a connection nothing is known.
  forget() {
    for (const users of this.#typing.values()) for (const timer of users.values()) clearTimeout(timer);
    this.#typing.clear();
    for (const [user, known] of this.#online) this.#online.set(user, { ...known, online: false });
    this.dispatchEvent(new Event("change"));
  }
}
