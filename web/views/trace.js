// Where is my message: what is stored about it for each member and device.

import { avatar } from "../ui/avatar.js";
import { openDialog } from "../ui/dialogs.js";
import { h } from "../ui/dom.js";
import { full } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { explain } from "../ui/problems.js";

const WORDS = {
  stored: "In the log", parked: "Waits for the device", waiting: "Waits for the device", pushed: "Sent to the device",
  delivered: "Delivered", acknowledged: "Delivered", read: "Read", lost: "To be fetched again", resync: "To be fetched again",
};
const SIGNS = { read: "double", delivered: "double", acknowledged: "double", parked: "clock", waiting: "clock", stored: "check", pushed: "check" };

export async function openTrace(room, chat, event) {
  const content = h("div", { class: "trace" }, h("p", { class: "faint", role: "status" }, "Asking the server…"));
  openDialog({ title: "Where is my message?", content });
  try {
    const trace = await room.parley.request("GET", `/v1/chats/${chat}/messages/${event.seq}/trace`);
    content.replaceChildren(...drawTrace(room, trace, event));
  } catch (error) {
    const text = ["not_found", "method_not_allowed"].includes(error.code) ? "This server cannot trace messages yet." : explain(error);
    content.replaceChildren(h("p", { class: "problem", role: "alert" }, text));
  }
}

function drawTrace(room, trace, event) {
  const members = trace.members ?? trace.items ?? [];
  return [
    h("p", {}, icon("check"), ` Stored at ${full(trace.stored?.at ?? trace.at ?? event.at)} as number ${event.seq} of the chat.`),
    h("ul", { class: "members" }, members.map((member) => memberRow(room, member))),
  ];
}

function memberRow(room, member) {
  const name = member.user === room.me.id ? "You" : room.people.name(member.user);
  return h("li", { class: "traced" }, h("span", { class: "person" }, avatar(member.user, name), h("span", { class: "person-name" }, h("strong", { dir: "auto" }, name), ...stepsOf(member))),
    member.devices?.length > 0 && h("ul", { class: "devices" }, member.devices.map((device) => h("li", {}, icon("device"),
      h("span", { class: "person-name" }, h("span", { dir: "auto" }, device.name || "A device"), ...stepsOf(device))))));
}

// `state` says where it is now; each step that has a time is told with it.
function stepsOf(facts) {
  const steps = [];
  if (facts.state) steps.push(step(facts.state, facts.at ?? facts[`${facts.state}_at`] ?? null));
  for (const name of Object.keys(WORDS)) {
    const value = facts[name] ?? facts[`${name}_at`];
    if (name === facts.state || !value) continue;
    steps.push(step(name, typeof value === "string" ? value : value.at ?? null));
  }
  return steps;
}

function step(name, at) {
  const time = typeof at === "string" && !Number.isNaN(Date.parse(at)) ? ` ${full(at)}` : "";
  return h("small", { class: `step ${name}` }, icon(SIGNS[name] ?? "check"), `${WORDS[name] ?? name}${time}`);
}
