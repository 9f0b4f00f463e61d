// Modal dialogs. The browser keeps focus inside of them, closes them by Escape, and gives focus back to where it was.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { explain } from "./problems.js";

let count = 0;

// Shows `content` under a title; returns the dialog. What it answers is its returnValue ("" when it was given up).
export function openDialog({ title, content, className = "", onclose = null, focus = null }) {
  const id = `dialog-${++count}`;
  const back = document.activeElement;
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", onclick: () => dialog.close("") }, icon("close"));
  const dialog = h("dialog", { class: `dialog ${className}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id, dir: "auto" }, title), close),
    h("div", { class: "dialog-content" }, content));
  // A press that begins on the backdrop is on the dialog itself.
  dialog.addEventListener("pointerdown", (event) => {
    if (event.target !== dialog) return;
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
    if (!inside) dialog.close("");
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    onclose?.(dialog.returnValue);
    if (document.activeElement === document.body && back?.isConnected) back.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  focus?.focus();
  return dialog;
}

export function closeAllDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close("");
}

// Asks before something that cannot be taken back. Resolves to whether the person agreed.
export function confirmed({ title, text, action, danger = true }) {
  return new Promise((resolve) => {
    const yes = h("button", { type: "button", class: danger ? "danger" : "primary", onclick: () => dialog.close("yes") }, action);
    const no = h("button", { type: "button", onclick: () => dialog.close("") }, "Cancel");
    const dialog = openDialog({
      title, className: "narrow", focus: no,
      content: [h("p", { dir: "auto" }, text), h("p", { class: "buttons" }, no, yes)],
      onclose: (answer) => resolve(answer === "yes"),
    });
  });
}

// A form that does something that may be refused: while it works its button rests; what was refused is said in the form.
export function form({ fields, action, danger = false, work, done = null, extra = null }) {
  const problem = h("p", { class: "problem", role: "alert" });
  const button = h("button", { class: danger ? "danger" : "primary" }, action);
  const element = h("form", { class: "fields", novalidate: null }, fields, problem, h("p", { class: "buttons" }, extra, button));
  let working = false;
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (working) return;
    working = true;
    button.setAttribute("aria-disabled", "true");
    problem.textContent = "";
    try {
      const answer = await work(element.elements);
      done?.(answer, element);
    } catch (error) {
      problem.textContent = explain(error);
    } finally {
      working = false;
      button.removeAttribute("aria-disabled");
    }
  });
  return element;
}

let fieldCount = 0;

// A labelled input with an optional hint.
export function field(label, attributes, hint = null) {
  const id = `field-${++fieldCount}`;
  const input = h(attributes.rows ? "textarea" : "input", { id, "aria-describedby": hint ? `${id}-hint` : null, ...attributes });
  return h("p", { class: "field" }, h("label", { for: id }, label), input, hint && h("small", { id: `${id}-hint` }, hint));
}

// A switch that does something at once; when that is refused it goes back and says why.
export function toggle(label, on, work, hint = null) {
  const id = `field-${++fieldCount}`;
  const problem = h("span", { class: "problem", role: "alert" });
  const input = h("input", { type: "checkbox", role: "switch", id, "aria-describedby": hint ? `${id}-hint` : null });
  input.checked = on;
  input.addEventListener("change", async () => {
    problem.textContent = "";
    try {
      await work(input.checked);
    } catch (error) {
      input.checked = !input.checked;
      problem.textContent = explain(error);
    }
  });
  return h("p", { class: "toggle" }, h("label", { for: id }, label), input, hint && h("small", { id: `${id}-hint` }, hint), problem);
}
