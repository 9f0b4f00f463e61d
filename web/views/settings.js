// The account and the page: profile, look, privacy, blocked people, devices, password, the end.

import { avatar } from "../ui/avatar.js";
import { confirmed, field, form, openDialog, toggle } from "../ui/dialogs.js";
import { h, rove } from "../ui/dom.js";
import { dateAndTime } from "../ui/format.js";
import { personPicker } from "../ui/person_picker.js";
import { explain } from "../ui/problems.js";
import { note } from "../ui/say.js";
import { choices } from "../model/session.js";
import { applyLook } from "./look.js";
import { deviceList } from "./devices.js";

const SECTIONS = [
  ["profile", "Profile", profile],
  ["look", "Look", look],
  ["notices", "Notifications", notices],
  ["privacy", "Privacy", privacy],
  ["devices", "Devices", (room) => deviceList(room)],
  ["password", "Password", password],
  ["account", "Account", account],
];

export function openSettings(room, wanted = "profile") {
  const panel = h("div", { role: "tabpanel", id: "settings-panel", class: "settings-panel", "aria-labelledby": "settings-tab-profile", tabindex: "-1" });
  const tabs = SECTIONS.map(([name, label]) => h("button", {
    type: "button", role: "tab", id: `settings-tab-${name}`, "aria-controls": "settings-panel", class: "tab", onclick: () => show(name), onfocus: () => show(name),
  }, label));
  const tabList = h("div", { role: "tablist", class: "tabs", "aria-label": "Settings", "aria-orientation": "vertical" }, tabs);
  rove(tabList, () => tabs, { horizontal: true });
  let shown = null;
  const show = (name) => {
    if (shown === name) return;
    shown = name;
    SECTIONS.forEach(([each], i) => {
      tabs[i].setAttribute("aria-selected", String(each === name));
      tabs[i].tabIndex = each === name ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `settings-tab-${name}`);
    panel.replaceChildren(...[SECTIONS.find(([each]) => each === name)[2](room, () => dialog.close(""))].flat().filter(Boolean));
  };
  const dialog = openDialog({ title: "Settings", className: "settings", content: h("div", { class: "settings-layout" }, tabList, panel) });
  show(wanted);
  tabs[SECTIONS.findIndex(([name]) => name === wanted)].focus();
}

function profile(room) {
  const { me } = room;
  const name = field("Display name", { name: "display_name", required: true, maxlength: "128", value: me.display_name, autocomplete: "name" }, "What others see.");
  return [
    h("div", { class: "portrait" }, avatar(me.id, me.display_name), h("p", { class: "faint", dir: "ltr" }, `@${me.username}`)),
    form({
      fields: [name], action: "Save",
      work: (fields) => room.parley.request("PATCH", "/v1/users/me", { display_name: fields.display_name.value.trim() }),
      done: (user) => {
        room.meChanged(user);
        note("Saved.");
      },
    }),
    h("p", { class: "faint" }, `Account made ${dateAndTime(me.created_at)}`),
  ];
}

function choiceOf(label, name, options) {
  const id = `choice-${name}`;
  const buttons = options.map(([value, text]) => {
    const input = h("input", { type: "radio", name: id, id: `${id}-${value}`, value, onchange: () => {
      choices[name] = value;
      applyLook();
    } });
    input.checked = choices[name] === value;
    return h("span", { class: "radio" }, input, h("label", { for: `${id}-${value}` }, text));
  });
  return h("fieldset", { class: "choice" }, h("legend", {}, label), buttons);
}

function look() {
  const direction = choiceOf("Direction of the page", "direction", [["auto", "Left to right"], ["rtl", "Right to left"]]);
  return [
    choiceOf("Colours", "theme", [["auto", "As the system"], ["light", "Light"], ["dark", "Dark"]]),
    direction,
    toggle("Enter sends", choices.enterSends, (on) => { choices.enterSends = on; }, "Otherwise Ctrl+Enter sends, and Enter begins a new line."),
  ];
}

function notices() {
  const supported = "Notification" in globalThis;
  if (!supported) return h("p", {}, "This browser has no notifications.");
  return toggle("Notify me of messages", choices.notifications && Notification.permission === "granted", async (on) => {
    if (on && await Notification.requestPermission() !== "granted") {
      throw Object.assign(new Error(), { code: "denied", detail: "The browser does not allow it. You can change that in its settings for this page." });
    }
    choices.notifications = on;
  }, "While Parley is open in this browser and you are looking elsewhere. Muted chats stay silent.");
}

function privacy(room) {
  const place = h("div", {}, h("p", { class: "faint" }, "Loading…"));
  drawPrivacy(room, place);
  const blocked = h("div", {});
  drawBlocks(room, blocked);
  return [place, h("h3", { class: "section-title" }, "Blocked people"), blocked];
}

async function drawPrivacy(room, place) {
  try {
    const me = await room.parley.request("GET", "/v1/users/me");
    if (!me.privacy) {
      place.replaceChildren(h("p", { class: "faint" }, "This server has no privacy switches yet."));
      return;
    }
    const set = (name) => async (on) => room.meChanged(await room.parley.request("PATCH", "/v1/users/me", { privacy: { [name]: on } }));
    place.replaceChildren(
      toggle("Read receipts", me.privacy.read_receipts, set("read_receipts"), "Others see what you have read. Your own unread counts work either way."),
      toggle("Online and last seen", me.privacy.presence, set("presence"), "Those who share a chat with you see whether you are online and when you were last."));
  } catch (error) {
    place.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(error)));
  }
}

