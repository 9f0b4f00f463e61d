// The person's chats, latest first, kept current by events. The server's list is the truth; what is counted here between
// two listings is what the events say.

import { debounce, sparingly } from "../ui/dom.js";
import { nameList } from "../ui/format.js";

const PAGE = 200;
const SAVE_PAUSE_MS = 300;
const PARTNERS_AT_ONCE = 4;
const NEW_SETTINGS = { muted_until: null, pinned: false, archived: false };

export class Chats extends EventTarget {
  #parley; #people; #store; #me;
  #items = new Map();
  #members = new Map();        // chat -> some of the others, for a name where there is no title
  #asked = new Set(); #queue = []; #asking = 0;
  #listing = Promise.resolve(); #queued = null; #closed = false;
  #meanwhile = new Set();      // chats that came or went while the list was being read: it may not know of that
  #save = sparingly(() => this.#store.set("chats", { items: [...this.#items.values()], members: [...this.#members] }), SAVE_PAUSE_MS);

  loaded = false;

  constructor({ parley, people, store, me }) {
    super();
    this.#parley = parley;
    this.#people = people;
    this.#store = store;
    this.#me = me;
  }

  // What was seen at the last visit.
  async recall() {
    const kept = await this.#store.get("chats");
    if (!kept || this.loaded) return;
    for (const item of kept.items) this.#items.set(item.chat.id, item);
    this.#members = new Map(kept.members);
    this.#changed();
  }

  close() {
    this.#closed = true;
  }

