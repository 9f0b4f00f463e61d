// What the page itself keeps between visits, a few named values per account: the list of chats, profiles. Events and unsent
// messages are the SDK's. Without IndexedDB (some private windows) nothing is kept.

const TABLE = "values";

function opened(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => {
      request.result.onversionchange = () => request.result.close(); // another tab forgets it
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

function answered(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class Store {
  #name; #database;

  constructor(user) {
    this.#name = `parley-page-${user}`;
    this.#database = opened(this.#name).catch(() => null);
  }

  async get(key) {
    return this.#ask("readonly", (table) => table.get(key));
  }

  async set(key, value) {
    await this.#ask("readwrite", (table) => table.put(value, key));
  }

  // A full disk or a store that is being closed must not stop the page: what is kept here can be asked for again.
  async #ask(mode, work) {
    const database = await this.#database;
    try {
      return database ? await answered(work(database.transaction(TABLE, mode).objectStore(TABLE))) : undefined;
    } catch {
      return undefined;
    }
  }

  async close() {
    (await this.#database)?.close();
  }

  async forget() {
    await this.close();
    await answered(indexedDB.deleteDatabase(this.#name)).catch(() => null);
  }
}
