// The open chat's messages: scrolling, the unread line, what has been read, jumps, and what is done to a message.

import { copied } from "../ui/clipboard.js";
import { byId, oncePerFrame, setText } from "../ui/dom.js";
import { openMenu, atEvent } from "../ui/menu.js";
import { explain } from "../ui/problems.js";
import { announce, note } from "../ui/say.js";
import { VirtualList } from "../ui/virtual_list.js";
import { textOf } from "../model/events.js";
import { actionsOn, toolbarFor } from "./actions.js";
import { MessageDrawer } from "./message.js";
import { buildRows } from "./rows.js";

const PAGE = 100;              // events asked for when the person scrolls up
const JUMP_PAGE = 200;         // and on the way to a message far back
const NEAR_TOP_PX = 800;
const MOST_UNREAD_PAGES = 5;   // looked through for the unread line when a chat is opened
const FLASH_MS = 1600;

export class TimelineView {
  #room; #list; #drawer = null; #timeline = null; #scroller; #turn = 0;
  #unreadAfter = null;         // where the unread line stands
  #placed = false;             // the first sight of the chat is as it should be
  #loading = false; #olderProblem = null; #refreshed;
  #quotes = new Map();         // seq -> event, null while it is asked for
  #active = null;              // the key of the row that keyboard and toolbar are about

