// A menu at a button or at a point: arrow keys, Home, End, letters, Escape; focus goes back to where it was.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const GAP_PX = 4;

function place(menu, { x, y, anchor }) {
  const box = anchor?.getBoundingClientRect() ?? { left: x, right: x, top: y, bottom: y };
  const { offsetWidth: width, offsetHeight: height } = menu;
  const rtl = getComputedStyle(anchor ?? document.body).direction === "rtl";
  let left = anchor && !rtl ? box.right - width : box.left;
  if (!anchor && rtl) left = x - width;
  let top = box.bottom + GAP_PX;
  if (top + height > innerHeight - GAP_PX) top = Math.max(GAP_PX, box.top - height - GAP_PX);
  left = Math.min(Math.max(GAP_PX, left), innerWidth - width - GAP_PX);
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}

function onKey(event, items) {
  const at = items.indexOf(document.activeElement);
  const letter = event.key.length === 1 ? event.key.toLowerCase() : null;
  let to = -1;
  if (event.key === "ArrowDown") to = (at + 1) % items.length;
  else if (event.key === "ArrowUp") to = (at + items.length - 1) % items.length;
  else if (event.key === "Home") to = 0;
  else if (event.key === "End") to = items.length - 1;
  else if (letter && letter !== " ") {
    const after = [...items.slice(at + 1), ...items.slice(0, at + 1)];
    to = items.indexOf(after.find((item) => item.textContent.trim().toLowerCase().startsWith(letter)));
  }
  if (to < 0) return;
  event.preventDefault();
  items[to].focus();
}

// Shows something in the top layer that goes away by Escape or a press elsewhere. `at` is {anchor} or {x, y}.
export function popUp(element, at, { onclose = null } = {}) {
  const back = document.activeElement;
  element.popover = "auto";
  (at.anchor?.closest("dialog") ?? document.body).append(element);
  element.showPopover();
  place(element, at);
  element.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    const focusInside = element.contains(document.activeElement) || document.activeElement === document.body;
    element.remove();
    if (focusInside && back?.isConnected) back.focus();
    onclose?.();
  });
  return element;
}

// Items: {label, sign, act, danger}; what is false is left out.
export function openMenu(label, items, at) {
  const buttons = items.filter(Boolean).map((item) => h("button", {
    type: "button", role: "menuitem", tabindex: "-1", class: item.danger ? "bad" : null,
    onclick: () => {
      menu.hidePopover();
      item.act();
    },
  }, icon(item.sign), h("span", { dir: "auto" }, item.label)));
  const menu = h("div", { class: "menu", role: "menu", "aria-label": label }, buttons);
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Tab") {
      event.preventDefault();
      menu.hidePopover();
    } else {
      onKey(event, buttons);
    }
  });
  at.anchor?.setAttribute("aria-expanded", "true");
  popUp(menu, at, { onclose: () => at.anchor?.removeAttribute("aria-expanded") });
  buttons[0]?.focus();
  return menu;
}

// Opens a menu for what a context menu event (mouse, long press or key) was about.
export function atEvent(event, element) {
  const byKey = event.clientX === 0 && event.clientY === 0;
  return byKey || event.button !== 2 ? { anchor: element } : { x: event.clientX, y: event.clientY };
}
