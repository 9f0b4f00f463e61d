// What every part needs: errors, events, timers that end with their owner, ids.

// Node 18 has no CustomEvent of its own.
export const DetailEvent = globalThis.CustomEvent ?? class extends Event {
  constructor(type, { detail } = {}) {
    super(type);
    this.detail = detail;
  }
};

const TEMPORARY = new Set(["unavailable", "rate_limited", "internal", "network"]);

// Every refusal, by REST or by WebSocket.
export class ParleyError extends Error {
  constructor(code, detail, { status = null, temporary, retryAfter = null, errors = [], requestId = null } = {}) {
    super(detail || code);
    this.name = "ParleyError";
    this.code = code;
    this.status = status;
    this.detail = detail || code;
    this.temporary = temporary ?? TEMPORARY.has(code);
    this.retryAfter = retryAfter;
    this.errors = errors;
    this.requestId = requestId;
  }

  // From a problem document (RFC 9457); what is none of ours (a proxy's page) is told by its status.
  static fromProblem(status, problem, requestId) {
    const code = problem.code ?? (status === 429 ? "rate_limited" : status >= 500 ? "unavailable" : "bad_request");
    return new ParleyError(code, problem.detail ?? problem.title ?? `status ${status}`, {
      status, requestId: problem.request_id ?? requestId, temporary: problem.temporary,
      retryAfter: problem.retry_after ?? null, errors: problem.errors ?? [],
    });
  }

  static fromFrame(frame) {
    return new ParleyError(frame.code, frame.detail, { retryAfter: frame.retry_after ?? null });
  }

  static closed() {
    return new ParleyError("closed", "This connection to Parley has been closed.");
  }

  // What can be stored and sent to other tabs, and back.
  static toPlain({ code, detail, status, temporary, retryAfter, errors, requestId }) {
    return { code, detail, status, temporary, retryAfter, errors, requestId };
  }

  static fromPlain(plain) {
    return new ParleyError(plain.code, plain.detail, plain);
  }
}

// One timer of one purpose. Starting it again moves it; nothing of it is left after stop().
export class Timer {
  #handle = null;
  #run;

  constructor(run) {
    this.#run = run;
  }

  get runs() {
    return this.#handle !== null;
  }

  start(ms) {
    this.stop();
    this.#handle = setTimeout(() => {
      this.#handle = null;
      this.#run();
    }, ms);
  }

  stop() {
    if (this.#handle !== null) clearTimeout(this.#handle);
    this.#handle = null;
  }
}

// A promise with its ends. Nobody has to look at it: a rejection is never unhandled.
export class Deferred {
  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

const MAX_DEPTH = 30; // the server takes 32 levels, of which a frame has one
const HALF_PAIRS = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;

// A copy, as JSON would be. What the server could not even read, and so not answer, is refused here; half an emoji, which a
// text field may cut off, is mended.
export function plainJson(value) {
  const copy = JSON.parse(JSON.stringify(value), (key, member) => {
    if (typeof member !== "string") return member;
    if (member.includes("\0")) throw new ParleyError("invalid_json", "A text must not contain the character U+0000.");
    return member.replace(HALF_PAIRS, "\uFFFD");
  });
  if (depthOf(copy) > MAX_DEPTH) throw new ParleyError("invalid_json", "The message is nested too deep.");
  return copy;
}

function depthOf(value) {
  if (value === null || typeof value !== "object") return 0;
  return 1 + Object.values(value).reduce((deepest, member) => Math.max(deepest, depthOf(member)), 0);
}

// randomUUID is for https only; a page on a bare address has getRandomValues, and Node 18 neither. It has to be unique, not secret.
export function newId() {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.floor(256 * Math.random()));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
