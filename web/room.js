// What is there while somebody is logged in: the connection, what is known, and the views of it. Everything that listens
// ends with `signal`, so that nothing of one person stays for the next.

import { Parley } from "./sdk/parley.js";
import { byId, setAttribute } from "./ui/dom.js";
import { closeAllDialogs } from "./ui/dialogs.js";
import { pickEmoji } from "./ui/emoji.js";
import { openMenu } from "./ui/menu.js";
import { forgetSaid, note } from "./ui/say.js";
import { explain } from "./ui/problems.js";
import { Chats } from "./model/chats.js";
import { Members } from "./model/members.js";
import { People } from "./model/people.js";
import { Presence } from "./model/presence.js";
import { Drafts, saveSession } from "./model/session.js";
import { Store } from "./model/store.js";
import { ChatHeader } from "./views/header.js";
import { ChatList } from "./views/chat_list.js";
import { Composer } from "./views/composer.js";
import { ConnectionView } from "./views/connection.js";
import { Dialogs } from "./views/dialogs.js";
import { newDirect, newGroup, startDirect } from "./views/new_chat.js";
import { Notifier } from "./views/notifier.js";
import { Search } from "./views/search.js";
import { TimelineView } from "./views/timeline.js";
import { listenToKeys } from "./views/shortcuts.js";

// Until the server has said its own (GET /v1/limits).
const LIMITS = { max_text_bytes: 16_384, max_mentions: 100 };
const WATCHED_MEMBERS = 50;
const WATCHED_PARTNERS = 100;

export class Room {
  #abort = new AbortController(); #members = new Map(); #blocks = null; #wasOnline = false; #store;
  openChat = null;
  limits = LIMITS;

  // `ended` is called with the reason when the person is outside again.
  constructor(session, { ended, restart }) {
    this.session = session;
    this.me = session.user;
    this.ended = ended;
    this.restart = restart;
    this.signal = this.#abort.signal;
    this.parley = new Parley({ token: session.token, user: session.user.id, device: session.device.id });
    this.#store = new Store(session.user.id);
    this.people = new People(this.parley, this.#store);
    this.people.know(session.user);
    this.drafts = new Drafts(session.user.id);
    this.chats = new Chats({ parley: this.parley, people: this.people, store: this.#store, me: this.me.id });
    this.presence = new Presence({ parley: this.parley, me: this.me.id, signal: this.signal });
    this.notifier = new Notifier(this);
    this.dialogs = new Dialogs(this);
    this.timeline = new TimelineView(this);
    this.composer = new Composer(this);
    this.header = new ChatHeader(this);
    this.chatList = new ChatList(this);
    this.search = new Search(this);
    this.startDirect = (user) => startDirect(this, user);
    this.pickEmoji = pickEmoji;
    this.#listen();
    this.connection = new ConnectionView(this);
    listenToKeys(this);
  }

  async start() {
    const { signal } = this;
    byId("settings-open").addEventListener("click", () => this.dialogs.settings(), { signal });
    byId("back").addEventListener("click", () => this.go(null), { signal });
    byId("new-chat").addEventListener("click", (event) => openMenu("New", [
      { label: "New message", sign: "user", act: () => newDirect(this) },
      { label: "New group", sign: "group", act: () => newGroup(this, "group") },
      { label: "New channel", sign: "channel", act: () => newGroup(this, "channel") },
      { label: "Keys", sign: "info", act: () => this.dialogs.keys() },
    ], { anchor: event.currentTarget }), { signal });
    addEventListener("hashchange", () => this.route(), { signal });
    navigator.serviceWorker?.addEventListener("message", ({ data }) => data.chat && this.go(data.chat), { signal });
    this.parley.connect().catch(() => null); // the connection view tells
    await Promise.all([this.people.load(), this.chats.recall()]);
    if (this.signal.aborted) return;
    this.chatList.draw();
    this.route();
  }

  #listen() {
    const { signal, parley } = this;
    parley.addEventListener("state", ({ detail }) => this.#onState(detail), { signal });
    parley.addEventListener("event", ({ detail }) => this.#onEvent(detail), { signal });
    parley.addEventListener("receipt", ({ detail }) => this.#onReceipt(detail), { signal });
    parley.addEventListener("head", ({ detail }) => this.chats.head(detail), { signal });
    parley.addEventListener("resync", ({ detail }) => {
      for (const chat of detail.gone ?? []) this.chats.remove(chat);
      this.#loadChats();
    }, { signal });
    this.chats.addEventListener("change", () => this.#onChats(), { signal });
  }

  // --- what comes ---

  #onState({ state, code }) {
    if (state === "online") this.#onOnline();
    else if (state === "offline") this.presence.forget();
    else if (state === "ended" && [4001, 4002].includes(code)) closeAllDialogs();
  }

  // What went by while there was no connection came as events or a resync; own settings and counts come with the list.
  #onOnline() {
    this.#loadChats();
    this.people.retry();
    this.timeline.connectionIsBack();
    for (const members of this.#members.values()) members.load().catch(() => null);
    if (this.#wasOnline) return;
    this.#wasOnline = true;
    this.parley.request("GET", "/v1/limits").then((limits) => { this.limits = { ...LIMITS, ...limits }; }).catch(() => null);
    this.parley.request("GET", "/v1/users/me").then((user) => this.meChanged(user)).catch(() => null);
  }

  #loadChats() {
    this.chats.load().catch((error) => {
      if (error.code === "unauthorized") this.leave("Your login has ended. Please log in again.");
      else if (error.temporary) setTimeout(() => !this.signal.aborted && this.parley.state === "online" && this.#loadChats(), 2000);
    });
  }

  #onEvent(event) {
    this.presence.wrote(event);
    this.#members.get(event.chat)?.apply(event);
    this.chats.apply(event);
    this.timeline.onEvent(event);
    this.notifier.tell(event);
  }

  #onReceipt(receipt) {
    this.#members.get(receipt.chat)?.receipt(receipt);
    if (receipt.user === this.me.id && receipt.read) this.chats.read(receipt.chat, receipt.read);
  }

  #onChats() {
    const partners = this.chats.sorted().slice(0, WATCHED_PARTNERS).map((item) => this.chats.partner(item));
    const members = this.openChat ? this.members(this.openChat).others().slice(0, WATCHED_MEMBERS) : [];
    this.presence.watch([...members, ...partners].filter(Boolean));
    if (this.#wantedChat() !== this.openChat) this.route();
    else if (this.openChat && !this.chats.get(this.openChat)) this.#closeChat();
  }

  meChanged(user) {
    this.me = { ...this.me, ...user };
    this.people.know(this.me);
    this.session = { ...this.session, user: this.me };
    saveSession(this.session);
  }

  // --- which chat is open: it is in the address, so that reload, links and the way back work ---

  go(chat, seq = null) {
    const hash = chat ? `#${chat}${seq ? `/${seq}` : ""}` : "";
    if (location.hash === hash) this.route();
    else if (hash) location.hash = hash;
    else {
      history.pushState(null, "", location.pathname + location.search);
      this.route();
    }
  }

  #wanted() {
    const [chat, seq] = location.hash.slice(1).split("/");
    return { chat, seq: /^[1-9][0-9]*$/.test(seq ?? "") ? Number(seq) : null };
  }

  #wantedChat() {
    const { chat } = this.#wanted();
    return this.chats.get(chat) ? chat : null;
  }

  route() {
    const { seq } = this.#wanted();
    const chat = this.#wantedChat();
    if (!chat) this.#closeChat();
    else if (chat !== this.openChat) this.#open(chat, seq);
    else if (seq) this.timeline.jumpTo(seq);
    setAttribute(byId("room"), "data-open", chat ? "chat" : null);
    this.chatList.draw();
  }

  async #open(chat, seq) {
    const item = this.chats.get(chat);
    const members = this.members(chat);
    this.openChat = chat;
    byId("chat-view").hidden = false;
    byId("nothing-open").hidden = true;
    this.composer.open(item, members);
    this.header.open(item, members);
    this.parley.watch([chat]);
    this.composer.focus();
    members.load().catch((error) => {
      if (error.code === "not_found" || error.code === "not_member") this.chats.load().catch(() => null);
    });
    try {
      await this.timeline.open(item, members, seq);
    } catch (error) {
      if (this.openChat === chat) note(explain(error), { bad: true });
    }
  }

  #onMembers() {
    this.composer.membersChanged();
    this.#onChats();
  }

