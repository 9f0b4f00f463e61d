import { Parley } from "./parley.js";

const form = document.getElementById("say");
let parley, timeline; // from the first message on

async function begin({ name: username, password, other }) {
  await Parley.register({ username, password }).catch(() => {}); // there is one already
  ({ parley } = await Parley.login({ username, password }));
  await parley.connect();
  const { items: [user] } = await parley.request("GET", `/v1/users?q=${encodeURIComponent(other)}&limit=1`);
  const chat = await parley.request("POST", "/v1/chats", { kind: "direct", members: [user.id] });
  timeline = await parley.timeline(chat.id);
  timeline.addEventListener("change", show);
}
function show() {
  const texts = timeline.entries.map(({ event, pending }) => (event ? event.body?.text ?? event.type : `${pending.body.text} …`));
  document.getElementById("log").replaceChildren(...texts.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}
form.addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  if (!timeline) await begin(Object.fromEntries(new FormData(form)));
  parley.send(timeline.chat, { text: form.text.value });
});
