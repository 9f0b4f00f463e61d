// Two people side by side, each in a page of their own: what `make demo` shows. The accounts stand in a file that only a
// demonstration serves; `?profile=NAME` keeps the two logins apart in one browser.

const note = document.getElementById("note");

async function call(method, path, body) {
  const answer = await fetch(path, { method, headers: { "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return answer.json();
}

const keyOf = (account) => `parley:${account}:session`;

async function open(account, password) {
  if (!localStorage.getItem(keyOf(account))) {
    const session = await call("POST", "/v1/sessions", { username: account, password, device: { name: "a pane of the demonstration" } });
    localStorage.setItem(keyOf(account), JSON.stringify(session));
  }
  const pane = document.createElement("iframe");
  pane.title = `The page of ${account}`;
  pane.src = `/?profile=${encodeURIComponent(account)}`;
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