  constructor(room) {
    this.#room = room;
    this.#scroller = byId("timeline");
    const { signal } = room;
    this.#list = new VirtualList({
      scroller: this.#scroller, list: byId("messages"), signal,
      draw: (row, old) => this.#drawer.draw(row, old),
      stamp: (row) => this.#drawer.stamp(row),
      onScroll: () => this.#scrolled(),
    });
    this.#refreshed = oncePerFrame(() => this.chat && this.#list.refresh());
    room.people.addEventListener("change", this.#refreshed, { signal });
    byId("to-newest").addEventListener("click", () => this.toNewest(), { signal });
    byId("older-again").addEventListener("click", () => this.#loadOlder(), { signal });
    const seen = () => this.#markRead();
    addEventListener("focus", seen, { signal });
    document.addEventListener("visibilitychange", seen, { signal });
    this.#listenToRows(signal);
  }

  // --- opening and closing ---

  async open(item, members, atSeq = null) {
    this.close();
    const turn = ++this.#turn;
    this.#unreadAfter = item.unread > 0 ? item.read_seq : null;
    this.#placed = false;
    this.chat = { id: item.chat.id, kind: item.chat.kind, members, quoted: (seq) => this.#quoted(seq) };
    this.#drawer = new MessageDrawer({ room: this.#room, chat: this.chat, act: (what, ...about) => this.#act(what, ...about) });
    this.#onMembers = () => this.#refreshed();
    members.addEventListener("change", this.#onMembers);
    this.#scroller.setAttribute("aria-busy", "true");
    this.#onChange = oncePerFrame(() => turn === this.#turn && this.#changed());
    this.#room.parley.addEventListener("pending", this.#onChange);
    this.#onChange();
    const timeline = await this.#room.parley.timeline(item.chat.id).finally(() => {
      if (turn === this.#turn) this.#scroller.removeAttribute("aria-busy");
    });
    if (turn !== this.#turn) {
      timeline.close();
      return;
    }
    this.#timeline = timeline;
    timeline.addEventListener("change", this.#onChange);
    this.#changed();
    if (atSeq) {
      this.#placed = true;
      await this.jumpTo(atSeq);
    } else {
      await this.#loadUnread(turn);
    }
  }

  #onMembers = null;
  #onChange = null;

  close() {
    this.#turn++;
    this.chat?.members.removeEventListener("change", this.#onMembers);
    this.#room.parley.removeEventListener("pending", this.#onChange);
    this.#timeline?.removeEventListener("change", this.#onChange);
    this.#timeline?.close();
    this.#timeline = null;
    this.chat = null;
    this.#quotes.clear();
    this.#active = null;
    this.#loading = false;
    this.#showOlder(null);
    this.#list.clear();
    byId("to-newest").hidden = true;
  }

  // The unread line may be above the first page.
  async #loadUnread(turn) {
    for (let page = 0; page < MOST_UNREAD_PAGES; page++) {
      const first = this.#firstSeq();
      if (turn !== this.#turn || this.#unreadAfter === null || !this.#timeline.hasOlder || first <= this.#unreadAfter + 1) break;
      if (!await this.#loadOlder(JUMP_PAGE)) break;
    }
  }

  #firstSeq() {
    return this.#timeline.entries.find((entry) => entry.event)?.event.seq ?? 0;
  }

  #lastSeq() {
    return this.#timeline.entries.findLast((entry) => entry.event)?.event.seq ?? 0;
  }

  // Until the log is there, at least what waits to be sent.
  #entries() {
    return this.#timeline?.entries ?? this.#room.parley.pending(this.chat.id).map((pending) => ({ key: pending.client_id, event: null, pending }));
  }

  #changed() {
    const rows = buildRows(this.#entries(), { me: this.#room.me.id, unreadAfter: this.#unreadAfter, isDirect: this.chat.kind === "direct" });
    this.#list.setRows(rows);
    byId("no-messages").hidden = rows.length > 0 || this.#timeline?.hasOlder !== false; // what could not be read yet is not empty
    if (!this.#timeline) return;
    if (this.#olderProblem && this.#firstSeq() !== this.#olderProblem.first) this.#showOlder(null); // the SDK has read it meanwhile
    this.#place();
    this.#scrolled();
  }

  // At first sight: the unread line near the top, else the newest.
  #place() {
    if (this.#placed) return;
    if (this.#unreadAfter !== null && this.#list.has("unread")) {
      this.#list.scrollTo("unread", "start");
      this.#placed = this.#firstSeq() <= this.#unreadAfter + 1 || !this.#timeline.hasOlder;
    } else if (this.#lastSeq() >= (this.#room.chats.get(this.chat.id)?.last_seq ?? 0)) {
      this.#placed = true;
    }
  }

  // --- scrolling ---

  #scrolled() {
    if (!this.#timeline) return;
    if (this.#scroller.scrollTop < NEAR_TOP_PX && this.#timeline.hasOlder && !this.#olderProblem) this.#loadOlder();
    this.#markRead();
    this.#showNewer();
  }

  async #loadOlder(limit = PAGE) {
    if (this.#loading) return false;
    const turn = this.#turn;
    this.#loading = true;
    this.#showOlder(null, true);
    try {
      await this.#timeline.loadOlder(limit);
      if (turn !== this.#turn) return false;
      this.#showOlder(null);
      this.#changed();
      return true;
    } catch (error) {
      if (turn === this.#turn) this.#showOlder(explain(error));
      return false;
    } finally {
      if (turn === this.#turn) this.#loading = false;
    }
  }

  #showOlder(problem, loading = false) {
    this.#olderProblem = problem && { first: this.#firstSeq() };
    byId("older").hidden = !problem && !loading;
    setText(byId("older-text"), problem ? `Older messages: ${problem}` : "Loading older messages…");
    byId("older-again").hidden = !problem;
  }

  connectionIsBack() {
    if (this.#olderProblem && this.#timeline) this.#loadOlder();
    for (const [seq, quoted] of this.#quotes) if (quoted === null) this.#quotes.delete(seq);
    this.#refreshed();
  }

  toNewest() {
    this.#unreadAfter = null;
    this.#list.scrollToEnd();
    this.#scrolled();
    byId("composer-text").focus();
  }

  // How many are below what is seen.
  #showNewer() {
    const button = byId("to-newest");
    const atEnd = this.#list.atEnd || this.#list.rows.length === 0;
    button.hidden = atEnd;
    if (atEnd) return;
    const [, end] = this.#list.visible();
    const { me, chats } = this.#room;
    const readSeq = chats.get(this.chat.id)?.read_seq ?? 0;
    let count = 0;
    for (let i = end; i < this.#list.rows.length; i++) {
      const { kind, entry } = this.#list.rows[i];
      if (kind === "message" && entry.event?.seq > readSeq && entry.event.sender !== me.id) count++;
    }
    setText(byId("newer-count"), count > 0 ? String(count) : "");
    byId("newer-count").hidden = count === 0;
    button.setAttribute("aria-label", count > 0 ? `Jump to the newest, ${count} new` : "Jump to the newest");
  }

  // What a person has seen counts as read: the page is visible, has the focus, and the message is in the viewport.
  #markRead() {
    if (!this.#timeline || !this.#placed || document.hidden || !document.hasFocus() || document.querySelector("dialog[open]")) return;
    const { chats, parley, me } = this.#room;
    const item = chats.get(this.chat.id);
    const [first, end] = this.#list.visible();
    let seen = 0;
    for (let i = end - 1; i >= first && seen === 0; i--) seen = this.#list.rows[i]?.entry?.event?.seq ?? 0;
    if (!item || seen <= item.read_seq) return;
    item.read_seq = seen;
    parley.read(this.chat.id, seen);
    let unread = 0;
    let mentions = 0;
    for (const { event } of this.#timeline.entries) {
      if (!event || event.seq <= seen || event.type !== "message" || event.sender === me.id) continue;
      unread++;
      if (event.mentions?.includes(me.id)) mentions++;
    }
    chats.recount(this.chat.id, unread, mentions);
  }

  // --- jumping ---

  // Shows the message `seq`, loading what lies between.
  async jumpTo(seq) {
    const turn = this.#turn;
    while (turn === this.#turn && this.#firstSeq() > seq && this.#timeline.hasOlder) {
      if (this.#loading) await new Promise((resolve) => setTimeout(resolve, 50));
      else if (!await this.#loadOlder(JUMP_PAGE)) break;
    }
    if (turn !== this.#turn) return;
    const entry = this.#timeline.get(seq);
    if (!entry || !this.#list.has(entry.key)) {
      note("This message cannot be shown.");
      return;
    }
    const element = this.#list.scrollTo(entry.key, "center");
    element.focus({ preventScroll: true });
    element.classList.add("flash");
    setTimeout(() => element.classList.remove("flash"), FLASH_MS);
  }

  // The message a reply is about; asked for when it is not loaded.
  #quoted(seq) {
    const loaded = this.#timeline?.get(seq)?.event;
    if (loaded) return loaded;
    if (!this.#quotes.has(seq)) {
      this.#quotes.set(seq, null);
      this.#fetchQuoted(seq, this.#turn);
    }
    return this.#quotes.get(seq);
  }

  async #fetchQuoted(seq, turn) {
    let event = null;
    try {
      const { items } = await this.#room.parley.history(this.chat.id, { after: seq - 1, limit: 1 });
      event = items[0]?.seq === seq ? items[0] : { gone: true, sender: null };
    } catch (error) {
      if (!error.temporary && error.code !== "network") event = { gone: true, sender: null };
    }
    if (turn !== this.#turn) return;
    this.#quotes.set(seq, event);
    if (event) this.#refreshed();
  }

  // --- keyboard, pointer, and what is done to a message ---

  #listenToRows(signal) {
    const list = byId("messages");
    const rowAt = (event) => event.target.closest?.("li.message, li.notice");
    list.addEventListener("focusin", (event) => this.#activate(rowAt(event)), { signal });
    list.addEventListener("pointerover", (event) => event.pointerType === "mouse" && this.#showToolbar(rowAt(event)), { signal });
    list.addEventListener("contextmenu", (event) => {
      if (getSelection().toString() || event.target.closest("a")) return; // the browser's own menu for text and links
      this.#openActions(event, rowAt(event));
    }, { signal });
    list.addEventListener("dblclick", (event) => {
      const entry = this.#entryOf(rowAt(event));
      if (entry?.event && !getSelection().toString()) this.#room.composer.replyTo(entry.event);
    }, { signal });
    this.#scroller.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    this.#scroller.addEventListener("focus", () => this.#focusActive(), { signal });
  }

  #entryOf(element) {
    const row = element && this.#list.rows.find((each) => each.key === element.dataset.key);
    return row?.entry ?? null;
  }

  #activate(element) {
    if (!element) return;
    const before = this.#active && this.#list.elementOf(this.#active);
    if (before && before !== element) this.#setTabStops(before, -1);
    this.#active = element.dataset.key;
    this.#setTabStops(element, 0);
    this.#showToolbar(element);
  }

  #setTabStops(element, value) {
    element.tabIndex = value;
    for (const button of element.querySelectorAll("button, a")) button.tabIndex = value;
  }

  #showToolbar(element) {
    const entry = this.#entryOf(element);
    if (!entry?.event || entry.event.type !== "message" || element.querySelector(".toolbar")) return;
    this.#toolbar?.remove();
    this.#toolbar = toolbarFor(actionsOn(entry.event, this.#context()), (event, anchor) => this.#openActions(event, element, anchor));
    element.querySelector(".bubble").append(this.#toolbar);
    this.#setTabStops(this.#toolbar, this.#active === element.dataset.key ? 0 : -1);
  }

  #toolbar = null;

  #context() {
    return { room: this.#room, chat: this.chat, act: (what, ...about) => this.#act(what, ...about) };
  }

  #openActions(event, element, anchor = null) {
    const entry = this.#entryOf(element);
    if (!entry?.event || entry.event.type !== "message") return;
    event.preventDefault();
    const actions = actionsOn(entry.event, this.#context());
    if (actions.length > 0) openMenu("Message", actions, anchor ? { anchor } : atEvent(event, element.querySelector(".bubble")));
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { rows } = this.#list;
    const at = rows.findIndex((row) => row.key === this.#active);
    const onRow = event.target === this.#scroller || event.target.matches("li");
    if (event.key === "Enter" && onRow && at >= 0) {
      this.#openActions(event, this.#list.elementOf(this.#active));
      return;
    }
    let to = null;
    if (event.key === "ArrowUp") to = this.#nextRow(at < 0 ? rows.length : at, -1);
    else if (event.key === "ArrowDown") to = this.#nextRow(at, 1);
    else if (event.key === "End") to = this.#nextRow(rows.length, -1);
    else if (event.key === "Home") to = this.#nextRow(-1, 1);
    if (to === null) return;
    event.preventDefault();
    this.#list.scrollTo(rows[to].key, "nearest")?.focus({ preventScroll: true });
  }

  #nextRow(from, step) {
    const { rows } = this.#list;
    for (let i = from + step; i >= 0 && i < rows.length; i += step) if (rows[i].kind === "message" || rows[i].kind === "notice") return i;
    return null;
  }

  // The list is a tab stop that hands over to the row that was active, else to the last.
  #focusActive() {
    const element = this.#active && this.#list.elementOf(this.#active);
    if (element) element.focus({ preventScroll: true });
  }

  async #act(what, about, ...more) {
    const { parley, composer, dialogs } = this.#room;
    const chat = this.chat.id;
    try {
      switch (what) {
        case "reply": composer.replyTo(about); break;
        case "edit": composer.edit(about); break;
        case "jump": await this.jumpTo(about); break;
        case "copy": await this.#copy(textOf(about)); break;
        case "react": await parley.react(chat, about.seq, ...more); break;
        case "pick": this.#room.pickEmoji(more[0] ?? this.#bubbleOf(about.seq), (emoji) => this.#act("react", about, emoji, true)); break;
        case "delete": if (await dialogs.confirmDelete(about)) await parley.remove(chat, about.seq); break;
        case "retry": parley.retry(about.client_id); break;
        case "discard": await parley.discard(about.client_id); break;
        default: dialogs[what](chat, about);
      }
    } catch (error) {
      note(explain(error), { bad: true });
    }
  }

  async #copy(text) {
    if (await copied(text)) note("Copied.");
    else note("The browser does not allow copying. Please select the text and copy it yourself.", { bad: true });
  }

  #bubbleOf(seq) {
    const element = this.#list.elementOf(this.#timeline.get(seq)?.key);
    return element?.querySelector(".bubble") ?? this.#scroller;
  }

  // The newest own message that can be edited.
  lastOwn() {
    return this.#timeline?.entries.findLast(({ event }) => event?.type === "message" && event.sender === this.#room.me.id && !event.deleted)?.event ?? null;
  }

  onEvent(event) {
    if (event.chat !== this.chat?.id) return;
    if (["edit", "delete"].includes(event.type) && this.#quotes.delete(event.target)) this.#refreshed(); // it is asked for anew
    if (event.type !== "message" || event.sender === this.#room.me.id) return;
    announce(`${this.#room.people.name(event.sender)}: ${textOf(event)}`);
  }

  // Own words end the sight of what was new.
  ownMessage() {
    this.#unreadAfter = null;
    this.#placed = true;
    this.#list.scrollToEnd();
  }
}
