// The bar above the open chat: who it is with, who is typing or online, search, menu.

import { avatar } from "../ui/avatar.js";
import { byId, oncePerFrame, setText } from "../ui/dom.js";
import { lastSeen, nameList, plural } from "../ui/format.js";
import { openMenu } from "../ui/menu.js";

export class ChatHeader {
  #room; #item = null; #members = null; #face = null;

  constructor(room) {
    this.#room = room;
    const { signal } = room;
    this.draw = oncePerFrame(() => !signal.aborted && this.#draw());
    for (const source of [room.chats, room.people, room.presence]) source.addEventListener("change", this.draw, { signal });
    const timer = setInterval(this.draw, 60_000); // "last seen 5 min ago" grows
    signal.addEventListener("abort", () => clearInterval(timer));
    byId("chat-open-info").addEventListener("click", () => room.dialogs.info(this.#item.chat.id), { signal });
    byId("chat-search").addEventListener("click", () => room.search.open(this.#item.chat.id), { signal });
    byId("chat-menu").addEventListener("click", (event) => {
      const anchor = event.currentTarget;
      openMenu("Chat", room.chatList.menuItems(this.#item), { anchor });
    }, { signal });
  }

  open(item, members) {
    this.close();
    this.#item = item;
    this.#members = members;
    members.addEventListener("change", this.draw);
    this.#draw();
  }

  close() {
    this.#members?.removeEventListener("change", this.draw);
    this.#item = this.#members = this.#face = null;
    byId("chat-face").replaceChildren();
    for (const id of ["chat-title", "chat-subtitle", "typing"]) setText(byId(id), "");
  }

  #draw() {
    if (!this.#item) return;
    const { chats } = this.#room;
    this.#item = chats.get(this.#item.chat.id) ?? this.#item;
    const title = chats.title(this.#item);
    const face = `${chats.partner(this.#item) ?? this.#item.chat.id} ${title}`;
    setText(byId("chat-title"), title);
    if (face !== this.#face) {
      this.#face = face;
      byId("chat-face").replaceChildren(avatar(face.split(" ")[0], title));
    }
    setText(byId("chat-subtitle"), this.#subtitle());
    setText(byId("typing"), this.#typing());
  }

  #typing() {
    const { presence, people } = this.#room;
    const names = presence.typing(this.#item.chat.id).map((user) => people.name(user));
    return names.length === 0 ? "" : `${nameList(names)} ${names.length === 1 ? "is" : "are"} typing…`;
  }

  #subtitle() {
    const { chats, presence } = this.#room;
    const { kind, member_count: count } = this.#item.chat;
    if (kind !== "direct") {
      const online = this.#members.others().filter((user) => presence.isOnline(user)).length;
      return plural(count, kind === "channel" ? "subscriber" : "member") + (online > 0 ? `, ${online} online` : "");
    }
    const known = presence.of(chats.partner(this.#item));
    if (known?.online) return "online";
    if (known?.last_seen) return lastSeen(known.last_seen);
    const username = this.#room.people.username(chats.partner(this.#item));
    return username ? `@${username}` : "";
  }
}
