"""The API documents as something that can be held against answers and frames, and that remembers what was exercised.

A Contract raises Broken (an AssertionError) when an answer, its headers or a frame is not what the documents say. It
is strict on purpose: a field that nobody wrote down is a failure."""

import functools
import json
import os
import re
import urllib.parse

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
PROBLEM_TYPE = "application/problem+json"
STATUS_OF = {
    "bad_request": 400, "invalid_json": 400, "invalid_utf8": 400, "unauthorized": 401, "forbidden": 403,
    "not_member": 403, "blocked": 403, "not_found": 404, "method_not_allowed": 405, "conflict": 409,
    "username_taken": 409, "too_large": 413, "unsupported_media_type": 415, "rate_limited": 429, "internal": 500,
    "unavailable": 503,
}


class Broken(AssertionError):
    """What was seen is not what the documents say."""


def load(name):
    """The document as it is written, with references."""
    with open(f"{ROOT}/api/{name}", encoding="utf-8") as file:
        return yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def find(documents, reference, document):
    """Follows a reference such as 'openapi.yaml#/components/schemas/Id'; returns the node and the document's name."""
    name, _, pointer = reference.partition("#")
    node = documents[name or document]
    for part in pointer.split("/")[1:]:
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node, name or document


def expand(documents, node, document):
    """A copy without references. What stands beside a reference wins over what it refers to."""
    if isinstance(node, list):
        return [expand(documents, item, document) for item in node]
    if not isinstance(node, dict):
        return node
    whole = {}
    if isinstance(node.get("$ref"), str):
        target, where = find(documents, node["$ref"], document)
        whole = dict(expand(documents, target, where))
    for key, value in node.items():
        if key != "$ref":
            whole[key] = expand(documents, value, document)
    return whole


@functools.lru_cache(maxsize=1)
def documents():
    """Both documents, expanded; parsing takes a moment, so once."""
    written = {name: load(name) for name in ("openapi.yaml", "asyncapi.yaml")}
    return {name: expand(written, node, name) for name, node in written.items()}


class Schema:
    """A schema that says where something is wrong."""

    def __init__(self, schema):
        self.validator = jsonschema.Draft202012Validator(schema)

    def faults(self, value):
        found = []
        for error in self.validator.iter_errors(value):
            # Of alternatives, what is wrong with the one that came closest is what one wants to read.
            error = jsonschema.exceptions.best_match([error])
            found.append("/" + "/".join(map(str, error.absolute_path)) + ": " + error.message[:300])
        return found


class Answer:
    """A REST answer as the documents describe it: header schemas and, per media type, the schema of the body."""

    def __init__(self, description):
        self.headers = {name.lower(): (header.get("required", False), Schema(header["schema"]))
                        for name, header in description.get("headers", {}).items()}
        self.bodies = {kind: Schema(media["schema"]) for kind, media in description.get("content", {}).items()}


class Route:
    def __init__(self, template, item):
        self.template = template
        pattern = re.sub(r"\\{[a-z]+\\}", "([^/]+)", re.escape(template))
        self.pattern = re.compile(pattern + r"\Z")
        self.operations = {method.upper(): item[method] for method in METHODS if method in item}
        self.operations_only = any(server["url"] != "/" for server in item.get("servers", []))
        self.answers = {(method, status): Answer(description)
                        for method, operation in self.operations.items()
                        for status, description in operation["responses"].items()}
        self.requests = {}
        for method, operation in self.operations.items():
            if "requestBody" in operation:
                self.requests[method] = Schema(operation["requestBody"]["content"]["application/json"]["schema"])


