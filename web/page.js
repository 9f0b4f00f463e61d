// The page: a door (sign up, log in), a list of chats, one chat with its timeline.

import { absorb, highestSeq, lowestSeq, merge, newEntry, receive } from "./entry.js";
import { Live } from "./live.js";
import { People } from "./people.js";
import { Problem, Rest } from "./rest.js";
import { describe, place, rowsOf } from "./timeline.js";

const PAGE = 100;            // events asked for at once
const LARGEST_SEQ = "9007199254740991";
const RETRY_MS = 2000;
const ENDED = {
  4001: "Your session has ended. Please log in again.",
  4002: "Your session was ended. Please log in again.",
  4003: "This account was opened in another window of this browser.",
};

const $ = (id) => document.getElementById(id);
const rest = new Rest();
let people = new People(rest);
let me = null;             // the user who is logged in
let live = null;
let open = null;           // the id of the chat that is shown
const chats = new Map();   // id -> entry, see entry.js

function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Whether the work succeeded; if not, the problem is shown.
async function guarded(problemElement, work) {
  show(problemElement, "");
  try {
    await work();
    return true;
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401 && me) leave(ENDED[4001]);
    else show(problemElement, problem.message);
    return false;
  }
}

// --- the door ---

let entering = false; // a second press does nothing

$("door-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (entering) return;
  entering = true;
  const { username, password } = event.target.elements;
  const credentials = { username: username.value.toLowerCase(), password: password.value };
  const signUp = event.submitter?.value === "sign-up";
  await guarded($("door-problem"), async () => {
    if (signUp) await rest.call("POST", "/v1/users", credentials);
    const session = await rest.logIn(credentials);
    sessionStorage.setItem("token", session.token);
    event.target.reset();
    await enter(session.token);
  });
  entering = false;
});

async function enter(token) {
  rest.token = token;
  me = await rest.call("GET", "/v1/users/me");
  people.know(me);
  show($("who"), me.display_name);
  showRoom(true);
  live = new Live(token);
  live.addEventListener("state", ({ detail }) => showConnection(detail ? "connected" : "not connected, trying again…", !detail));
  live.addEventListener("resync", resync);
  live.addEventListener("event", ({ detail }) => take(detail));
  live.addEventListener("receipt", ({ detail }) => takeReceipt(detail));
  live.addEventListener("refused", ({ detail }) => refused(detail));
  live.addEventListener("ended", ({ detail }) => leave(ENDED[detail] ?? `The server closed the connection (${detail}).`));
  showConnection("connecting…", false);
  await listChats();
}

function showRoom(inside) {
  $("door").hidden = inside;
  $("room").hidden = !inside;
  $("log-out").hidden = !inside;
}

function showConnection(text, down) {
  show($("connection"), text);
  $("connection").classList.toggle("down", down);
}

// Nothing of one person stays for the next.
function leave(reason) {
  live?.close();
  sessionStorage.removeItem("token");
  rest.token = me = live = null;
  people = new People(rest);
  chats.clear();
  closeChat();
  $("chats").replaceChildren();
  $("new-chat").reset();
  history.replaceState(null, "", location.pathname);
  document.title = "Parley";
  for (const id of ["who", "chats-problem"]) show($(id), "");
  showConnection("", false);
  showRoom(false);
  show($("door-problem"), reason);
  $("door-form").elements.username.focus();
}

$("log-out").addEventListener("click", async () => {
  live?.close();
  await rest.call("DELETE", "/v1/sessions/current").catch(() => null);
  leave("");
});

// After a reload: only a refused token ends the session, a server that is away does not.
async function comeBack(token) {
  if (!$("connection").textContent) showConnection("connecting…", false);
  try {
    await enter(token);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.status === 401) {
      leave(ENDED[4001]);
      return;
    }
    showConnection("The server cannot be reached, trying again…", true);
    setTimeout(() => comeBack(token), RETRY_MS);
  }
}

// --- the list of chats ---

let listing = Promise.resolve();
let queued = null; // a listing that has not begun serves everybody who asks meanwhile

