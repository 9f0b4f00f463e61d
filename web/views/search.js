// Search: chats by their names, people by their usernames, messages by their words, in all chats or in one.

import { avatar } from "../ui/avatar.js";
import { byId, debounce, h, rove, setText } from "../ui/dom.js";
import { shortTime } from "../ui/format.js";
import { explain } from "../ui/problems.js";

const PAUSE_MS = 250;
const PEOPLE_SHOWN = 5;
const PAGE = 30;

export class Search {
  #room; #input; #results; #chat = null; #turn = 0;
  #asked = null;               // {text, chat, shown}: what the results are about, or will be

  constructor(room) {
    this.#room = room;
    this.#input = byId("search");
    this.#results = byId("search-results");
    const { signal } = room;
    this.#input.addEventListener("input", debounce(() => this.#search(), PAUSE_MS), { signal });
    this.#input.addEventListener("input", () => this.#show(), { signal });
    this.#input.addEventListener("keydown", (event) => this.#onKey(event), { signal });
    byId("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#openFirst();
    }, { signal });
    byId("search-scope-close").addEventListener("click", () => this.open(null), { signal });
    byId("search-close").addEventListener("click", () => this.close(), { signal });
    rove(this.#results, () => this.#found(), { signal });
    signal.addEventListener("abort", () => this.close());
  }

  get active() { return !byId("search-panel").hidden; }

  // Search within a chat, or in all of them with null.
  open(chat) {
    this.#chat = chat;
    this.#room.showList();
    byId("search-scope").hidden = chat === null;
    if (chat) setText(byId("search-scope-name"), this.#room.chats.title(this.#room.chats.get(chat)));
    this.#input.focus();
    this.#input.select();
    this.#show();
    this.#asked = null; // there may be more by now
    this.#search();
  }

  close() {
    this.#turn++;
    this.#chat = this.#asked = null;
    this.#input.value = "";
    byId("search-scope").hidden = true;
    setText(byId("search-scope-name"), "");
    this.#results.replaceChildren();
    setText(byId("search-status"), "");
    this.#show();
  }

  #show() {
    const on = this.#input.value !== "" || this.#chat !== null;
    byId("search-panel").hidden = !on;
    byId("chats-panel").hidden = on;
    byId("search-close").hidden = !on;
  }

  #found() {
    return [...this.#results.querySelectorAll("a, button")];
  }

