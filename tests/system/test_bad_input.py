"""Bad input by REST: each gets the typed error with the member named, and nothing of it is kept."""

import pytest

TEXT = {"client_id": "c", "body": {"text": "x"}}
NOBODY = "/v1/chats/9223372036854775807"
ODD_IDS = ("0", "-1", "+1", "01", "1.5", "1e3", "9223372036854775808", "99999999999999999999", "x", "0x10", "%31x",
           "1%00", "%D9%A1")


@pytest.fixture
def ann(person):
    return person()


@pytest.fixture
def chat(ann):
    return ann.group()


# --- what is not a document ---

@pytest.mark.parametrize("raw, code", [
    (b"", "invalid_json"),
    (b" ", "invalid_json"),
    (b"{", "invalid_json"),
    (b"{} {}", "invalid_json"),
    (b"{}x", "invalid_json"),
    (b"\xef\xbb\xbf{}", "invalid_json"),
    (b"{'client_id':'c'}", "invalid_json"),
    (b'{"client_id":"c",}', "invalid_json"),
    (b'{"client_id":"c" "body":{}}', "invalid_json"),
    (b'{"client_id":"c","client_id":"d","body":{"text":"x"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"x","text":"y"}}', "invalid_json"),
    (b'{"client_id":"c","cl\\u0069ent_id":"d","body":{"text":"x"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"a\\u0000b"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"a\x00b"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"a\nb"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"\\ud800"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"\\udc00\\ud800"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"\\x41"}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"x","a":01}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"x","a":NaN}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"x","a":tru}}', "invalid_json"),
    (b'{"client_id":"c","body":{"text":"x","a":' + b"[" * 40 + b"]" * 40 + b"}}", "invalid_json"),
    (b"[" * 60000, "invalid_json"),
    (b'{"client_id":"c","body":{"text":"caf\xe9"}}', "invalid_utf8"),
    (b'{"client_id":"c","body":{"text":"\xc0\xaf"}}', "invalid_utf8"),
    (b'{"client_id":"c","body":{"text":"\xed\xa0\x80"}}', "invalid_utf8"),
    (b'{"client_id":"c","body":{"text":"\xf4\x90\x80\x80"}}', "invalid_utf8"),
    (b'{"client_id":"c","body":{"text":"\xe2\x82"}}', "invalid_utf8"),
    (b"[]", "bad_request"),
    (b"null", "bad_request"),
    (b'"text"', "bad_request"),
    (b"7", "bad_request"),
])
def test_a_body_that_is_no_json_object_is_refused_and_changes_nothing(ann, chat, raw, code):
    ann.refused(code, "POST", f"/v1/chats/{chat}/messages", raw=raw)
    assert ann.texts(chat) == []


def test_every_daemon_reads_json_with_the_same_strictness(ann, chat):
    for method, path, body in (("PATCH", "/v1/users/me", {}), ("PATCH", f"/v1/chats/{chat}", {}),
                               ("POST", "/v1/sync", {"chats": {}})):
        ann.refused("invalid_json", method, path, raw=b'{"a":1,"a":2}')
        ann.refused("invalid_utf8", method, path, raw=b'{"a":"\xff"}')
        ann.refused("bad_request", method, path, {**body, "surprise": 1}, pointer="/body/surprise")


# --- members ---

@pytest.mark.parametrize("change, pointer", [
    ({"client_id": None}, "/body/client_id"),
    ({"client_id": 7}, "/body/client_id"),
    ({"client_id": ""}, "/body/client_id"),
    ({"client_id": "x" * 129}, "/body/client_id"),
    ({"client_id": "é" * 65}, "/body/client_id"),
    ({"body": "x"}, "/body/body"),
    ({"body": None}, "/body/body"),
    ({"body": []}, "/body/body"),
    ({"body": {}}, "/body/body/text"),
    ({"body": {"text": 7}}, "/body/body/text"),
    ({"body": {"text": None}}, "/body/body/text"),
    ({"body": {"text": "x" * 16385}}, "/body/body/text"),
    ({"body": {"text": "é" * 8193}}, "/body/body/text"),
    ({"body": {"Text": "x"}}, "/body/body/text"),
    ({"reply_to": 0}, "/body/reply_to"),
    ({"reply_to": -1}, "/body/reply_to"),
    ({"reply_to": "1"}, "/body/reply_to"),
    ({"reply_to": 1.5}, "/body/reply_to"),
    ({"reply_to": 2**53}, "/body/reply_to"),
    ({"reply_to": 2**63}, "/body/reply_to"),
    ({"reply_to": 1e99}, "/body/reply_to"),
    ({"mentions": "7"}, "/body/mentions"),
    ({"mentions": [7]}, "/body/mentions/0"),
    ({"mentions": ["7", "x"]}, "/body/mentions/1"),
    ({"mentions": [str(n) for n in range(1, 102)]}, "/body/mentions"),
    ({"attachments": {}}, "/body/attachments"),
    ({"attachments": ["x"]}, "/body/attachments"),
    ({"attachments": [{}] * 11}, "/body/attachments"),
    ({"surprise": True}, "/body/surprise"),
    ({"sender": "1"}, "/body/sender"),
    ({"seq": 1}, "/body/seq"),
    ({"a/b~c": 1}, "/body/a~1b~0c"),
])
def test_a_message_with_a_bad_member_is_refused_with_its_pointer(ann, chat, change, pointer):
    ann.refused("bad_request", "POST", f"/v1/chats/{chat}/messages", {**TEXT, **change}, pointer=pointer)
    assert ann.texts(chat) == []


