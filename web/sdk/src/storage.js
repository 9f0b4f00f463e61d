// What must outlive a page. A storage is a few tables of values under (group, key), with ranges in the order of keys, and
// writes that happen whole or not at all. Tables:
//
//   meta       "" / name           the delivery session and its n
//   positions  "" / chat           {seq, at}: everything up to seq was handed to an application
//   outbox     "" / order          a message that is not in the log yet
//   reads      "" / chat           a read watermark that was not said yet
//   events     chat / seq          {event, previous}: seen; previous is the seq of the one before it that the user can see

export const TABLES = ["meta", "positions", "outbox", "reads", "events"];

// For Node, and where a page may store nothing. Gone with the page.
export class MemoryStorage {
  name = null; // instances with the same name share it; nobody can share this
  #tables = new Map(TABLES.map((table) => [table, new Map()]));

  async open() {}

  async get(table, group, key) {
    return clone(this.#tables.get(table).get(group)?.get(key));
  }

  async range(table, group, { above, below, limit = Infinity, newest = false } = {}) {
    const keys = [...(this.#tables.get(table).get(group)?.keys() ?? [])]
      .filter((key) => (above === undefined || key > above) && (below === undefined || key < below))
      .sort((a, b) => (a < b ? -1 : 1));
    const chosen = newest ? keys.slice(Math.max(0, keys.length - limit)) : keys.slice(0, limit);
    return chosen.map((key) => clone(this.#tables.get(table).get(group).get(key)));
  }

  async write(changes) {
    for (const change of changes) this.#apply(change);
  }

  async clear() {
    for (const table of this.#tables.values()) table.clear();
  }

  close() {}

  #apply({ table, group, key, value, below }) {
    const groups = this.#tables.get(table);
    if (!groups.has(group)) groups.set(group, new Map());
    const rows = groups.get(group);
    if (below !== undefined) {
      for (const old of [...rows.keys()]) if (old < below) rows.delete(old);
    } else if (value === undefined) {
      rows.delete(key);
    } else {
      rows.set(key, clone(value));
    }
    if (rows.size === 0) groups.delete(group);
  }
}

function clone(value) {
  return value === undefined ? undefined : structuredClone(value);
}

const VERSION = 1;

// For pages. All tabs of an origin share it.
export class IndexedDbStorage {
  #database = null; #opening = null;

  constructor(name) {
    this.name = name;
  }

  open() {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  get(table, group, key) {
    return this.#read(table, (rows) => rows.get([group, key]));
  }

  async range(table, group, { above, below, limit, newest = false } = {}) {
    const keys = IDBKeyRange.bound(above === undefined ? [group] : [group, above],
      below === undefined ? [group, []] : [group, below], above !== undefined, below !== undefined);
    if (!newest) return this.#read(table, (rows) => rows.getAll(keys, limit));
    const values = [];
    await this.#read(table, (rows) => {
      const asked = rows.openCursor(keys, "prev");
      asked.onsuccess = () => {
        const cursor = asked.result;
        if (!cursor) return;
        values.push(cursor.value);
        if (values.length < (limit ?? Infinity)) cursor.continue();
      };
      return asked;
    });
    return values.reverse();
  }

  write(changes) {
    const tables = [...new Set(changes.map(({ table }) => table))];
    if (tables.length === 0) return Promise.resolve();
    return this.#transact(tables, "readwrite", (of) => {
      for (const { table, group, key, value, below } of changes) {
        if (below !== undefined) of(table).delete(IDBKeyRange.bound([group], [group, below], false, true));
        else if (value === undefined) of(table).delete([group, key]);
        else of(table).put(value, [group, key]);
      }
    });
  }

  clear() {
    return this.#transact(TABLES, "readwrite", (of) => {
      for (const table of TABLES) of(table).clear();
    });
  }

  close() {
    this.#database?.close();
    this.#database = null;
    this.#opening = null;
  }

  async #open() {
    const asked = indexedDB.open(this.name, VERSION);
    asked.onupgradeneeded = () => {
      for (const table of TABLES) asked.result.createObjectStore(table);
    };
    this.#database = await new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
    this.#database.onversionchange = () => this.close(); // another tab deletes it
  }

  async #read(table, ask) {
    let asked;
    await this.#transact([table], "readonly", (of) => {
      asked = ask(of(table));
    });
    return asked.result;
  }

  async #transact(tables, mode, run) {
    await this.open();
    const transaction = this.#database.transaction(tables, mode);
    await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("The browser has given the transaction up."));
      run((table) => transaction.objectStore(table));
      if (mode === "readwrite") transaction.commit?.(); // now, so that a page that goes this moment has it written all the same
    });
  }
}

export function defaultStorage(user) {
  return globalThis.indexedDB ? new IndexedDbStorage(`parley-${user}`) : new MemoryStorage();
}

// A storage that may fail: what cannot be kept is told once in a while, and everything else goes on.
export class Keeper {
  #storage; #warn; #opened = null; #running = 0; #closed = false; #forgotten = false;

  constructor(storage, warn) {
    this.#storage = storage;
    this.#warn = warn;
  }

  // Where nothing may be stored (a private window), memory has to do.
  open() {
    this.#opened ??= this.#storage.open().catch((error) => {
      this.#storage = new MemoryStorage();
      this.#warn(error);
    });
    return this.#opened;
  }

  get(table, group, key) {
    return this.#try((storage) => storage.get(table, group, key), undefined);
  }

  range(table, group, range) {
    return this.#try((storage) => storage.range(table, group, range), []);
  }

  write(changes) {
    return this.#forgotten ? Promise.resolve() : this.#try((storage) => storage.write(changes), undefined);
  }

  // All of it is gone, and nothing more is written.
  async forget() {
    this.#forgotten = true;
    await this.#try((storage) => storage.clear(), undefined);
    this.close();
  }

  // What was begun is finished first.
  close() {
    this.#closed = true;
    if (this.#opened && this.#running === 0) this.#storage.close();
  }

  async #try(run, otherwise) {
    this.#running++;
    try {
      await this.open();
      return await run(this.#storage);
    } catch (error) {
      if (!this.#closed) this.#warn(error);
      return otherwise;
    } finally {
      if (--this.#running === 0 && this.#closed) this.#storage.close();
    }
  }
}