  #onKey(event) {
    if (event.key === "Escape" && this.active) {
      event.preventDefault();
      event.stopPropagation();
      this.close();
    } else if (event.key === "ArrowDown") {
      const first = this.#first();
      if (!first) return;
      event.preventDefault();
      first.focus();
    }
  }

  #first() {
    return this.active ? this.#found()[0] : document.querySelector("#chats a");
  }

  // Enter is about what stands in the field, not about the results of what stood there before.
  async #openFirst() {
    if (!this.active || await this.#search()) this.#first()?.click();
  }

  // Whether its results are shown in the end; they are not when something else was asked for meanwhile.
  #search() {
    const text = this.#input.value.trim();
    if (this.#asked?.text !== text || this.#asked.chat !== this.#chat) this.#asked = { text, chat: this.#chat, shown: this.#ask(text) };
    return this.#asked.shown;
  }

  async #ask(text) {
    const turn = ++this.#turn;
    if (text === "") {
      this.#results.replaceChildren();
      setText(byId("search-status"), "");
      return true;
    }
    const sections = this.#chat ? [] : [this.#chats(text), this.#people(text)];
    setText(byId("search-status"), "Searching…");
    const settled = await Promise.allSettled([...sections, this.#messages(text)]);
    if (turn !== this.#turn) return false;
    const refused = settled.filter((each) => each.status === "rejected");
    if (refused.length > 0) this.#asked = null; // asked again at the next Enter
    this.#results.replaceChildren(...settled.flatMap((each) => (each.status === "fulfilled" ? each.value : [])));
    this.#found().forEach((element, i) => { element.tabIndex = i === 0 ? 0 : -1; });
    const problem = refused.length > 0 ? this.#problem(refused.at(-1).reason) : "";
    const count = this.#found().length;
    setText(byId("search-status"), problem || (count === 0 ? "Nothing found." : `${count} found`));
    return true;
  }

  #problem(error) {
    return ["not_found", "method_not_allowed"].includes(error.code) ? "This server cannot search messages yet." : `Messages: ${explain(error)}`;
  }

  #heading(text) {
    return h("h3", { class: "section-title" }, text);
  }

  #chats(text) {
    const wanted = text.toLocaleLowerCase();
    const { chats } = this.#room;
    const found = chats.all().filter((item) => chats.title(item).toLocaleLowerCase().includes(wanted)).slice(0, 10);
    if (found.length === 0) return [];
    return [this.#heading("Chats"), ...found.map((item) => {
      const title = chats.title(item);
      return this.#row(h("a", { class: "found", href: `#${item.chat.id}`, onclick: () => this.close() },
        avatar(chats.partner(item) ?? item.chat.id, title), h("strong", { dir: "auto" }, this.#marks(title, text))));
    })];
  }

  async #people(text) {
    const name = text.replace(/^@/, "").toLowerCase();
    if (!/^[a-z0-9._-]{1,32}$/.test(name)) return [];
    const { parley, people, me, startDirect } = this.#room;
    const { items } = await parley.request("GET", `/v1/users?q=${encodeURIComponent(name)}&limit=${PEOPLE_SHOWN}`);
    const found = items.filter((user) => user.id !== me.id);
    if (found.length === 0) return [];
    return [this.#heading("People"), ...found.map((user) => {
      people.know(user);
      return this.#row(h("button", { type: "button", class: "found", onclick: () => {
        this.close();
        startDirect(user);
      } }, avatar(user.id, user.display_name), h("span", {}, h("strong", { dir: "auto" }, user.display_name), h("small", { dir: "ltr" }, `@${user.username}`))));
    })];
  }

  async #messages(text, cursor = null) {
    const query = new URLSearchParams({ q: text, limit: PAGE });
    if (this.#chat) query.set("chat", this.#chat);
    if (cursor) query.set("cursor", cursor);
    const { items, next_cursor: next, complete } = await this.#room.parley.request("GET", `/v1/search?${query}`);
    const rows = items.map((item) => this.#message(item));
    if (next) rows.push(this.#more(text, next));
    if (complete === false) rows.push(h("p", { class: "faint padded" }, "Of what was sent in the last moments, some may be missing."));
    return items.length === 0 || cursor ? rows : [this.#heading("Messages"), ...rows];
  }

  #more(text, cursor) {
    const row = this.#row(h("button", { type: "button", class: "found more", onclick: async () => {
      const turn = this.#turn;
      try {
        const rows = await this.#messages(text, cursor);
        if (turn !== this.#turn) return;
        row.replaceWith(...rows);
        rows[0]?.firstElementChild.focus();
      } catch (error) {
        setText(byId("search-status"), this.#problem(error));
      }
    } }, "More"));
    return row;
  }

  #message({ event, highlights }) {
    const { chats, people, me } = this.#room;
    const item = chats.get(event.chat);
    const who = event.sender === me.id ? "You" : people.name(event.sender);
    return this.#row(h("a", { class: "found message", href: `#${event.chat}/${event.seq}`, onclick: () => this.#chosen(event) },
      h("span", { class: "chat-title" }, h("bdi", {}, this.#chat ? who : item ? chats.title(item) : "A chat you have left")),
      h("span", { class: "chat-time" }, shortTime(event.at)),
      h("span", { class: "found-text" }, !this.#chat && h("bdi", { class: "who" }, `${who}:`), " ", h("bdi", {}, this.#excerpt(highlights)))));
  }

  // A result of the chat that is open is shown at once, also when the address stays the same.
  #chosen(event) {
    if (location.hash === `#${event.chat}/${event.seq}`) this.#room.route();
  }

  // The server's pieces: text around the first hit, what was looked for marked.
  #excerpt(highlights) {
    return highlights.map(({ text, hit }) => (hit ? h("mark", {}, text) : text));
  }

  // A title with what was typed set apart.
  #marks(title, typed) {
    const at = title.toLocaleLowerCase().indexOf(typed.toLocaleLowerCase());
    if (at < 0) return [title];
    return [title.slice(0, at), h("mark", {}, title.slice(at, at + typed.length)), title.slice(at + typed.length)];
  }

  #row(element) {
    return h("div", { class: "found-row", role: "listitem" }, element);
  }
}