function listChats() {
  queued ??= listing = listing.then(async () => {
    queued = null;
    if (!await guarded($("chats-problem"), fetchChats) && me) setTimeout(listChats, RETRY_MS);
  });
  return queued;
}

async function fetchChats() {
  if (!me) return;
  const asker = me;
  const found = new Set();
  let cursor = null;
  do {
    const page = await rest.call("GET", `/v1/chats?limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    if (me !== asker) return; // somebody else by now, or nobody
    for (const item of page.items) {
      found.add(item.chat.id);
      if (!chats.has(item.chat.id)) chats.set(item.chat.id, newEntry());
      merge(chats.get(item.chat.id), item);
    }
    cursor = page.next_cursor;
  } while (cursor);
  for (const id of [...chats.keys()]) if (!found.has(id)) chats.delete(id);
  await (open === wanted() ? drawChats() : route());
}

async function titleOf(entry) {
  if (entry.chat.title) return entry.chat.title;
  if (!entry.title) {
    const { items } = await rest.call("GET", `/v1/chats/${entry.chat.id}/members?limit=6`);
    const others = items.filter((member) => member.user !== me?.id).slice(0, 5);
    const names = await Promise.all(others.map((member) => people.name(member.user)));
    const more = entry.chat.member_count - 1 - others.length;
    entry.title = (names.join(", ") || "only you") + (more > 0 ? ` and ${more} more` : "");
  }
  return entry.title;
}

async function drawChat(entry) {
  const title = await titleOf(entry).catch(() => "Chat");
  const row = document.createElement("li");
  const button = document.createElement("button");
  const parts = ["span", "b", "small"].map((tag) => document.createElement(tag));
  const [name, count, last] = parts;
  button.type = "button";
  button.dataset.chat = entry.chat.id;
  show(name, title);
  show(count, String(entry.unread));
  count.hidden = entry.unread === 0;
  show(last, entry.last ? await describe(entry.last, people) : "");
  button.append(...(entry.unread > 0 ? parts : [name, last]));
  if (entry.unread > 0) button.setAttribute("aria-label", `${title}, ${entry.unread} unread, ${last.textContent}`);
  button.setAttribute("aria-current", String(entry.chat.id === open));
  button.addEventListener("click", () => goTo(entry.chat.id));
  row.append(button);
  if (entry.chat.id === open) show($("chat-title"), title);
  return row;
}

let drawingChats = 0;

async function drawChats() {
  const turn = ++drawingChats;
  const latestFirst = (a, b) => (b.last?.at ?? "").localeCompare(a.last?.at ?? "");
  const rows = await Promise.all([...chats.values()].sort(latestFirst).map(drawChat));
  if (turn !== drawingChats || !me) return; // a newer drawing is under way
  const focused = document.activeElement?.dataset.chat;
  $("chats").replaceChildren(...rows);
  if (focused) rows.find((row) => row.firstChild.dataset.chat === focused)?.firstChild.focus();
  $("no-chats").hidden = rows.length > 0;
  const unread = [...chats.values()].reduce((sum, entry) => sum + entry.unread, 0);
  document.title = unread > 0 ? `(${unread}) Parley` : "Parley";
}

$("new-chat").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.username;
  guarded($("chats-problem"), async () => {
    const names = new Set(field.value.toLowerCase().split(",").map((name) => name.trim()).filter(Boolean));
    const members = await Promise.all([...names].map(findUser));
    const chat = await rest.call("POST", "/v1/chats", { kind: members.length === 1 ? "direct" : "group", members });
    field.value = "";
    await listChats();
    goTo(chat.id);
  });
});

async function findUser(username) {
  const { items } = await rest.call("GET", `/v1/users?q=${encodeURIComponent(username)}`);
  const user = items.find((item) => item.username === username);
  if (!user) throw new Problem(404, { detail: `There is nobody called ${username}.` });
  people.know(user);
  return user.id;
}

// --- one chat; which one is in the address, so that reload and the way back work ---

function goTo(id) {
  if (location.hash === `#${id}`) route();
  else location.hash = id;
}

function wanted() {
  const id = location.hash.slice(1);
  return chats.has(id) ? id : null;
}

async function route() {
  if (!me) return;
  if (wanted()) await openChat(wanted());
  else closeChat();
  await drawChats();
}

addEventListener("hashchange", route);
$("back").addEventListener("click", () => { location.hash = ""; });

function closeChat() {
  open = null;
  drawing++; // what is being drawn is no longer wanted
  $("timeline").replaceChildren();
  $("writing").reset();
  $("writing").hidden = $("earlier").hidden = true;
  $("room").classList.remove("reading");
  show($("chat-problem"), "");
  show($("chat-title"), "Choose a chat");
}

async function openChat(id) {
  if (open !== id) closeChat();
  open = id;
  $("room").classList.add("reading");
  $("writing").hidden = false;
  $("writing").elements.text.focus();
  const entry = chats.get(id);
  await guarded($("chat-problem"), async () => {
    await load(entry, LARGEST_SEQ);
    await drawTimeline(true);
  });
}

async function load(entry, before) {
  const { items, more } = await rest.call("GET", `/v1/chats/${entry.chat.id}/events?before=${before}&limit=${PAGE}`);
  for (const event of items) absorb(entry, event);
  if (!entry.loaded || before !== LARGEST_SEQ) entry.earlier = more;
  entry.loaded = true;
}

$("earlier").addEventListener("click", () => guarded($("chat-problem"), async () => {
  const entry = chats.get(open);
  const list = $("timeline");
  const below = list.scrollHeight - list.scrollTop;
  await load(entry, lowestSeq(entry));
  await drawTimeline(false);
  list.scrollTop = list.scrollHeight - below; // what was read stays in place
}));

let drawing = 0;

async function drawTimeline(toEnd) {
  const entry = chats.get(open);
  if (!entry) return;
  const turn = ++drawing;
  const list = $("timeline");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const rows = await rowsOf(entry, me, people);
  if (turn !== drawing) return; // a newer drawing is under way
  place(list, rows);
  $("earlier").hidden = !entry.earlier;
  if (toEnd || atEnd) list.scrollTop = list.scrollHeight;
  markRead(entry);
}

function markRead(entry) {
  const last = highestSeq(entry);
  if (document.hidden) return;
  entry.unread = 0;
  if (last <= entry.readSeq) return;
  entry.readSeq = last;
  live.read(entry.chat.id, last);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || !chats.has(open)) return;
  markRead(chats.get(open));
  drawChats();
});