class Contract:
    def __init__(self):
        rest, live = documents()["openapi.yaml"], documents()["asyncapi.yaml"]
        self.routes = [Route(template, item) for template, item in rest["paths"].items()]
        self.routes.sort(key=lambda route: route.template.count("{"))  # `me` before `{id}`
        components = rest["components"]["responses"]
        self.unrouted = {404: Answer(components["NotFound"]), 405: Answer(components["MethodNotAllowed"])}
        self.from_client = self.frames_of(live, "fromClient")
        self.to_client = self.frames_of(live, "toClient")
        self.close_codes = set(live["info"]["x-close-codes"])
        self.seen_routes = {}   # (method, template): statuses
        self.seen_ops = set()   # ("fromClient" or "toClient", op)
        self.seen_closes = set()

    @staticmethod
    def frames_of(live, operation):
        schemas = [message["payload"] for message in live["operations"][operation]["messages"]]
        return {Contract.op_of(schema): Schema(schema) for schema in schemas}

    @staticmethod
    def op_of(schema):
        alternatives = schema.get("oneOf", [schema])
        return alternatives[0]["properties"]["op"]["const"]

    # --- REST ---

    def route_of(self, path):
        path = path.partition("?")[0]
        return next((route for route in self.routes if route.pattern.match(path)), None)

    def check_answer(self, method, path, answer, request=None):
        """`answer` has status, headers (a mapping without regard to case) and body (bytes)."""
        route = self.route_of(path)
        where = f"{method} {path} answered {answer.status}"
        if route is None or method not in route.operations:
            status = 404 if route is None else 405
            if answer.status != status:
                raise Broken(f"{where}; the documents have no such route, so it must be {status}")
            self.check_against(self.unrouted[status], where, answer)
            if route is not None:
                self.check_allow(route, where, answer)
            return
        described = route.answers.get((method, str(answer.status)))
        if described is None:
            raise Broken(f"{where}, which {method} {route.template} does not list: {answer.body[:500]!r}")
        self.check_against(described, where, answer)
        if answer.status < 300 and isinstance(request, dict) and method in route.requests:
            faults = route.requests[method].faults(request)
            if faults:
                raise Broken(f"{where} to a request that the documents do not allow: {faults}")
        self.seen_routes.setdefault((method, route.template), set()).add(answer.status)

    def check_allow(self, route, where, answer):
        allowed = {word.strip() for word in answer.headers.get("Allow", "").split(",")}
        if allowed != set(route.operations):
            raise Broken(f"{where} with Allow {sorted(allowed)}, not {sorted(route.operations)}")

    def check_against(self, described, where, answer):
        for name, (required, schema) in described.headers.items():
            value = answer.headers.get(name)
            if value is None and required:
                raise Broken(f"{where} without the header {name}")
            if value is not None and schema.faults(value):
                raise Broken(f"{where} with {name}: {value!r}: {schema.faults(value)}")
        kind = (answer.headers.get("Content-Type") or "").partition(";")[0].strip()
        if not described.bodies:
            if answer.body:
                raise Broken(f"{where} with a body: {answer.body[:200]!r}")
            return
        if kind not in described.bodies:
            raise Broken(f"{where} as {kind!r}, not {sorted(described.bodies)}: {answer.body[:500]!r}")
        value = answer.body.decode("utf-8")
        if kind.endswith("json"):
            value = parse_strictly(value, where)
        faults = described.bodies[kind].faults(value)
        if faults:
            raise Broken(f"{where} with a body that is not as described: {faults}\n{answer.body[:1000].decode()}")
        if kind == PROBLEM_TYPE:
            self.check_problem(where, answer, value)

    @staticmethod
    def check_problem(where, answer, problem):
        pairs = [("status", problem["status"], answer.status),
                 ("status of the code", STATUS_OF[problem["code"]], answer.status),
                 ("type", problem["type"], f"/docs/errors/{problem['code']}"),
                 ("request_id", problem["request_id"], answer.headers.get("X-Request-Id")),
                 ("retry_after", str(problem.get("retry_after")), str(answer.headers.get("Retry-After")))]
        for name, have, want in pairs:
            if have != want:
                raise Broken(f"{where}: {name} is {have!r}, not {want!r}")

    # --- WebSocket ---

    def check_frame(self, text, direction="toClient"):
        """Returns the frame as an object."""
        frame = parse_strictly(text, "a frame")
        known = self.to_client if direction == "toClient" else self.from_client
        op = frame.get("op") if isinstance(frame, dict) else None
        if op not in known:
            raise Broken(f"a frame with an op that the documents do not have: {text[:500]}")
        faults = known[op].faults(frame)
        if faults:
            raise Broken(f"a frame that is not as described: {faults}\n{text[:1000]}")
        self.seen_ops.add((direction, op))
        return frame

    def check_close(self, code):
        if code not in self.close_codes:
            raise Broken(f"closed with {code}, which the documents do not list")
        self.seen_closes.add(code)

    # --- coverage ---

    def never_exercised(self):
        """What the documents promise and no test saw: routes that never succeeded, ops, close codes."""
        lacking = []
        for route in self.routes:
            for method in route.operations:
                seen = self.seen_routes.get((method, route.template), set())
                wanted = {int(status) for (of, status) in route.answers if of == method and int(status) < 300}
                lacking += [f"{method} {route.template} -> {status}" for status in sorted(wanted - seen)]
        for direction, known in (("fromClient", self.from_client), ("toClient", self.to_client)):
            lacking += [f"op {op} ({direction})" for op in known if (direction, op) not in self.seen_ops]
        return lacking


def refuse_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key stands twice: {keys}")
    return dict(pairs)


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def parse_strictly(text, where):
    try:
        return json.loads(text, object_pairs_hook=refuse_duplicates, parse_constant=refuse_constant)
    except ValueError as error:
        raise Broken(f"{where} with what is not JSON: {error}: {text[:500]!r}") from error


def with_query(path, query):
    query = {name: value for name, value in (query or {}).items() if value is not None}
    return f"{path}?{urllib.parse.urlencode(query)}" if query else path
