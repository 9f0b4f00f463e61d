// REST calls of the page. Every error is a Problem with the code and the detail that the server gave (RFC 9457).

const DEADLINE_MS = 15_000;

export class Problem extends Error {
  constructor(status, body) {
    const first = body.errors?.[0];
    super(first ? `${first.pointer.replace("/body/", "")} ${first.reason}` : body.detail || body.title || `status ${status}`);
    this.status = status;
    this.code = body.code ?? "unavailable";
  }
}

export class Rest {
  constructor(token = null) {
    this.token = token;
  }

  async call(method, path, body) {
    const headers = {};
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const signal = AbortSignal.timeout(DEADLINE_MS);
    let answer;
    try {
      answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch {
      throw new Problem(0, { detail: "The server cannot be reached." });
    }
    if (answer.status === 204) return null;
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Problem(answer.status, content);
    return content;
  }

  // The device is remembered, so that its inbox is kept; one that the server no longer knows begins anew.
  async logIn(credentials) {
    const key = `device:${credentials.username}`;
    const known = localStorage.getItem(key);
    const begin = (device) => this.call("POST", "/v1/sessions", { ...credentials, device });
    const session = await (known ? begin({ id: known }).catch((problem) => {
      if (problem.code !== "not_found") throw problem;
      return begin({ name: "Web page" });
    }) : begin({ name: "Web page" }));
    localStorage.setItem(key, session.device.id);
    return session;
  }
}
