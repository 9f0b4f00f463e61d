// Completion of @names while writing. The text keeps the focus; the list is told by aria-activedescendant.

import { avatar } from "../ui/avatar.js";
import { h, setAttribute } from "../ui/dom.js";

const BEGINNING = /(?:^|[\s(])@([\p{L}\p{N}._-]*)$/u;
const SHOWN = 8;

export class MentionBox {
  #text; #box; #room; #members; #found = []; #at = 0; #start = 0;
  #wanted = false;             // a name is being written

  constructor({ text, box, room, members, signal }) {
    this.#text = text;
    this.#box = box;
    this.#room = room;
    this.#members = members;
    text.addEventListener("click", () => this.update(), { signal });
    text.addEventListener("blur", () => this.hide(), { signal });
    room.people.addEventListener("change", () => this.refresh(), { signal });
    box.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the text keeps the focus
      const option = event.target.closest("[role=option]");
      if (option) this.#choose(this.#found[Number(option.dataset.index)]);
    }, { signal });
  }

  get shown() { return !this.#box.hidden; }

  update() {
    const before = this.#text.value.slice(0, this.#text.selectionStart);
    const match = this.#text.selectionStart === this.#text.selectionEnd && before.match(BEGINNING);
    if (!match) {
      this.hide();
      return;
    }
    const typed = match[1].toLowerCase();
    this.#start = before.length - match[1].length - 1;
    this.#found = this.#candidates(typed).slice(0, SHOWN);
    this.#at = 0;
    if (this.#found.length === 0) this.hide();
    else this.#draw();
    this.#wanted = true;
  }

  // More is known of the members; what was chosen stays chosen.
  refresh() {
    if (!this.#wanted) return;
    const chosen = this.#found[this.#at]?.id;
    this.update();
    const at = this.#found.findIndex((user) => user.id === chosen);
    if (at <= 0) return;
    this.#at = at;
    this.#draw();
  }

  #candidates(typed) {
    const users = (this.#members()?.others() ?? []).map((id) => this.#room.people.get(id)).filter((user) => user?.username);
    const fits = (user) => user.username.startsWith(typed) || user.display_name.toLowerCase().split(/\s+/).some((word) => word.startsWith(typed));
    return users.filter(fits).sort((a, b) => a.display_name.localeCompare(b.display_name));
  }

  #draw() {
    this.#box.replaceChildren(...this.#found.map((user, index) => h("li", {
      role: "option", id: `mention-${index}`, "data-index": index, "aria-selected": String(index === this.#at),
    }, avatar(user.id, user.display_name, { small: true }), h("strong", { dir: "auto" }, user.display_name), h("small", { dir: "ltr" }, `@${user.username}`))));
    this.#box.hidden = false;
    setAttribute(this.#text, "aria-activedescendant", `mention-${this.#at}`);
    setAttribute(this.#text, "aria-controls", this.#box.id);
  }

  hide() {
    this.#wanted = false;
    if (this.#box.hidden) return;
    this.#box.hidden = true;
    this.#box.replaceChildren();
    setAttribute(this.#text, "aria-activedescendant", null);
    setAttribute(this.#text, "aria-controls", null);
  }

  // Whether the key was for the list.
  onKey(event) {
    if (!this.shown) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : this.#found.length - 1;
      this.#at = (this.#at + step) % this.#found.length;
      this.#draw();
    } else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) {
      this.#choose(this.#found[this.#at]);
    } else if (event.key === "Escape") {
      this.hide();
      event.stopPropagation();
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  #choose(user) {
    this.#text.setRangeText(`@${user.username} `, this.#start, this.#text.selectionStart, "end");
    this.hide();
    this.#text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // The members whose @username stands in the text.
  idsIn(text) {
    const names = new Set();
    for (const [, name] of text.matchAll(/(?<![\p{L}\p{N}_])@([A-Za-z0-9._-]{3,32})/gu)) {
      names.add(name.toLowerCase());
      names.add(name.toLowerCase().replace(/[._-]+$/, "")); // at the end of a sentence
    }
    return (this.#members()?.others() ?? []).filter((id) => names.has(this.#room.people.username(id)));
  }
}
