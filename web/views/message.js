// One row of the timeline as elements.

import { h, hidden, setAttribute } from "../ui/dom.js";
import { avatar } from "../ui/avatar.js";
import { clock, dayLabel, firstLine, full, nameList } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { explain } from "../ui/problems.js";
import { isJumbo, richText } from "../ui/rich_text.js";
import { noticeOf, textOf } from "../model/events.js";

const TICKS = {
  waiting: ["clock", "Waiting to be sent"],
  sending: ["clock", "Sending"],
  failed: ["warning", "Not sent"],
  sent: ["check", "Sent"],
  delivered: ["double", "Delivered"],
  read: ["double", "Read"],
};

// Draws for one open chat: `chat` tells kind, quoted messages and members; `act` is called with what was pressed.
export class MessageDrawer {
  constructor({ room, chat, act }) {
    this.room = room;
    this.chat = chat;
    this.act = act;
  }

  // A text that changes when the row must be drawn again.
  stamp(row) {
    const { people, me } = this.room;
    if (row.kind === "day") return dayLabel(row.at);
    if (row.kind !== "message") return row.kind === "notice" ? noticeOf(row.entry.event, people, me.id) : "";
    const { event, pending } = row.entry;
    const shape = `${row.first}${row.last}`;
    if (!event) return `${shape}${pending.state}${pending.error?.code ?? ""}${this.#quoteStamp(pending.reply_to)}`;
    return [shape, event.seq, event.edited, event.deleted, JSON.stringify(event.reactions ?? null), people.name(event.sender),
      this.#quoteStamp(event.reply_to), event.mentions?.map((id) => people.username(id)).join(), this.tick(event)].join("|");
  }

  draw(row, old) {
    const element = old ?? h("li", { tabindex: "-1", "data-key": row.key });
    const focused = element.contains(document.activeElement) ? document.activeElement : null;
    element.className = `row ${row.kind}`;
    setAttribute(element, "data-seq", row.entry?.event?.seq ?? null);
    element.replaceChildren(...this.#content(row, element));
    if (focused && focused !== element) {
      const again = focused.dataset.focus && element.querySelector(`[data-focus="${CSS.escape(focused.dataset.focus)}"]`);
      (again || element).focus({ preventScroll: true });
    }
    return element;
  }

  #content(row, element) {
    const { people, me } = this.room;
    switch (row.kind) {
      case "day": return [h("h3", { class: "day-label" }, dayLabel(row.at))];
      case "unread": return [h("h3", { class: "unread-label" }, "New messages")];
      case "notice": return [h("p", { class: "notice-text", dir: "auto" }, noticeOf(row.entry.event, people, me.id))];
      default: return this.#message(row, element);
    }
  }

  #message(row, element) {
    const { people, me } = this.room;
    const { event, pending } = row.entry;
    const sender = event?.sender ?? me.id;
    const mine = sender === me.id;
    element.classList.add(mine ? "mine" : "theirs");
    if (row.first) element.classList.add("first");
    if (row.last) element.classList.add("last");
    if (pending) element.classList.add(pending.state);
    if (event?.mentions?.includes(me.id) && !event.deleted) element.classList.add("mentions-me");
    const named = !mine && this.chat.kind !== "direct";
    const name = mine ? "You" : people.name(sender);
    return [
      named && h("span", { class: "side" }, row.last && avatar(sender, name, { small: true })),
      h("div", { class: "bubble" },
        named && row.first ? h("p", { class: "sender", dir: "auto" }, name, hidden(":")) : hidden(`${name}: `),
        this.#quote((event ?? pending).reply_to),
        this.#text(event ?? pending, event, pending),
        pending?.state === "failed" && this.#failure(pending),
        event && !event.deleted && this.#reactions(event)),
    ].filter(Boolean);
  }

  #text(message, event, pending) {
    const { people, me } = this.room;
    const meta = h("span", { class: "meta" },
      event?.edited && !event.deleted && h("button", { type: "button", class: "edited", tabindex: "-1", "data-focus": "edited", onclick: () => this.act("edits", event) }, "edited"),
      h("time", { datetime: message.at, title: full(message.at), dir: "ltr" }, clock(message.at)),
      (pending || event.sender === me.id) && !event?.deleted && this.#tickIcon(pending ? pending.state : this.tick(event), event));
    if (message.deleted) return h("p", { class: "text gone" }, "Message deleted", meta);
    const text = textOf(message);
    const mentions = new Map((message.mentions ?? []).map((id) => [people.username(id), id]));
    return h("p", { class: isJumbo(text) ? "text jumbo" : "text", dir: "auto" }, richText(text, { mentions, me: me.id }), meta);
  }

  // sent: in the log; delivered and read: by everybody else.
  tick(event) {
    if (event.sender !== this.room.me.id || event.deleted) return "";
    const { others, delivered, read } = this.chat.members.reach(event.seq);
    if (others > 0 && read === others) return "read";
    if (others > 0 && delivered === others) return "delivered";
    return "sent";
  }

  #tickIcon(state, event) {
    const [sign, word] = TICKS[state];
    const svg = icon(sign, word);
    svg.classList.add("tick", state);
    if (event && this.chat.kind !== "direct") {
      const { others, delivered, read } = this.chat.members.reach(event.seq);
      svg.setAttribute("aria-label", `${word}; delivered to ${delivered} and read by ${read} of ${others}`);
    }
    return svg;
  }

