"""REST calls, each answer held against openapi.yaml."""

import http.client
import json
import time

from contract import PROBLEM_TYPE, STATUS_OF, with_query

NOTHING = object()
SECONDS = 20


class Refused(AssertionError):
    """An answer with another status than the test wants."""


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def value(self):
        """The body as an object, or as text when it is not JSON; None when there is none."""
        kind = (self.headers.get("Content-Type") or "").partition(";")[0]
        if not self.body:
            return None
        return json.loads(self.body) if kind.endswith("json") else self.body.decode()

    @property
    def code(self):
        """Of the problem document; None when it is none."""
        return self.value["code"] if (self.headers.get("Content-Type") or "").startswith(PROBLEM_TYPE) else None

    def pointers(self):
        return [error["pointer"] for error in self.value.get("errors", [])]


class Rest:
    """Calls as somebody: `token` goes along unless a call says otherwise. A new connection each time, so that no test
    depends on what another did to it."""

    def __init__(self, contract, address, token=None):
        self.contract = contract
        self.address = address
        self.token = token

    def call(self, method, path, body=NOTHING, *, query=None, raw=None, headers=None, token=NOTHING):
        """`raw` bytes are sent as they are, as application/json unless headers say otherwise."""
        path = with_query(path, query)
        sent = {}
        token = self.token if token is NOTHING else token
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not NOTHING:
            raw = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if raw is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        try:
            connection.request(method, path, body=raw, headers=sent)
            answer = Answer(connection.getresponse())
        finally:
            connection.close()
        self.contract.check_answer(method, path, answer, None if body is NOTHING else body)
        return answer

    def want(self, method, path, status, *arguments, **options):
        answer = self.call(method, path, *arguments, **options)
        wanted = status if isinstance(status, tuple) else (status,)
        if answer.status not in wanted:
            raise Refused(f"{method} {path} answered {answer.status}, not {status}: {answer.body[:1000].decode()}")
        return answer.value

    def get(self, path, want=200, **query):
        return self.want("GET", path, want, query=query)

    def post(self, path, body, want=201):
        return self.want("POST", path, want, body)

    def put(self, path, body=NOTHING, want=200):
        return self.want("PUT", path, want, body)

    def patch(self, path, body, want=200):
        return self.want("PATCH", path, want, body)

    def delete(self, path, want=204):
        return self.want("DELETE", path, want)

    def refused(self, code, method, path, *arguments, pointer=None, **options):
        """The call is refused with this code and, when given, blames exactly this member. Returns the problem."""
        answer = self.call(method, path, *arguments, **options)
        if answer.status != STATUS_OF[code] or answer.code != code:
            raise Refused(f"{method} {path} answered {answer.status}, not {code}: {answer.body[:1000].decode()}")
        if pointer is not None and answer.pointers() != [pointer]:
            raise Refused(f"{method} {path} blames {answer.pointers()}, not {pointer}: {answer.body[:1000].decode()}")
        return answer.value

    def patiently(self, method, path, want, *arguments, seconds=20, **options):
        """As a good client does: tries again while the answer is `unavailable` or the door is shut."""
        wanted = want if isinstance(want, tuple) else (want,)
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = self.call(method, path, *arguments, **options)
            except (OSError, http.client.HTTPException) as error:
                assert time.monotonic() < deadline, f"{method} {path}: {error!r} for {seconds} s"
            else:
                if answer.status in wanted:
                    return answer
                assert answer.status == 503 and time.monotonic() < deadline, (
                    f"{method} {path} answered {answer.status}, not {want}: {answer.body[:1000].decode()}")
            time.sleep(0.05)

    def pages(self, path, limit, **query):
        """Every item of a list, page by page; a page that is not the last must be full."""
        items, cursor = [], None
        for _ in range(1000):
            page = self.get(path, limit=limit, cursor=cursor, **query)
            items += page["items"]
            cursor = page["next_cursor"]
            assert len(page["items"]) <= limit
            if cursor is None:
                return items
            assert len(page["items"]) == limit
        raise AssertionError(f"{path} has no end")
