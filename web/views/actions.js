// What may be done to a message, as toolbar and as menu.

import { h } from "../ui/dom.js";
import { icon } from "../ui/icons.js";

export function actionsOn(event, { room, chat, act }) {
  if (event.deleted) return [];
  const mine = event.sender === room.me.id;
  const { members } = chat;
  const reacted = Object.values(event.reactions ?? {}).some((users) => users.length > 0);
  const may = members.mayWrite;
  return [
    may && { label: "React…", sign: "react", quick: true, act: (anchor) => act("pick", event, anchor) },
    may && { label: "Reply", sign: "reply", quick: true, act: () => act("reply", event) },
    mine && may && { label: "Edit", sign: "edit", act: () => act("edit", event) },
    { label: "Copy text", sign: "copy", act: () => act("copy", event) },
    reacted && { label: "Who reacted", sign: "group", act: () => act("reactions", event) },
    event.edited && { label: "Earlier versions", sign: "clock", act: () => act("edits", event) },
    mine && { label: "Where is my message?", sign: "route", act: () => act("trace", event) },
    (mine || members.mayManage) && { label: "Delete for everyone", sign: "trash", danger: true, act: () => act("delete", event) },
  ].filter(Boolean);
}

// The quick ones as buttons, the rest behind the last button.
export function toolbarFor(actions, openMenu) {
  if (actions.length === 0) return h("div", { class: "toolbar", hidden: true });
  const quick = actions.filter((action) => action.quick).map((action) => {
    const label = action.label.replace("…", "");
    const button = h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick: () => action.act(button) }, icon(action.sign));
    return button;
  });
  const more = h("button", {
    type: "button", class: "icon-button", "aria-label": "More", title: "More", "aria-haspopup": "menu", onclick: (event) => openMenu(event, more),
  }, icon("more"));
  return h("div", { class: "toolbar", role: "group", "aria-label": "Message actions" }, quick, more);
}