  // A listing that has not begun serves everybody who asks meanwhile.
  load() {
    this.#queued ??= this.#listing = this.#listing.then(async () => {
      this.#queued = null;
      if (!this.#closed) await this.#list();
    });
    return this.#queued;
  }

  async #list() {
    const found = new Map();
    this.#meanwhile.clear();
    for await (const item of this.#parley.list(`/v1/chats?limit=${PAGE}`)) found.set(item.chat.id, item);
    const isTold = (id) => !this.#meanwhile.has(id);
    for (const [id, item] of found) if (this.#items.has(id) || isTold(id)) this.#items.set(id, this.#newer(item));
    for (const id of [...this.#items.keys()]) if (!found.has(id) && isTold(id)) this.#items.delete(id);
    this.loaded = true;
    this.#changed();
  }

  // An event may have overtaken the list, and so may what was read here: then what they said stays.
  #newer(item) {
    const known = this.#items.get(item.chat.id);
    const own = { unread_mentions: 0, ...item, me: item.me ?? NEW_SETTINGS };
    if (!known) return own;
    const counts = { read_seq: known.read_seq, unread: known.unread, unread_mentions: known.unread_mentions };
    if (known.last_seq > item.last_seq) return { ...own, ...counts, last_seq: known.last_seq, last_event: known.last_event };
    return known.read_seq > item.read_seq && known.last_seq === item.last_seq ? { ...own, ...counts } : own;
  }

  get(id) { return this.#items.get(id) ?? null; }
  get size() { return this.#items.size; }

  // Pinned ones first, then by what happened last.
  sorted({ archived = false } = {}) {
    return [...this.#items.values()].filter((item) => item.me.archived === archived).sort((a, b) =>
      Number(b.me.pinned) - Number(a.me.pinned) || (b.last_event?.at ?? b.chat.created_at).localeCompare(a.last_event?.at ?? a.chat.created_at));
  }

  all() { return [...this.#items.values()]; }

  isMuted(item) {
    return Boolean(item.me.muted_until) && Date.parse(item.me.muted_until) > Date.now();
  }

  unreadTotal() {
    return this.all().reduce((sum, item) => sum + (this.isMuted(item) || item.me.archived ? item.unread_mentions ?? 0 : item.unread), 0);
  }

  // A chat without a title is called by who else is in it.
  title(item) {
    if (item.chat.title) return item.chat.title;
    const others = this.others(item);
    if (!others) return "…";
    if (others.length === 0) return item.chat.kind === "direct" ? "Deleted account" : "Only you";
    const names = others.map((user) => this.#people.name(user));
    const more = item.chat.member_count - 1 - names.length;
    return more > 0 ? `${names.join(", ")} and ${more} more` : nameList(names, names.length);
  }

  // The other one of a direct chat, null while not known.
  partner(item) {
    return item.chat.kind === "direct" ? this.others(item)?.[0] ?? null : null;
  }

  others(item) {
    const id = item.chat.id;
    if (!this.#members.has(id)) this.#askMembers(id);
    return this.#members.get(id) ?? null;
  }

  #askMembers(id) {
    if (this.#asked.has(id)) return;
    this.#asked.add(id);
    this.#queue.push(id);
    this.#nextMembers();
  }

  async #nextMembers() {
    if (this.#asking >= PARTNERS_AT_ONCE || this.#queue.length === 0) return;
    const id = this.#queue.shift();
    this.#asking++;
    try {
      const { items } = await this.#parley.request("GET", `/v1/chats/${id}/members?limit=6`);
      this.#members.set(id, items.map((member) => member.user).filter((user) => user !== this.#me).slice(0, 5));
      this.#changed();
    } catch {
      setTimeout(() => this.#asked.delete(id), 2000); // asked again at a later drawing
    }
    this.#asking--;
    this.#nextMembers();
  }

  #forgetMembers(id) {
    this.#members.delete(id);
    this.#asked.delete(id);
  }

  // --- what comes live ---

  apply(event) {
    const item = this.#items.get(event.chat);
    if (!item) {
      if (event.type !== "member_removed") this.load().catch(() => null);
      return;
    }
    if (event.seq > item.last_seq) {
      this.#count(item, event);
      item.last_seq = event.seq;
      item.last_event = event;
    }
    if (event.type === "member_removed" && event.user === this.#me) {
      this.remove(event.chat);
      return;
    }
    if (["member_added", "member_removed"].includes(event.type)) this.#forgetMembers(event.chat);
    if (["member_added", "member_removed", "chat_updated"].includes(event.type)) this.#reload(event.chat);
    this.#changed();
  }

  #count(item, event) {
    if (event.sender === this.#me) return;
    if (event.type === "message" && event.seq > item.read_seq) {
      item.unread++;
      if (event.mentions?.includes(this.#me)) item.unread_mentions = (item.unread_mentions ?? 0) + 1;
    } else if (event.type === "delete" && event.target > item.read_seq) {
      this.#listSoon(); // what was unread may be none any more
    }
  }

  // A large chat tells only where its log ends.
  head({ chat, seq }) {
    const item = this.#items.get(chat);
    if (!item || seq <= item.last_seq) return;
    this.#listSoon();
  }

  #listSoon = debounce(() => this.load().catch(() => null), 500);

  async #reload(id) {
    try {
      const chat = await this.#parley.request("GET", `/v1/chats/${id}`);
      this.put(chat);
    } catch (error) {
      if (error.status === 404 || error.code === "not_member") this.remove(id);
    }
  }

  // A chat that was made or changed here.
  put(chat) {
    const item = this.#items.get(chat.id);
    if (item) {
      item.chat = chat;
    } else {
      this.#items.set(chat.id, { chat, last_seq: 0, last_event: null, read_seq: 0, unread: 0, unread_mentions: 0, me: NEW_SETTINGS });
      this.#meanwhile.add(chat.id);
    }
    this.#changed();
  }

  remove(id) {
    this.#meanwhile.add(id);
    if (this.#items.delete(id)) this.#changed();
  }

  // This person has read up to `seq`, here or on another device.
  read(id, seq) {
    const item = this.#items.get(id);
    if (!item || seq <= item.read_seq) return;
    item.read_seq = seq;
    if (seq >= item.last_seq) {
      item.unread = item.unread_mentions = 0;
    } else {
      this.#listSoon();
    }
    this.#changed();
  }

  // Counts what is above the watermark when the messages themselves are at hand.
  recount(id, unread, mentions) {
    const item = this.#items.get(id);
    if (!item || (item.unread === unread && item.unread_mentions === mentions)) return;
    item.unread = unread;
    item.unread_mentions = mentions;
    this.#changed();
  }

  async set(id, change) {
    const settings = await this.#parley.request("PATCH", `/v1/chats/${id}/me`, change);
    const item = this.#items.get(id);
    if (item) item.me = settings;
    this.#changed();
  }

  #changed() {
    if (this.#closed) return;
    this.#save();
    this.dispatchEvent(new Event("change"));
  }
}
