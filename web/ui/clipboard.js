// Copying a text. There is no clipboard on plain http, and it may refuse; then the copying of a selection does it.

import { h } from "./dom.js";

// What is selected does not matter, only that something is: the text as it stands takes its place.
function copiedBySelection(text) {
  const back = document.activeElement;
  const field = h("textarea", { class: "visually-hidden", readonly: true, value: text, oncopy: (event) => {
    event.clipboardData.setData("text/plain", text);
    event.preventDefault();
  } });
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  back?.focus({ preventScroll: true });
  return copied;
}

// Whether the text is in the clipboard now.
export async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedBySelection(text);
  }
}
