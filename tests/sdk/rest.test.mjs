// REST: JSON in, JSON out, a ParleyError for everything else; what only reads is tried again.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { MemoryStorage, Parley, ParleyError } from "../../web/sdk/parley.js";
import { FakeParley, client, clock, hooks, online, settle } from "./fakes.mjs";

hooks({ beforeEach, afterEach }, assert);

const answers = (...list) => {
  const server = new FakeParley();
  let i = 0;
  server.on.fetch = () => (i < list.length ? list[i++] : list.at(-1));
  return { server, ...client(server) };
};
const error = (promise) => promise.then(() => assert.fail("no error"), (problem) => problem);

test("the token is in a header and in no address", async () => {
  const { server, parley } = answers({ json: { id: "u" } });
  assert.deepEqual(await parley.request("PATCH", "/v1/users/me", { display_name: "Ada" }), { id: "u" });
  const [request] = server.requests;
  assert.equal(request.headers.Authorization, "Bearer secret-token");
  assert.deepEqual([request.method, request.path, request.query, request.body], ["PATCH", "/v1/users/me", {}, { display_name: "Ada" }]);
});

test("204 is null", async () => {
  const { parley } = answers({ status: 204 });
  assert.equal(await parley.request("DELETE", "/v1/users/me/blocks/1"), null);
});

test("a problem document becomes a ParleyError with all that it says", async () => {
  const { parley } = answers({ status: 400, json: { type: "/docs/errors/bad_request", title: "The request is not valid", status: 400, detail: "/body/text: must be a string", code: "bad_request",
    temporary: false, request_id: "r-1234567", errors: [{ pointer: "/body/text", reason: "must be a string" }] } });
  const problem = await error(parley.request("POST", "/v1/chats", {}));
  assert.ok(problem instanceof ParleyError && problem instanceof Error);
  assert.deepEqual({ ...problem }, { name: "ParleyError", code: "bad_request", status: 400, detail: "/body/text: must be a string", temporary: false, retryAfter: null,
    errors: [{ pointer: "/body/text", reason: "must be a string" }], requestId: "r-1234567" });
});

// what answers, then code and temporary
const OTHERS = [
  ["no network", null, "network", true],
  ["a proxy's page", { status: 502 }, "unavailable", true],
  ["a proxy's 429", { status: 429 }, "rate_limited", true],
  ["a proxy's 404", { status: 404 }, "bad_request", false],
];
for (const [name, answer, code, temporary] of OTHERS) {
  test(`${name} is ${code}`, async () => {
    const { parley } = answers(answer);
    const problem = await error(parley.request("POST", "/v1/chats", {}));
    assert.deepEqual([problem.code, problem.temporary], [code, temporary]);
  });
}

describe("trying again", () => {
  const unavailable = { status: 503, json: { code: "unavailable", temporary: true, retry_after: 1 } };

  test("a GET up to three times, after the server's time", async () => {
    const { server, parley } = answers(unavailable, unavailable, { json: { ok: true } });
    const asked = parley.request("GET", "/v1/chats");
    await clock.advance(900);
    assert.equal(server.requests.length, 1);
    await clock.advance(10_000);
    assert.deepEqual(await asked, { ok: true });
    assert.equal(server.requests.length, 3);
  });

  test("a GET not for ever, and not when it is refused for good", async () => {
    const { server, parley } = answers(unavailable);
    const asked = error(parley.request("GET", "/v1/chats"));
    await clock.advance(30_000);
    const problem = await asked;
    assert.deepEqual([problem.code, problem.retryAfter, server.requests.length], ["unavailable", 1, 3]);
    const refused = answers({ status: 403, json: { code: "forbidden", temporary: false } });
    await error(refused.parley.request("GET", "/v1/chats"));
    assert.equal(refused.server.requests.length, 1);
  });

  test("nothing that changes something", async () => {
    const { server, parley } = answers(unavailable);
    await error(parley.request("POST", "/v1/chats", {}));
    assert.equal(server.requests.length, 1);
  });

  test("Retry-After counts where the body does not say", async () => {
    const { parley } = answers({ status: 503, headers: { "Retry-After": "7" } });
    assert.equal((await error(parley.request("POST", "/v1/chats", {}))).retryAfter, 7);
  });
});

test("a call that is not answered ends after fifteen seconds", async () => {
  const { parley } = answers(new Promise(() => {}));
  const asked = error(parley.request("POST", "/v1/chats", {}));
  await clock.advance(15_000);
  assert.equal((await asked).code, "network");
});

test("close() ends calls, those that wait to be tried again too", async () => {
  const { parley } = answers(new Promise(() => {}));
  const first = error(parley.request("POST", "/v1/chats", {}));
  await settle();
  parley.close();
  assert.equal((await first).code, "closed");
  assert.equal((await error(parley.request("GET", "/v1/chats"))).code, "closed");
  const other = answers({ status: 503 });
  const second = error(other.parley.request("GET", "/v1/chats"));
  await settle();
  other.parley.close();
  assert.equal((await second).code, "closed");
});

