// The list of chats.

import { avatar } from "../ui/avatar.js";
import { arrange, byId, h, hidden, oncePerFrame, rove, setAttribute, setText } from "../ui/dom.js";
import { firstLine, plural, shortTime } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { atEvent, openMenu } from "../ui/menu.js";
import { explain } from "../ui/problems.js";
import { note } from "../ui/say.js";
import { isSaid, previewOf } from "../model/events.js";

const HOUR_MS = 3_600_000;
const FOR_EVER = "2100-01-01T00:00:00.000Z";
const SIGNS = { group: "group", channel: "channel" };

export class ChatList {
  #room; #list; #rows = new Map(); // chat -> {element, parts, stamp}
  #archived = false;
  draw;

  constructor(room) {
    this.#room = room;
    this.#list = byId("chats");
    this.draw = oncePerFrame(() => !room.signal.aborted && this.#draw());
    const { signal } = room;
    for (const source of [room.chats, room.people, room.drafts, room.presence]) source.addEventListener("change", this.draw, { signal });
    room.parley.addEventListener("pending", this.draw, { signal });
    rove(this.#list, () => this.#links(), { signal });
    this.#list.addEventListener("contextmenu", (event) => {
      const row = event.target.closest("li");
      if (!row) return;
      event.preventDefault();
      this.openMenu(room.chats.get(row.dataset.chat), atEvent(event, row));
    }, { signal });
    byId("archived").addEventListener("click", () => {
      this.#archived = !this.#archived;
      this.#draw();
    }, { signal });
    signal.addEventListener("abort", () => this.#list.replaceChildren());
  }

  #links() {
    return [...this.#list.querySelectorAll("a.chat")];
  }

  // The chat `step` places from the one that is open.
  neighbour(step) {
    const shown = this.#room.chats.sorted({ archived: this.#archived });
    const at = shown.findIndex((item) => item.chat.id === this.#room.openChat);
    if (at < 0) return (step > 0 ? shown[0] : shown.at(-1)) ?? null;
    return shown[at + step] ?? null;
  }

  #draw() {
    const { chats } = this.#room;
    const archived = chats.sorted({ archived: true });
    if (archived.length === 0) this.#archived = false;
    const shown = this.#archived ? archived : chats.sorted();
    const known = new Set(chats.all().map((item) => item.chat.id));
    for (const id of [...this.#rows.keys()]) if (!known.has(id)) this.#rows.delete(id);
    arrange(this.#list, shown.map((item) => this.#row(item)));
    this.#keepOneTabStop();
    const unreadArchived = archived.filter((item) => item.unread > 0).length;
    byId("archived").hidden = archived.length === 0;
    setText(byId("archived-text"), this.#archived ? "Back to all chats" : `Archived (${archived.length}${unreadArchived ? `, ${unreadArchived} unread` : ""})`);
    byId("no-chats").hidden = !chats.loaded || chats.size > 0;
    this.#room.showUnread();
  }

  #keepOneTabStop() {
    const links = this.#links();
    if (links.some((link) => link.tabIndex === 0 && link.isConnected)) {
      const stops = links.filter((link) => link.tabIndex === 0);
      const keep = stops.find((link) => link === document.activeElement) ?? stops.find((link) => link.getAttribute("aria-current")) ?? stops[0];
      for (const link of stops) if (link !== keep) link.tabIndex = -1;
    } else if (links.length > 0) {
      (links.find((link) => link.getAttribute("aria-current")) ?? links[0]).tabIndex = 0;
    }
  }

  #row(item) {
    const id = item.chat.id;
    if (!this.#rows.has(id)) this.#rows.set(id, this.#newRow(id));
    const row = this.#rows.get(id);
    const shown = this.#describe(item);
    setAttribute(row.link, "aria-current", id === this.#room.openChat ? "page" : null);
    const stamp = JSON.stringify(shown);
    if (row.stamp !== stamp) {
      row.stamp = stamp;
      row.link.replaceChildren(...this.#content(item, shown));
    }
    return row.element;
  }

  #newRow(id) {
    const link = h("a", { class: "chat", href: `#${id}`, tabindex: "-1" });
    const more = h("button", { type: "button", class: "icon-button more", tabindex: "-1", "aria-label": "Chat settings", "aria-haspopup": "menu", onclick: () => {
      this.openMenu(this.#room.chats.get(id), { anchor: more });
    } }, icon("more"));
    return { element: h("li", { "data-chat": id }, link, more), link, stamp: null };
  }

  #describe(item) {
    const { chats, people, me, drafts, presence, openChat, parley } = this.#room;
    const id = item.chat.id;
    const partner = chats.partner(item);
    const event = item.last_event;
    const draft = id === openChat ? null : drafts.get(id);
    const typing = presence.typing(id).map((user) => people.name(user));
    let preview = event ? previewOf(event, people, me.id) : "";
    let who = "";
    if (event && isSaid(event)) {
      if (event.sender === me.id) who = "You";
      else if (item.chat.kind !== "direct") who = people.name(event.sender);
    }
    const waiting = parley.pending(id).at(-1);
    if (waiting) [who, preview] = ["You", firstLine(waiting.body.text)];
    if (draft) [who, preview] = ["Draft", draft.text];
    if (typing.length > 0) [who, preview] = ["", item.chat.kind === "direct" ? "typing…" : `${typing[0]} is typing…`];
    return {
      title: chats.title(item), who, preview, waiting: waiting?.state ?? null, draft: Boolean(draft), typing: typing.length > 0, kind: item.chat.kind,
      time: event ? shortTime(event.at) : "", unread: item.unread, mentions: item.unread_mentions ?? 0,
      muted: chats.isMuted(item), pinned: item.me.pinned, online: partner ? presence.isOnline(partner) : false, avatar: partner ?? id,
    };
  }

  #content(item, { title, who, preview, waiting, draft, typing, kind, time, unread, mentions, muted, pinned, online, avatar: face }) {
    return [
      h("span", { class: online ? "face online" : "face" }, avatar(face, title, { sign: item.chat.title ? null : SIGNS[kind] ?? null })),
      h("span", { class: "chat-title" }, kind === "channel" && icon("channel", "Channel"), h("bdi", {}, title), muted && icon("bellOff", "muted"), online && hidden("online")),
      h("span", { class: "chat-time" }, pinned && icon("pin", "pinned"), h("bdi", {}, time)),
      h("span", { class: typing ? "chat-preview typing" : "chat-preview", dir: "auto" },
        waiting && !draft && (waiting === "failed" ? icon("warning", "Not sent") : icon("clock", "Waits to be sent")),
        who && h("bdi", { class: draft ? "who draft" : "who" }, `${who}:`), who && " ", h("bdi", {}, preview)),
      h("span", { class: "badges" },
        mentions > 0 && h("span", { class: "badge" }, h("span", { "aria-hidden": "true" }, "@"), hidden(plural(mentions, "mention"))),
        unread > 0 && h("span", { class: muted ? "badge muted" : "badge" }, String(unread), hidden(" unread"))),
    ].filter(Boolean);
  }

  openMenu(item, at) {
    if (!item) return;
    openMenu(`Chat ${this.#room.chats.title(item)}`, this.menuItems(item), at);
  }

  menuItems(item) {
    const { chats, parley, dialogs } = this.#room;
    const id = item.chat.id;
    const set = async (change) => {
      try {
        await chats.set(id, change);
      } catch (error) {
        note(explain(error), { bad: true });
      }
    };
    const until = (ms) => new Date(Date.now() + ms).toISOString();
    return [
      { label: item.chat.kind === "direct" ? "Profile" : "Info and members", sign: "info", act: () => dialogs.info(id) },
      item.unread > 0 && { label: "Mark as read", sign: "double", act: () => {
        parley.read(id, item.last_seq);
        chats.read(id, item.last_seq);
      } },
      { label: item.me.pinned ? "Unpin" : "Pin", sign: "pin", act: () => set({ pinned: !item.me.pinned }) },
      chats.isMuted(item) && { label: "Unmute", sign: "bell", act: () => set({ muted_until: null }) },
      !chats.isMuted(item) && { label: "Mute for an hour", sign: "bellOff", act: () => set({ muted_until: until(HOUR_MS) }) },
      !chats.isMuted(item) && { label: "Mute for 8 hours", sign: "bellOff", act: () => set({ muted_until: until(8 * HOUR_MS) }) },
      !chats.isMuted(item) && { label: "Mute for good", sign: "bellOff", act: () => set({ muted_until: FOR_EVER }) },
      { label: item.me.archived ? "Take out of the archive" : "Archive", sign: "archive", act: () => set({ archived: !item.me.archived }) },
    ];
  }
}
