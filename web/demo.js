// Two people side by side, each in a page of their own: what `make demo` shows. The accounts stand in a file that only a
// demonstration serves; `?profile=NAME` keeps the two logins apart in one browser.

const note = document.getElementById("note");

async function call(method, path, { body, token } = {}) {
  const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return answer.json();
}

const keyOf = (account) => `parley:${account}:session`;

// A login of an earlier demonstration may have ended.
async function login(account, password) {
  const known = JSON.parse(localStorage.getItem(keyOf(account)) ?? "null");
  const chats = known && (await call("GET", "/v1/chats", known).catch(() => null));
  if (chats) return { session: known, chats };
  const session = await call("POST", "/v1/sessions", { body: { username: account, password, device: { name: "a pane of the demonstration" } } });
  localStorage.setItem(keyOf(account), JSON.stringify(session));
  return { session, chats: await call("GET", "/v1/chats", session) };
}

// Their direct chat is open.
async function open(account, password) {
  const { chats } = await login(account, password);
  const direct = chats.items.find((item) => item.chat.kind === "direct");
  const pane = document.createElement("iframe");
  pane.title = `The page of ${account}`;
  pane.src = `/?profile=${encodeURIComponent(account)}${direct ? `#${direct.chat.id}` : ""}`;
  return pane;
}

try {
  const { accounts, password } = await call("GET", "/demonstration.json");
  const panes = await Promise.all(accounts.map((account) => open(account, password)));
  document.getElementById("panes").append(...panes);
  note.textContent = `Everybody knows the password of ${accounts.join(" and ")}: put nothing in here that matters. Write in one pane and watch the other.`;
} catch (error) {
  note.textContent = `This needs a Parley that was started with \`make demo\` (${error.message}).`;
}
