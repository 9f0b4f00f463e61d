"""What is done to messages on the WebSocket: edit, delete, react. Who may, what is answered, and in which order it comes."""

import collections

import pytest

STRANGER = "4611686018427387904"
BODY = {"text": "better"}
OPS = {"edit": {"body": BODY}, "delete": {}, "react": {"emoji": "👍", "on": True}}
ROLES = ("stranger", "former", "reader", "member", "admin", "owner")


@pytest.fixture
def pair(people):
    """Two people in a group, as (ann, bob, chat)."""
    ann, bob = people("ann", "bob")
    return ann, bob, ann.group(bob)


Cast = collections.namedtuple("Cast", "people chat own others")


@pytest.fixture
def cast(people):
    """One of each role, a message of each of those who could write one (`own`, a seq by role) and one of the owner's."""
    made = dict(zip(ROLES, people(*ROLES)))
    owner = made["owner"]
    chat = owner.group(*(made[role] for role in ROLES if role not in ("stranger", "owner")))
    own = {role: made[role].say(chat, f"by {role}")["seq"] for role in ROLES if role != "stranger"}
    own["stranger"] = own["member"]
    owner.add(chat, made["admin"], "admin")
    owner.add(chat, made["reader"], "reader")
    owner.remove(chat, made["former"])
    return Cast(made, chat, own, owner.say(chat, "another")["seq"])


def do(socket, op, chat, seq, **change):
    """Says it; the `ok` or the `error`."""
    socket.op({"op": op, "id": "x", "chat": chat, "seq": seq, **OPS[op], **change})
    return socket.wait(lambda: socket.take_first("ok", {"id": "x"}) or socket.take_first("error", {"id": "x"}), f"an answer to {op}")


def code(answer):
    return answer["op"] if answer["op"] == "ok" else answer["code"]


# --- who may ---

WANT_OWN = {
    "edit": {"stranger": "not_found", "former": "not_member", "reader": "forbidden", "member": "ok", "admin": "ok", "owner": "ok"},
    "delete": {"stranger": "not_found", "former": "not_member", "reader": "ok", "member": "ok", "admin": "ok", "owner": "ok"},
    "react": {"stranger": "not_found", "former": "not_member", "reader": "forbidden", "member": "ok", "admin": "ok", "owner": "ok"},
}
WANT_OTHERS = {
    "edit": {"stranger": "not_found", "former": "not_member", "reader": "forbidden", "member": "forbidden", "admin": "forbidden"},
    "delete": {"stranger": "not_found", "former": "not_member", "reader": "forbidden", "member": "forbidden", "admin": "ok"},
    "react": {"stranger": "not_found", "former": "not_member", "reader": "forbidden", "member": "ok", "admin": "ok"},
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("op", OPS)
def test_who_may_do_what_to_their_own_message(cast, op, role):
    socket = cast.people[role].online(auto_ack=True)
    assert code(do(socket, op, cast.chat, cast.own[role])) == WANT_OWN[op][role]
    socket.stays()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "owner"])
@pytest.mark.parametrize("op", OPS)
def test_who_may_do_what_to_a_message_of_the_owner(cast, op, role):
    socket = cast.people[role].online(auto_ack=True)
    assert code(do(socket, op, cast.chat, cast.others)) == WANT_OTHERS[op][role]
    socket.stays()


@pytest.mark.parametrize("op, want", [("edit", "forbidden"), ("delete", "ok"), ("react", "ok")])
def test_the_owner_deletes_what_others_wrote_and_edits_it_not(cast, op, want):
    socket = cast.people["owner"].online(auto_ack=True)
    assert code(do(socket, op, cast.chat, cast.own["member"])) == want


@pytest.mark.parametrize("op, want", [("edit", "blocked"), ("delete", "ok"), ("react", "blocked")])
def test_who_is_blocked_takes_their_words_back_and_does_nothing_else(people, op, want):
    ann, bob = people("ann", "bob")
    chat = ann.direct(bob)
    seq = bob.say(chat, "hello")["seq"]
    ann.put(f"/v1/users/me/blocks/{bob.id}", want=204)
    assert code(do(bob.online(auto_ack=True), op, chat, seq)) == want


@pytest.mark.parametrize("op", OPS)
def test_a_chat_that_is_not_there_is_not_found(person, op):
    socket = person().online()
    assert code(do(socket, op, STRANGER, 1)) == "not_found"
    socket.stays()


# --- what it does ---

def test_an_edit_is_a_new_event_for_everybody_and_the_message_shows_the_new_text(pair):
    ann, bob, chat = pair
    mine, theirs = ann.online(auto_ack=True), bob.online(auto_ack=True)
    seq = mine.said(chat, "good")["seq"]
    ok = do(mine, "edit", chat, seq)
    assert (ok["chat"], ok["seq"]) == (chat, seq + 1)
    for socket in (mine, theirs):
        event = socket.until(lambda event: event["type"] == "edit")[-1]
        assert (event["seq"], event["target"], event["body"], event["sender"], event["at"]) == (seq + 1, seq, BODY, ann.id, ok["at"])
    message = next(event for event in bob.log(chat) if event["seq"] == seq)
    assert message["body"] == BODY and "edited" in message


