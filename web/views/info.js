// About a chat: its title and description, its members and their roles; of a direct chat, the other person.

import { avatar } from "../ui/avatar.js";
import { confirmed, field, form, openDialog } from "../ui/dialogs.js";
import { arrange, h, oncePerFrame, rove, setText } from "../ui/dom.js";
import { dateAndTime, lastSeen, plural } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { openMenu } from "../ui/menu.js";
import { personPicker } from "../ui/person_picker.js";
import { explain } from "../ui/problems.js";
import { note } from "../ui/say.js";

const RANK = { owner: 3, admin: 2, member: 1, reader: 0 };
const LABELS = { owner: "Owner", admin: "Admin", member: "Member", reader: "Reader" };
const MOST_DRAWN = 300;

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    note(explain(error), { bad: true });
    return undefined;
  }
}

export function openInfo(room, chat) {
  const item = room.chats.get(chat);
  if (!item) return;
  if (item.chat.kind === "direct") openPerson(room, room.chats.partner(item));
  else new GroupInfo(room, item).open();
}

// --- a person ---

export function openPerson(room, id) {
  const user = id && room.people.get(id);
  if (!user) {
    note("This account is no more.");
    return;
  }
  const presence = room.presence.of(id);
  const seen = presence?.online ? "online" : presence?.last_seen ? lastSeen(presence.last_seen) : null;
  const blocked = h("p", { class: "buttons" });
  const dialog = openDialog({
    title: user.display_name, className: "narrow",
    content: [
      h("div", { class: "portrait" }, avatar(user.id, user.display_name), h("p", { class: "faint", dir: "ltr" }, `@${user.username}`), seen && h("p", { class: "faint" }, seen)),
      h("p", { class: "faint" }, `Account made ${dateAndTime(user.created_at)}`),
      h("p", { class: "buttons" }, h("button", { type: "button", class: "primary", onclick: () => {
        dialog.close("");
        room.startDirect(user);
      } }, "Write a message")),
      blocked,
    ],
  });
  drawBlock(room, user, blocked);
}

async function drawBlock(room, user, place) {
  const blocks = await attempt(() => room.blocks());
  if (!blocks) return;
  const on = blocks.has(user.id);
  place.replaceChildren(h("button", { type: "button", class: on ? null : "danger", onclick: async () => {
    if (!on && !await confirmed({ title: `Block ${user.display_name}?`, text: "They cannot begin or write in a direct chat with you. They are not told.", action: "Block" })) return;
    if (await attempt(() => room.setBlocked(user.id, !on)) !== undefined) drawBlock(room, user, place);
  } }, on ? "Unblock" : "Block"));
}

// --- a group or channel ---

class GroupInfo {
  constructor(room, item) {
    this.room = room;
    this.chat = item.chat.id;
    this.members = room.members(this.chat);
    this.rows = new Map();
  }

  get item() { return this.room.chats.get(this.chat); }

  open() {
    const { room } = this;
    this.about = h("div", { class: "about" });
    this.count = h("h3", { id: "members-title", class: "section-title" });
    this.list = h("ul", { class: "members", "aria-labelledby": "members-title" });
    this.buttons = h("p", { class: "buttons" });
    this.dialog = openDialog({
      title: room.chats.title(this.item),
      content: [this.about, this.count, this.list, this.buttons],
      onclose: () => {
        this.members.removeEventListener("change", draw);
        for (const source of [room.people, room.chats, room.presence]) source.removeEventListener("change", draw);
      },
    });
    const draw = oncePerFrame(() => this.dialog.isConnected && this.draw());
    this.members.addEventListener("change", draw);
    for (const source of [room.people, room.chats, room.presence]) source.addEventListener("change", draw);
    rove(this.list, () => [...this.list.querySelectorAll("button")]);
    if (!this.members.loaded) attempt(() => this.members.load());
    this.draw();
  }

