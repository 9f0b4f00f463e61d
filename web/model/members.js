// Who is in a chat, with which role, and how far each has received and read: for ticks, mentions and rights.

const PAGE = 200;
const MOST = 1000;   // of a larger chat the first thousand are shown

export class Members extends EventTarget {
  #parley; #me;
  #loading = new Set();   // for each list that is being read, the changes that came meanwhile: it may not know of them
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
    const roles = new Map(), meanwhile = [];
    this.#loading.add(meanwhile);
    try {
      await this.#read(roles);
    } finally {
      this.#loading.delete(meanwhile);
    }
    this.roles = roles;
    for (const event of meanwhile) this.#change(event);
    this.loaded = true;
    this.#changed();
    if (roles.size >= MOST) return; // nobody looks at the ticks of so many
    for (const { user, delivered, read } of await this.#parley.receipts(this.chat)) this.#mark(user, delivered, read);
    this.#changed();
  }

  async #read(roles) {
    for await (const member of this.#parley.list(`/v1/chats/${this.chat}/members?limit=${PAGE}`)) {
      roles.set(member.user, member.role);
      if (roles.size >= MOST) break;
    }
  }

  get myRole() { return this.roles.get(this.#me) ?? null; }
  get mayWrite() { return !this.loaded || ["owner", "admin", "member"].includes(this.myRole); }
  get mayManage() { return ["owner", "admin"].includes(this.myRole); }

  others() {
    return [...this.roles.keys()].filter((user) => user !== this.#me);
  }

  apply(event) {
    if (!["member_added", "role_changed", "member_removed"].includes(event.type)) return;
    for (const meanwhile of this.#loading) meanwhile.push(event);
    this.#change(event);
    this.#changed();
  }

  #change({ type, user, role }) {
    if (type === "member_removed") this.roles.delete(user);
    else this.roles.set(user, role ?? this.roles.get(user) ?? "member");
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
