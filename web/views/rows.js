// The rows of a timeline: messages and notices, with day breaks and the unread line between them.

import { dayOf } from "../ui/format.js";

const GROUP_MS = 5 * 60_000; // messages of one sender within this stand together

const isMessage = (entry) => entry.pending !== null || entry.event.type === "message";
const senderOf = (entry, me) => (entry.event ? entry.event.sender : me);
const atOf = (entry) => (entry.event ?? entry.pending).at;

// `unreadAfter` is the watermark behind which the unread line stands, or null. That the two of a direct chat are in it needs no word.
export function buildRows(entries, { me, unreadAfter, isDirect }) {
  const rows = [];
  let day = null;
  let before = null;
  let lineToCome = unreadAfter !== null;
  for (const entry of entries) {
    if (isDirect && entry.event?.type === "member_added") continue;
    const ms = Date.parse(atOf(entry));
    const today = dayOf(ms);
    if (today !== day) {
      rows.push({ key: `day ${today}`, kind: "day", at: atOf(entry) });
      day = today;
      before = null;
    }
    if (lineToCome && entry.event?.seq > unreadAfter && isMessage(entry) && senderOf(entry, me) !== me) {
      rows.push({ key: "unread", kind: "unread" });
      lineToCome = false;
      before = null;
    }
    const row = { key: entry.key, kind: isMessage(entry) ? "message" : "notice", entry, ms, first: true, last: true };
    if (before && row.kind === "message" && senderOf(before.entry, me) === senderOf(entry, me) && ms - before.ms < GROUP_MS) {
      row.first = false;
      before.last = false;
    }
    before = row.kind === "message" ? row : null;
    rows.push(row);
  }
  return rows;
}
