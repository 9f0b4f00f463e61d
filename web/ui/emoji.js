// Picking an emoji: common ones in a grid, any other one by typing or pasting it.

import { h, rove } from "./dom.js";
import { popUp } from "./menu.js";

const COMMON = [
  ["👍", "thumbs up"], ["❤️", "heart"], ["😂", "tears of joy"], ["😮", "surprised"], ["😢", "crying"], ["🙏", "thank you"],
  ["🎉", "party"], ["🔥", "fire"], ["👏", "applause"], ["✅", "done"], ["👀", "looking"], ["💯", "hundred"],
  ["😀", "grinning"], ["😊", "smiling"], ["😉", "winking"], ["😍", "heart eyes"], ["🤔", "thinking"], ["😎", "cool"],
  ["😅", "sweating smile"], ["😭", "sobbing"], ["😡", "angry"], ["🤯", "mind blown"], ["🥳", "partying"], ["😴", "sleeping"],
  ["👎", "thumbs down"], ["👌", "all right"], ["🙌", "raised hands"], ["💪", "strong"], ["🤝", "handshake"], ["👋", "waving"],
  ["💔", "broken heart"], ["⭐", "star"], ["🚀", "rocket"], ["☕", "coffee"], ["❓", "question"], ["❌", "no"],
];
const MOST_BYTES = 64;

const segmenter = new Intl.Segmenter();

// The first character as people count them, if it is an emoji.
function emojiIn(text) {
  const first = [...segmenter.segment(text.trim())][0]?.segment ?? "";
  const fits = new TextEncoder().encode(first).length <= MOST_BYTES;
  return fits && /\p{Extended_Pictographic}|\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3/u.test(first) ? first : null;
}

export function pickEmoji(anchor, chosen) {
  const choose = (emoji) => {
    popup.hidePopover();
    chosen(emoji);
  };
  const buttons = COMMON.map(([emoji, name]) => h("button", {
    type: "button", class: "emoji", tabindex: "-1", "aria-label": name, title: name, onclick: () => choose(emoji),
  }, emoji));
  const grid = h("div", { class: "emoji-grid", role: "group", "aria-label": "Common emoji" }, buttons);
  const other = h("input", {
    "aria-label": "Any other emoji", placeholder: "Any other emoji", autocomplete: "off",
    oninput: () => {
      const emoji = emojiIn(other.value);
      other.setCustomValidity(other.value.trim() && !emoji ? "Not an emoji" : "");
      if (emoji) choose(emoji);
    },
  });
  const popup = h("div", { class: "emoji-picker", role: "dialog", "aria-label": "Choose an emoji" }, grid, other);
  rove(grid, () => buttons, { horizontal: true });
  popUp(popup, { anchor });
  buttons[0].focus();
}
