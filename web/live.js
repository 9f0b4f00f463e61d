// The page's WebSocket: authenticates, acknowledges what it took over, sends again what was not answered, and comes back
// after whatever happened. Repeats on the wire are the receiver's to drop, by (chat, seq).

const RECONNECT = { 1001: true, 1006: true, 4008: true, 4029: true }; // other codes: not without the person
const ACK_DELAY_MS = 100;

export class Live extends EventTarget {
  #token; #socket = null; #session = null; #n = 0; #acked = 0; #tries = 0; #ackTimer = null; #wanted = true;
  #outbox = new Map(); // client_id -> frame, in the order of sending, until answered

  constructor(token) {
    super();
    this.#token = token;
    this.#connect();
  }

  send(chat, clientId, text) {
    const frame = { op: "send", id: clientId, chat, client_id: clientId, body: { text } };
    this.#outbox.set(clientId, frame);
    if (this.ready) this.#write(frame);
  }

  read(chat, seq) {
    if (this.ready) this.#write({ op: "read", chat, seq });
  }

  close() {
    this.#wanted = false;
    this.#socket?.close(1000);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #write(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  #connect() {
    this.ready = false;
    this.#tell("state", "connecting…");
    const url = new URL("/v1/ws", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, "parley.v1");
    this.#socket = socket;
    socket.onopen = () => {
      const resume = this.#session ? { session: this.#session, n: this.#n } : undefined;
      this.#write({ op: "auth", token: this.#token, resume });
    };
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onclose = (close) => this.#closed(close);
  }

  #closed(close) {
    this.ready = false;
    clearTimeout(this.#ackTimer);
    this.#ackTimer = null;
    if (!this.#wanted) return;
    if (!RECONNECT[close.code]) {
      this.#tell("ended", close.code);
      return;
    }
    const limit = Math.min(10_000, 250 * 2 ** this.#tries++);
    const delay = this.retryAfterMs ?? limit * Math.random(); // full jitter: not all at once
    this.retryAfterMs = null;
    this.#tell("state", "not connected, trying again");
    setTimeout(() => this.#wanted && this.#connect(), delay);
  }

  #take(frame) {
    switch (frame.op) {
      case "ready":
        if (frame.state !== "resumed") this.#n = this.#acked = 0;
        this.#session = frame.session;
        this.#tries = 0;
        this.ready = true;
        this.#tell("state", "connected");
        this.#tell("ready", frame);
        for (const waiting of this.#outbox.values()) this.#write(waiting);
        break;
      case "event":
        this.#n = frame.n;
        this.#tell("event", frame.event);
        this.#ackTimer ??= setTimeout(() => this.#ack(), ACK_DELAY_MS);
        break;
      case "ok":
        if (this.#outbox.delete(frame.id)) this.#tell("sent", frame);
        break;
      case "error":
        this.#refused(frame);
        break;
      case "resync":
        this.#tell("resync");
        break;
      case "bye":
        this.retryAfterMs = frame.retry_after * 1000 * Math.random();
        break;
    }
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
