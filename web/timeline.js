// The rows of a chat's timeline. Text is only ever set as text.

const HIDDEN = new Set(["edit", "delete", "reaction"]); // they show on the message that they are about

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

// What an edit, a deletion or a reaction that arrives live does to the message before it.
export function applyToTarget(event, target) {
  if (!target) return;
  if (event.type === "edit" && event.body && !target.deleted) {
    target.body = event.body;
    target.edited = event.at;
  } else if (event.type === "delete") {
    delete target.body;
    target.deleted = true;
  } else if (event.type === "reaction") {
    const users = new Set(target.reactions?.[event.emoji]);
    if (event.on) users.add(event.sender);
    else users.delete(event.sender);
    target.reactions = { ...target.reactions, [event.emoji]: [...users] };
  }
}

export async function describe(event, people) {
  switch (event.type) {
    case "message": return event.deleted ? "deleted" : event.body?.text ?? "";
    case "member_added": return `${await people.name(event.user)} joined`;
    case "member_removed": return `${await people.name(event.user)} left`;
    case "role_changed": return `${await people.name(event.user)} is now ${event.role}`;
    case "edit": return `${await people.name(event.sender)} edited a message`;
    case "delete": return `${await people.name(event.sender)} deleted a message`;
    case "reaction": return `${await people.name(event.sender)} reacted ${event.emoji}`;
    default: return `${await people.name(event.sender)} changed the chat`;
  }
}

function timeOf(at) {
  const time = new Date(at);
  const today = time.toDateString() === new Date().toDateString();
  const made = element("time", today ? time.toLocaleTimeString([], { timeStyle: "short" })
    : time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" }));
  made.dateTime = at;
  return made;
}

async function drawMessage(event, mine, people) {
  const row = element("li", "", mine ? "mine" : "");
  const head = element("small", mine ? "" : `${await people.name(event.sender)} · `);
  head.append(timeOf(event.at), event.edited && !event.deleted ? " · edited" : "");
  const text = element("p", await describe(event, people), event.deleted ? "gone" : "");
  text.dir = "auto";
  row.append(head, text);
  const reactions = Object.entries(event.reactions ?? {}).filter(([, users]) => users.length > 0);
  if (reactions.length > 0) row.append(element("small", reactions.map(([emoji, users]) => `${emoji} ${users.length}`).join("  ")));
  return row;
}

// A row is drawn again only when what it shows has changed, so that a screen reader hears of new ones only.
async function rowOf(event, entry, me, people) {
  const stamp = JSON.stringify([event.edited, event.deleted, event.reactions]);
  const known = entry.rows.get(event.seq);
  if (known?.stamp === stamp) return known.row;
  const row = event.type === "message" ? await drawMessage(event, event.sender === me.id, people)
    : element("li", await describe(event, people), "notice");
  entry.rows.set(event.seq, { stamp, row });
  return row;
}

export async function rowsOf(entry, me, people) {
  const events = [...entry.events.values()].filter((event) => !HIDDEN.has(event.type)).sort((a, b) => a.seq - b.seq);
  const rows = await Promise.all(events.map((event) => rowOf(event, entry, me, people)));
  const waiting = [...entry.waiting.values()].map((text) => {
    const row = element("li", "", "mine waiting");
    row.append(element("small", "sending…"), element("p", text));
    row.lastChild.dir = "auto";
    return row;
  });
  return [...rows, ...waiting];
}

// Rows that stay where they are, are not touched.
export function place(list, rows) {
  const wanted = new Set(rows);
  for (const old of [...list.children]) if (!wanted.has(old)) old.remove();
  rows.forEach((row, i) => {
    if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
  });
}
