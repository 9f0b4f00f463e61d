// Keeps the page's own files, so that it opens without a network. What it keeps is always one whole version: all files are fetched,
// and when one of them differs from what is kept, all are put into a new cache, which the next load uses. Answers of the
// server (/v1/) are never touched.

const FILES = [
  "/", "early.js", "app.js", "door.js", "room.js", "offline.js", "manifest.webmanifest", "icon.svg", "icon-192.png", "icon-512.png",
  "style/theme.css", "style/base.css", "style/layout.css", "style/chats.css", "style/timeline.css", "style/composer.css", "style/dialogs.css",
  "ui/avatar.js", "ui/clipboard.js", "ui/dialogs.js", "ui/dom.js", "ui/emoji.js", "ui/format.js", "ui/icons.js", "ui/menu.js", "ui/person_picker.js",
  "ui/problems.js", "ui/rich_text.js", "ui/say.js", "ui/virtual_list.js",
  "model/chats.js", "model/events.js", "model/members.js", "model/people.js", "model/presence.js", "model/session.js", "model/store.js",
  "views/actions.js", "views/chat_list.js", "views/composer.js", "views/connection.js", "views/devices.js", "views/dialogs.js",
  "views/header.js", "views/info.js", "views/look.js", "views/mentions.js", "views/message.js", "views/new_chat.js", "views/notifier.js",
  "views/rows.js", "views/search.js", "views/settings.js", "views/shortcuts.js", "views/timeline.js", "views/trace.js",
  "sdk/parley.js", "sdk/src/base.js", "sdk/src/cache.js", "sdk/src/connection.js", "sdk/src/inbox.js",
  "sdk/src/outbox.js", "sdk/src/questions.js", "sdk/src/rest.js", "sdk/src/resync.js", "sdk/src/sequence.js",
  "sdk/src/standing.js", "sdk/src/storage.js", "sdk/src/tabs.js", "sdk/src/timeline.js",
];
const PREFIX = "parley-page-";
const KEPT = new Set(FILES.map((file) => new URL(file, self.location).pathname));

const WHOLE = new URL("whole", self.location); // put last: without it a version is not whole, and does not count

// The whole versions, oldest first.
async function versions() {
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX)).sort();
  const whole = await Promise.all(names.map(async (name) => (await caches.open(name)).match(WHOLE)));
  return names.filter((_, i) => whole[i]);
}

async function current() {
  const name = (await versions()).at(-1);
  return name ? caches.open(name) : null;
}

async function digestOf(answers) {
  const parts = await Promise.all(answers.map(async (answer) => new Uint8Array(await crypto.subtle.digest("SHA-256", await answer.clone().arrayBuffer()))));
  const all = new Uint8Array(parts.length * 32);
  parts.forEach((part, i) => all.set(part, i * 32));
  return Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", all)).slice(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Fetches all files (unchanged ones cost a 304 each); whether a newer version was put away.
async function refresh() {
  const answers = await Promise.all(FILES.map((file) => fetch(new URL(file, self.location), { cache: "no-cache" })));
  if (answers.some((answer) => !answer.ok)) return false; // half an upgrade: not this time
  const digest = await digestOf(answers);
  const known = await versions();
  if (known.at(-1)?.endsWith(digest)) return false;
  const name = `${PREFIX}${String(Date.now()).padStart(16, "0")}-${digest}`;
  const cache = await caches.open(name);
  await Promise.all(FILES.map((file, i) => cache.put(new URL(file, self.location), answers[i])));
  await cache.put(WHOLE, new Response(digest));
  await forgetAllBut([name, known.at(-1)]); // a page may still be loading from the last one
  return known.length > 0;
}

async function forgetAllBut(names) {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && !names.includes(name)) await caches.delete(name);
}

async function tellPages(message) {
  for (const client of await self.clients.matchAll({ type: "window" })) client.postMessage(message);
}

let serving = null; // the version that the last load began with; its files come from there too

async function answer(request, url) {
  const isPage = request.mode === "navigate";
  if (isPage || !serving) serving = await current();
  const kept = await serving?.match(isPage ? new URL("/", self.location) : url, { ignoreSearch: true });
  return kept ?? fetch(request);
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(refresh());
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const page = request.mode === "navigate" && url.pathname === new URL("/", self.location).pathname;
  if (request.method !== "GET" || url.origin !== self.location.origin || !(page || KEPT.has(url.pathname))) return;
  event.respondWith(answer(request, url));
  if (page) event.waitUntil(refresh().then((newer) => newer && tellPages({ newer: true })).catch(() => null)); // offline: what is kept serves
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil((async () => {
    const [page] = await self.clients.matchAll({ type: "window" });
    if (!page) {
      await self.clients.openWindow(`/#${event.notification.data.chat}`);
      return;
    }
    await page.focus();
    page.postMessage({ chat: event.notification.data.chat });
  })());
});
