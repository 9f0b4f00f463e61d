// One live WebSocket at a time: authenticates, notices when it is dead, and comes back after whatever happened, as the
// table of close codes says. What is in the frames is others' business.

import { Timer } from "./base.js";

const SUBPROTOCOL = "parley.v1";
const READY_DEADLINE_MS = 10_000;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 30_000;
const SETTLED_MS = 5_000;        // a connection that lasted so long was a good one
const PROBE_DEADLINE_MS = 5_000;
const USUAL_HEARTBEAT_S = 30;
const CLOSE_DEADLINE_MS = 1_000;
const VIOLATIONS_DELAY_MS = 30_000;

// After these a connection would end the same way, or must not be made: not without the person.
const ENDINGS = new Set([1002, 1003, 1007, 1009, 4001, 4002, 4003]);
const GOING_AWAY = 1001, LOST = 1006, TOO_SLOW = 4008, TOO_MANY_VIOLATIONS = 4029;
const HINTED = new Set([LOST, 1005, TOO_SLOW]); // after these a hint of the browser ends the wait

export class Connection {
  #options; #socket = null; #state = "offline"; #tries = 0;
  #byeAfterS = null; #maxFrameBytes = Infinity; #heartbeatMs = 0; #heardAt = 0; #readyAt = 0; #lastCode = null;
  #retry = new Timer(() => this.#dial());
  #deadline = new Timer(() => this.#lost());
  #pulse = new Timer(() => this.#onPulse());

  // resume() gives {session, n} or null; ready(frame), frame(frame) and state({state, code, retryAt}) are told.
  constructor(options) {
    this.#options = options;
  }

  get isReady() {
    return this.#state === "online";
  }

  open() {
    if (this.#state === "offline") this.#dial();
  }

  // Whether the server would take it; it ends the connection for a larger one.
  fits(frame) {
    const text = JSON.stringify(frame);
    return 3 * text.length <= this.#maxFrameBytes || new TextEncoder().encode(text).length <= this.#maxFrameBytes;
  }

  // False when there is nobody to say it to.
  say(frame) {
    if (!this.isReady) return false;
    this.#write(frame);
    return true;
  }

  close() {
    this.#retry.stop();
    const socket = this.#letGo();
    if (socket) goodbye(socket);
    if (this.#state !== "ended") this.#become("offline", null, null);
  }

  // The connection has shown itself to be bad: another one, as after a loss.
  renew() {
    if (this.#socket) this.#lost();
  }

  // The network, or the person, is back: a hint, not an order. A wait that the server asked for is kept.
  hint() {
    if (this.#retry.runs && HINTED.has(this.#lastCode)) {
      this.#tries = 0;
      this.#dial();
    } else if (this.isReady && !this.#deadline.runs) {
      this.#write({ op: "ping" });
      this.#deadline.start(PROBE_DEADLINE_MS);
    }
  }

  // --- one connection ---

  #dial() {
    this.#retry.stop();
    this.#become("connecting", null, null);
    const { url, WebSocket } = this.#options;
    const address = new URL("/v1/ws", url);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address.href, SUBPROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.#write({ op: "auth", token: this.#options.token, resume: this.#options.resume() ?? undefined });
    socket.onmessage = ({ data }) => this.#take(data);
    socket.onclose = ({ code }) => this.#closed(code);
    socket.onerror = () => {}; // a close follows
    this.#deadline.start(READY_DEADLINE_MS);
  }

  #write(frame) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #take(data) {
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      return this.#lost(); // no frame of Parley's
    }
    this.#heardAt = Date.now();
    if (this.isReady) this.#deadline.stop();
    if (frame.op === "ready") this.#begin(frame);
    else if (frame.op === "bye" || (frame.op === "error" && !this.isReady)) this.#byeAfterS = frame.retry_after ?? this.#byeAfterS;
    else if (this.isReady && frame.op !== "pong") this.#options.frame(frame);
  }

  #begin(frame) {
    this.#deadline.stop();
    this.#byeAfterS = null;
    this.#readyAt = Date.now();
    this.#maxFrameBytes = frame.limits?.max_frame_bytes ?? Infinity;
    this.#heartbeatMs = 1000 * (frame.heartbeat || USUAL_HEARTBEAT_S);
    this.#pulse.start(this.#heartbeatMs);
    this.#state = "online";
    this.#options.ready(frame);
    if (this.isReady) this.#become("online", null, null);
  }

  // A page does not see protocol pings. After a heartbeat of silence it asks; an answer has three quarters of another.
  #onPulse() {
    const silentMs = Date.now() - this.#heardAt;
    if (silentMs < this.#heartbeatMs) return this.#pulse.start(this.#heartbeatMs - silentMs);
    if (!this.#deadline.runs) {
      this.#write({ op: "ping" });
      this.#deadline.start(0.75 * this.#heartbeatMs);
    }
    this.#pulse.start(this.#heartbeatMs);
  }

  // Its end may be minutes away; we do not wait for it.
  #lost() {
    const socket = this.#letGo();
    if (socket) abandon(socket);
    this.#after(LOST);
  }

  #closed(code) {
    this.#letGo();
    this.#after(code);
  }

  #letGo() {
    const socket = this.#socket;
    this.#socket = null;
    this.#deadline.stop();
    this.#pulse.stop();
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    return socket;
  }

  // --- what comes after it ---

  #after(code) {
    this.#lastCode = this.#byeAfterS === null ? code : GOING_AWAY;
    if (ENDINGS.has(code)) return this.#become("ended", code, null);
    if (this.isReady && Date.now() - this.#readyAt >= SETTLED_MS) this.#tries = 0;
    const delayMs = this.#delayMs(code);
    this.#retry.start(delayMs);
    this.#become("offline", code, Date.now() + delayMs);
  }

  #delayMs(code) {
    const { random } = this.#options;
    const part = random();
    const tries = this.#tries++;
    if (code === TOO_MANY_VIOLATIONS) return VIOLATIONS_DELAY_MS + part * FIRST_DELAY_MS * 2 ** Math.min(tries, 4);
    if (this.#byeAfterS !== null) {
      const limitMs = 1000 * this.#byeAfterS;
      this.#byeAfterS = null;
      return part * limitMs;
    }
    if (code === TOO_SLOW && tries === 0) return 0;
    return part * Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** tries); // full jitter: not all at once
  }

  #become(state, code, retryAt) {
    this.#state = state;
    this.#options.state({ state, code, retryAt });
  }
}

// In good order: the server may forget us at once. One that does not answer is not waited for.
function goodbye(socket) {
  const deadline = new Timer(() => socket.terminate?.());
  socket.onclose = () => deadline.stop();
  deadline.start(CLOSE_DEADLINE_MS);
  socket.close(1000);
}

function abandon(socket) {
  if (socket.terminate) socket.terminate(); // Node's ws would wait for an answer
  else socket.close();
}
