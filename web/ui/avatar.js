// A round sign for a person or a chat: initials on a colour that stays the same, for it comes from the id.

import { h } from "./dom.js";
import { icon } from "./icons.js";

const HUES = 8;

function hueOf(id) {
  let sum = 7;
  for (const letter of String(id)) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return sum % HUES;
}

function initialsOf(name) {
  const words = name.trim().split(/[\s._-]+/u).filter(Boolean);
  const letters = words.map((word) => Array.from(word)[0]);
  return (letters.length > 1 ? letters[0] + letters.at(-1) : letters[0] ?? "?").toUpperCase();
}

// Decoration: the name stands beside it.
export function avatar(id, name, { small = false, sign = null } = {}) {
  return h("span", { class: `avatar hue-${hueOf(id)}${small ? " small" : ""}`, "aria-hidden": "true" },
    sign ? icon(sign) : initialsOf(name));
}