@pytest.mark.parametrize("lacking", ["client_id", "body"])
def test_a_message_without_a_required_member_is_refused_with_its_pointer(ann, chat, lacking):
    message = {name: value for name, value in TEXT.items() if name != lacking}
    ann.refused("bad_request", "POST", f"/v1/chats/{chat}/messages", message, pointer=f"/body/{lacking}")


@pytest.mark.parametrize("number", [b"01", b"1.0", b"1e0", b"-0", b"1e99", b"9007199254740993", b"9223372036854775808"])
def test_a_seq_is_written_as_a_whole_number_or_refused(ann, chat, number):
    answer = ann.call("PUT", f"/v1/chats/{chat}/receipts", raw=b'{"read":' + number + b"}")
    assert answer.status in (200, 400)
    if answer.status == 200:
        assert answer.value["read"] in (0, 1), "the same number in another form"


@pytest.mark.parametrize("body, pointer", [
    ({"members": []}, "/body/kind"),
    ({"kind": "party", "members": []}, "/body/kind"),
    ({"kind": 7, "members": []}, "/body/kind"),
    ({"kind": "group"}, "/body/members"),
    ({"kind": "group", "members": "7"}, "/body/members"),
    ({"kind": "group", "members": [7]}, "/body/members/0"),
    ({"kind": "group", "members": ["7"]}, "/body/members/0"),
    ({"kind": "group", "members": ["-1"]}, "/body/members/0"),
    ({"kind": "group", "members": ["01"]}, "/body/members/0"),
    ({"kind": "group", "members": ["9223372036854775808"]}, "/body/members/0"),
    ({"kind": "group", "members": [], "title": 7}, "/body/title"),
    ({"kind": "group", "members": [], "title": "x" * 257}, "/body/title"),
    ({"kind": "group", "members": [], "description": "x" * 4097}, "/body/description"),
    ({"kind": "group", "members": [], "avatar": []}, "/body/avatar"),
    ({"kind": "group", "members": [], "history": "none"}, "/body/history"),
    ({"kind": "group", "members": [], "owner": "7"}, "/body/owner"),
    ({"kind": "direct", "members": []}, "/body/members"),
])
def test_a_chat_with_a_bad_member_is_refused_with_its_pointer(ann, body, pointer):
    ann.refused("bad_request", "POST", "/v1/chats", body, pointer=pointer)
    assert ann.get("/v1/chats")["items"] == []


# --- ids and queries ---

@pytest.mark.parametrize("odd", ODD_IDS)
def test_an_id_in_a_path_that_is_none_is_not_found(ann, odd):
    for method, path in (("GET", "/v1/users/{}"), ("GET", "/v1/chats/{}"), ("GET", "/v1/chats/{}/events"),
                         ("GET", "/v1/chats/{}/members"), ("DELETE", "/v1/sessions/{}"),
                         ("PUT", "/v1/users/me/blocks/{}")):
        answer = ann.call(method, path.format(odd))
        assert answer.code in ("not_found", "bad_request"), f"{method} {path} {odd}: {answer.body}"
        assert answer.code == "not_found" or "%" in odd


@pytest.mark.parametrize("query, pointer", [
    ("limit=0", "/query/limit"),
    ("limit=201", "/query/limit"),
    ("limit=-1", "/query/limit"),
    ("limit=", "/query/limit"),
    ("limit=x", "/query/limit"),
    ("limit=1.5", "/query/limit"),
    ("limit=1e1", "/query/limit"),
    ("limit=99999999999999999999", "/query/limit"),
    ("limit=5&limit=6", "/query/limit"),
    ("surprise=1", "/query/surprise"),
    ("after=1&before=2", "/query/before"),
    ("after=-1", "/query/after"),
    ("before=0", "/query/before"),
    ("after=9223372036854775808", "/query/after"),
    ("after=x", "/query/after"),
])
def test_a_bad_query_of_the_log_is_refused_with_its_pointer(ann, chat, query, pointer):
    ann.refused("bad_request", "GET", f"/v1/chats/{chat}/events?{query}", pointer=pointer)


@pytest.mark.parametrize("path", ["/v1/chats", "/v1/chats/{}/members", "/v1/chats/{}/receipts", "/v1/sessions",
                                  "/v1/users/me/blocks", "/v1/users"])
def test_every_list_refuses_a_limit_above_the_bound_and_a_cursor_of_nothing(ann, chat, path):
    path = path.format(chat) + ("?q=a&" if path == "/v1/users" else "?")
    ann.refused("bad_request", "GET", f"{path}limit=201", pointer="/query/limit")
    ann.refused("bad_request", "GET", f"{path}cursor=%3F%3F", pointer="/query/cursor")
    ann.refused("bad_request", "GET", f"{path}surprise=1", pointer="/query/surprise")


def test_a_query_that_is_not_percent_encoded_utf8_is_refused(ann, chat):
    for query in ("limit=%zz", "limit=%ff", "q%ff=1"):
        ann.refused("bad_request", "GET", f"/v1/chats/{chat}/events?{query}")
