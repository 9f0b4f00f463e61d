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
  let asked = null; // {text, shown}: whom the results are about, or will be

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
    search();
    status.textContent = `${user.display_name} chosen`;
    input.focus();
  };
  const draw = (found) => {
    results.replaceChildren(...found.map((user, i) => h("li", {}, h("button", { type: "button", class: "person", tabindex: i === 0 ? "0" : "-1", onclick: () => choose(user) },
      avatar(user.id, user.display_name), h("span", { class: "person-name" }, h("strong", { dir: "auto" }, user.display_name), h("small", { dir: "ltr" }, `@${user.username}`))))));
  };
  const ask = async (text) => {
    const mine = ++turn;
    status.textContent = "";
    if (!text) {
      draw([]);
      return true;
    }
    try {
      const { items } = await room.parley.request("GET", `/v1/users?q=${encodeURIComponent(text)}&limit=${SHOWN}`);
      if (mine !== turn) return false;
      const found = items.filter((user) => !without.includes(user.id) && !users.has(user.id));
      draw(found);
      status.textContent = found.length === 0 ? "Nobody has a username that begins so." : "";
      return true;
    } catch (error) {
      if (mine === turn) {
        asked = null;
        status.textContent = explain(error);
      }
      return false;
    }
  };
  // Whether it is shown in the end who is called so; not when something else was typed meanwhile.
  const search = () => {
    const text = input.value.trim().replace(/^@/, "").toLowerCase();
    if (asked?.text !== text) asked = { text, shown: ask(text) };
    return asked.shown;
  };
  // Enter is about what stands in the field, not about who was found for what stood there before; and the form is not to be sent for it.
  const chooseFirst = async () => {
    if (await search()) results.querySelector("button")?.click();
  };
  input.addEventListener("input", debounce(search, PAUSE_MS));
  input.addEventListener("keydown", (event) => {
    const first = results.querySelector("button");
    if (event.key === "Enter" && input.value.trim()) {
      event.preventDefault();
      if (!event.isComposing) chooseFirst();
    } else if (event.key === "ArrowDown" && first) {
      event.preventDefault();
      first.focus();
    }
  });
  rove(results, () => [...results.querySelectorAll("button")]);
  drawChips();
  const element = h("div", { class: "picker" }, h("label", { for: id }, label), chips, input, status, results);
  return { element, input, users: () => [...users.values()] };
}
