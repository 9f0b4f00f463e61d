// The page: a door (sign up, log in), a list of chats, one chat with its timeline. Text is only ever set as text.

import { Live } from "./live.js";
import { Problem, Rest } from "./rest.js";

const $ = (id) => document.getElementById(id);
const rest = new Rest();
let me = null;        // the user who is logged in
let live = null;
let open = null;      // the id of the chat that is shown
const chats = new Map();   // id -> { chat, last, unread, events: Map(seq -> event), waiting: Map(client_id -> text), readSeq }
const names = new Map();   // user id -> display name

function newClientId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function show(element, text) {
  element.textContent = text;
}

async function guarded(problemElement, work) {
  show(problemElement, "");
  try {
    return await work();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401 && me) leave("Your session has ended.");
    else show(problemElement, problem.message);
  }
}

// --- the door ---

$("door-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { username, password } = event.target.elements;
  const credentials = { username: username.value, password: password.value };
  guarded($("door-problem"), async () => {
    if (event.submitter?.value === "sign-up") await rest.call("POST", "/v1/users", credentials);
    const device = localStorage.getItem(`device:${username.value}`);
    const session = await logIn(credentials, device);
    localStorage.setItem(`device:${username.value}`, session.device.id);
    sessionStorage.setItem("token", session.token);
    await enter(session.token);
  });
});

// A device that the server no longer knows begins anew.
async function logIn(credentials, device) {
  try {
    return await rest.call("POST", "/v1/sessions", device ? { ...credentials, device: { id: device } } : { ...credentials, device: { name: "Web page" } });
  } catch (problem) {
    if (!device || problem.code !== "not_found") throw problem;
    return rest.call("POST", "/v1/sessions", { ...credentials, device: { name: "Web page" } });
  }
}

async function enter(token) {
  rest.token = token;
  me = await rest.call("GET", "/v1/users/me");
  names.set(me.id, me.display_name);
  show($("who"), me.display_name);
  $("door").hidden = true;
  $("room").hidden = false;
  $("log-out").hidden = false;
  live = new Live(token);
  live.addEventListener("state", ({ detail }) => show($("connection"), detail));
  live.addEventListener("ready", ({ detail }) => detail.state === "resync" && resync());
  live.addEventListener("resync", resync);
  live.addEventListener("event", ({ detail }) => take(detail));
  live.addEventListener("sent", ({ detail }) => sent(detail));
  live.addEventListener("refused", ({ detail }) => refused(detail));
  live.addEventListener("ended", () => leave("You were logged out, or logged in elsewhere."));
  await listChats();
}

function leave(reason) {
  live?.close();
  sessionStorage.removeItem("token");
  rest.token = me = live = open = null;
  chats.clear();
  $("door").hidden = false;
  $("room").hidden = true;
  $("log-out").hidden = true;
  show($("who"), "");
  show($("connection"), "");
  show($("door-problem"), reason);
  $("timeline").replaceChildren();
  $("chats").replaceChildren();
}

$("log-out").addEventListener("click", async () => {
  await guarded($("door-problem"), () => rest.call("DELETE", "/v1/sessions/current"));
  leave("");
});

// --- people ---

async function nameOf(user) {
  if (!names.has(user)) {
    names.set(user, "…");
    const found = await rest.call("GET", `/v1/users/${user}`).catch(() => ({ display_name: "somebody" }));
    names.set(user, found.display_name);
  }
  return names.get(user);
}

async function titleOf(chat) {
  if (chat.title) return chat.title;
  const { items } = await rest.call("GET", `/v1/chats/${chat.id}/members?limit=5`);
  const others = items.filter((member) => member.user !== me.id);
  return (await Promise.all(others.map((member) => nameOf(member.user)))).join(", ") || "only you";
}

// --- the list of chats ---

async function listChats() {
  await guarded($("chats-problem"), async () => {
    const { items } = await rest.call("GET", "/v1/chats?limit=200");
    for (const item of items) {
      const known = chats.get(item.chat.id) ?? { events: new Map(), waiting: new Map() };
      chats.set(item.chat.id, { ...known, chat: item.chat, last: item.last_event, unread: item.unread, readSeq: item.read_seq });
    }
    await drawChats();
  });
}

function summary(event) {
  return event?.type === "message" ? event.body?.text ?? "" : "";
}

async function drawChats() {
  const sorted = [...chats.values()].sort((a, b) => (b.last?.at ?? "").localeCompare(a.last?.at ?? ""));
  const rows = await Promise.all(sorted.map(async (entry) => {
    entry.title ??= await titleOf(entry.chat).catch(() => "a chat");
    const row = document.createElement("li");
    const button = document.createElement("button");
    const last = document.createElement("small");
    button.type = "button";
    button.append(entry.title);
    if (entry.unread > 0) {
      const count = document.createElement("b");
      show(count, ` (${entry.unread})`);
      button.append(count);
    }
    show(last, summary(entry.last));
    button.append(last);
    button.setAttribute("aria-current", String(entry.chat.id === open));
    button.addEventListener("click", () => openChat(entry.chat.id));
    row.append(button);
    return row;
  }));
  $("chats").replaceChildren(...rows);
}