test("list() gives all items of all pages, with the query it was given", async () => {
  const { server, parley } = answers({ json: { items: [1, 2], next_cursor: "n+x=" } }, { json: { items: [], next_cursor: "m" } }, { json: { items: [3], next_cursor: null } });
  const items = [];
  for await (const item of parley.list("/v1/users?q=an%20n")) items.push(item);
  assert.deepEqual(items, [1, 2, 3]);
  assert.deepEqual(server.requests.map(({ query }) => query), [{ q: "an n", limit: "200" }, { q: "an n", limit: "200", cursor: "n+x=" }, { q: "an n", limit: "200", cursor: "m" }]);
});

test("receipts() gives those of all pages", async () => {
  const { server, parley } = answers({ json: { items: [{ user: "a", delivered: 2, read: 1 }], next_cursor: null } });
  assert.deepEqual(await parley.receipts("c/d"), [{ user: "a", delivered: 2, read: 1 }]);
  assert.equal(server.requests[0].path, "/v1/chats/c%2Fd/receipts");
});

test("history() asks for the range, and for the newest page without one", async () => {
  const { server, parley } = answers({ json: { items: [], first_seq: null, last_seq: 0, more: false } });
  for (const range of [undefined, { before: 7 }, { after: 0, limit: 3 }]) await parley.history("c", range);
  assert.deepEqual(server.requests.map(({ query }) => query), [{ before: "9007199254740991", limit: "50" }, { before: "7", limit: "50" }, { after: "0", limit: "3" }]);
});

describe("accounts", () => {
  const login = { token: "t", expires_at: "2027-01-01T00:00:00.000Z", user: { id: "u-9", username: "ada" }, device: { id: "d-9", name: "" } };
  const start = (...list) => {
    const { server } = answers(...list);
    return { server, options: { url: "http://parley.test", fetch: server.fetch, WebSocket: server.WebSocket, username: "ada", password: "a long one" } };
  };

  test("register() asks for an account", async () => {
    const { server, options } = start({ status: 201, json: login.user });
    assert.deepEqual(await Parley.register({ ...options, display_name: "Ada" }), login.user);
    assert.deepEqual(server.requests[0].body, { username: "ada", password: "a long one", display_name: "Ada" });
    assert.equal(server.requests[0].headers.Authorization, undefined);
  });

  test("login() gives a Parley and the session", async () => {
    const { server, options } = start({ status: 201, json: login });
    const { parley, session } = await Parley.login({ ...options, device: { id: "d-9" } });
    assert.deepEqual(session, login);
    assert.equal(parley.user, "u-9");
    assert.deepEqual(server.requests[0].body, { username: "ada", password: "a long one", device: { id: "d-9" } });
    parley.close();
  });

  test("login() leaves a known device the name that it has", async () => {
    const { server, options } = start({ status: 201, json: login });
    const { parley } = await Parley.login({ ...options, device: { id: "d-9", name: "Web" } });
    assert.deepEqual(server.requests[0].body.device, { id: "d-9" });
    parley.close();
  });

  test("login() on a device that is not known any more begins a new one", async () => {
    const { server, options } = start({ status: 404, json: { code: "not_found", temporary: false } }, { status: 201, json: login });
    const { parley } = await Parley.login({ ...options, device: { id: "old", name: "Web" } });
    assert.deepEqual(server.requests.map(({ body }) => body.device), [{ id: "old" }, { name: "Web" }]);
    parley.close();
  });

  test("login() with a wrong password says so", async () => {
    const { server, options } = start({ status: 401, json: { code: "unauthorized", temporary: false } });
    assert.equal((await error(Parley.login(options))).code, "unauthorized");
    assert.equal(server.requests.length, 1);
  });

  test("logout() ends the session, forgets what was stored, and closes", async () => {
    const server = new FakeParley();
    const { parley } = client(server);
    server.append("c");
    await parley.connect();
    await clock.advance(500);
    server.on.fetch = () => ({ status: 204 });
    await parley.logout();
    assert.deepEqual([server.requests[0].method, server.requests[0].path], ["DELETE", "/v1/sessions/current"]);
    assert.equal(parley.state, "offline");
  });

  for (const [name, answer, code] of [
    ["cannot be reached", () => null, "network"],
    ["does not answer", () => new Promise(() => {}), "network"],
    ["is not well", () => ({ status: 503, json: { code: "unavailable", temporary: true } }), "unavailable"],
  ]) {
    test(`logout() forgets and closes also when the server ${name}, and says so`, async () => {
      const server = new FakeParley();
      const storage = new MemoryStorage();
      server.on.send = () => {};
      const { parley } = await online(server, { storage });
      server.append("c");
      parley.send("c", { text: "on its way" });
      await clock.advance(500);
      server.on.fetch = answer;
      const left = error(parley.logout());
      await settle();
      assert.equal(parley.state, "offline");
      for (const table of ["meta", "positions", "outbox"]) assert.deepEqual(await storage.range(table, ""), []);
      assert.deepEqual(await storage.range("events", "c"), []);
      await clock.advance(60_000);
      assert.equal((await left).code, code);
      assert.equal(server.sockets.length, 1);
    });
  }

  test("logout() of a session that has ended already is one", async () => {
    const { parley } = answers({ status: 401, json: { code: "unauthorized", temporary: false } });
    await parley.logout();
  });
});