def test_a_deleted_message_has_no_body_any_more(pair):
    ann, bob, chat = pair
    mine, theirs = ann.online(auto_ack=True), bob.online(auto_ack=True)
    seq = mine.said(chat, "a slip")["seq"]
    do(mine, "edit", chat, seq)
    ok = do(mine, "delete", chat, seq)
    assert theirs.until(lambda event: event["type"] == "delete")[-1]["target"] == seq
    log = {event["seq"]: event for event in bob.log(chat)}
    assert log[seq]["deleted"] is True and "body" not in log[seq] and "body" not in log[seq + 1]
    assert log[ok["seq"]]["type"] == "delete"
    for op in ("edit", "delete"):
        error = do(mine, op, chat, seq)
        assert (error["code"], "deleted" in error["detail"]) == ("conflict", True)


def test_a_reaction_comes_goes_and_changes_nothing_the_second_time(pair):
    ann, bob, chat = pair
    mine, theirs = ann.online(auto_ack=True), bob.online(auto_ack=True)
    seq = mine.said(chat, "good")["seq"]
    first = do(theirs, "react", chat, seq)
    assert first["seq"] == seq + 1
    event = mine.until(lambda event: event["type"] == "reaction")[-1]
    assert (event["target"], event["emoji"], event["on"], event["sender"]) == (seq, "👍", True, bob.id)
    assert do(theirs, "react", chat, seq)["seq"] == seq + 1, "the chat's head: nothing has changed"
    message = next(event for event in ann.log(chat) if event["seq"] == seq)
    assert message["reactions"] == {"👍": [bob.id]}
    assert do(theirs, "react", chat, seq, on=False)["seq"] == seq + 2
    message = next(event for event in ann.log(chat) if event["seq"] == seq)
    assert message.get("reactions", {}) == {}


def test_what_one_connection_says_and_does_keeps_its_order(pair):
    ann, bob, chat = pair
    socket = ann.online(auto_ack=True)
    target = socket.said(chat, "0")["seq"]
    asked = []
    for number in range(40):
        asked.append(socket.send(chat, str(number)))
        for op in ("edit", "react"):
            asked.append(f"{op}{number}")
            change = {"body": {"text": str(number)}} if op == "edit" else {"emoji": "👍", "on": number % 2 == 0}
            socket.op({"op": op, "id": asked[-1], "chat": chat, "seq": target, **change})
    seqs = [socket.expect("ok", id=each)["seq"] for each in asked]
    assert seqs == list(range(target + 1, target + 1 + len(asked)))
    assert next(event for event in bob.log(chat) if event["seq"] == target)["body"]["text"] == "39"


def test_without_an_id_there_is_no_ok_but_an_error_is_told(pair):
    ann, bob, chat = pair
    socket = ann.online(auto_ack=True)
    seq = socket.said(chat, "good")["seq"]
    socket.op({"op": "react", "chat": chat, "seq": seq, **OPS["react"]})
    socket.until(lambda event: event["type"] == "reaction")
    socket.op({"op": "delete", "chat": STRANGER, "seq": seq})
    error = socket.expect("error")
    assert error["code"] == "not_found" and "id" not in error
    assert not [frame for frame in socket.log if frame["op"] == "ok" and frame.get("seq") != seq]


# --- what cannot be ---

@pytest.mark.parametrize("op", OPS)
def test_what_is_no_message_cannot_be_changed(pair, op):
    ann, _, chat = pair
    socket = ann.online(auto_ack=True)
    for seq in (1, 999):
        assert code(do(socket, op, chat, seq)) in ("bad_request", "not_found", "conflict")
    socket.stays()
    assert len(ann.log(chat)) == 2


def test_a_reply_above_the_last_event_is_refused_and_names_reply_to(pair):
    ann, _, chat = pair
    socket = ann.online(auto_ack=True)
    error = socket.expect("error", id=socket.send(chat, "to the future", reply_to=99))
    assert error["code"] == "bad_request" and "reply_to" in error["detail"]
    assert socket.said(chat, "to the past", reply_to=1)["seq"] == 3


@pytest.mark.parametrize("op, change, names", [
    ("edit", {"body": None}, "body"), ("edit", {"body": {"text": ""}}, "/body/text"), ("edit", {"body": "x"}, "body"),
    ("edit", {"client_id": "c"}, "client_id"), ("edit", {"seq": 0}, "seq"), ("edit", {"seq": "1"}, "seq"),
    ("edit", {"mentions": []}, "mentions"), ("delete", {"body": BODY}, "body"), ("delete", {"seq": None}, "seq"),
    ("delete", {"seq": 1.5}, "seq"), ("delete", {"chat": 7}, "chat"), ("react", {"emoji": None}, "emoji"),
    ("react", {"emoji": ""}, "emoji"), ("react", {"emoji": "x" * 65}, "emoji"), ("react", {"emoji": "a\nb"}, "emoji"),
    ("react", {"emoji": "\x7f"}, "emoji"), ("react", {"emoji": 7}, "emoji"), ("react", {"on": None}, "on"), ("react", {"on": "yes"}, "on"),
    ("react", {"sender": "7"}, "sender"),
], ids=str)
def test_a_field_that_is_wrong_is_named(pair, op, change, names):
    ann, _, chat = pair
    seq = ann.say(chat, "good")["seq"]
    socket = ann.online(auto_ack=True)
    frame = {"op": op, "id": "x", "chat": chat, "seq": seq, **OPS[op], **change}
    error = socket.refused("bad_request", {name: value for name, value in frame.items() if value is not None})
    assert names in error["detail"] and error["id"] == "x", error
    socket.stays()
    assert [event["type"] for event in ann.log(chat)] == ["member_added", "member_added", "message"]
