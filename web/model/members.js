// Who is in a chat, with which role, and how far each has received and read: for ticks, mentions and rights.

const PAGE = 200;
const MOST = 1000;   // of a larger chat the first thousand are shown

export class Members extends EventTarget {
  #parley; #me;
  roles = new Map();      // user -> role
  marks = new Map();      // user -> {delivered, read}
  loaded = false;

  constructor(parley, chat, me) {
    super();
    this.#parley = parley;
    this.#me = me;
    this.chat = chat;
  }

  async load() {
    const roles = new Map();
    for await (const member of this.#parley.list(`/v1/chats/${this.chat}/members?limit=${PAGE}`)) {
      roles.set(member.user, member.role);
      if (roles.size >= MOST) break;
    }
    this.roles = roles;
    this.loaded = true;
    this.#changed();
    if (roles.size >= MOST) return; // nobody looks at the ticks of so many
    for (const { user, delivered, read } of await this.#parley.receipts(this.chat)) this.#mark(user, delivered, read);
    this.#changed();
  }

  get myRole() { return this.roles.get(this.#me) ?? null; }
  get mayWrite() { return !this.loaded || ["owner", "admin", "member"].includes(this.myRole); }
  get mayManage() { return ["owner", "admin"].includes(this.myRole); }

  others() {
    return [...this.roles.keys()].filter((user) => user !== this.#me);
  }

  apply(event) {
    if (event.type === "member_added" || event.type === "role_changed") this.roles.set(event.user, event.role ?? this.roles.get(event.user) ?? "member");
    else if (event.type === "member_removed") this.roles.delete(event.user);
    else return;
    this.#changed();
  }

  receipt({ user, delivered, read }) {
    this.#mark(user, delivered, read);
    this.#changed();
  }

  #mark(user, delivered = 0, read = 0) {
    const known = this.marks.get(user) ?? { delivered: 0, read: 0 };
    this.marks.set(user, { delivered: Math.max(known.delivered, delivered ?? 0, read ?? 0), read: Math.max(known.read, read ?? 0) });
  }

  // How many of the others have a message: {others, delivered, read}.
  reach(seq) {
    let delivered = 0;
    let read = 0;
    const others = this.others();
    for (const user of others) {
      const mark = this.marks.get(user);
      if (mark?.delivered >= seq) delivered++;
      if (mark?.read >= seq) read++;
    }
    return { others: others.length, delivered, read };
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
