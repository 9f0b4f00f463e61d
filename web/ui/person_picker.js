// Finding people by the beginning of their username, and choosing one or several of them.

import { avatar } from "./avatar.js";
import { debounce, h, rove } from "./dom.js";
import { icon } from "./icons.js";
import { explain } from "./problems.js";

const PAUSE_MS = 200;
const SHOWN = 20;

// With `chosen` the picker ends at the first choice; otherwise `picker.users()` are the chosen ones.
export function personPicker({ room, label, without = [], chosen = null }) {
  const users = new Map();
  const chips = h("div", { class: "chips", role: "group", "aria-label": "Chosen people" });
  const results = h("ul", { class: "results", "aria-label": "People found" });
  const status = h("p", { class: "faint", role: "status" }, "");
  const id = `picker-${Math.random().toString(36).slice(2)}`;
  const input = h("input", { id, type: "search", placeholder: "Username", autocomplete: "off", autocapitalize: "none", spellcheck: "false", maxlength: "32" });
  let turn = 0;

  const drawChips = () => {
    chips.replaceChildren(...[...users.values()].map((user) => h("span", { class: "chip" }, h("bdi", {}, user.display_name),
      h("button", { type: "button", class: "icon-button", "aria-label": `Remove ${user.display_name}`, onclick: () => {
        users.delete(user.id);
        drawChips();
        input.focus();
      } }, icon("close")))));
    chips.hidden = users.size === 0;
  };
  const choose = (user) => {
    room.people.know(user);
    if (chosen) {
      chosen(user);
      return;
    }
    users.set(user.id, user);
    drawChips();
    input.value = "";
    results.replaceChildren();
    status.textContent = `${user.display_name} chosen`;
    input.focus();
  };
  const draw = (found) => {
    results.replaceChildren(...found.map((user, i) => h("li", {}, h("button", { type: "button", class: "person", tabindex: i === 0 ? "0" : "-1", onclick: () => choose(user) },
      avatar(user.id, user.display_name), h("span", { class: "person-name" }, h("strong", { dir: "auto" }, user.display_name), h("small", { dir: "ltr" }, `@${user.username}`))))));
  };
  const search = async () => {
    const mine = ++turn;
    const text = input.value.trim().replace(/^@/, "").toLowerCase();
    status.textContent = "";
    if (!text) {
      draw([]);
      return;
    }
    try {
      const { items } = await room.parley.request("GET", `/v1/users?q=${encodeURIComponent(text)}&limit=${SHOWN}`);
      if (mine !== turn) return;
      const found = items.filter((user) => !without.includes(user.id) && !users.has(user.id));
      draw(found);
      status.textContent = found.length === 0 ? "Nobody has a username that begins so." : "";
    } catch (error) {
      if (mine === turn) status.textContent = explain(error);
    }
  };
  input.addEventListener("input", debounce(search, PAUSE_MS));
  input.addEventListener("keydown", (event) => {
    const first = results.querySelector("button");
    if ((event.key === "ArrowDown" || event.key === "Enter") && first) {
      event.preventDefault();
      if (event.key === "Enter") first.click();
      else first.focus();
    } else if (event.key === "Enter" && input.value.trim()) {
      event.preventDefault(); // the search is on its way; the form is not to be sent for it
    }
  });
  rove(results, () => [...results.querySelectorAll("button")]);
  drawChips();
  const element = h("div", { class: "picker" }, h("label", { for: id }, label), chips, input, status, results);
  return { element, input, users: () => [...users.values()] };
}
