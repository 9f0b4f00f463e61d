// What the page says in passing: notes that fade, and words for screen readers only.

import { byId, h } from "./dom.js";

const NOTE_MS = 6000;
const KEPT_ANNOUNCEMENTS = 20;

export function note(text, { bad = false } = {}) {
  const element = h("p", { class: bad ? "note bad" : "note", dir: "auto" }, text);
  byId("notes").append(element);
  // A modal dialog would cover it: as a popover it lies above.
  const notes = byId("notes");
  if (notes.matches(":popover-open")) notes.hidePopover();
  notes.showPopover();
  setTimeout(() => {
    element.remove();
    if (!notes.hasChildNodes() && notes.matches(":popover-open")) notes.hidePopover();
  }, NOTE_MS);
}

// Nothing of one person stays for the next.
export function forgetSaid() {
  byId("announcer").replaceChildren();
  byId("notes").replaceChildren();
}

export function announce(text) {
  const log = byId("announcer");
  log.append(h("p", {}, text));
  while (log.childElementCount > KEPT_ANNOUNCEMENTS) log.firstElementChild.remove();
}
