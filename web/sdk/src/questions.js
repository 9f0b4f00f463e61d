// Ops that want an answer: each has an id, a deadline, and an end.

import { ParleyError, Timer } from "./base.js";

const UNREADABLE = new Set(["invalid_json", "invalid_utf8"]);
const DEADLINE_MS = 20_000; // the server answers earlier, by its own deadlines

export class Questions {
  #open = new Map(); // id -> {resolve, reject, deadline}
  #number = 0; #fits; #say; #silence;

  // fits(frame) says whether the server would take it; say(frame) is false when there is no connection; silence() is called
  // when an answer has not come in time.
  constructor({ fits, say, silence }) {
    this.#fits = fits;
    this.#say = say;
    this.#silence = silence;
  }

  ask(frame) {
    const id = String(++this.#number);
    return new Promise((resolve, reject) => {
      if (!this.#fits({ ...frame, id })) return reject(new ParleyError("too_large", "This is larger than the server takes."));
      if (!this.#say({ ...frame, id })) return reject(new ParleyError("network", "There is no connection."));
      const deadline = new Timer(() => {
        this.#end(id)?.reject(new ParleyError("network", "The server has not answered."));
        this.#silence();
      });
      deadline.start(DEADLINE_MS);
      this.#open.set(id, { resolve, reject, deadline });
    });
  }

  // True when the frame was an answer to one of them.
  answered(frame) {
    const question = this.#end(frame.id ?? this.#unreadable(frame));
    if (!question) return false;
    if (frame.op === "ok") question.resolve(frame);
    else question.reject(ParleyError.fromFrame(frame));
    return true;
  }

  // What could not be read has no id in its answer. It was the only question, or nobody knows which.
  #unreadable({ code }) {
    return UNREADABLE.has(code) && this.#open.size === 1 ? this.#open.keys().next().value : undefined;
  }

  // The connection has gone: nobody knows what became of them.
  lose(error) {
    for (const id of [...this.#open.keys()]) this.#end(id).reject(error);
  }

  #end(id) {
    const question = this.#open.get(id);
    question?.deadline.stop();
    this.#open.delete(id);
    return question;
  }
}