  draw() {
    if (!this.item) {
      this.dialog.close("");
      return;
    }
    setText(this.dialog.querySelector("h2"), this.room.chats.title(this.item));
    this.drawAbout();
    this.drawMembers();
    this.drawButtons();
  }

  drawAbout() {
    const { chat } = this.item;
    const stamp = JSON.stringify([chat.title, chat.description, chat.history, this.members.mayManage]);
    if (this.aboutStamp === stamp) return;
    this.aboutStamp = stamp;
    this.about.replaceChildren(...[
      h("div", { class: "portrait" }, avatar(chat.id, this.room.chats.title(this.item))),
      chat.description && h("p", { class: "description", dir: "auto" }, chat.description),
      h("p", { class: "faint" }, chat.history === "shared" ? "New members see everything that was written." : "New members see what is written from then on."),
      this.members.mayManage && h("p", { class: "buttons" }, h("button", { type: "button", onclick: () => this.edit() }, icon("edit"), "Edit"),
        h("button", { type: "button", onclick: () => this.add() }, icon("add"), "Add members")),
    ].filter(Boolean));
  }

  edit() {
    const { chat } = this.item;
    const title = field("Name", { name: "title", maxlength: "128", value: chat.title ?? "", autocomplete: "off" });
    const description = field("Description", { name: "description", rows: "3", maxlength: "1024", value: chat.description ?? "" });
    const shared = h("input", { type: "checkbox", name: "shared", id: "edit-shared" });
    shared.checked = chat.history === "shared";
    const history = h("p", { class: "check" }, shared, h("label", { for: "edit-shared" }, "Those who join later may read what was written before"));
    const dialog = openDialog({ title: "Edit", className: "narrow", focus: title.querySelector("input"), content: form({
      fields: [title, description, history], action: "Save",
      work: (fields) => this.room.parley.request("PATCH", `/v1/chats/${chat.id}`, {
        title: fields.title.value.trim() || null, description: fields.description.value.trim() || null,
        ...(shared.checked !== (chat.history === "shared") && { history: shared.checked ? "shared" : "joined" }),
      }),
      done: (changed) => {
        this.room.chats.put(changed);
        dialog.close("done");
      },
    }) });
  }

  add() {
    const picker = personPicker({ room: this.room, label: "Find people by username", without: [...this.members.roles.keys()] });
    const dialog = openDialog({ title: "Add members", focus: picker.input, content: form({
      fields: [picker.element], action: "Add",
      work: async () => {
        for (const user of picker.users()) await this.room.parley.request("PUT", `/v1/chats/${this.chat}/members/${user.id}`, {});
        await this.members.load();
      },
      done: () => dialog.close("done"),
    }) });
  }

  drawMembers() {
    const { roles } = this.members;
    const { people } = this.room;
    setText(this.count, plural(this.item.chat.member_count, "member"));
    const sorted = [...roles].sort((a, b) => RANK[b[1]] - RANK[a[1]] || people.name(a[0]).localeCompare(people.name(b[0]))).slice(0, MOST_DRAWN);
    arrange(this.list, sorted.map(([user, role]) => this.row(user, role)));
    const buttons = [...this.list.querySelectorAll("button")];
    if (!buttons.some((button) => button.tabIndex === 0) && buttons[0]) buttons[0].tabIndex = 0;
  }

  row(user, role) {
    const { people, me, presence } = this.room;
    const stamp = JSON.stringify([role, people.get(user)?.display_name, presence.isOnline(user), this.members.myRole]);
    const known = this.rows.get(user);
    if (known?.stamp === stamp) return known.element;
    const name = people.name(user);
    const button = h("button", { type: "button", class: "person", tabindex: "-1", "aria-haspopup": "menu", onclick: () => this.openMenu(user, role, button) },
      h("span", { class: presence.isOnline(user) ? "face online" : "face" }, avatar(user, name)),
      h("span", { class: "person-name" }, h("strong", { dir: "auto" }, user === me.id ? `${name} (you)` : name), h("small", { dir: "ltr" }, `@${people.username(user) ?? ""}`)),
      h("span", { class: `role ${role}` }, LABELS[role]));
    const element = known?.element ?? h("li", {});
    const focused = element.contains(document.activeElement);
    element.replaceChildren(button);
    if (focused) button.focus();
    this.rows.set(user, { element, stamp });
    return element;
  }