  #closeChat() {
    byId("chat-view").hidden = true;
    byId("nothing-open").hidden = false;
    if (!this.openChat) return;
    const id = this.openChat;
    this.openChat = null;
    this.timeline.close();
    this.composer.close();
    this.header.close();
    this.parley.watch([]);
    this.showUnread();
    const link = byId("chats").querySelector(`li[data-chat="${CSS.escape(id)}"] a`);
    if (document.activeElement === document.body || byId("chat-view").contains(document.activeElement)) link?.focus();
  }

  // On a narrow screen the list is only seen when no chat is.
  showList() {
    if (byId("chats-pane").checkVisibility()) return;
    this.go(null);
  }

  openTitle() {
    const item = this.openChat && this.chats.get(this.openChat);
    return item ? this.chats.title(item) : null;
  }

  showUnread() {
    this.notifier.showUnread(this.chats.unreadTotal());
  }

  // --- what views ask for ---

  members(chat) {
    if (!this.#members.has(chat)) {
      const members = new Members(this.parley, chat, this.me.id);
      members.addEventListener("change", () => this.openChat === chat && this.#onMembers(), { signal: this.signal });
      this.#members.set(chat, members);
    }
    return this.#members.get(chat);
  }

  async blocks() {
    if (!this.#blocks) {
      const blocks = new Set();
      for await (const block of this.parley.list("/v1/users/me/blocks?limit=200")) blocks.add(block.user);
      this.#blocks = blocks;
    }
    return this.#blocks;
  }

  async setBlocked(user, on) {
    await this.parley.request(on ? "PUT" : "DELETE", `/v1/users/me/blocks/${user}`);
    const blocks = await this.blocks();
    if (on) blocks.add(user);
    else blocks.delete(user);
    return on;
  }

  // --- the end ---

  // The login is over; what is stored stays for the next one of the same person.
  leave(reason) {
    this.#end();
    this.parley.close();
    this.#store.close();
    this.ended(reason);
  }

  // What is stored here is forgotten, also when the server cannot be told.
  async logOut(reason = "") {
    this.#end();
    const told = this.parley.logout().then(() => true, () => false);
    this.#forget();
    this.ended(reason);
    if (!await told) note("The server could not be told. To be safe, end this login in the settings of another device.", { bad: true });
  }

  // Nobody waits for it: a tab that is asleep may keep a store open for long.
  #forget() {
    this.drafts.forget();
    this.#store.forget();
    this.notifier.forget();
  }

  #end() {
    closeAllDialogs();
    forgetSaid();
    this.#closeChat();
    this.chats.close();
    this.#abort.abort();
    document.title = "Parley";
    navigator.clearAppBadge?.().catch(() => null);
  }

  // Only the views go, for the same person to begin anew.
  stop() {
    this.#end();
    this.parley.close();
    this.#store.close();
  }
}