// --- what comes live ---

async function take(event) {
  if (!me) return;
  const entry = chats.get(event.chat);
  if (!entry) {
    await listChats();
    return;
  }
  if (!receive(entry, event, me)) return;
  if (event.chat === open) await drawTimeline(event.sender === me.id);
  if (["member_added", "member_removed", "chat_updated"].includes(event.type)) {
    entry.title = null;
    await listChats();
  } else {
    await drawChats();
  }
}

// Read on another device of the same person.
function takeReceipt({ chat, user, read }) {
  const entry = chats.get(chat);
  if (user !== me?.id || !entry || !(read > entry.readSeq)) return;
  entry.readSeq = read;
  listChats();
}

async function resync() {
  await guarded($("chats-problem"), async () => {
    let more;
    do {
      more = false;
      const known = {};
      for (const [id, entry] of chats) known[id] = entry.loaded ? highestSeq(entry) : entry.head;
      const answer = await rest.call("POST", "/v1/sync", { chats: known });
      for (const [id, lacked] of Object.entries(answer.chats)) {
        if (!chats.has(id)) continue; // the list below brings it
        more ||= lacked.more && lacked.events.length > 0;
        for (const event of lacked.events) await take(event);
      }
    } while (more);
  });
  await listChats();
}

// --- writing ---

$("writing").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = event.target.elements.text;
  chats.get(open).waiting.set(live.send(open, field.value), field.value);
  field.value = "";
  show($("chat-problem"), "");
  drawTimeline(true);
});

function refused({ id, detail, code }) {
  for (const entry of chats.values()) entry.waiting.delete(id);
  show($("chat-problem"), detail || code);
  drawTimeline(false);
}

const token = sessionStorage.getItem("token");
if (token) comeBack(token);
else showRoom(false);
