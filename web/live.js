// The page's WebSocket: authenticates, acknowledges what it took over, sends again what was not answered, and comes back
// after whatever happened. Repeats on the wire are the receiver's to drop, by (chat, seq).

const FINAL = new Set([1002, 1003, 1007, 1009, 4001, 4002, 4003]); // after these: not without the person
const LONGER_MS = { 4029: 30_000 };
const LONGEST_DELAY_MS = 10_000;
const ACK_DELAY_MS = 100;

// randomUUID is for https only; a page on a bare address has this.
function newClientId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Live extends EventTarget {
  #token; #socket = null; #session = null; #n = 0; #acked = 0; #tries = 0; #wanted = true;
  #ackTimer = null; #pingTimer = null; #heard = true; #waitMs = null;
  #outbox = new Map(); // client_id -> frame, in the order of sending, until answered
  #reads = new Map();  // chat -> seq, until connected

  ready = false;

  constructor(token) {
    super();
    this.#token = token;
    this.#connect();
  }

  // Returns the client_id, which the event will carry too.
  send(chat, text) {
    const clientId = newClientId();
    const frame = { op: "send", id: clientId, chat, client_id: clientId, body: { text } };
    this.#outbox.set(clientId, frame);
    if (this.ready) this.#write(frame);
    return clientId;
  }

  read(chat, seq) {
    if (this.ready) this.#write({ op: "read", chat, seq });
    else this.#reads.set(chat, seq);
  }

  close() {
    this.#wanted = false;
    this.#socket.close(1000);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #write(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #connect() {
    const url = new URL("/v1/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, "parley.v1");
    this.#socket = socket;
    socket.onopen = () => {
      const resume = this.#session ? { session: this.#session, n: this.#n } : undefined;
      this.#write({ op: "auth", token: this.#token, resume });
    };
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onclose = ({ code }) => this.#closed(code);
  }

  #closed(code) {
    this.ready = false;
    clearTimeout(this.#ackTimer);
    clearInterval(this.#pingTimer);
    this.#ackTimer = null;
    if (!this.#wanted) return;
    if (FINAL.has(code)) {
      this.#tell("ended", code);
      return;
    }
    const limitMs = Math.min(LONGEST_DELAY_MS, 250 * 2 ** this.#tries++);
    const delayMs = LONGER_MS[code] ?? this.#waitMs ?? limitMs * Math.random(); // full jitter: not all at once
    this.#waitMs = null;
    this.#tell("state", false);
    setTimeout(() => this.#wanted && this.#connect(), delayMs);
  }

  // A page does not see protocol pings; without its own it would take a dead network for silence.
  #watch(heartbeat) {
    this.#heard = true;
    this.#pingTimer = setInterval(() => {
      if (!this.#heard) {
        this.#socket.onclose = this.#socket.onmessage = null; // its end may be minutes away
        this.#socket.close();
        this.#closed(1006);
        return;
      }
      this.#heard = false;
      this.#write({ op: "ping" });
    }, 1000 * heartbeat);
  }

  #take(frame) {
    this.#heard = true;
    switch (frame.op) {
      case "ready":
        this.#begin(frame);
        break;
      case "event":
        this.#n = frame.n;
        this.#tell("event", frame.event);
        this.#ackTimer ??= setTimeout(() => this.#ack(), ACK_DELAY_MS);
        break;
      case "receipt":
        this.#tell("receipt", frame);
        break;
      case "ok":
        this.#outbox.delete(frame.id);
        break;
      case "error":
        this.#refused(frame);
        break;
      case "resync":
        this.#tell("resync");
        break;
      case "bye":
        this.#waitMs = 1000 * (frame.retry_after ?? 1) * Math.random();
        break;
    }
  }

  #begin(frame) {
    if (frame.state !== "resumed") this.#n = this.#acked = 0;
    this.#session = frame.session;
    this.#tries = 0;
    this.ready = true;
    this.#watch(frame.heartbeat);
    this.#tell("state", true);
    if (frame.state === "resync") this.#tell("resync");
    for (const waiting of this.#outbox.values()) this.#write(waiting);
    for (const [chat, seq] of this.#reads) this.read(chat, seq);
    this.#reads.clear();
  }

  #ack() {
    this.#ackTimer = null;
    if (!this.ready || this.#acked === this.#n) return;
    this.#acked = this.#n;
    this.#write({ op: "ack", n: this.#n });
  }

  #refused(frame) {
    const waiting = this.#outbox.get(frame.id);
    if (!waiting) return;
    if (frame.code === "unavailable" || frame.code === "rate_limited" || frame.code === "internal") {
      setTimeout(() => this.ready && this.#outbox.has(frame.id) && this.#write(waiting), 1000 * (frame.retry_after ?? 1));
      return;
    }
    this.#outbox.delete(frame.id);
    this.#tell("refused", frame);
  }
}
