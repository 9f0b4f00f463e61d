// Keys for the whole page. Escape closes what is open, from the inside out.

import { openDialog } from "../ui/dialogs.js";
import { h } from "../ui/dom.js";

const KEYS = [
  ["Enter", "Send the message"], ["Shift + Enter", "New line"], ["↑ in an empty field", "Edit your last message"],
  ["Esc", "Stop editing or replying, close the chat"], ["Alt + ↑ / Alt + ↓", "Chat above, chat below"], ["Ctrl or ⌘ + K", "Search"],
  ["↑ / ↓ in a list", "Move; Enter opens"], ["Shift + F10 or the menu key", "Menu of a chat or a message"], ["@", "Mention somebody"], ["?", "These keys"],
];

export function openKeys() {
  openDialog({ title: "Keys", className: "narrow", content: h("dl", { class: "keys" }, KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])) });
}

export function listenToKeys(room) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      room.search.open(null);
    } else if (event.altKey && (event.key === "ArrowUp" || event.key === "ArrowDown")) {
      event.preventDefault();
      const item = room.chatList.neighbour(event.key === "ArrowUp" ? -1 : 1);
      if (item) room.go(item.chat.id);
    } else if (event.key === "Escape" && !document.querySelector(":popover-open:not(#notes)")) {
      if (room.composer.escape()) event.preventDefault();
      else if (room.openChat) room.go(null);
    } else if (event.key === "?" && !event.target.closest("input, textarea")) {
      openKeys();
    }
  }, { signal: room.signal });
}
