import { Parley } from "./parley.js";

let timeline, parley; // logged in with the first message

async function begin({ name: username, password, other }) {
  await Parley.register({ username, password }).catch(() => {}); // there is one already
  ({ parley } = await Parley.login({ username, password }));
  await parley.connect();
  const { items: [user] } = await parley.request("GET", `/v1/users?q=${encodeURIComponent(other)}&limit=1`);
  const { id } = await parley.request("POST", "/v1/chats", { kind: "direct", members: [user.id] });
  timeline = await parley.timeline(id);
  timeline.addEventListener("change", show);
}
function show() {
  const lines = timeline.entries.map(({ event, pending }) => (event ? event.body?.text ?? event.type : `${pending.body.text} …`));
  document.getElementById("log").replaceChildren(...lines.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}
document.getElementById("say").addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  if (!timeline) await begin(Object.fromEntries(new FormData(submitted.target)));
  if (submitted.target.text.value) parley.send(timeline.chat, { text: submitted.target.text.value });
  show(submitted.target.text.value = "");
});
