// The state of the connection, told as it is: what is wrong, since when, what happens next, what the person can do.

import { byId, h, setText } from "../ui/dom.js";
import { clock, plural } from "../ui/format.js";

const QUIET_MS = 800;  // a connection that comes back within this is not worth a word

// Why a connection has ended for good, by close code.
const ENDINGS = {
  4001: { text: "Your login has ended. Messages that wait are kept.", action: "log-in" },
  4002: { text: "This device was logged out, here or on another device. Messages that wait are kept until you log in again.", action: "log-in" },
  4003: { text: "Parley is open in another tab or window of this browser.", action: "here" },
};
const FAULT = { text: "The server did not understand this page. It may be out of date.", action: "reload" };
const ACTIONS = { retry: "Try now", "log-in": "Log in again", here: "Use it here", reload: "Load it anew" };

export class ConnectionView {
  #room; #since = null; #state = { state: "offline", code: null, retryAt: null }; #timer; #quiet = null;
  #failed = false;              // a try has failed, and there has been no connection since
  // The bar is read aloud at each change: what changes all the time is out of that.
  #text = h("span"); #next = h("span", { "aria-hidden": "true" }); #queue = h("span");
  #action = null; #button = null;

  constructor(room) {
    this.#room = room;
    const { signal, parley } = room;
    parley.addEventListener("state", ({ detail }) => this.#onState(detail), { signal });
    parley.addEventListener("pending", () => this.draw(), { signal });
    addEventListener("online", () => this.draw(), { signal });
    addEventListener("offline", () => this.draw(), { signal });
    byId("connection").replaceChildren(h("p", {}, this.#text, this.#next, this.#queue));
    this.#timer = setInterval(() => this.#state.retryAt && this.draw(), 1000);
    signal.addEventListener("abort", () => {
      clearInterval(this.#timer);
      clearTimeout(this.#quiet);
      const bar = byId("connection");
      bar.replaceChildren();
      bar.hidden = true;
      delete bar.dataset.state;
    });
    this.#onState({ state: parley.state, code: null, retryAt: null });
  }

  #onState(state) {
    if (state.state === "online") {
      this.#since = null;
      this.#failed = false;
      clearTimeout(this.#quiet);
      this.#quiet = null;
    } else if (this.#since === null) {
      this.#since = Date.now();
      this.#quiet = setTimeout(() => this.draw(), QUIET_MS);
    }
    if (state.state === "offline" && state.retryAt) this.#failed = true;
    this.#state = state;
    this.draw();
  }

  draw() {
    const { text, next = "", queue = "", action = null, bad = false } = this.#words();
    const bar = byId("connection");
    bar.dataset.state = this.#state.state; // also when there is nothing to say, or not yet
    bar.hidden = text === "";
    bar.classList.toggle("bad", bad);
    setText(this.#text, text);
    setText(this.#next, next);
    setText(this.#queue, queue);
    this.#offer(action);
  }

  // The button stays the same for as long as it does the same, and so keeps the focus.
  #offer(action) {
    if (action === this.#action) return;
    this.#button?.remove();
    this.#action = action;
    this.#button = action && h("button", { type: "button", class: "small", onclick: () => this.#act(action) }, ACTIONS[action]);
    if (action) byId("connection").append(this.#button);
  }

  #words() {
    const { state, code } = this.#state;
    if (state === "ended") return { ...(ENDINGS[code] ?? FAULT), bad: true };
    if (state === "online" || Date.now() - this.#since < QUIET_MS - 50) return { text: "" };
    const waiting = this.#room.parley.pending().filter((pending) => pending.state !== "failed").length;
    const queue = waiting > 0 ? ` ${plural(waiting, "message")} will be sent then.` : "";
    if (!this.#failed) return { text: "Connecting…", queue };
    return { text: `${navigator.onLine ? "Offline" : "No network"} since ${clock(this.#since)}.`, next: this.#nextTry(), queue, action: "retry", bad: true };
  }

  #nextTry() {
    const { state, retryAt } = this.#state;
    const seconds = state === "offline" && retryAt ? Math.ceil((retryAt - Date.now()) / 1000) : 0;
    return seconds > 1 ? ` Next try in ${seconds} s.` : " Trying…";
  }

  #act(action) {
    const room = this.#room;
    if (action === "retry") dispatchEvent(new Event("online")); // the SDK takes it for the hint of the browser that it is
    else if (action === "here") room.restart();
    else if (action === "reload") location.reload();
    else room.leave(ENDINGS[this.#state.code]?.text ?? "");
  }
}