  openMenu(user, role, anchor) {
    const items = this.actions(user, role);
    if (items.length > 0) openMenu(this.room.people.name(user), items, { anchor });
  }

  // Owner and admin change those below them; only owners make owners.
  actions(user, role) {
    const { room, members } = this;
    const own = RANK[members.myRole] ?? -1;
    const isMe = user === room.me.id;
    const below = own >= RANK.admin && (RANK[role] < own || members.myRole === "owner") && !isMe;
    const name = room.people.name(user);
    const give = (to, label, sign) => below && role !== to && RANK[to] < own && { label, sign, act: () => this.setRole(user, to) };
    return [
      !isMe && { label: "Write a message", sign: "reply", act: () => {
        this.dialog.close("");
        room.startDirect(room.people.get(user));
      } },
      !isMe && { label: "Profile", sign: "user", act: () => openPerson(room, user) },
      give("admin", "Make an admin", "crown"),
      give("member", "Make a member", "user"),
      give("reader", "Make a reader", "channel"),
      !isMe && members.myRole === "owner" && role !== "owner" && { label: "Make an owner", sign: "crown", act: () => this.setRole(user, "owner") },
      !isMe && members.myRole === "owner" && { label: "Hand the chat over", sign: "crown", act: () => this.handOver(user, name) },
      below && { label: "Remove from the chat", sign: "trash", danger: true, act: () => this.remove(user, name) },
    ].filter(Boolean);
  }

  setRole(user, role) {
    return attempt(async () => {
      const member = await this.room.parley.request("PUT", `/v1/chats/${this.chat}/members/${user}`, { role });
      this.members.apply({ type: "role_changed", user, role: member.role });
      return member;
    });
  }

  async handOver(user, name) {
    if (!await confirmed({ title: "Hand the chat over?", text: `${name} becomes an owner and you become an admin. Only an owner can give it back.`, action: "Hand over" })) return;
    if (await this.setRole(user, "owner")) await this.setRole(this.room.me.id, "admin");
  }

  async remove(user, name) {
    if (!await confirmed({ title: `Remove ${name}?`, text: "They get no new messages of this chat.", action: "Remove" })) return;
    await attempt(async () => {
      await this.room.parley.request("DELETE", `/v1/chats/${this.chat}/members/${user}`);
      this.members.apply({ type: "member_removed", user });
    });
  }

  drawButtons() {
    const role = this.members.myRole;
    if (this.buttonsFor === role) return;
    this.buttonsFor = role;
    this.buttons.replaceChildren(...[
      h("button", { type: "button", class: "danger", onclick: () => this.leave() }, "Leave"),
      role === "owner" && h("button", { type: "button", class: "danger", onclick: () => this.destroy() }, "Delete for everyone"),
    ].filter(Boolean));
  }

  async leave() {
    if (!await confirmed({ title: "Leave this chat?", text: "You get no new messages of it. Somebody has to add you again if you want to come back.", action: "Leave" })) return;
    try {
      await this.room.parley.request("DELETE", `/v1/chats/${this.chat}/members/${this.room.me.id}`);
      this.gone();
    } catch (error) {
      note(error.code === "conflict" ? "You are the last owner. Hand the chat over first, or delete it." : explain(error), { bad: true });
    }
  }

  async destroy() {
    if (!await confirmed({ title: "Delete this chat?", text: "It is deleted for all its members, with everything that was written. This cannot be undone.", action: "Delete for everyone" })) return;
    await attempt(async () => {
      await this.room.parley.request("DELETE", `/v1/chats/${this.chat}`);
      this.gone();
    });
  }

  gone() {
    this.dialog.close("");
    this.room.chats.remove(this.chat);
    this.room.go(null);
  }
}
