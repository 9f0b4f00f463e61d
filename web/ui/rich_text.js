// A message's text as nodes: links, mentions, marks. Only text nodes and elements that are made here.

import { h } from "./dom.js";

const TOKEN = /(https?:\/\/[^\s<>"]+)|(?<![\p{L}\p{N}_])@([A-Za-z0-9._-]{3,32})/gu;
const TRAILING = /[.,;:!?'")\]}]+$/u;
const MOST_JUMBO = 3;

const segmenter = new Intl.Segmenter();

function link(text) {
  const end = text.match(TRAILING)?.[0] ?? "";
  const address = text.slice(0, text.length - end.length);
  let url;
  try {
    url = new URL(address);
  } catch {
    return [text];
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return [text];
  return [h("a", { href: url.href, target: "_blank", rel: "noopener noreferrer nofollow", tabindex: "-1" }, address), end];
}

// `mentions` maps usernames to user ids; only those are set apart.
export function richText(text, { mentions = new Map(), me = null } = {}) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [whole, address, name] = match;
    const username = name?.toLowerCase();
    const named = username && (mentions.has(username) ? username : username.replace(/[._-]+$/, ""));
    if (!address && !mentions.has(named)) continue;
    nodes.push(text.slice(at, match.index));
    if (address) {
      nodes.push(...link(whole));
      at = match.index + whole.length;
    } else {
      at = match.index + 1 + named.length;
      nodes.push(h("span", { class: mentions.get(named) === me ? "mention me" : "mention", dir: "ltr" }, text.slice(match.index, at)));
    }
  }
  nodes.push(text.slice(at));
  return nodes.filter((node) => node !== "");
}

// One to three emoji and nothing else are shown large.
export function isJumbo(text) {
  if (text.length > 40) return false;
  const parts = [...segmenter.segment(text.trim())].map((part) => part.segment);
  return parts.length > 0 && parts.length <= MOST_JUMBO && parts.every((part) => /\p{Extended_Pictographic}|\p{Regional_Indicator}{2}/u.test(part));
}