async function drawBlocks(room, place) {
  try {
    const ids = [...await room.blocks()];
    const rows = ids.map((id) => h("li", {}, h("span", { class: "person" }, avatar(id, room.people.name(id)), h("strong", { dir: "auto" }, room.people.name(id)),
      h("button", { type: "button", class: "small", "aria-label": `Unblock ${room.people.name(id)}`, onclick: async () => {
        await room.setBlocked(id, false).catch((error) => note(explain(error), { bad: true }));
        drawBlocks(room, place);
      } }, "Unblock"))));
    const add = h("button", { type: "button", onclick: () => blockSomebody(room, () => drawBlocks(room, place)) }, "Block somebody");
    place.replaceChildren(ids.length > 0 ? h("ul", { class: "members" }, rows) : h("p", { class: "faint" }, "Nobody."), h("p", { class: "buttons" }, add));
    if (ids.some((id) => room.people.get(id) === null)) room.people.addEventListener("change", () => place.isConnected && drawBlocks(room, place), { once: true });
  } catch (error) {
    place.replaceChildren(h("p", { class: "problem", role: "alert" }, explain(error)));
  }
}

function blockSomebody(room, done) {
  const picker = personPicker({ room, label: "Find a person by username", without: [room.me.id], chosen: async (user) => {
    try {
      await room.setBlocked(user.id, true);
      dialog.close("done");
      done();
    } catch (error) {
      note(explain(error), { bad: true });
    }
  } });
  const dialog = openDialog({ title: "Block somebody", className: "narrow", content: picker.element, focus: picker.input });
}

function password(room) {
  return form({
    fields: [
      h("input", { type: "text", name: "username", autocomplete: "username", value: room.me.username, hidden: true, "aria-label": "Username" }),
      field("Old password", { type: "password", name: "old", required: true, maxlength: "256", autocomplete: "current-password" }),
      field("New password", { type: "password", name: "new", required: true, minlength: "8", maxlength: "256", autocomplete: "new-password" }, "At least 8 characters. All your other devices are logged out."),
    ],
    action: "Change the password",
    work: async (fields) => {
      try {
        await room.parley.request("PUT", "/v1/users/me/password", { old_password: fields.old.value, new_password: fields.new.value });
      } catch (error) {
        if (error.code === "forbidden") error.errors = [{ pointer: "", reason: "The old password is wrong." }];
        throw error;
      }
    },
    done: (_, element) => {
      element.reset();
      note("The password is changed.");
    },
  });
}

function account(room, close) {
  return [
    h("h3", { class: "section-title" }, "Log out"),
    h("p", {}, "This device is logged out, and what it has stored is forgotten."),
    h("p", { class: "buttons" }, h("button", { type: "button", onclick: async () => {
      const waiting = room.parley.pending().length;
      if (waiting > 0 && !await confirmed({ title: "Log out?", text: `${waiting} of your messages have not been sent and would be lost.`, action: "Log out" })) return;
      close();
      room.logOut();
    } }, "Log out")),
    h("h3", { class: "section-title" }, "Erase the account"),
    h("p", {}, "Your profile and your logins go for good, and nobody can write to you any more. This cannot be undone."),
    form({
      fields: [field("Your username, to be sure", { name: "sure", required: true, autocomplete: "off", autocapitalize: "none", spellcheck: "false" })],
      action: "Erase my account", danger: true,
      work: async (fields) => {
        if (fields.sure.value.trim().toLowerCase() !== room.me.username) {
          throw Object.assign(new Error(), { code: "unsure", detail: "This is not your username." });
        }
        if (!await confirmed({ title: "Erase your account?", text: "There is no way back.", action: "Erase" })) return null;
        await room.parley.request("DELETE", "/v1/users/me");
        return "erased";
      },
      done: (answer) => {
        if (answer !== "erased") return;
        close();
        room.logOut("Your account is erased.");
      },
    }),
  ];
}
