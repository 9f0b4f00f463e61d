// The devices that are logged in: seeing, naming and ending them.

import { confirmed, field, form, openDialog } from "../ui/dialogs.js";
import { h } from "../ui/dom.js";
import { dateAndTime } from "../ui/format.js";
import { icon } from "../ui/icons.js";
import { explain } from "../ui/problems.js";
import { note } from "../ui/say.js";

const PATH = "/v1/users/me/devices";

export function deviceList(room) {
  const place = h("div", {}, h("p", { class: "faint" }, "Loading…"));
  draw(room, place);
  return place;
}

async function listed(room) {
  const devices = [];
  for await (const device of room.parley.list(PATH)) devices.push(device);
  return devices;
}

async function draw(room, place) {
  try {
    const devices = await listed(room);
    place.replaceChildren(h("p", { class: "faint" }, "Each gets your messages by itself. Remove those that you do not know."),
      h("ul", { class: "members" }, devices.map((device) => row(room, device, () => draw(room, place)))));
  } catch (error) {
    if (["not_found", "method_not_allowed"].includes(error.code)) drawSessions(room, place);
    else place.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(error)));
  }
}

function row(room, device, again) {
  const { current } = device;
  const name = device.name || "Without a name";
  const state = device.session ? `logged in, last used ${dateAndTime(device.last_used_at)}` : `logged out, last used ${dateAndTime(device.last_used_at)}`;
  return h("li", { class: "device" }, icon("device"),
    h("span", { class: "person-name" }, h("strong", { dir: "auto" }, name), current && h("small", { class: "role" }, "This device"),
      h("small", {}, state)),
    h("button", { type: "button", class: "small", "aria-label": `Rename ${name}`, onclick: () => rename(room, device, again) }, "Rename"),
    !current && h("button", { type: "button", class: "small danger", "aria-label": `Remove ${name}`, onclick: () => remove(room, device, again) }, "Remove"));
}

function rename(room, device, again) {
  const name = field("Name", { name: "name", required: true, maxlength: "128", value: device.name, autocomplete: "off" });
  const dialog = openDialog({ title: "Rename the device", className: "narrow", focus: name.querySelector("input"), content: form({
    fields: [name], action: "Save",
    work: (fields) => room.parley.request("PATCH", `${PATH}/${device.id}`, { name: fields.name.value.trim() }),
    done: () => {
      dialog.close("done");
      again();
    },
  }) });
}

async function remove(room, device, again) {
  if (!await confirmed({ title: "Remove this device?", text: `${device.name || "The device"} is logged out and what waits for it is dropped.`, action: "Remove" })) return;
  try {
    await room.parley.request("DELETE", `${PATH}/${device.id}`);
  } catch (error) {
    note(explain(error), { bad: true });
  }
  again();
}

// A server without devices still has sessions.
async function drawSessions(room, place) {
  try {
    const { items } = await room.parley.request("GET", "/v1/sessions");
    place.replaceChildren(h("p", { class: "faint" }, "This server cannot name devices yet; these are the logins."),
      h("ul", { class: "members" }, items.map((session) => h("li", { class: "device" }, icon("device"),
        h("span", { class: "person-name" }, h("strong", { dir: "auto" }, session.device.name || "Without a name"), session.current && h("small", { class: "role" }, "This device"),
          h("small", {}, `since ${dateAndTime(session.created_at)}`)),
        !session.current && h("button", { type: "button", class: "small danger", "aria-label": `End ${session.device.name}`, onclick: async () => {
          await room.parley.request("DELETE", `/v1/sessions/${session.id}`).catch((error) => note(explain(error), { bad: true }));
          drawSessions(room, place);
        } }, "End")))));
  } catch (error) {
    place.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(error)));
  }
}
