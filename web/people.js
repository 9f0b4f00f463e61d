// Display names. Each is asked for once; whoever asks meanwhile waits for the same answer.

export class People {
  #rest; #names = new Map(); // user id -> promise of the display name

  constructor(rest) {
    this.#rest = rest;
  }

  know(user) {
    this.#names.set(user.id, Promise.resolve(user.display_name));
  }

  name(id) {
    if (!this.#names.has(id)) this.#names.set(id, this.#ask(id));
    return this.#names.get(id);
  }

  async #ask(id) {
    try {
      return (await this.#rest.call("GET", `/v1/users/${id}`)).display_name;
    } catch (problem) {
      if (problem.status !== 404) this.#names.delete(id); // asked again at the next drawing
      return "somebody";
    }
  }
}
