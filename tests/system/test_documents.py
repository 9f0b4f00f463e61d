"""api/openapi.yaml and api/asyncapi.yaml are sound: complete, closed, without loose ends."""

import os
import re
import subprocess

import jsonschema
import pytest

from contract import METHODS, ROOT, STATUS_OF, Contract, documents, find, load

WRITTEN = {name: load(name) for name in ("openapi.yaml", "asyncapi.yaml")}
REST, LIVE = WRITTEN["openapi.yaml"], WRITTEN["asyncapi.yaml"]
# What every answer with a body may be; each with what else must be said (OpenAPI 3.1, AsyncAPI 3.0).
PATH_KEYS = {"parameters", "servers", "summary", "description", *METHODS}
OPERATION_KEYS = {"operationId", "tags", "summary", "description", "parameters", "requestBody", "responses", "security"}
PARAMETER_KEYS = {"name", "in", "required", "description", "schema", "example"}


def nodes(node, where=""):
    """Every node of a document with its place."""
    yield where, node
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from nodes(value, f"{where}/{key}")


def operations():
    for template, item in documents()["openapi.yaml"]["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {template}", template, item, item[method]


OPERATIONS = list(operations())
BY_NAME = pytest.mark.parametrize("template, item, operation", [each[1:] for each in OPERATIONS],
                                  ids=[each[0] for each in OPERATIONS])


@pytest.mark.parametrize("name", WRITTEN)
def test_every_reference_leads_somewhere(name):
    for where, node in nodes(WRITTEN[name]):
        if isinstance(node, dict) and isinstance(node.get("$ref"), str):
            try:
                find(WRITTEN, node["$ref"], name)
            except (KeyError, TypeError) as error:
                raise AssertionError(f"{where}: {node['$ref']} leads nowhere") from error


@pytest.mark.parametrize("name", WRITTEN)
def test_every_component_is_used(name):
    used = {node["$ref"].replace("openapi.yaml#", "#" if name == "openapi.yaml" else "elsewhere#")
            for written in WRITTEN.values() for _, node in nodes(written)
            if isinstance(node, dict) and isinstance(node.get("$ref"), str)}
    used.add("#/components/responses/MethodNotAllowed")  # what any path can answer
    made = {f"#/components/{kind}/{each}" for kind, group in WRITTEN[name]["components"].items() for each in group
            if kind != "securitySchemes"}
    assert made <= used, made - used


def test_the_documents_say_which_version_of_the_format_they_are_in():
    assert (REST["openapi"], LIVE["asyncapi"]) == ("3.1.0", "3.0.0")
    for written in WRITTEN.values():
        assert {"title", "version", "description"} <= set(written["info"])


def schemas():
    for kind in ("openapi.yaml", "asyncapi.yaml"):
        for name, schema in documents()[kind]["components"]["schemas"].items():
            yield f"{kind} {name}", schema
    for name, message in documents()["asyncapi.yaml"]["components"]["messages"].items():
        yield f"message {name}", message["payload"]


@pytest.mark.parametrize("schema", [schema for _, schema in schemas()], ids=[name for name, _ in schemas()])
def test_every_schema_is_a_json_schema_and_its_examples_fit(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    for example in schema.get("examples", []):
        jsonschema.validate(example, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name, schema", list(schemas()), ids=[name for name, _ in schemas()])
def test_every_object_says_whether_it_is_closed(name, schema):
    for where, node in nodes(schema, name):
        if isinstance(node, dict) and node.get("type") == "object":
            assert "additionalProperties" in node, f"{where} is open without saying so"
            assert set(node.get("required", [])) <= set(node.get("properties", node.get("required", []))), where


@BY_NAME
def test_every_operation_is_written_out_in_full(template, item, operation):
    assert set(item) <= PATH_KEYS and set(operation) <= OPERATION_KEYS, set(operation) - OPERATION_KEYS
    assert {"operationId", "tags", "summary", "responses"} <= set(operation)
    assert set(operation["tags"]) <= {tag["name"] for tag in REST["tags"]}
    parameters = item.get("parameters", []) + operation.get("parameters", [])
    in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", template))
    for parameter in parameters:
        assert set(parameter) <= PARAMETER_KEYS and {"name", "in", "schema", "description"} <= set(parameter)
        assert parameter["in"] != "path" or parameter["required"] is True


@BY_NAME
def test_every_answer_has_a_description_a_request_id_and_errors_as_problems(template, item, operation):
    for status, answer in operation["responses"].items():
        assert re.fullmatch("[1-5][0-9][0-9]", status) and answer["description"]
        assert "X-Request-Id" in answer["headers"], status
        if int(status) >= 400:
            assert "application/problem+json" in answer["content"], status
        if status in ("429", "503") and "application/json" not in answer["content"]:
            assert "Retry-After" in answer["headers"], status


@BY_NAME
def test_every_operation_lists_the_errors_that_its_form_makes_possible(template, item, operation):
    listed = set(operation["responses"])
    assert {"400", "503"} <= listed
    if not item.get("servers"):
        assert {"429", "500"} <= listed
    if "security" not in operation:
        assert "401" in listed
    if "requestBody" in operation:
        assert {"413", "415"} <= listed and operation["requestBody"]["required"] is True
    if "{" in template:
        assert "404" in listed


@BY_NAME
def test_the_example_of_a_request_fits_its_schema(template, item, operation):
    media = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if media:
        jsonschema.validate(media["example"], media["schema"], cls=jsonschema.Draft202012Validator)


def test_no_two_operations_share_a_name():
    names = [operation["operationId"] for _, _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_the_error_codes_are_those_that_the_harness_knows_and_each_has_its_page():
    codes = set(REST["components"]["schemas"]["ErrorCode"]["enum"])
    assert codes == set(STATUS_OF)
    pages = {name[:-3] for name in os.listdir(f"{ROOT}/docs/errors") if name.endswith(".md") and name != "README.md"}
    assert pages == codes


def test_every_message_of_the_socket_is_listed_belongs_to_one_side_and_has_an_example_that_fits():
    whole = documents()["asyncapi.yaml"]
    sides = [whole["operations"][side]["messages"] for side in ("fromClient", "toClient")]
    ops = [[Contract.op_of(message["payload"]) for message in side] for side in sides]
    assert all(len(side) == len(set(side)) for side in ops)
    # An op that both sides have is a name of the client's; what the server says with it is named for whom it tells of.
    names = ops[0] + [f"{op}Of" if op in ops[0] else op for op in ops[1]]
    assert len(names) == len(set(names))
    assert set(names) == set(whole["components"]["messages"]) == set(whole["channels"]["socket"]["messages"])
    for name, message in whole["components"]["messages"].items():
        assert Contract.op_of(message["payload"]) == name.removesuffix("Of") and message["title"]
        for example in message["examples"]:
            jsonschema.validate(example["payload"], message["payload"], cls=jsonschema.Draft202012Validator)


def test_each_close_code_says_what_it_means_and_whether_to_come_back():
    for code, entry in LIVE["info"]["x-close-codes"].items():
        assert 1000 <= code < 5000 and set(entry) == {"means", "reconnect"}


def test_events_have_one_shape_for_each_type():
    event = REST["components"]["schemas"]["Event"]["oneOf"]
    types = [find(WRITTEN, one["$ref"], "openapi.yaml")[0]["properties"]["type"]["const"] for one in event]
    assert types == ["message", "member_added", "member_removed", "role_changed", "chat_updated", "edit", "delete", "reaction"]


def test_the_reference_page_is_what_the_documents_say():
    written = subprocess.run([f"{ROOT}/api/reference"], capture_output=True, text=True, check=True).stdout
    with open(f"{ROOT}/web/reference/index.html", encoding="utf-8") as page:
        assert page.read() == written, "write it anew: make reference"


def test_every_file_of_delivery_has_its_place_in_its_readme():
    """Short names (`_calls.c`) stand for the end of one."""
    names = re.findall(r"`(\w+\.[ch])`", text_of("services/delivery/README.md").split("## The files")[1].split("\n## ")[0])
    files = os.listdir(f"{ROOT}/services/delivery")
    own = [file for file in files if file.endswith(".c") or (file.endswith(".h") and f"{file[:-2]}.c" not in files)]
    assert len(own) > 50
    assert [file for file in own if not any(file == name or (name[0] == "_" and file.endswith(name)) for name in names)] == []


TOUR = re.compile(r"^\| `(\w+)` \| `([^`]+)` \|", re.MULTILINE)
WAY = re.compile(r"^ {4}(\w+(?:, \w+)*) {2,}.* {2,}(\w+\.c(?:, \w+\.c)*)$", re.MULTILINE)


def text_of(path):
    with open(f"{ROOT}/{path}", encoding="utf-8") as file:
        return file.read()


def defines(path, function):
    return re.search(rf"^[a-z].*\b{function}\(", text_of(path), re.MULTILINE) is not None


def test_every_function_of_the_tour_is_where_the_tour_says():
    stops = TOUR.findall(text_of("docs/tour.md"))
    assert len(stops) > 30
    assert [f"{function} is not in {path}" for function, path in stops if not defines(path, function)] == []


@pytest.mark.parametrize("service", ["chat", "delivery"])
def test_every_function_on_the_way_of_a_message_is_where_the_readme_of_the_service_says(service):
    stops = [(functions.split(", "), files.split(", ")) for functions, files in WAY.findall(text_of(f"services/{service}/README.md"))]
    assert len(stops) > 8
    assert [f"{function} is not in {files}" for functions, files in stops for function in functions
            if not any(defines(f"services/{service}/{file}", function) for file in files)] == []
