// REST: JSON in, JSON out, a ParleyError for everything else. What only reads is tried again by itself.

import { ParleyError, Timer } from "./base.js";

const DEADLINE_MS = 15_000;
const TRIES = 3;
const FIRST_DELAY_MS = 250;
const LONGEST_DELAY_MS = 5_000;
export const LARGEST_PAGE = 200;
const AFTER_ALL = Number.MAX_SAFE_INTEGER;

export class Rest {
  #url; #token; #fetch; #random;
  #running = new Set(); // how to end each call that has not ended
  #closed = false;

  constructor({ url, token = null, fetch = globalThis.fetch, random = Math.random }) {
    this.#url = url;
    this.#token = token;
    this.#fetch = fetch.bind(globalThis);
    this.#random = random;
  }

  async call(method, path, body) {
    const tries = method === "GET" ? TRIES : 1;
    for (let tried = 1; ; tried++) {
      try {
        return await this.#once(method, path, body);
      } catch (error) {
        if (!error.temporary || tried === tries || this.#closed) throw error;
        await this.#wait(error.retryAfter, tried);
      }
    }
  }

  // All items of a list, page by page.
  async *list(path) {
    const address = new URL(path, "http://any");
    if (!address.searchParams.has("limit")) address.searchParams.set("limit", LARGEST_PAGE);
    for (;;) {
      const page = await this.call("GET", address.pathname + address.search);
      yield* page.items;
      if (!page.next_cursor) return;
      address.searchParams.set("cursor", page.next_cursor);
    }
  }

  // A page of a chat's log, the newest one without a range.
  history(chat, { before, after, limit = 50 } = {}) {
    const range = after !== undefined ? `after=${after}` : `before=${before ?? AFTER_ALL}`;
    return this.call("GET", `/v1/chats/${encodeURIComponent(chat)}/events?${range}&limit=${limit}`);
  }

  close() {
    this.#closed = true;
    for (const end of [...this.#running]) end();
  }

  async #once(method, path, body) {
    if (this.#closed) throw ParleyError.closed();
    const abort = new AbortController();
    const end = () => abort.abort();
    const deadline = new Timer(end);
    deadline.start(DEADLINE_MS);
    this.#running.add(end);
    try {
      const answer = await this.#ask(method, path, body, abort.signal);
      return await read(answer);
    } catch (error) {
      if (error instanceof ParleyError) throw error;
      throw this.#closed ? ParleyError.closed() : new ParleyError("network", "The server cannot be reached.");
    } finally {
      deadline.stop();
      this.#running.delete(end);
    }
  }

  #ask(method, path, body, signal) {
    const headers = { Accept: "application/json" };
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return this.#fetch(new URL(path, this.#url).href, {
      method, headers, signal, credentials: "omit", body: body === undefined ? undefined : JSON.stringify(body),
    });
  }

  // A random part of the time, so that those who were refused together do not come back together.
  #wait(retryAfter, tried) {
    const limitMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** tried);
    const delayMs = Math.min(LONGEST_DELAY_MS, 1000 * (retryAfter ?? 0)) + limitMs * this.#random();
    return new Promise((resolve) => {
      const end = () => {
        timer.stop();
        this.#running.delete(end);
        resolve();
      };
      const timer = new Timer(end);
      timer.start(delayMs);
      this.#running.add(end);
    });
  }
}

async function read(answer) {
  if (answer.status === 204) return null;
  const requestId = answer.headers?.get("X-Request-Id") ?? null;
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  const error = ParleyError.fromProblem(answer.status, problem, requestId);
  error.retryAfter ??= Number(answer.headers?.get("Retry-After")) || null;
  throw error;
}