  // --- quotes ---

  #quoteStamp(seq) {
    if (!seq) return "";
    const quoted = this.chat.quoted(seq);
    return quoted ? `${quoted.edited}${quoted.deleted}${this.room.people.name(quoted.sender)}` : "…";
  }

  #quote(seq) {
    if (!seq) return null;
    const quoted = this.chat.quoted(seq);
    const { people, me } = this.room;
    const who = quoted ? (quoted.sender === me.id ? "You" : people.name(quoted.sender)) : "";
    const text = quoted ? firstLine(textOf(quoted)) : "Loading…";
    return h("button", { type: "button", class: "quote", tabindex: "-1", "data-focus": "quote", onclick: () => this.act("jump", seq) },
      hidden("In reply to "), h("strong", { dir: "auto" }, who), h("span", { dir: "auto" }, quoted?.gone ? "This message cannot be shown" : text));
  }

  // --- reactions ---

  #reactions(event) {
    const all = Object.entries(event.reactions ?? {}).filter(([, users]) => users.length > 0);
    if (all.length === 0) return null;
    return h("div", { class: "reactions", role: "group", "aria-label": "Reactions" }, all.map(([emoji, users]) => this.#reaction(event, emoji, users)));
  }

  #reaction(event, emoji, users) {
    const { people, me } = this.room;
    const own = users.includes(me.id);
    const who = () => nameList(users.map((id) => (id === me.id ? "You" : people.name(id))), 8);
    const button = h("button", {
      type: "button", class: "reaction", tabindex: "-1", "data-focus": `react ${emoji}`, "aria-pressed": String(own),
      "aria-label": `${emoji} ${users.length}${own ? ", yours" : ""}`,
      onclick: () => this.act("react", event, emoji, !own),
      oncontextmenu: (press) => {
        press.preventDefault();
        press.stopPropagation();
        this.act("reactions", event);
      },
      onpointerenter: () => { button.title = who(); },
    }, h("span", { class: "emoji" }, emoji), h("span", {}, String(users.length)));
    return button;
  }

  #failure(pending) {
    return h("div", { class: "failure" },
      h("p", { class: "problem" }, pending.error ? explain(pending.error) : "It was not sent."),
      h("p", { class: "buttons" },
        h("button", { type: "button", class: "small", "data-focus": "discard", onclick: () => this.act("discard", pending) }, "Discard"),
        h("button", { type: "button", class: "small primary", "data-focus": "retry", onclick: () => this.act("retry", pending) }, "Try again")));
  }
}
