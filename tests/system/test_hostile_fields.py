"""What accounts and chats are called, asked for and filled with by somebody who means harm: it is kept as it was
written, or refused with the field named, and nothing else happens."""

import pytest

MISSING = "4611686018427387904"
# No id of anything: what the daemons' own grammar refuses before anybody is asked.
NO_IDS = ("0", "-1", "01", "007", "+7", "1.5", "1e3", "1e99", "9223372036854775808", "18446744073709551616",
          "99999999999999999999", "0x7", "7;", "7'", "1%20or%201=1", "%27%3B--", "..", "NaN", "null", "me2")
SQL = ("'; drop table users.account; --", "\" or \"\"=\"", "$$; select 1; $$", "\\'; delete from metadata.chat; --",
       "1); truncate users.session; --", "%' or '1'='1", "{1,2}", "\\x00", "NULL::text", "E'\\\\'")


def paths_with_an_id():
    for method, path, body in (
            ("GET", "/v1/users/{}", None), ("PUT", "/v1/users/me/blocks/{}", None), ("DELETE", "/v1/users/me/blocks/{}", None),
            ("PATCH", "/v1/users/me/devices/{}", {"name": "x"}), ("DELETE", "/v1/users/me/devices/{}", None),
            ("DELETE", "/v1/sessions/{}", None), ("GET", "/v1/chats/{}", None), ("PATCH", "/v1/chats/{}", {"title": "x"}),
            ("DELETE", "/v1/chats/{}", None), ("PATCH", "/v1/chats/{}/me", {"pinned": True}),
            ("GET", "/v1/chats/{}/members", None), ("PUT", "/v1/chats/{}/members/" + MISSING, {}),
            ("DELETE", "/v1/chats/{}/members/" + MISSING, None)):
        yield pytest.param(method, path, body, id=f"{method} {path}")


@pytest.mark.parametrize("method, path, body", paths_with_an_id())
def test_what_is_no_id_is_answered_like_an_id_of_nothing(person, method, path, body):
    ann = person()
    arguments = [] if body is None else [body]
    missing = ann.refused("not_found", method, path.format(MISSING), *arguments)
    wrong = []
    for each in NO_IDS:
        answer = ann.call(method, path.format(each), *arguments)
        if answer.code not in ("not_found", "method_not_allowed"):
            wrong.append(f"{each}: {answer.status} {answer.body[:200]}")
        elif answer.code == "not_found" and answer.value["title"] != missing["title"]:
            wrong.append(f"{each}: {answer.value['title']}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("text", SQL)
def test_sql_in_a_field_is_a_text_like_any_other(world, people, text):
    ann, bob = people("ann", "bob")
    profile = ann.patch("/v1/users/me", {"display_name": text, "avatar": text})
    assert (profile["display_name"], profile["avatar"]) == (text, text)
    assert bob.get(f"/v1/users/{ann.id}")["display_name"] == text
    assert ann.patch(f"/v1/users/me/devices/{ann.device}", {"name": text})["name"] == text
    assert ann.get("/v1/users/me/devices")["items"][0]["name"] == text
    session = world.anyone.post("/v1/sessions", {"username": ann.username, "password": ann.password,
                                                 "device": {"name": text}})
    assert session["device"]["name"] == text
    chat = ann.post("/v1/chats", {"kind": "group", "members": [bob.id], "title": text, "description": text, "avatar": text})
    assert (chat["title"], chat["description"], chat["avatar"]) == (text, text, text)
    assert bob.patch(f"/v1/chats/{chat['id']}/me", {"pinned": True})["pinned"] is True
    changed = ann.patch(f"/v1/chats/{chat['id']}", {"title": text + text, "description": None, "avatar": text})
    assert (changed["title"], changed["description"], changed["avatar"]) == (text + text, None, text)
    event = bob.log(chat["id"])[-1]
    assert (event["title"], event["description"], event["avatar"]) == (text + text, None, text)
    assert bob.get("/v1/users", q=text[:32])["items"] == []


@pytest.mark.parametrize("text", SQL)
def test_sql_where_it_cannot_be_is_refused_and_named(world, person, text):
    ann = person()
    chat = ann.group()
    login = {"username": text, "password": "wrong wrong"}
    world.anyone.refused("bad_request", "POST", "/v1/users", login, pointer="/body/username")
    world.anyone.refused("unauthorized", "POST", "/v1/sessions", login)
    world.anyone.refused("unauthorized", "POST", "/v1/sessions", {"username": ann.username, "password": text})
    world.anyone.refused("bad_request", "POST", "/v1/sessions",
                         {"username": ann.username, "password": ann.password, "device": {"id": text}}, pointer="/body/device/id")
    ann.refused("bad_request", "GET", "/v1/users", query={"q": "a", "cursor": text}, pointer="/query/cursor")
    ann.refused("bad_request", "GET", "/v1/users/me/devices", query={"cursor": text}, pointer="/query/cursor")
    ann.refused("bad_request", "GET", f"/v1/chats/{chat}/members", query={"cursor": text}, pointer="/query/cursor")
    ann.refused("bad_request", "POST", "/v1/chats", {"kind": text, "members": []}, pointer="/body/kind")
    ann.refused("bad_request", "POST", "/v1/chats", {"kind": "group", "members": [text]}, pointer="/body/members/0")
    ann.refused("bad_request", "PATCH", f"/v1/chats/{chat}", {"history": text}, pointer="/body/history")
    ann.refused("bad_request", "PATCH", f"/v1/chats/{chat}/me", {"muted_until": text}, pointer="/body/muted_until")
    ann.refused("bad_request", "PUT", f"/v1/chats/{chat}/members/{ann.id}", {"role": text}, pointer="/body/role")
    ann.get("/v1/users/me")


@pytest.mark.parametrize("name", ["sender", "role", "at", "seq", "flags", "user", "token", "session", "erased_at"])
def test_an_account_takes_nothing_that_is_not_its_owners_to_say(world, person, name):
    ann = person()
    login = {"username": ann.username, "password": ann.password}
    world.anyone.refused("bad_request", "POST", "/v1/users", {**login, name: "x"}, pointer=f"/body/{name}")
    world.anyone.refused("bad_request", "POST", "/v1/sessions", {**login, name: "x"}, pointer=f"/body/{name}")
    world.anyone.refused("bad_request", "POST", "/v1/sessions", {**login, "device": {name: "x"}},
                         pointer=f"/body/device/{name}")
    ann.refused("bad_request", "PATCH", "/v1/users/me", {name: "x"}, pointer=f"/body/{name}")
    ann.refused("bad_request", "PUT", "/v1/users/me/password",
                {"old_password": ann.password, "new_password": "another mill of brass", name: "x"}, pointer=f"/body/{name}")
    ann.log_in()


@pytest.mark.parametrize("headers", [
    {"X-User": "{id}"}, {"X-User-Id": "{id}"}, {"X-Forwarded-User": "{id}"}, {"X-Forwarded-For": "127.0.0.1"},
    {"X-Real-IP": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"X-Original-URL": "/v1/users/{id}"},
], ids=str)
def test_what_a_header_claims_means_nothing(world, people, headers):
    ann, bob = people("ann", "bob")
    headers = {name: value.format(id=ann.id) for name, value in headers.items()}
    world.anyone.refused("unauthorized", "GET", "/v1/users/me", headers=headers)
    assert bob.want("GET", "/v1/users/me", 200, headers=headers)["id"] == bob.id