$("new-chat").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.username;
  guarded($("chats-problem"), async () => {
    const wanted = field.value.toLowerCase().split(",").map((name) => name.trim()).filter(Boolean);
    const members = await Promise.all(wanted.map(findUser));
    const body = members.length === 1 ? { kind: "direct", members } : { kind: "group", title: wanted.join(", "), members };
    const chat = await rest.call("POST", "/v1/chats", body);
    field.value = "";
    await listChats();
    await openChat(chat.id);
  });
});

async function findUser(username) {
  const { items } = await rest.call("GET", `/v1/users?q=${encodeURIComponent(username)}`);
  const user = items.find((item) => item.username === username);
  if (!user) throw new Problem(404, { detail: `There is nobody called ${username}.` });
  names.set(user.id, user.display_name);
  return user.id;
}

// --- one chat ---

async function openChat(id) {
  open = id;
  const entry = chats.get(id);
  show($("chat-title"), entry.title ?? "");
  $("writing").hidden = false;
  await guarded($("chat-problem"), async () => {
    const { items } = await rest.call("GET", `/v1/chats/${id}/events?before=9007199254740991&limit=100`);
    for (const event of items) entry.events.set(event.seq, event);
    if (open === id) await drawTimeline();
    await drawChats();
  });
  $("writing").elements.text.focus();
}

async function describe(event) {
  const who = await nameOf(event.sender);
  if (event.type === "message") return event.body?.text ?? "";
  if (event.type === "member_added") return `${await nameOf(event.user)} joined`;
  if (event.type === "member_removed") return `${await nameOf(event.user)} left`;
  if (event.type === "role_changed") return `${await nameOf(event.user)} is now ${event.role}`;
  return `${who} changed the chat`;
}

async function drawEvent(event) {
  const row = document.createElement("li");
  const mine = event.sender === me.id;
  row.className = event.type === "message" ? (mine ? "mine" : "") : "notice";
  row.dir = "auto";
  if (event.type === "message") {
    const head = document.createElement("small");
    show(head, `${mine ? "" : `${await nameOf(event.sender)} · `}${new Date(event.at).toLocaleTimeString()}`);
    row.append(head);
  }
  row.append(await describe(event));
  return row;
}

function drawWaiting(text) {
  const row = document.createElement("li");
  row.className = "mine waiting";
  row.dir = "auto";
  show(row, text);
  return row;
}

let drawing = 0;

async function drawTimeline() {
  const entry = chats.get(open);
  const turn = ++drawing;
  const events = [...entry.events.values()].sort((a, b) => a.seq - b.seq);
  const rows = await Promise.all(events.map(drawEvent));
  if (turn !== drawing) return; // a newer drawing is under way
  $("timeline").replaceChildren(...rows, ...[...entry.waiting.values()].map(drawWaiting));
  $("timeline").lastElementChild?.scrollIntoView({ block: "nearest" });
  markRead(entry, events.at(-1));
}

function markRead(entry, last) {
  if (!last || document.hidden || last.seq <= (entry.readSeq ?? 0)) return;
  entry.readSeq = last.seq;
  entry.unread = 0;
  live.read(entry.chat.id, last.seq);
}

// An event of a chat, live or from a sync: each (chat, seq) counts once.
async function take(event) {
  const entry = chats.get(event.chat);
  if (!entry) {
    await listChats();
    return;
  }
  if (entry.events.has(event.seq)) return;
  entry.events.set(event.seq, event);
  entry.waiting.delete(event.client_id);
  if ((entry.last?.seq ?? 0) < event.seq) entry.last = event;
  if (event.type === "message" && event.sender !== me.id && event.chat !== open) entry.unread++;
  if (event.chat === open) await drawTimeline();
  await drawChats();
}

async function resync() {
  const known = {};
  for (const [id, entry] of chats) known[id] = Math.max(0, ...entry.events.keys());
  await guarded($("chats-problem"), async () => {
    const answer = await rest.call("POST", "/v1/sync", { chats: known });
    for (const { events } of Object.values(answer.chats)) for (const event of events) await take(event);
    await listChats();
  });
}

$("writing").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.text;
  const clientId = newClientId();
  chats.get(open).waiting.set(clientId, field.value);
  live.send(open, clientId, field.value);
  field.value = "";
  show($("chat-problem"), "");
  drawTimeline();
});

function sent({ chat }) {
  if (chat === open) drawTimeline(); // the event itself arrives like everybody else's
}

function refused({ id, detail, code }) {
  for (const entry of chats.values()) entry.waiting.delete(id);
  show($("chat-problem"), detail || code);
  if (open) drawTimeline();
}

const token = sessionStorage.getItem("token");
if (token) enter(token).catch(() => leave("Your session has ended."));
