// Beginning a chat: with one person, a group, a channel.

import { field, form, openDialog } from "../ui/dialogs.js";
import { h } from "../ui/dom.js";
import { personPicker } from "../ui/person_picker.js";
import { note } from "../ui/say.js";
import { explain } from "../ui/problems.js";

export function newDirect(room) {
  const picker = personPicker({ room, label: "Find a person by username", without: [room.me.id], chosen: async (user) => {
    dialog.close("done");
    await room.startDirect(user);
  } });
  const dialog = openDialog({ title: "New message", content: picker.element, focus: picker.input });
}

const WORDS = {
  group: { title: "New group", hint: "Everybody may write.", action: "Create the group" },
  channel: { title: "New channel", hint: "Its owners and admins write, the others read.", action: "Create the channel" },
};

export function newGroup(room, kind) {
  const words = WORDS[kind];
  const picker = personPicker({ room, label: "Members", without: [room.me.id] });
  const title = field("Name", { name: "title", required: true, maxlength: "128", autocomplete: "off" }, words.hint);
  const shared = h("input", { type: "checkbox", name: "shared", id: "new-shared" });
  const history = h("p", { class: "check" }, shared, h("label", { for: "new-shared" }, "Those who join later may read what was written before"));
  const element = form({
    fields: [title, picker.element, history], action: words.action,
    work: (fields) => room.parley.request("POST", "/v1/chats", {
      kind, title: fields.title.value.trim(), members: picker.users().map((user) => user.id), ...(shared.checked && { history: "shared" }),
    }),
    done: (chat) => {
      dialog.close("done");
      room.chats.put(chat);
      room.chats.load().catch(() => null);
      room.go(chat.id);
    },
  });
  const dialog = openDialog({ title: words.title, content: element, focus: title.querySelector("input") });
}

// The direct chat with somebody, made when there is none yet.
export async function startDirect(room, user) {
  try {
    const chat = await room.parley.request("POST", "/v1/chats", { kind: "direct", members: [user.id] });
    room.people.know(user);
    if (!room.chats.get(chat.id)) room.chats.put(chat);
    room.chats.load().catch(() => null);
    room.go(chat.id);
  } catch (error) {
    note(explain(error), { bad: true });
  }
}
