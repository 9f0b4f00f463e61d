// Times and texts for people, in the browser's own language and zone.

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

const clockFormat = new Intl.DateTimeFormat([], { timeStyle: "short" });
const weekdayFormat = new Intl.DateTimeFormat([], { weekday: "short" });
const dateFormat = new Intl.DateTimeFormat([], { day: "numeric", month: "short" });
const yearFormat = new Intl.DateTimeFormat([], { dateStyle: "medium" });
const dayFormat = new Intl.DateTimeFormat([], { weekday: "long", day: "numeric", month: "long" });
const longDayFormat = new Intl.DateTimeFormat([], { dateStyle: "full" });
const fullFormat = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

// A number for the local day of a time: equal on the same day, one more on the next.
export function dayOf(ms) {
  return Math.floor((ms - new Date(ms).getTimezoneOffset() * MINUTE_MS) / DAY_MS);
}

const shortFormat = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "short" });

export const clock = (at) => clockFormat.format(new Date(at));
export const dateAndTime = (at) => shortFormat.format(new Date(at));
export const full = (at) => fullFormat.format(new Date(at));

export function dayLabel(at) {
  const days = dayOf(Date.now()) - dayOf(Date.parse(at));
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (days > 300 ? longDayFormat : dayFormat).format(new Date(at));
}

// Short, for a list: the time today, the weekday in the last week, else the date.
export function shortTime(at) {
  const days = dayOf(Date.now()) - dayOf(Date.parse(at));
  if (days <= 0) return clock(at);
  if (days < 7) return weekdayFormat.format(new Date(at));
  return (days > 300 ? yearFormat : dateFormat).format(new Date(at));
}

export function lastSeen(at) {
  const minutes = Math.floor((Date.now() - Date.parse(at)) / MINUTE_MS);
  if (minutes < 1) return "last seen just now";
  if (minutes < 60) return `last seen ${minutes} min ago`;
  const days = dayOf(Date.now()) - dayOf(Date.parse(at));
  if (days === 0) return `last seen today at ${clock(at)}`;
  if (days === 1) return `last seen yesterday at ${clock(at)}`;
  return `last seen ${yearFormat.format(new Date(at))}`;
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

// "Ada", "Ada and Bob", "Ada, Bob and 3 others".
export function nameList(names, most = 3) {
  if (names.length <= 1) return names[0] ?? "";
  if (names.length <= most) return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  return `${names.slice(0, most - 1).join(", ")} and ${names.length - most + 1} others`;
}

export const bytesOf = (text) => new TextEncoder().encode(text).length;

// The first line of a text, for previews.
export function firstLine(text, most = 140) {
  const line = text.trim().replace(/\s+/gu, " ");
  return line.length > most ? `${Array.from(line.slice(0, most)).slice(0, -1).join("")}…` : line;
}
