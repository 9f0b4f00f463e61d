// A device that runs the SDK, for test_sdk.py: commands come as lines of JSON on standard input, what the SDK tells goes out as
// lines of JSON. With `folder` it stores what must outlive it in a file there, as a bot would.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { MemoryStorage, Parley } from "../../web/sdk/parley.js";

const { url, token, user, folder } = JSON.parse(process.argv[2]);
const WebSocket = globalThis.WebSocket ?? createRequire("/usr/share/nodejs/")("/usr/share/nodejs/ws");
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// Every write is whole in the file before it counts.
class FileStorage extends MemoryStorage {
  #path;

  constructor(path) {
    super();
    this.#path = path;
  }

  async open() {
    try {
      await super.write(JSON.parse(readFileSync(this.#path, "utf8")));
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
    }
  }

  async write(changes) {
    await super.write(changes);
    writeFileSync(`${this.#path}.new`, JSON.stringify(await this.#everything()));
    renameSync(`${this.#path}.new`, this.#path);
  }

  async #everything() {
    const rows = [];
    for (const table of ["meta", "positions", "outbox", "reads"]) {
      const keyOf = { meta: () => "point", positions: ({ chat }) => chat, reads: ({ chat }) => chat,
        outbox: ({ order, client_id }) => `${String(order).padStart(17, "0")} ${client_id}` }[table];
      for (const value of await this.range(table, "")) rows.push({ table, group: "", key: keyOf(value), value });
    }
    return rows;
  }
}

process.on("unhandledRejection", (error) => say({ type: "unhandled", detail: String(error?.stack ?? error) }));

const parley = new Parley({ url, token, user, WebSocket, storage: folder ? new FileStorage(`${folder}/${user}.json`) : new MemoryStorage() });
for (const type of ["state", "event", "pending", "receipt", "typing", "presence", "head", "resync", "skipped"]) parley.addEventListener(type, ({ detail }) => say({ type, detail }));
parley.addEventListener("warning", ({ detail }) => say({ type: "warning", detail: String(detail.error) }));

const shown = (timeline) => timeline.entries.map(({ key, event }) => ({ key, seq: event?.seq, text: event?.body?.text,
  edited: Boolean(event?.edited), deleted: Boolean(event?.deleted), reactions: event?.reactions ?? {} }));

const COMMANDS = {
  connect: () => parley.connect(),
  send: ({ chat, text }) => {
    const { client_id, done } = parley.send(chat, { text });
    done.then((ok) => say({ type: "done", detail: { client_id, text, ...ok } }), (error) => say({ type: "undone", detail: { client_id, text, code: error.code } }));
  },
  edit: ({ chat, seq, text }) => parley.edit(chat, seq, { text }),
  remove: ({ chat, seq }) => parley.remove(chat, seq),
  react: ({ chat, seq, emoji, on }) => parley.react(chat, seq, emoji, on),
  read: ({ chat, seq }) => parley.read(chat, seq),
  typing: ({ chat, on }) => parley.typing(chat, on),
  watch: ({ chats }) => parley.watch(chats),
  presence: ({ users }) => parley.presence(users),
  // Tells all that the timeline shows, now and at each change.
  show: async ({ chat }) => {
    const timeline = await parley.timeline(chat);
    const tell = () => say({ type: "shown", detail: shown(timeline) });
    timeline.addEventListener("change", tell);
    tell();
  },
  timeline: async ({ chat }) => {
    const timeline = await parley.timeline(chat);
    while (timeline.hasOlder) await timeline.loadOlder();
    say({ type: "timeline", detail: shown(timeline) });
    timeline.close();
  },
  close: () => {
    parley.close();
    lines.close();
    process.stdin.destroy();
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { id, command, ...given } = JSON.parse(line);
  try {
    await COMMANDS[command](given);
    say({ type: "finished", detail: { id } });
  } catch (error) {
    say({ type: "refused", detail: { id, code: error.code, detail: error.message } });
  }
});
