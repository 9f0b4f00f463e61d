// Where is my message: what is stored about it for each member, and for the own devices.

import { avatar } from "../ui/avatar.js";
import { openDialog } from "../ui/dialogs.js";
import { h } from "../ui/dom.js";
import { full, plural } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { explain } from "../ui/problems.js";
import { note } from "../ui/say.js";

const PAGE = 100;
const MEMBER_STATES = {
  stored: ["check", "In the log, not yet with a device"], parked: ["clock", "Waits for a device to come back"], sent: ["check", "On its way to a device"],
  delivered: ["double", "Delivered"], read: ["double", "Read"],
};
const DEVICE_STATES = {
  unknown: ["warning", "Cannot be found out now"], waiting: ["clock", "Will be sent in a moment"], parked: ["clock", "Waits in the inbox"],
  sent: ["check", "Sent, not acknowledged"], acknowledged: ["double", "Delivered"], resync: ["retry", "Reads the log anew"],
};

export async function openTrace(room, chat, event) {
  const content = h("div", { class: "trace" }, h("p", { class: "faint", role: "status" }, "Asking the server…"));
  openDialog({ title: "Where is my message?", content });
  const ask = (cursor) => room.parley.request("GET",
    `/v1/chats/${chat}/messages/${event.seq}/trace?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  try {
    content.replaceChildren(...drawTrace(room, await ask(null), ask));
  } catch (error) {
    const text = ["not_found", "method_not_allowed"].includes(error.code) ? "This server cannot trace messages yet." : explain(error);
    content.replaceChildren(h("p", { class: "problem", role: "alert" }, text));
  }
}

function drawTrace(room, trace, ask) {
  const members = h("ul", { class: "members" });
  const more = h("p", { class: "buttons" });
  const add = ({ items, next_cursor: cursor }) => {
    const others = items.filter((member) => member.user !== room.me.id);
    members.append(...others.map((member) => memberRow(room, member)));
    more.replaceChildren(...cursor ? [h("button", { type: "button", onclick: () => ask(cursor).then(add, (error) => note(explain(error), { bad: true })) }, "More")] : []);
  };
  add(trace);
  return [
    h("p", { class: "step" }, icon("check"), `In the log since ${full(trace.at)}, as number ${trace.seq} of the chat`),
    members, more,
    trace.devices?.length > 0 && h("h3", { class: "section-title" }, "Your own devices"),
    trace.devices?.length > 0 && h("ul", { class: "members" }, trace.devices.map(deviceRow)),
  ].filter(Boolean);
}

const step = (name, [sign, words], more = "") => h("small", { class: `step ${name}` }, icon(sign), words + more);

// When a watermark passed the message: exactly then, or at the latest then.
function passed(mark) {
  if (!mark?.at) return "";
  return mark.exact ? ` at ${full(mark.at)}` : ` by ${full(mark.at)}`;
}

function memberRow(room, member) {
  const name = room.people.name(member.user);
  const mark = member.state === "read" ? member.read : member.state === "delivered" ? member.delivered : null;
  const counts = Object.entries(member.devices ?? {}).filter(([, count]) => count > 0);
  return h("li", { class: "traced" }, h("span", { class: "person" }, avatar(member.user, name), h("span", { class: "person-name" },
    h("strong", { dir: "auto" }, name), step(member.state, MEMBER_STATES[member.state] ?? ["check", member.state], passed(mark)),
    counts.length > 0 && h("small", {}, counts.map(([state, count]) => `${plural(count, "device")}: ${(DEVICE_STATES[state]?.[1] ?? state).toLowerCase()}`).join("; ")))));
}

function deviceRow(device) {
  const place = device.position ? `, as number ${device.position}` : "";
  return h("li", { class: "traced" }, h("span", { class: "person" }, icon("device"), h("span", { class: "person-name" },
    h("strong", { dir: "auto" }, device.name || "Without a name"),
    step(device.state, DEVICE_STATES[device.state] ?? ["check", device.state], `${place}${device.connected ? ", connected" : ""}`))));
}
