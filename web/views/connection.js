// The state of the connection, told as it is: what is wrong, since when, what happens next, what the person can do.

import { byId, h } from "../ui/dom.js";
import { clock, plural } from "../ui/format.js";

const QUIET_MS = 800;  // a connection that comes back within this is not worth a word

// Why a connection has ended for good, by close code.
const ENDINGS = {
  4001: { text: "Your login has ended. Messages that wait are kept.", action: "log-in" },
  4002: { text: "This device was logged out, here or on another device. Messages that wait are kept until you log in again.", action: "log-in" },
  4003: { text: "Parley is open in another tab or window of this browser.", action: "here" },
};
const FAULT = { text: "The server did not understand this page. It may be out of date.", action: "reload" };
const ACTIONS = { "log-in": "Log in again", here: "Use it here", reload: "Load it anew" };

export class ConnectionView {
  #room; #since = null; #state = { state: "offline", code: null, retryAt: null }; #timer; #quiet = null; #shown = "";
  #failed = false;              // a try has failed, and there has been no connection since

  constructor(room) {
    this.#room = room;
    const { signal, parley } = room;
    parley.addEventListener("state", ({ detail }) => this.#onState(detail), { signal });
    parley.addEventListener("pending", () => this.draw(), { signal });
    addEventListener("online", () => this.draw(), { signal });
    addEventListener("offline", () => this.draw(), { signal });
    this.#timer = setInterval(() => this.#state.retryAt && this.draw(), 1000);
    signal.addEventListener("abort", () => {
      clearInterval(this.#timer);
      clearTimeout(this.#quiet);
      byId("connection").replaceChildren();
      byId("connection").hidden = true;
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
    const { text, action, bad } = this.#words();
    const key = `${text}|${action}`;
    if (key === this.#shown) return;
    this.#shown = key;
    const bar = byId("connection");
    bar.hidden = text === "";
    bar.classList.toggle("bad", Boolean(bad));
    const old = bar.querySelector(`button[data-action="${action}"]`);
    const button = action && (old ?? h("button", { type: "button", class: "small", "data-action": action, onclick: () => this.#act(action) }, ACTIONS[action] ?? "Try now"));
    bar.querySelector("p")?.remove();
    if (!button) bar.replaceChildren();
    else if (button !== old) bar.replaceChildren(button);
    bar.prepend(h("p", {}, text));
  }

  #words() {
    const { state, code, retryAt } = this.#state;
    if (state === "ended") return { ...(ENDINGS[code] ?? FAULT), bad: true };
    const waiting = this.#room.parley.pending().filter((pending) => pending.state !== "failed").length;
    if (state === "online") return { text: "", action: null };
    if (Date.now() - this.#since < QUIET_MS - 50) return { text: "", action: null };
    const queue = waiting > 0 ? ` ${plural(waiting, "message")} will be sent then.` : "";
    // A try takes a moment: what can be pressed stays, and keeps the focus.
    if (state === "connecting") return { text: `Connecting…${queue}`, action: this.#failed ? "retry" : null, bad: this.#failed };
    const since = `${navigator.onLine ? "Offline" : "No network"} since ${clock(this.#since)}.`;
    const seconds = retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
    const next = seconds > 1 ? ` Next try in ${seconds} s.` : " Trying…";
    return { text: since + next + queue, action: "retry", bad: true };
  }

  #act(action) {
    const room = this.#room;
    if (action === "retry") dispatchEvent(new Event("online")); // the SDK takes it for the hint of the browser that it is
    else if (action === "here") room.restart();
    else if (action === "reload") location.reload();
    else room.leave(ENDINGS[this.#state.code]?.text ?? "");
  }
}
