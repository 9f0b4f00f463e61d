// The login and the person's choices, in localStorage. `?profile=NAME` in the address keeps several accounts apart in one browser.

const profile = new URLSearchParams(location.search).get("profile") ?? "";
const prefix = profile ? `parley:${profile}:` : "parley:";

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(prefix + key));
  } catch {
    return null; // not allowed, or not ours
  }
}

function write(key, value) {
  try {
    if (value === null || value === undefined) localStorage.removeItem(prefix + key);
    else localStorage.setItem(prefix + key, JSON.stringify(value));
  } catch {
    // Storage is full or forbidden: it holds for as long as the page is open.
  }
}

export const savedSession = () => read("session");
export const saveSession = (session) => write("session", session);

// The device of an account in this browser: logging in again with it keeps its inbox.
export const knownDevice = (username) => read(`device:${username}`);
export const rememberDevice = (username, id) => write(`device:${username}`, id);

const CHOICES = { theme: "auto", direction: "auto", notifications: false, enterSends: true };

export const choices = new Proxy({}, {
  get: (_, name) => read(`choice:${name}`) ?? CHOICES[name],
  set(_, name, value) {
    write(`choice:${name}`, value);
    return true;
  },
});

// What was written and not sent, per chat.
export class Drafts extends EventTarget {
  #key;

  constructor(user) {
    super();
    this.#key = (chat) => `draft:${user}:${chat}`;
  }

  // {text, reply_to?} or null.
  get(chat) {
    return read(this.#key(chat));
  }

  set(chat, draft) {
    const before = this.get(chat);
    const kept = draft?.text?.trim() || draft?.reply_to ? draft : null;
    write(this.#key(chat), kept);
    if (Boolean(before) !== Boolean(kept) || before?.text !== kept?.text) this.dispatchEvent(new CustomEvent("change", { detail: { chat } }));
  }

  forget() {
    const mine = prefix + this.#key("");
    for (const key of Object.keys(localStorage)) if (key.startsWith(mine)) localStorage.removeItem(key);
  }
}
