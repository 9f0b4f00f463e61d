"""REST calls whose every answer is held against openapi.yaml."""

import http.client
import json
import time

import contract


class Answer:
    """`body` is what JSON gave, or text, or None."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {json.dumps(self.body)[:500]}>"

    @property
    def code(self):
        return self.body["code"] if self.status >= 400 else None

    @property
    def pointers(self):
        return [error["pointer"] for error in self.body.get("errors", [])]

    def want(self, status, code=None, pointer=None):
        """The answer's body, if it is what the test says it must be."""
        assert self.status == status, f"wanted {status} {code or ''}, got {self!r}"
        assert code is None or self.code == code, f"wanted {code}, got {self!r}"
        assert pointer is None or self.pointers == [pointer], f"wanted {pointer}, got {self!r}"
        return self.body


class Rest:
    """A caller: an address, perhaps a token, one connection that is kept."""

    def __init__(self, host, port, token=None, timeout=20):
        self.host, self.port, self.token, self.timeout = host, port, token, timeout
        self.connection = None

    def with_token(self, token):
        return Rest(self.host, self.port, token, self.timeout)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, method, target, body=None, raw=None, headers=None):
        """`body` is sent as JSON, `raw` as it is."""
        send = {"Accept": "application/json", **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        payload = raw
        if body is not None:
            payload = json.dumps(body).encode()
        if payload is not None:
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        status, got, text = self.exchange(method, target, payload, {k: v for k, v in send.items() if v is not None})
        return Answer(status, got, contract.check_answer(method, target, body, status, got, text))

    def exchange(self, method, target, payload, headers):
        """A kept connection may have been closed while it was idle: then, and only then, once more."""
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
            try:
                self.connection.request(method, target, payload, headers)
                answer = self.connection.getresponse()
                text = answer.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.close()
                if fresh or attempt == 2:
                    raise
                continue
            except Exception:
                self.close()
                raise
            if answer.will_close:
                self.close()
            return answer.status, answer.headers, text
        raise AssertionError("not reached")

    def get(self, target, **more):
        return self.call("GET", target, **more)

    def post(self, target, body=None, **more):
        return self.call("POST", target, body, **more)

    def put(self, target, body=None, **more):
        return self.call("PUT", target, body, **more)

    def patch(self, target, body=None, **more):
        return self.call("PATCH", target, body, **more)

    def delete(self, target, **more):
        return self.call("DELETE", target, **more)

    def until_available(self, method, target, body=None, seconds=20):
        """As a good client does: tries `unavailable` again, and a front door that is not there."""
        end = time.monotonic() + seconds
        while True:
            try:
                answer = self.call(method, target, body)
            except OSError:
                answer = None
            if answer is not None and answer.status not in (503, 429):
                return answer
            assert time.monotonic() < end, f"{method} {target} is unavailable for {seconds} s: {answer!r}"
            time.sleep(0.05)

    def pages(self, target, limit):
        """Every item of a list, page by page; checks that the pages are full and do not overlap for ever."""
        items, cursor, sign = [], None, "&" if "?" in target else "?"
        for _ in range(1000):
            page = self.get(f"{target}{sign}limit={limit}" + (f"&cursor={cursor}" if cursor else "")).want(200)
            assert len(page["items"]) <= limit
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items
            assert len(page["items"]) == limit, "a page that is not the last is full"
        raise AssertionError("a list without an end")
