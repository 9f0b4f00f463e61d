// The dialogs about messages: who reacted, earlier versions, where a message is, whether to delete it.

import { avatar } from "../ui/avatar.js";
import { confirmed, openDialog } from "../ui/dialogs.js";
import { h } from "../ui/dom.js";
import { firstLine, full } from "../ui/format.js";
import { explain } from "../ui/problems.js";
import { textOf } from "../model/events.js";
import { openInfo } from "./info.js";
import { openSettings } from "./settings.js";
import { openTrace } from "./trace.js";
import { openKeys } from "./shortcuts.js";

const PAGE = 200;
const MOST_PAGES = 20;

export class Dialogs {
  #room;

  constructor(room) {
    this.#room = room;
  }

  info(chat) { openInfo(this.#room, chat); }
  settings(section) { openSettings(this.#room, section); }
  trace(chat, event) { openTrace(this.#room, chat, event); }
  keys() { openKeys(); }

  confirmDelete(event) {
    return confirmed({ title: "Delete this message?", text: `“${firstLine(textOf(event), 80)}” is deleted for everyone in this chat.`, action: "Delete for everyone" });
  }

  reactions(chat, event) {
    const { people, me } = this.#room;
    const groups = Object.entries(event.reactions ?? {}).filter(([, users]) => users.length > 0);
    openDialog({ title: "Reactions", className: "narrow", content: groups.map(([emoji, users]) => [
      h("h3", { class: "section-title emoji" }, `${emoji} ${users.length}`),
      h("ul", { class: "members" }, users.map((id) => h("li", {}, h("span", { class: "person" }, avatar(id, people.name(id)), h("strong", { dir: "auto" }, id === me.id ? "You" : people.name(id)))))),
    ]) });
  }

  // The log keeps each edit as an event behind the message: they are looked for from there on.
  async edits(chat, event) {
    const list = h("ol", { class: "versions" });
    const status = h("p", { class: "faint", role: "status" }, "Looking for earlier versions…");
    const dialog = openDialog({ title: "Versions of the message", className: "narrow", content: [list, status] });
    try {
      let after = event.seq;
      for (let page = 0; page < MOST_PAGES && dialog.isConnected; page++) {
        const { items, last_seq: last, more } = await this.#room.parley.history(chat, { after, limit: PAGE });
        for (const each of items) if (each.type === "edit" && each.target === event.seq && each.body) list.append(version(each));
        after = last;
        if (!more || items.length === 0) break;
      }
      status.textContent = list.hasChildNodes() ? "" : "None were found.";
    } catch (error) {
      status.textContent = explain(error);
    }
  }
}

function version(event) {
  return h("li", {}, h("time", { class: "faint", datetime: event.at }, full(event.at)), h("p", { class: "text", dir: "auto" }, event.body.text));
}
